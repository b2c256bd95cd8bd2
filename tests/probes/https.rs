use super::{http::spec, *};
use crate::support::{
    net::{hang, serve},
    tls::{Authority, Identity, acceptor, https, showing},
};
use healthcheck_dashboard::{
    probe::http::HttpSpec,
    settings::{network::IpVersion, tls::TlsSpec},
};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::pki_types::CertificateDer;
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;
use x509_cert::der::{Decode, Encode};

fn trusting(authority: &Authority) -> TlsSpec {
    TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() }
}

fn to(address: SocketAddr, tls: TlsSpec) -> HttpSpec {
    HttpSpec { tls, ip_version: IpVersion::V4, ..spec(&format!("https://localhost:{}/", address.port())) }
}

async fn run(spec: HttpSpec) -> Report {
    probe(Spec::Http(Box::new(spec))).run(AMPLE).await
}

/// The reason of a check that passed with a reservation.
#[track_caller]
fn reservation(report: &Report) -> &Reason {
    match &report.verdict {
        Verdict::Degraded(reason) => reason,
        other => panic!("no reservation: {other:?}"),
    }
}

#[tokio::test]
async fn a_valid_certificate_passes_and_its_end_is_recorded() {
    let authority = Authority::new();
    let address = https(&authority.issue(&["localhost"], 90), None).await;
    let report = run(to(address, trusting(&authority))).await;
    assert_passed(&report);
    assert!(report.certificate_expires_at.is_some());
    let phases = report.phases;
    assert!(phases.connect_us.is_some() && phases.tls_us.is_some() && phases.ttfb_us.is_some(), "{report:?}");
    assert!(phases.sum_us() <= u64::from(report.latency_us), "{report:?}");
}

#[tokio::test]
async fn a_certificate_for_an_address_is_valid_for_it() {
    let authority = Authority::new();
    let address = https(&authority.issue(&["127.0.0.1"], 90), None).await;
    let spec = HttpSpec { tls: trusting(&authority), ..spec(&format!("https://{address}/")) };
    assert_passed(&run(spec).await);
}

#[tokio::test]
async fn a_certificate_about_to_expire_is_a_reservation() {
    let authority = Authority::new();
    let address = https(&authority.issue(&["localhost"], 9), None).await;
    let report = run(to(address, trusting(&authority))).await;
    let reason = reservation(&report);
    assert_eq!((reason.class, reason.message.as_str()), (Class::Certificate, "certificate expires in 9 days"));
    let silent = TlsSpec { expiry_warning_days: 0, ..trusting(&authority) };
    assert_passed(&run(to(address, silent)).await);
}

/// Fails in the TLS phase with this message, and the certificate's end is recorded all the same.
#[track_caller]
fn assert_refused(report: &Report, message: &str) {
    assert_failed(report, Class::Tls, Phase::Tls, message);
    assert!(report.certificate_expires_at.is_some() && report.phases.connect_us.is_some(), "{report:?}");
    assert_eq!(report.phases.tls_us, None);
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    // An hour more than three days would be two whole days ago: the made one ended 3 days less an hour ago.
    let address = https(&authority.issue(&["localhost"], -4), None).await;
    assert_refused(&run(to(address, trusting(&authority))).await, "certificate expired 3 days ago");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let authority = Authority::new();
    let address = https(&authority.issue(&["other.example.com", "10.0.0.7"], 90), None).await;
    let message = "certificate is for other.example.com, 10.0.0.7, not for localhost";
    assert_refused(&run(to(address, trusting(&authority))).await, message);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let address = https(&Authority::new().issue(&["localhost"], 90), None).await;
    let message = "certificate is signed by an authority that is neither trusted nor sent, CN=Test Authority: most likely \
                   the server does not send its intermediate certificate";
    assert_refused(&run(to(address, TlsSpec::default())).await, message);
    let other = Authority::new();
    let message = "certificate's signature is wrong: most likely its authority, CN=Test Authority, was made anew under the \
                   same name, and the old one is trusted";
    assert_refused(&run(to(address, trusting(&other))).await, message);
}

/// Trusts the certificate that this server shows.
fn naming(identity: &Identity) -> TlsSpec {
    TlsSpec { ca: vec![identity.der()], ..TlsSpec::default() }
}

const SELF_SIGNED: &str = "certificate is self-signed, and not trusted: to trust it, name it in `tls.ca`";

#[tokio::test]
async fn a_self_signed_certificate_is_accepted_where_it_is_named_and_nowhere_else() {
    let identity = Identity::self_signed(&["localhost"], -1, 90);
    let address = https(&identity, None).await;
    assert_passed(&run(to(address, naming(&identity))).await);
    assert_refused(&run(to(address, TlsSpec::default())).await, SELF_SIGNED);
    // Of the same subject, for the same host, but another one.
    let other = Identity::self_signed(&["localhost"], -1, 90);
    assert_refused(&run(to(address, naming(&other))).await, SELF_SIGNED);
}

#[tokio::test]
async fn a_named_certificate_has_to_be_for_the_host_and_valid_now_and_for_servers() {
    for (identity, message) in [
        (
            Identity::self_signed(&["other.example.com", "10.0.0.7"], -1, 90),
            "certificate is for other.example.com, 10.0.0.7, not for localhost",
        ),
        (
            Identity::self_signed(&[], -1, 90),
            "certificate is for no host at all (it has no subjectAltName, only the subject CN=rcgen self signed cert), \
             not for localhost",
        ),
        (Identity::self_signed(&["localhost"], -100, -4), "certificate expired 3 days ago"),
        (
            Identity::self_signed_for(&["localhost"], -1, 90, &[ExtendedKeyUsagePurpose::ClientAuth]),
            "certificate is not one for servers",
        ),
    ] {
        assert_refused(&run(to(https(&identity, None).await, naming(&identity))).await, message);
    }
    let identity = Identity::self_signed(&["localhost"], 2, 90);
    let report = run(to(https(&identity, None).await, naming(&identity))).await;
    assert!(failure(&report).message.starts_with("certificate is not valid before "), "{report:?}");
}

#[tokio::test]
async fn a_named_certificate_of_an_authority_that_is_not_named_trusts_no_other_of_it() {
    let authority = Authority::new();
    let (named, sibling) = (authority.issue(&["localhost"], 90), authority.issue(&["localhost"], 90));
    assert_passed(&run(to(https(&named, None).await, naming(&named))).await);
    let report = run(to(https(&sibling, None).await, naming(&named))).await;
    let message = "certificate is signed by an authority that is neither trusted nor sent, CN=Test Authority: most likely \
                   the server does not send its intermediate certificate";
    assert_refused(&report, message);
}

#[tokio::test]
async fn who_shows_a_named_certificate_without_having_its_key_is_refused() {
    let (named, thief) = (Identity::self_signed(&["localhost"], -1, 90), Identity::self_signed(&["localhost"], -1, 90));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let address = showing(named.chain.clone(), &thief.key, version).await;
        let report = run(to(address, naming(&named))).await;
        assert_failed(&report, Class::Tls, Phase::Tls, "certificate is not accepted: bad signature");
    }
}

/// Below an authority that is trusted: one whose certificate ends in so many days, and what it issued for longer.
fn below(root: &Authority, days: i32) -> (Authority, Identity) {
    let between = root.intermediate("Test Between", days);
    let identity = between.issue(&["localhost"], 300);
    (between, identity)
}

#[tokio::test]
async fn an_intermediate_certificate_that_ends_first_is_the_end_of_the_chain() {
    let root = Authority::new();
    let (_, identity) = below(&root, 3);
    let report = run(to(https(&identity, None).await, trusting(&root))).await;
    let message = "intermediate certificate CN=Test Between expires in 3 days";
    assert_eq!((reservation(&report).class, reservation(&report).message.as_str()), (Class::Certificate, message));
    let (_, longer) = below(&root, 400);
    let other = run(to(https(&longer, None).await, trusting(&root))).await;
    assert_passed(&other);
    assert!(report.certificate_expires_at.unwrap() < other.certificate_expires_at.unwrap());
    // Two below each other, of which the one above ends first.
    let deep = root.intermediate("Test Upper", 5).intermediate("Test Lower", 10).issue(&["localhost"], 300);
    let report = run(to(https(&deep, None).await, trusting(&root))).await;
    assert_eq!(reservation(&report).message, "intermediate certificate CN=Test Upper expires in 5 days");
}

#[tokio::test]
async fn a_certificate_that_is_sent_and_not_needed_does_not_count() {
    let (root, stranger) = (Authority::new(), Authority::new());
    let (between, identity) = below(&root, 290);
    let alone = run(to(https(&identity, None).await, trusting(&root))).await;
    for spare in [
        // Of somebody else; the same authority signed by somebody else, and by the same one for a shorter time; and
        // what the path passes by because the authority itself is trusted.
        vec![stranger.intermediate("Test Stranger", 3).der()],
        vec![stranger.cross_sign(&between, "Test Between", 3)],
        vec![root.cross_sign(&between, "Test Between", 3)],
        vec![stranger.cross_sign(&root, "Test Authority", 3)],
        vec![root.cross_sign(&between, "Test Between", -3)],
    ] {
        for first in [true, false] {
            let mut shown = identity.clone();
            let at = if first { 1 } else { shown.chain.len() };
            shown.chain.splice(at..at, spare.clone());
            let report = run(to(https(&shown, None).await, trusting(&root))).await;
            assert_passed(&report);
            assert_eq!(report.certificate_expires_at, alone.certificate_expires_at);
        }
    }
    // With the intermediate trusted itself, its own end does not count: the path ends there.
    let (between, identity) = below(&root, 3);
    assert_passed(&run(to(https(&identity, None).await, trusting(&between))).await);
}

#[tokio::test]
async fn an_intermediate_certificate_that_is_not_valid_now_is_named() {
    let root = Authority::new();
    let (_, identity) = below(&root, -4);
    let report = run(to(https(&identity, None).await, trusting(&root))).await;
    assert_refused(&report, "intermediate certificate CN=Test Between expired 3 days ago");
}

#[tokio::test]
async fn where_the_chain_breaks_off_is_said() {
    let root = Authority::new();
    let (_, mut identity) = below(&root, 300);
    let untrusted = run(to(https(&identity, None).await, TlsSpec::default())).await;
    let message = "certificate is signed, in the end, by an authority that is not trusted: CN=Test Authority";
    assert_refused(&untrusted, message);
    identity.chain.truncate(1);
    let message = "certificate is signed by an authority that is neither trusted nor sent, CN=Test Between: most likely the \
                   server does not send its intermediate certificate";
    assert_refused(&run(to(https(&identity, None).await, trusting(&root))).await, message);
}

#[tokio::test]
async fn a_certificate_of_version_1_is_said_to_be_one() {
    let old = |der: &CertificateDer<'_>| {
        let mut certificate = x509_cert::Certificate::from_der(der).unwrap();
        certificate.tbs_certificate.version = x509_cert::Version::V1;
        certificate.tbs_certificate.extensions = None;
        CertificateDer::from(certificate.to_der().unwrap())
    };
    let what = "is one of X.509 version 1, which cannot say for which host it is: make it anew, as version 3";
    let root = Authority::new();
    let (_, identity) = below(&root, 300);
    let leaf = vec![old(&identity.chain[0]), identity.chain[1].clone()];
    let address = showing(leaf, &identity.key, &rustls::version::TLS13).await;
    assert_refused(&run(to(address, trusting(&root))).await, &format!("certificate {what}"));
    let between = vec![identity.chain[0].clone(), old(&identity.chain[1])];
    let address = showing(between, &identity.key, &rustls::version::TLS13).await;
    let message = format!("intermediate certificate CN=Test Between {what}");
    assert_refused(&run(to(address, trusting(&root))).await, &message);
}

#[tokio::test]
async fn without_verification_an_expired_certificate_passes_but_not_unseen() {
    let address = https(&Authority::new().issue(&["other.example.com"], -4), None).await;
    let report = run(to(address, TlsSpec { skip_verify: true, ..TlsSpec::default() })).await;
    assert_eq!(reservation(&report).message, "certificate expired 3 days ago");
    assert!(report.certificate_expires_at.is_some());
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_required() {
    let authority = Authority::new();
    let address = https(&authority.issue(&["localhost"], 90), Some(&authority)).await;
    let report = run(to(address, trusting(&authority))).await;
    assert_failed(&report, Class::Tls, Phase::Tls, "the server requires a client certificate");
    let Identity { chain, key, .. } = authority.issue(&["monitor"], 90);
    let tls = TlsSpec { client: Some((chain, key)), ..trusting(&authority) };
    assert_passed(&run(to(address, tls)).await);
}

#[tokio::test]
async fn a_handshake_that_hangs_is_late_in_tls() {
    let address = serve(hang).await;
    let report = probe(Spec::Http(Box::new(to(address, TlsSpec::default())))).run(SHORT).await;
    assert_late(&report, Phase::Tls, "TLS handshake not finished within 1 s");
    assert!(report.phases.connect_us.is_some() && report.phases.tls_us.is_none(), "{report:?}");
}

#[tokio::test]
async fn what_a_server_that_speaks_no_tls_speaks_is_said() {
    for (said, message) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "speaks plain HTTP, not TLS: \"HTTP/1.1 400 Bad …\""),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak TLS: it begins with \"SSH-2.0-OpenSSH_9.6\""),
        (b"J\0\0\0\n8.0.36\0", "does not speak TLS"),
    ] {
        let plain = serve(move |mut stream| async move {
            let _ = stream.write_all(said).await;
            hang(stream).await;
        })
        .await;
        let report = run(to(plain, TlsSpec::default())).await;
        assert_failed(&report, Class::Tls, Phase::Tls, &format!("{plain} {message}"));
    }
}

#[tokio::test]
async fn a_tls_server_that_is_asked_without_tls_is_said_to_be_one() {
    let address = https(&Authority::new().issue(&["localhost"], 90), None).await;
    let report = run(spec(&format!("http://{address}/"))).await;
    let message = "the answer is TLS, not plain HTTP: the address has to begin with https://";
    assert_failed(&report, Class::Protocol, Phase::Ttfb, message);
}

#[tokio::test]
async fn a_server_without_our_application_protocol_is_said_to_have_none_in_common() {
    let authority = Authority::new();
    let mut config = rustls::ServerConfig::clone(acceptor(&authority.issue(&["localhost"], 90), None).config());
    config.alpn_protocols = vec![b"ftp".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let accepting = serve(move |stream| {
        let accepting = acceptor.accept(stream);
        async move { drop(accepting.await) }
    });
    let report = run(to(accepting.await, trusting(&authority))).await;
    let message = "the server has no application protocol in common (ALPN)";
    assert_failed(&report, Class::Tls, Phase::Tls, message);
}

#[tokio::test]
async fn a_connection_closed_in_the_handshake_is_a_tls_failure() {
    let report = run(to(serve(|stream| async move { drop(stream) }).await, TlsSpec::default())).await;
    let reason = failure(&report);
    assert_eq!((reason.class, reason.phase), (Class::Tls, Some(Phase::Tls)));
    assert!(reason.message.ends_with("in the TLS handshake"), "{}", reason.message);
}

/// A server that speaks HTTP/2: `say` says it.
async fn http2<F, Fut>(authority: &Authority, say: F) -> SocketAddr
where
    F: Fn(TlsStream<TcpStream>) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let acceptor = acceptor(&authority.issue(&["localhost"], 90), None);
    let mut config = rustls::ServerConfig::clone(acceptor.config());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    serve(move |stream| {
        let (acceptor, say) = (acceptor.clone(), say.clone());
        async move {
            let stream = acceptor.accept(stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            say(stream).await;
        }
    })
    .await
}

#[tokio::test]
async fn http_2_is_spoken_where_the_server_does() {
    let authority = Authority::new();
    let address = http2(&authority, |stream| async move {
        let service = service_fn(async |request: hyper::Request<_>| {
            let _: hyper::body::Incoming = request.into_body();
            let body = "x".repeat(2_000_000) + "end";
            Ok::<_, std::convert::Infallible>(hyper::Response::new(body))
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    })
    .await;
    let report = run(HttpSpec { expect_body: Some("xxx".to_owned()), ..to(address, trusting(&authority)) }).await;
    assert_passed(&report);
    assert_eq!(report.http_status, Some(200));
    let report = run(HttpSpec { expect_body: Some("end".to_owned()), ..to(address, trusting(&authority)) }).await;
    let message = "the answer does not contain \"end\" in its first 1 MiB";
    assert_failed(&report, Class::Content, Phase::Body, message);
}

async fn read_http2_request(stream: &mut TlsStream<TcpStream>) {
    stream.read_exact(&mut [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()]).await.unwrap();
    let mut header = [0; 9];
    while header[3] != 1 {
        stream.read_exact(&mut header).await.unwrap();
        let length = usize::from(header[1]) << 8 | usize::from(header[2]);
        stream.read_exact(&mut vec![0; length]).await.unwrap();
    }
}

/// An answer in frames: its head with this length, four bytes, and the end of the stream or of the connection.
async fn http2_half(authority: &Authority, length: Option<&'static str>, ends: bool) -> SocketAddr {
    http2(authority, move |mut stream| async move {
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        read_http2_request(&mut stream).await;
        // `:status: 200`, and `content-length` as a literal with the name of the static table.
        let mut head = vec![0x88];
        if let Some(length) = length {
            head.extend([0x0f, 0x0d, length.len() as u8]);
            head.extend(length.as_bytes());
        }
        stream.write_all(&[0, 0, head.len() as u8, 1, 4, 0, 0, 0, 1]).await.unwrap();
        stream.write_all(&head).await.unwrap();
        stream.write_all(&[0, 0, 4, 0, u8::from(ends), 0, 0, 0, 1]).await.unwrap();
        stream.write_all(b"half").await.unwrap();
        let _ = stream.shutdown().await;
    })
    .await
}

#[tokio::test]
async fn a_truncated_answer_over_http_2_is_a_failure_that_says_how() {
    let authority = Authority::new();
    let run = async |length, ends| run(to(http2_half(&authority, length, ends).await, trusting(&authority))).await;
    assert_passed(&run(Some("4"), true).await);
    assert_passed(&run(None, true).await);
    let message = "the answer's length is not its Content-Length";
    for length in ["3", "100"] {
        assert_failed(&run(Some(length), true).await, Class::Protocol, Phase::Body, message);
    }
    let message = "connection closed before the answer was complete: it is shorter than its Content-Length";
    assert_failed(&run(Some("100"), false).await, Class::Protocol, Phase::Body, message);
    let message = "connection closed before the answer was complete";
    assert_failed(&run(None, false).await, Class::Protocol, Phase::Body, message);
}

/// A server that waits for the request, and says these frames for ever.
async fn frames_without_end(authority: &Authority, frame: &'static [u8]) -> SocketAddr {
    http2(authority, move |mut stream| async move {
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        read_http2_request(&mut stream).await;
        while stream.write_all(frame).await.is_ok() {}
    })
    .await
}

#[tokio::test]
async fn http_2_has_the_bounds_of_http_1() {
    let authority = Authority::new();
    let ping = frames_without_end(&authority, b"\0\0\x08\x06\0\0\0\0\0........").await;
    let report = run(to(ping, trusting(&authority))).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, "the answer's head is longer than 64 KiB");
    let hint = frames_without_end(&authority, b"\0\0\x05\x01\x04\0\0\0\x01\x08\x03103").await;
    let report = run(to(hint, trusting(&authority))).await;
    let message = "more than 16 interim answers (1xx) came before the answer";
    assert_failed(&report, Class::Protocol, Phase::Ttfb, message);
}

#[tokio::test]
async fn what_is_not_http_2_is_said_to_be_broken() {
    let authority = Authority::new();
    let address = http2(&authority, |mut stream| async move {
        // Not what HTTP/2 begins with.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        hang(stream).await;
    })
    .await;
    let report = run(to(address, trusting(&authority))).await;
    let message = "the server agreed on HTTP/2 and answers in HTTP/1";
    assert_failed(&report, Class::Protocol, Phase::Ttfb, message);
    assert_eq!(report.excerpt.as_deref(), Some("HTTP/1.1 200 OK"));
}
