//! What one client may hold: no one shuts out the others, and how things are is told to everybody.

use crate::support::{
    binary::{self, Serving, wait_for},
    history::{Answer, History, ask, service},
};
use axum::{body::Body, extract::ConnectInfo, http::Request, response::Response};
use healthcheck_dashboard::{
    domain::network::Network,
    http::{
        limits::{Limits, Quota},
        state::AppState,
    },
    server, shutdown,
    threads::Pool,
};
use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tower::ServiceExt;

fn history() -> History {
    History::new("2026-11-16T00:00:00Z", vec![service("web")])
}

fn request(path: &str, peer: &str, says: Option<&str>) -> Request<Body> {
    let mut request = Request::get(path);
    if let Some(client) = says {
        request = request.header("x-forwarded-for", client);
    }
    let peer: IpAddr = peer.parse().unwrap();
    request.extension(ConnectInfo(SocketAddr::new(peer, 50_000))).body(Body::empty()).unwrap()
}

/// The head of an answer whose body is still to come.
async fn begun(site: &AppState, path: &str, peer: &str, says: Option<&str>) -> Response {
    server::router(site.clone()).oneshot(request(path, peer, says)).await.unwrap()
}

async fn get(site: &AppState, path: &str, peer: &str) -> Answer {
    ask(site, request(path, peer, None)).await
}

#[track_caller]
fn refused(answer: &Answer, status: u16, what: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (status, "5"), "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(answer.text().contains(&format!("too many {what} at once")), "{}", answer.text());
}

#[tokio::test]
async fn one_client_does_not_take_all_event_streams() {
    let history = history();
    let limits = Limits { streams: Quota::new(3, 2), ..Limits::default() };
    let site = AppState { limits: Arc::new(limits), ..history.site() };
    let path = "/api/v1/events";
    let mut first = Vec::new();
    for _ in 0..2 {
        first.push(begun(&site, path, "192.0.2.1", None).await);
    }
    refused(&get(&site, path, "192.0.2.1").await, 429, "event streams");
    let second = begun(&site, path, "192.0.2.2", None).await;
    assert_eq!(second.status(), 200);
    refused(&get(&site, path, "192.0.2.3").await, 503, "event streams");
    drop(first);
    assert_eq!(begun(&site, path, "192.0.2.3", None).await.status(), 200);
}

#[tokio::test]
async fn behind_a_trusted_proxy_a_client_is_whom_the_proxy_names() {
    let history = history();
    let limits = Limits { streams: Quota::new(10, 1), ..Limits::default() };
    let trusted = Arc::from([Network::parse("10.0.0.0/8").unwrap()]);
    let site = AppState { limits: Arc::new(limits), trusted, ..history.site() };
    let path = "/api/v1/events";
    let status = async |peer, says| {
        let response = begun(&site, path, peer, Some(says)).await;
        (response.status().as_u16(), response)
    };
    let (one, _one) = status("10.1.2.3", "192.0.2.1").await;
    let (other, _other) = status("10.1.2.3", "192.0.2.2").await;
    let (again, _again) = status("10.9.9.9", "192.0.2.1").await;
    // Whom nobody trusts cannot be many.
    let (alone, _alone) = status("192.0.2.7", "192.0.2.3").await;
    let (lying, _lying) = status("192.0.2.7", "192.0.2.4").await;
    assert_eq!([one, other, again, alone, lying], [200, 200, 429, 200, 429]);
}

#[tokio::test]
async fn one_client_does_not_take_all_exports() {
    let history = history();
    let limits = Limits { exports: Quota::new(usize::MAX, 1), ..Limits::default() };
    let site = AppState { limits: Arc::new(limits), ..history.site() };
    let held = site.limits.exports.take(Some("192.0.2.1".parse().unwrap())).unwrap();
    refused(&get(&site, "/api/v1/export", "192.0.2.1").await, 429, "exports");
    assert_eq!(get(&site, "/api/v1/export", "192.0.2.2").await.status, 200);
    drop(held);
    assert_eq!(get(&site, "/api/v1/export", "192.0.2.1").await.status, 200);
}

#[tokio::test]
async fn one_client_does_not_take_all_questions() {
    let history = history();
    let limits = Limits { requests: Quota::new(usize::MAX, 2), ..Limits::default() };
    let site = AppState { limits: Arc::new(limits), reading: Pool::new("read", 1, 10), ..history.site() };
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let busy = site.reading.run(move |_| {
        let _ = ended.recv();
    });
    let path = "/api/v1/services/web/history";
    let asked = |peer: &'static str| {
        let site = site.clone();
        tokio::spawn(async move { get(&site, path, peer).await.status.as_u16() })
    };
    let questions = [asked("192.0.2.1"), asked("192.0.2.1"), asked("192.0.2.2")];
    while site.reading.load().waiting < 3 {
        tokio::task::yield_now().await;
    }
    refused(&get(&site, path, "192.0.2.1").await, 429, "requests");
    for path in ["/livez", "/readyz", "/health", "/health/web"] {
        assert!(!get(&site, path, "192.0.2.1").await.text().contains("too many"), "{path}");
    }
    drop(end);
    for question in questions {
        assert_eq!(question.await.unwrap(), 200);
    }
    busy.unwrap().await.unwrap();
    assert_eq!(get(&site, path, "192.0.2.1").await.status, 200);
}

/// Connects from an address of this machine.
async fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

/// A client that begins to ask and does not go on; it has its place when it has had one answer.
async fn half_sent(from: &str, to: SocketAddr) -> TcpStream {
    let mut stream = connect(from, to).await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    stream.write_all(b"GET /metr").await.unwrap();
    stream
}

/// The whole answer of a connection of its own; empty where it was closed without one.
async fn answer(from: &str, to: SocketAddr, path: &str) -> String {
    let mut stream = connect(from, to).await;
    let _ = stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await;
    let mut text = String::new();
    let _ = stream.read_to_string(&mut text).await;
    text
}

#[tokio::test]
async fn whoever_holds_all_connections_does_not_keep_others_from_asking_how_things_are() {
    let history = history();
    let limits = Arc::new(Limits { connections: Quota::new(4, 2), reserve: Quota::new(2, 1), ..Limits::default() });
    let site = AppState { limits: limits.clone(), ..history.site() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (to, (trigger, token)) = (listener.local_addr().unwrap(), shutdown::channel());
    let server = tokio::spawn(server::serve(listener, server::router(site), limits.clone(), Arc::from([]), token));

    // One client has as many as it may have: another one is served, and it is told how things are.
    let mut held = vec![half_sent("127.0.0.1", to).await, half_sent("127.0.0.1", to).await];
    let metrics = answer("127.0.0.1", to, "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 429") && metrics.contains("too many connections at once"), "{metrics}");
    assert!(metrics.contains("\r\nretry-after: 5\r\n") && metrics.contains("application/problem+json"), "{metrics}");
    for path in ["/livez", "/readyz", "/health"] {
        let text = answer("127.0.0.1", to, path).await;
        assert!(text.starts_with("HTTP/1.1 ") && !text.contains("too many"), "{path}: {text}");
    }
    assert!(answer("127.0.0.2", to, "/metrics").await.starts_with("HTTP/1.1 200"));

    // All are taken.
    held.extend([half_sent("127.0.0.2", to).await, half_sent("127.0.0.2", to).await]);
    let metrics = answer("127.0.0.3", to, "/metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 503") && metrics.contains("\r\nretry-after: 5\r\n"), "{metrics}");
    assert!(answer("127.0.0.3", to, "/readyz").await.starts_with("HTTP/1.1 200"));

    // The reserve cannot be held by one either.
    let mut in_reserve = connect("127.0.0.3", to).await;
    in_reserve.write_all(b"GET /li").await.unwrap();
    while limits.reserve.taken() < 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(answer("127.0.0.3", to, "/livez").await, "");
    assert!(answer("127.0.0.4", to, "/readyz").await.starts_with("HTTP/1.1 200"));

    drop((held, in_reserve));
    while limits.connections.taken() + limits.reserve.taken() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(answer("127.0.0.3", to, "/metrics").await.starts_with("HTTP/1.1 200"));
    trigger.fire();
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn half_a_request_is_not_waited_for_for_ever() {
    let history = history();
    for (limits, what) in
        [(Limits::default(), "a place"), (Limits { connections: Quota::new(0, 0), ..Limits::default() }, "the reserve")]
    {
        let limits = Arc::new(limits);
        let site = AppState { limits: limits.clone(), ..history.site() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (to, (_trigger, token)) = (listener.local_addr().unwrap(), shutdown::channel());
        tokio::spawn(server::serve(listener, server::router(site), limits, Arc::from([]), token));
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        let mut text = String::new();
        // It ends, with or without words.
        let _ = stream.read_to_string(&mut text).await;
        assert!(!text.contains("200 OK"), "{what}: {text}");
    }
}

#[test]
fn without_a_descriptor_for_connections_the_log_says_so_once_and_readyz_is_not_ok() {
    let folder = tempfile::tempdir().unwrap();
    let config = "[[checks.endpoints]]\nname = \"web\"\nurl = \"http://127.0.0.1:9/\"\ninterval_secs = 3600\n";
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let plain = binary::program(folder.path());
    let mut limited = std::process::Command::new("bash");
    limited.args(["-c", "ulimit -n 40; exec \"$0\""]).arg(plain.get_program()).current_dir(folder.path());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let serving = Serving::start_as(folder.path(), limited);
    // Clients that stay, until one is answered with the descriptor that was kept for whoever asks how things are.
    let mut held = Vec::new();
    loop {
        let mut client = std::net::TcpStream::connect(("127.0.0.1", serving.port)).unwrap();
        client.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = [0; 4096];
        let length = client.read(&mut answer).unwrap();
        assert!(length > 0, "{}", serving.log());
        if String::from_utf8_lossy(&answer[..length]).contains("connection: close") {
            break;
        }
        held.push(client);
        assert!(held.len() < 40);
    }
    let (status, body) = serving.get("/readyz");
    assert!(status == 503 && body.contains("connections cannot be accepted"), "{status} {body}");
    let (status, _) = serving.get("/metrics");
    assert_eq!(status, 503);
    drop(held);
    wait_for("descriptors", || binary::get(serving.port, "/readyz").filter(|(status, _)| *status == 200));
    let log = serving.log();
    assert_eq!(log.matches("connections cannot be accepted").count(), 1, "{log}");
    assert_eq!(log.matches("connections are accepted again").count(), 1, "{log}");
}
