use super::*;
use crate::support::net::{closed_port, hang, serve};
use healthcheck_dashboard::probe::{
    Address, Security,
    tcp::{TcpSpec, Turn},
};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn to(address: SocketAddr) -> TcpSpec {
    TcpSpec { address: at(address), security: Security::Plain, proxy_protocol: None, turns: Vec::new() }
}

fn at_host(host: &str, port: u16) -> TcpSpec {
    let address = Address { host: host.to_owned(), ..at(SocketAddr::from(([127, 0, 0, 1], port))) };
    TcpSpec { address, ..to(closed_port()) }
}

#[tokio::test]
async fn a_metadata_service_is_not_connected_to_unless_that_is_meant() {
    // The system's resolver takes any spelling of an address for a name.
    for host in ["169.254.169.254", "::ffff:a9fe:a9fe", "2852039166", "0xa9fea9fe"] {
        let report = run(at_host(host, 80), AMPLE).await;
        let reason = failure(&report);
        assert_eq!((reason.class, reason.phase), (Class::Connect, Some(Phase::Connect)), "{report:?}");
        assert!(
            reason.message.ends_with("a cloud's metadata service: it is not asked without `allow_metadata = true`")
        );
    }
}

/// Nothing is said, or expected, where a text is empty.
pub(super) fn turn(send: &str, expect: &str) -> Turn {
    let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Turn { send: filled(send), expect: filled(expect) }
}

fn expecting(address: SocketAddr, text: &str) -> TcpSpec {
    TcpSpec { turns: vec![turn("PING\r\n", text)], ..to(address) }
}

async fn run(spec: TcpSpec, deadline: Duration) -> Report {
    probe(Spec::Tcp(spec)).run(deadline).await
}

/// Reads `PING` and says `parts`, then keeps the connection or closes it.
async fn saying(parts: &'static [&'static str], close: bool) -> SocketAddr {
    serve(move |mut stream| async move {
        let mut ping = [0; 6];
        stream.read_exact(&mut ping).await.unwrap();
        for part in parts {
            stream.write_all(part.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
        }
        if !close {
            hang(stream).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_connection_is_enough() {
    let report = run(to(serve(hang).await), AMPLE).await;
    assert_passed(&report);
    assert!(report.phases.connect_us.is_some() && report.phases.ttfb_us.is_none());
}

#[tokio::test]
async fn a_name_with_several_addresses_is_tried_at_each() {
    // `localhost` may be ::1 as well, where nobody listens.
    let port = serve(hang).await.port();
    let report = run(at_host("localhost", port), AMPLE).await;
    assert_passed(&report);
    assert!(report.phases.dns_us.is_some());
}

#[tokio::test]
async fn the_expected_answer_passes_also_in_pieces() {
    assert_passed(&run(expecting(saying(&["+PO", "NG\r\n"], false).await, "+PONG"), AMPLE).await);
}

#[tokio::test]
async fn another_answer_is_shown() {
    let report = run(expecting(saying(&["-NOAUTH Authentication required\r\n"], true).await, "+PONG"), AMPLE).await;
    let message = "the answer does not contain \"+PONG\" before the connection was closed";
    assert_failed(&report, Class::Content, Phase::Body, message);
    assert_eq!(report.excerpt.as_deref(), Some("-NOAUTH Authentication required"));
}

#[tokio::test]
async fn another_answer_on_an_open_connection_is_shown_at_the_deadline() {
    let report = run(expecting(saying(&["-LOADING"], false).await, "+PONG"), SHORT).await;
    let message = "the answer does not contain \"+PONG\" within 1 s";
    assert_failed(&report, Class::Content, Phase::Body, message);
    assert_eq!(report.excerpt.as_deref(), Some("-LOADING"));
}

#[tokio::test]
async fn silence_is_late_and_an_early_end_is_said() {
    let report = run(expecting(saying(&[], false).await, "+PONG"), SHORT).await;
    assert_failed(&report, Class::Timeout, Phase::Ttfb, "no answer within 1 s");
    let report = run(expecting(saying(&[], true).await, "+PONG"), AMPLE).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, "connection closed before an answer");
}

#[tokio::test]
async fn an_endless_answer_is_read_to_64_kib() {
    let address = serve(|mut stream| async move { while stream.write_all(&[b'x'; 8192]).await.is_ok() {} }).await;
    let report = run(TcpSpec { turns: vec![turn("", "+PONG")], ..to(address) }, AMPLE).await;
    let message = "the answer does not contain \"+PONG\" in the first 64 KiB";
    assert_failed(&report, Class::Content, Phase::Body, message);
    assert!(report.excerpt.unwrap().len() <= 2048);
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let address = closed_port();
    let report = run(to(address), AMPLE).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {address}"));
}

#[tokio::test(start_paused = true)]
async fn deadlines_and_latencies_follow_the_same_clock() {
    let address = saying(&[], false).await;
    let started = std::time::Instant::now();
    let report = run(expecting(address, "+PONG"), Duration::from_secs(600)).await;
    assert_eq!(failure(&report).class, Class::Timeout);
    assert!((590_000_000..=600_100_000).contains(&report.latency_us), "{report:?}");
    assert!(started.elapsed() < AMPLE);
}
