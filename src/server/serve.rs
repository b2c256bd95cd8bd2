//! Connections: a bounded number, in all and of each client, each with a bounded patience, and a graceful end.
//!
//! A client beyond the limit of connections still gets `/livez`, `/readyz` and `/health`, on a connection of the reserve.

use super::write_timeout::WriteTimeout;
use crate::{
    domain::network::Network,
    http::limits::{Crowded, Full, Limits, Place},
    shutdown::Shutdown,
};
use axum::{Router, extract::ConnectInfo, http::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use rustix::io::Errno;
use std::{fs::File, io, net::IpAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, time::timeout};
use tower::ServiceExt;

/// How long a client may take to send its request's head.
const HEAD: Duration = Duration::from_secs(10);
/// The same, on a connection of the reserve: so many clients cannot hold it with half a request.
const HEAD_IN_RESERVE: Duration = Duration::from_secs(2);
/// How long a client may take nothing of its answer.
const STALLED: Duration = Duration::from_secs(60);
/// How long the end waits for answers under way.
const DRAIN: Duration = Duration::from_secs(2);
/// Between two attempts to accept, while that fails.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until shutdown, then lets answers under way finish for a moment. A trusted proxy has many clients behind it: its
/// connections are bounded in all only, and its clients by their requests.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Arc<Limits>,
    trusted: Arc<[Network]>,
    mut shutdown: Shutdown,
) {
    let graceful = GracefulShutdown::new();
    let mut spare = spare_descriptor();
    // The next connection gets the descriptor that was kept for it.
    let mut with_spare = false;
    loop {
        if spare.is_none() && !with_spare {
            spare = spare_descriptor();
        }
        let (stream, peer) = tokio::select! {
            biased;
            () = shutdown.requested() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if let Some(line) = limits.accepting.failed(&error) {
                        tracing::warn!("{line}");
                    }
                    with_spare = is_out_of_descriptors(&error) && spare.take().is_some();
                    if !with_spare {
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
            },
        };
        let had_to_be_made_room = std::mem::take(&mut with_spare);
        if !had_to_be_made_room && let Some(line) = limits.accepting.succeeded() {
            tracing::info!("{line}");
        }
        let client = Some(peer.ip()).filter(|ip| !trusted.iter().any(|network| network.contains(*ip)));
        let place = if had_to_be_made_room { Err(Full::All) } else { limits.connections.take(client) };
        let Some((place, crowded)) =
            place.map(|place| (place, None)).or_else(|full| in_reserve(&limits, client, full)).ok()
        else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            if let Some(crowded) = crowded {
                request.extensions_mut().insert(crowded);
            }
            request
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(if crowded.is_some() { HEAD_IN_RESERVE } else { HEAD })
            .keep_alive(crowded.is_none())
            .max_buf_size(64 * 1024)
            .serve_connection(TokioIo::new(WriteTimeout::new(stream, STALLED)), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // What a client does to its own connection is its own affair.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::debug!("some answers were cut off at the end");
    }
}

/// A place in the reserve for whoever found none elsewhere, and why. Where the reserve is full as well the connection is
/// closed.
fn in_reserve(limits: &Limits, client: Option<IpAddr>, full: Full) -> Result<(Place, Option<Crowded>), Full> {
    limits.reserve.take(client).map(|place| (place, Some(Crowded(full))))
}

/// A descriptor that is given up where there is no other, so that `/readyz` can still answer.
fn spare_descriptor() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}
