use super::*;
use crate::support::{
    net::{answer, serve},
    tls::{Authority, Identity},
};
use healthcheck_dashboard::{domain::secret::Secret, probe::grpc::GrpcSpec, settings::tls::TlsSpec};
use hyper::{
    HeaderMap, Request, Response,
    body::{Body, Bytes, Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// A body of these frames.
struct Frames(VecDeque<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// What a server answers: its message, and the status after it.
#[derive(Clone, Copy)]
struct Script {
    message: &'static [u8],
    status: &'static str,
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, script: Script) {
    let answer = move |request: Request<Incoming>| async move {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        assert_eq!(request.headers()["te"], "trailers");
        assert_eq!(request.headers()["authorization"], "Bearer T0K3N");
        let mut body = request.into_body();
        let first = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), &b"\0\0\0\0\x05\x0a\x03web"[..]);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", script.status.parse().unwrap());
        trailers.insert("grpc-message", "not%20today".parse().unwrap());
        let frames = [Frame::data(Bytes::from_static(script.message)), Frame::trailers(trailers)];
        let answer = Response::builder().header("content-type", "application/grpc+proto");
        Ok::<_, Infallible>(answer.body(Frames(frames.into())).unwrap())
    };
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn server(message: &'static [u8], status: &'static str) -> SocketAddr {
    serve(move |stream| converse(stream, Script { message, status })).await
}

fn to(address: SocketAddr) -> GrpcSpec {
    let (service, token) = ("web".to_owned(), Some(Secret::new("T0K3N")));
    GrpcSpec { address: at(address), secure: false, tls: TlsSpec::default(), service, token }
}

async fn run(spec: GrpcSpec) -> Report {
    probe(Spec::Grpc(Box::new(spec))).run(AMPLE).await
}

const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

#[tokio::test]
async fn a_service_that_serves_passes() {
    let report = run(to(server(SERVING, "0").await)).await;
    assert_passed(&report);
    assert!(report.phases.connect_us.is_some() && report.phases.ttfb_us.is_some(), "{report:?}");
}

#[tokio::test]
async fn what_a_server_says_of_its_health_and_its_errors_is_named() {
    for (message, status, class, said) in [
        (&[0, 0, 0, 0, 2, 8, 2][..], "0", Class::Content, "the service web is not serving (NOT_SERVING)"),
        (&[0, 0, 0, 0, 0], "0", Class::Content, "the health of the service web is not known there (UNKNOWN)"),
        (&[], "5", Class::Content, "the service web is not known to the health service there (NOT_FOUND)"),
        (&[], "12", Class::Protocol, "the server does not speak the health protocol (UNIMPLEMENTED)"),
        (&[], "14", Class::Protocol, "the server answered UNAVAILABLE: not today"),
        (&[0, 0, 0, 0, 9, 8], "0", Class::Protocol, "the answer is not that of the health protocol"),
    ] {
        let report = run(to(server(message, status).await)).await;
        assert_failed(&report, class, Phase::Body, said);
    }
}

#[tokio::test]
async fn what_is_no_grpc_and_a_flood_are_failures_of_the_protocol() {
    let report = run(to(answer("HTTP/1.1 400 Bad Request\r\n\r\n").await)).await;
    assert_eq!(failure(&report).class, Class::Protocol, "{report:?}");
    static FLOOD: [u8; 200_000] = [0; 200_000];
    let report = run(to(server(&FLOOD, "0").await)).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the answer is longer than 64 KiB");
}

#[tokio::test]
async fn over_tls_the_server_has_to_speak_http_2() {
    let authority = Authority::new();
    for (alpn, passes) in [(vec![b"h2".to_vec()], true), (Vec::new(), false)] {
        let acceptor = speaking(&authority.issue(&["127.0.0.1"], 90), alpn);
        let address = serve(move |stream| {
            let accepting = acceptor.accept(stream);
            async move {
                if let Ok(stream) = accepting.await {
                    converse(stream, Script { message: SERVING, status: "0" }).await;
                }
            }
        });
        let tls = TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() };
        let report = run(GrpcSpec { secure: true, tls, ..to(address.await) }).await;
        match passes {
            true => assert_passed(&report),
            false => assert_failed(&report, Class::Protocol, Phase::Tls, "the server does not speak HTTP/2"),
        }
    }
}

fn speaking(identity: &Identity, alpn: Vec<Vec<u8>>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_no_client_auth();
    let mut config = builder.with_single_cert(identity.chain.clone(), identity.key.clone_key()).unwrap();
    config.alpn_protocols = alpn;
    TlsAcceptor::from(Arc::new(config))
}
