//! What servers do wrong that speak TLS.

use super::{
    bench::reset,
    fault::{Expected, Fault, Port, handler},
    http::PAGE,
};
use crate::support::{
    net::{http, read_head},
    tls::{Authority, Identity, acceptor},
};
use healthcheck_dashboard::domain::check::Class;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

const HTTPS: &str = "url = \"https://ADDRESS/\"\ntls = { ca = \"CA\" }\nexpect_body = '\"well\"'\n";
const TLS: &str = "url = \"tls://ADDRESS\"\ntls = { ca = \"CA\" }\n";

/// The host that every certificate should be for.
const HOST: &[&str] = &["127.0.0.1"];

/// Answers over TLS with the page.
fn answers(acceptor: TlsAcceptor) -> Port {
    Port::Serves(handler(move |stream, _| {
        let accepting = acceptor.accept(stream);
        async move {
            let Ok(mut stream) = accepting.await else { return };
            read_head(&mut stream).await;
            let _ = stream.write_all(&http("200 OK", &[], PAGE)).await;
            let _ = stream.shutdown().await;
        }
    }))
}

fn shows(identity: &Identity) -> Port {
    answers(acceptor(identity, None))
}

/// Answers whatever it is greeted with by these bytes, and closes the connection.
fn replies(bytes: &'static [u8]) -> Port {
    Port::Serves(handler(move |mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        // Read to its end, so that the reply is not lost by a reset.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {}
    }))
}

/// Agrees on nothing but this over TLS.
fn only(identity: &Identity, protocol: &[u8]) -> Port {
    let mut config = rustls::ServerConfig::clone(acceptor(identity, None).config());
    config.alpn_protocols = vec![protocol.to_vec()];
    answers(TlsAcceptor::from(Arc::new(config)))
}

/// The alert `protocol_version`, as servers send it that speak TLS 1.1 at most.
const TOO_NEW: &[u8] = b"\x15\x03\x02\x00\x02\x02\x46";

/// Begins a session of TLS 1.1 with TLS_RSA_WITH_AES_128_CBC_SHA.
const TLS_1_1: &[u8] = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
    0123456789abcdef0123456789abcdef\x00\x00\x2f\x00";

pub(super) fn faults(authority: &Authority) -> Vec<Fault> {
    let good = authority.issue(HOST, 90);
    let fault = |kind, keys: &str, name, expected, broken| Fault::new(kind, name, expected, keys, shows(&good), broken);
    let mut all: Vec<Fault> = Vec::new();
    for (kind, keys) in [("http over TLS", HTTPS), ("tls", TLS)] {
        let between = authority.intermediate("Test Between", 90);
        let mut incomplete = between.issue(HOST, 90);
        incomplete.chain.truncate(1);
        let outdated = authority.intermediate("Test Between", -4).issue(HOST, 90);
        let mut stranger = Authority::new().intermediate("Test Stranger", 90).issue(HOST, 90);
        stranger.chain.truncate(1);
        let certificates = [
            ("an expired certificate", authority.issue(HOST, -4)),
            ("a certificate that is not valid yet", authority.issue_from(HOST, 2, 90)),
            ("a certificate for another host", authority.issue(&["other.example.com"], 90)),
            ("a certificate of an unknown issuer", stranger),
            ("a certificate of an authority that was made anew", Authority::new().issue(HOST, 90)),
            ("a self-signed certificate", Identity::self_signed(HOST, -1, 90)),
            ("a chain without its intermediate certificate", incomplete),
            ("an expired intermediate certificate", outdated),
        ];
        all.extend(
            certificates
                .iter()
                .map(|(name, identity)| fault(kind, keys, *name, Expected::Down(Class::Tls), shows(identity))),
        );
        let soon = shows(&authority.issue(HOST, 9));
        all.push(fault(kind, keys, "a certificate that ends in 9 days", Expected::Degraded(Class::Certificate), soon));
        let down = |name, class, broken| fault(kind, keys, name, Expected::Down(class), broken);
        all.extend([
            down(
                "the TLS handshake hangs",
                Class::Timeout,
                Port::Serves(handler(|stream, hanging| async move { hanging.hang(stream).await })),
            ),
            down(
                "the connection is reset in the TLS handshake",
                Class::Tls,
                Port::Serves(handler(|stream, _| async move {
                    let _ = stream.readable().await;
                    reset(&stream);
                })),
            ),
            down("the connection is closed in the TLS handshake", Class::Tls, replies(b"")),
            down("HTTP without TLS", Class::Tls, replies(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
            down("TLS 1.1 at most, and it says so", Class::Tls, replies(TOO_NEW)),
            down("TLS 1.1 at most, and it begins with it", Class::Tls, replies(TLS_1_1)),
            down("it asks for a certificate of ours", Class::Tls, answers(acceptor(&good, Some(authority)))),
        ]);
    }
    let https = |name, class, broken| fault("http over TLS", HTTPS, name, Expected::Down(class), broken);
    let old = Fault {
        keys: format!("{HTTPS}http_version = \"1.1\"\n"),
        ..https("ALPN without HTTP/1.1", Class::Tls, only(&good, b"h2"))
    };
    all.push(old);
    all.push(https("ALPN without HTTP", Class::Tls, only(&good, b"ftp")));
    let acceptor = acceptor(&good, None);
    let after_the_handshake = Port::Serves(handler(move |stream, _| {
        let accepting = acceptor.accept(stream);
        async move {
            let Ok(mut stream) = accepting.await else { return };
            read_head(&mut stream).await;
            reset(stream.get_ref().0);
        }
    }));
    all.push(https("the connection is reset after the TLS handshake", Class::Protocol, after_the_handshake));
    all
}
