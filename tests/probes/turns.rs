//! What TCP can do beside one exchange: several turns, TLS, the PROXY protocol.

use super::{tcp::turn, *};
use crate::support::{
    net::{hang, serve},
    talk::{steps, talking, talking_over_tls},
    tls::{Authority, acceptor},
};
use healthcheck_dashboard::{
    probe::{
        ProxyProtocol, Security,
        tcp::{TcpSpec, Turn},
    },
    settings::tls::TlsSpec,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn to(address: SocketAddr, turns: Vec<Turn>) -> TcpSpec {
    TcpSpec { address: at(address), security: Security::Plain, proxy_protocol: None, turns }
}

async fn run(spec: TcpSpec, deadline: Duration) -> Report {
    probe(Spec::Tcp(spec)).run(deadline).await
}

#[tokio::test]
async fn turns_are_taken_one_after_the_other() {
    let address = talking(steps([
        (b"", b"220 ready\r\n"),
        (b"HELO x\r\n", b"250-one\r\n250 two\r\n"),
        (b"QUIT\r\n", b"221 bye\r\n"),
    ]))
    .await;
    let turns = vec![turn("", "220 "), turn("HELO x\r\n", "250 "), turn("QUIT\r\n", "221 ")];
    assert_passed(&run(to(address, turns), AMPLE).await);
    // What came after what was expected is there for the next turn.
    let address = talking(steps([(b"", b"one two three")])).await;
    assert_passed(&run(to(address, vec![turn("", "one"), turn("", "two"), turn("", "three")]), AMPLE).await);
}

#[tokio::test]
async fn a_turn_that_goes_wrong_is_named() {
    let said = || steps([(b"", b"220 ready\r\n"), (b"NOOP\r\n", b"500 what?\r\n")]);
    let turns = || vec![turn("", "220 "), turn("NOOP\r\n", "250 ")];
    let report = run(to(talking(said()).await, turns()), SHORT).await;
    let message = "turn 2 of 2: the answer does not contain \"250 \" within 1 s";
    assert_failed(&report, Class::Content, Phase::Body, message);
    assert_eq!(report.excerpt.as_deref(), Some("500 what?"));
    // The same text again is no answer to what is said after it.
    let report = run(to(talking(said()).await, vec![turn("", "220"), turn("NOOP\r\n", "ready")]), SHORT).await;
    assert_eq!(failure(&report).class, Class::Content, "{report:?}");
    let silent = talking(steps([(b"", b"220 ready\r\n"), (b"NOOP\r\n", b"")])).await;
    let report = run(to(silent, turns()), SHORT).await;
    assert_late(&report, Phase::Body, "turn 2 of 2: the answer was not complete within 1 s");
}

fn over_tls(address: SocketAddr, authority: &Authority, turns: Vec<Turn>) -> TcpSpec {
    let tls = TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() };
    TcpSpec { security: Security::Tls(Box::new(tls)), ..to(address, turns) }
}

#[tokio::test]
async fn over_tls_the_certificate_is_seen() {
    let authority = Authority::new();
    let server = |days| {
        let acceptor = acceptor(&authority.issue(&["127.0.0.1"], days), None);
        talking_over_tls(Vec::new(), acceptor, steps([(b"PING\r\n", b"+PONG\r\n")]))
    };
    let ping = || vec![turn("PING\r\n", "+PONG")];
    let report = run(over_tls(server(90).await, &authority, ping()), AMPLE).await;
    assert_passed(&report);
    assert!(report.phases.tls_us.is_some() && report.certificate_expires_at.is_some());
    // A session is enough where nothing is said.
    assert_passed(&run(over_tls(server(90).await, &authority, Vec::new()), AMPLE).await);
    let report = run(over_tls(server(3).await, &authority, ping()), AMPLE).await;
    let Verdict::Degraded(reason) = &report.verdict else { panic!("{report:?}") };
    assert_eq!((reason.class, reason.message.as_str()), (Class::Certificate, "certificate expires in 3 days"));
    let report = run(over_tls(server(-2).await, &authority, ping()), AMPLE).await;
    assert_failed(&report, Class::Tls, Phase::Tls, "certificate expired 1 day ago");
}

#[tokio::test]
async fn a_server_without_tls_is_named() {
    let plain = talking(steps([(b"", b"220 ready\r\n")])).await;
    let report = run(over_tls(plain, &Authority::new(), Vec::new()), AMPLE).await;
    let message = format!("{plain} does not speak TLS: it begins with \"220 ready\"");
    assert_failed(&report, Class::Tls, Phase::Tls, &message);
}

#[tokio::test]
async fn the_proxy_protocol_comes_before_everything_else() {
    // Says the beginning back.
    let address = serve(|mut stream| async move {
        let mut header = [0; 16];
        stream.read_exact(&mut header).await.unwrap();
        let said = if header.starts_with(b"PROXY TCP4 ") { &b"version 1\n"[..] } else { b"version 2\n" };
        assert!(header.starts_with(b"PROXY TCP4 127.0") || header == *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
        stream.write_all(said).await.unwrap();
        hang(stream).await;
    })
    .await;
    for (version, said) in [(ProxyProtocol::V1, "version 1"), (ProxyProtocol::V2, "version 2")] {
        let spec = TcpSpec { proxy_protocol: Some(version), ..to(address, vec![turn("", said)]) };
        assert_passed(&run(spec, AMPLE).await);
    }
}
