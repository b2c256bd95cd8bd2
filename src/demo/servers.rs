//! The services of the demonstration: small servers on loopback that misbehave on a script.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::{io::AsyncWriteExt, net::TcpListener, time::Instant};

/// Where they listen. They end with the process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Servers {
    pub(super) http: SocketAddr,
    pub(super) mail: SocketAddr,
    pub(super) database: SocketAddr,
}

pub(super) async fn start() -> std::io::Result<Servers> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (http, mail, database) = (listen().await?, listen().await?, listen().await?);
    let servers = Servers { http: http.local_addr()?, mail: mail.local_addr()?, database: database.local_addr()? };
    let router = Router::new()
        .route("/api/health", get(async || after(78, "{\"status\":\"ok\"}").await))
        .route("/auth/ready", get(async || after(43, "ready").await))
        .route("/webhooks", get(async || after(55, "ok").await))
        .route("/shop", get(async || after(138, "Welcome to the shop").await))
        .route("/checkout", get(checkout))
        .route("/search", get(search))
        .with_state(Instant::now());
    tokio::spawn(async move { axum_serve(http, router).await });
    tokio::spawn(greet(mail, 19, b"220 mail.example ESMTP\r\n"));
    tokio::spawn(greet(database, 0, b""));
    Ok(servers)
}

/// Serves without a limit of its own: its only client is this program.
async fn axum_serve(listener: TcpListener, router: Router) {
    use hyper_util::{rt::TokioIo, service::TowerToHyperService};
    while let Ok((stream, _)) = listener.accept().await {
        let service = TowerToHyperService::new(router.clone());
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _ = connection.await;
        });
    }
}

async fn greet(listener: TcpListener, after_ms: u64, words: &'static [u8]) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            let _ = stream.write_all(words).await;
            // Long enough for the greeting to be read.
            tokio::time::sleep(Duration::from_millis(100)).await;
        });
    }
}

async fn after(ms: u64, body: &'static str) -> &'static str {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    body
}

/// Down from the second minute on for 80 seconds in every four minutes, and once in between for a moment.
async fn checkout(State(start): State<Instant>) -> (StatusCode, &'static str) {
    let second = start.elapsed().as_secs() % 240;
    match second {
        25..105 => {
            (StatusCode::SERVICE_UNAVAILABLE, after(12, "{\"error\":\"no healthy upstream\",\"retry_after\":30}").await)
        }
        180..184 => (StatusCode::BAD_GATEWAY, "bad gateway"),
        _ => (StatusCode::OK, after(150, "ok").await),
    }
}

/// Grows slower for two minutes, then recovers.
async fn search(State(start): State<Instant>) -> &'static str {
    let second = start.elapsed().as_secs() % 200;
    let ms = if second < 120 { 340 + second * 3 } else { 340 };
    after(ms, "12 hits").await
}
