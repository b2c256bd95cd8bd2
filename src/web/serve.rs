//! Connections: a bounded number, each with a bounded patience, and a graceful end.

use super::patient::Patient;
use crate::shutdown::Shutdown;
use axum::{Router, extract::ConnectInfo, http::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tower::ServiceExt;

/// Connections at once.
const CONNECTIONS: usize = 1024;
/// How long a client may take to send its request's head.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may take nothing of its answer.
const STALLED: Duration = Duration::from_secs(60);
/// How long the end waits for answers under way.
const DRAIN: Duration = Duration::from_secs(2);

/// Serves until shutdown, then lets answers under way finish for a moment.
pub async fn serve(listener: TcpListener, router: Router, mut shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { break };
        let (stream, peer) = tokio::select! {
            biased;
            () = shutdown.requested() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: others will be given back.
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(Patient::new(stream, STALLED)), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // What a client does to its own connection is its own affair.
            let _ = connection.await;
            drop(slot);
        });
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::debug!("some answers were cut off at the end");
    }
}
