use super::*;
use crate::support::{
    net::{answer, closed_port, hang, read_head, serve},
    tls::{Authority, acceptor},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use healthcheck_dashboard::{domain::secret::Secret, probe::websocket::WebsocketSpec, settings::tls::TlsSpec};
use ring::digest;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

fn to(address: SocketAddr) -> WebsocketSpec {
    let (path, tls) = ("/chat?room=1".to_owned(), TlsSpec::default());
    WebsocketSpec {
        address: at(address),
        secure: false,
        path,
        tls,
        authorization: None,
        subprotocol: None,
        send: None,
        expect: None,
    }
}

async fn run(spec: WebsocketSpec) -> Report {
    probe(Spec::Websocket(Box::new(spec))).run(AMPLE).await
}

/// Takes a WebSocket as a server has to; what was asked comes back.
async fn accept(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), more: &str) -> String {
    let head = read_head(stream).await;
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let proof = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let proof = STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, proof.as_bytes()));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nsec-websocket-accept: {proof}\r\n{more}\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    head
}

/// A frame of a client, unmasked: its operation and what is in it.
async fn frame(stream: &mut (impl AsyncRead + Unpin)) -> (u8, Vec<u8>) {
    let operation = stream.read_u8().await.unwrap() & 0x0f;
    let length = stream.read_u8().await.unwrap();
    assert!(length & 0x80 != 0 && length & 0x7f < 126, "masked, and short");
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await.unwrap();
    let mut payload = vec![0; usize::from(length & 0x7f)];
    stream.read_exact(&mut payload).await.unwrap();
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    (operation, payload)
}

/// Takes a WebSocket and sends these bytes.
async fn sending(bytes: &'static [u8]) -> SocketAddr {
    serve(move |mut stream| async move {
        accept(&mut stream, "").await;
        stream.write_all(bytes).await.unwrap();
        hang(stream).await;
    })
    .await
}

#[tokio::test]
async fn a_websocket_that_opens_passes_and_the_request_has_what_it_should() {
    let address = serve(|mut stream| async move {
        let head = accept(&mut stream, "Sec-WebSocket-Protocol: chat\r\n").await;
        assert!(head.starts_with("GET /chat?room=1 HTTP/1.1\r\n"), "{head}");
        let host = format!("Host: {}\r\n", stream.local_addr().unwrap());
        for line in ["Authorization: Bearer T0K3N\r\n", "Sec-WebSocket-Protocol: chat\r\n", host.as_str()] {
            assert!(head.contains(line), "{head}");
        }
        assert_eq!(frame(&mut stream).await, (8, vec![3, 232]), "it says goodbye");
    });
    let (authorization, subprotocol) = (Some(Secret::new("Bearer T0K3N")), Some("chat".to_owned()));
    let report = run(WebsocketSpec { authorization, subprotocol, ..to(address.await) }).await;
    assert_passed(&report);
    assert_eq!(report.http_status, Some(101));
    assert!(report.phases.connect_us.is_some() && report.phases.ttfb_us.is_some(), "{report:?}");
}

#[tokio::test]
async fn what_is_sent_is_answered_with_what_is_expected() {
    let echo = serve(|mut stream| async move {
        accept(&mut stream, "").await;
        let (operation, text) = frame(&mut stream).await;
        assert_eq!((operation, text.as_slice()), (1, &b"ping me"[..]));
        // A ping on the way, and an answer in two parts.
        stream.write_all(b"\x89\x02hi\x01\x03you\x80\x05 said").await.unwrap();
        assert_eq!(frame(&mut stream).await, (10, b"hi".to_vec()));
        hang(stream).await;
    });
    let spec =
        WebsocketSpec { send: Some("ping me".to_owned()), expect: Some("you said".to_owned()), ..to(echo.await) };
    assert_passed(&run(spec).await);
}

#[tokio::test]
async fn a_wrong_message_a_close_and_nonsense_are_distinguished() {
    let expecting = |address| WebsocketSpec { expect: Some("ready".to_owned()), ..to(address) };
    let report = probe(Spec::Websocket(Box::new(expecting(sending(b"\x81\x04busy").await)))).run(SHORT).await;
    assert_failed(&report, Class::Content, Phase::Body, "no message contains \"ready\" within 1 s");
    assert_eq!(report.excerpt.as_deref(), Some("busy"));
    let report = probe(Spec::Websocket(Box::new(expecting(sending(b"").await)))).run(SHORT).await;
    assert_eq!(failure(&report).class, Class::Timeout, "{report:?}");
    for (bytes, message) in [
        (&b"\x88\x02\x03\xf3"[..], "the server closed the WebSocket (code 1011)"),
        (b"\x81\x84abcdefgh", "the server masks its frames, which only clients do"),
        (b"\x83\x00", "the answer is not a WebSocket's: it has a frame of an unknown kind"),
    ] {
        let report = run(expecting(sending(bytes).await)).await;
        assert_failed(&report, Class::Protocol, Phase::Body, message);
    }
    // It announces more than is read of anybody.
    let report = run(expecting(sending(b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff").await)).await;
    assert_eq!(failure(&report).class, Class::Protocol, "{report:?}");
}

#[tokio::test]
async fn an_answer_that_opens_no_websocket_is_a_failure() {
    let report = run(to(answer("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await)).await;
    assert_failed(&report, Class::HttpStatus, Phase::Ttfb, "HTTP 403 instead of a WebSocket");
    let report = run(to(answer("HTTP/1.1 101 X\r\nSec-WebSocket-Accept: AAAA\r\n\r\n").await)).await;
    let message = "the server did not accept this WebSocket: its Sec-WebSocket-Accept is not the answer";
    assert_failed(&report, Class::Protocol, Phase::Body, message);
    let report = run(to(answer("-ERR unknown command\r\n").await)).await;
    let message = "the answer is not HTTP: it begins with \"-ERR unknown command\"";
    assert_failed(&report, Class::Protocol, Phase::Body, message);
    let without = serve(|mut stream| async move {
        accept(&mut stream, "").await;
        hang(stream).await;
    });
    let report = run(WebsocketSpec { subprotocol: Some("chat".to_owned()), ..to(without.await) }).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the server does not speak the subprotocol chat");
    let endless = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 101 X\r\n").await;
        while stream.write_all(b"a: b\r\n").await.is_ok() {}
    });
    let report = run(to(endless.await)).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the answer has more than 100 headers");
    let closed = closed_port();
    let report = run(to(closed)).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {closed}"));
}

#[tokio::test]
async fn a_websocket_over_tls_is_one_with_a_certificate() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority.issue(&["127.0.0.1"], 9), None);
    let address = serve(move |stream| {
        let accepting = acceptor.accept(stream);
        async move {
            if let Ok(mut stream) = accepting.await {
                accept(&mut stream, "").await;
                hang(stream).await;
            }
        }
    });
    let address = address.await;
    let tls = TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() };
    let report = run(WebsocketSpec { secure: true, tls, ..to(address) }).await;
    assert_eq!(degraded(&report).message, "certificate expires in 9 days");
    assert_eq!(failure(&run(WebsocketSpec { secure: true, ..to(address) }).await).class, Class::Tls);
}
