use super::*;
use crate::support::net::{closed_port, hang, serve};
use healthcheck_dashboard::probe::memcached::MemcachedSpec;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn run(address: SocketAddr, deadline: Duration) -> Report {
    probe(Spec::Memcached(MemcachedSpec { address: at(address) })).run(deadline).await
}

/// Reads a question and says this.
async fn saying(answer: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| async move {
        let mut question = [0; 9];
        stream.read_exact(&mut question).await.unwrap();
        assert_eq!(&question, b"version\r\n");
        stream.write_all(answer).await.unwrap();
        hang(stream).await;
    })
    .await
}

#[tokio::test]
async fn a_server_that_says_its_version_passes() {
    let report = run(saying(b"VERSION 1.6.38\r\n").await, AMPLE).await;
    assert_passed(&report);
    assert!(report.phases.connect_us.is_some() && report.phases.ttfb_us.is_some());
}

#[tokio::test]
async fn a_server_without_a_place_for_a_connection_says_so() {
    let report = run(saying(b"ERROR Too many open connections\r\n").await, AMPLE).await;
    let message = "the server answered: ERROR Too many open connections";
    assert_failed(&report, Class::Protocol, Phase::Body, message);
}

#[tokio::test]
async fn another_protocol_is_named_by_its_first_words() {
    let report = run(saying(b"-ERR unknown command\r\n").await, AMPLE).await;
    let message = "the answer is not Memcached's: it begins with \"-ERR unknown command\"";
    assert_failed(&report, Class::Protocol, Phase::Body, message);
}

#[tokio::test]
async fn an_endless_line_and_silence_and_a_closed_port_are_distinguished() {
    let endless = serve(|mut stream| async move { while stream.write_all(&[b'x'; 8192]).await.is_ok() {} }).await;
    let report = run(endless, AMPLE).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "a line of the answer is longer than 8 KiB");
    let report = run(saying(b"").await, SHORT).await;
    assert_failed(&report, Class::Timeout, Phase::Ttfb, "no answer within 1 s");
    let report = run(serve(|_| async {}).await, AMPLE).await;
    assert_eq!(failure(&report).class, Class::Protocol, "{report:?}");
    let address = closed_port();
    let report = run(address, AMPLE).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {address}"));
}
