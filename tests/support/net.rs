//! Servers written by hand, so that they can misbehave in any way.

use std::{
    net::{IpAddr, SocketAddr, TcpListener as Listener},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as Name, UnixListener},
    },
    sync::{
        Mutex,
        atomic::{AtomicU16, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Hands every connection to `handler`, for as long as the test's runtime lives.
pub(crate) async fn serve<F, Fut>(handler: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    serve_at("127.0.0.1", handler).await
}

/// The same, at this address of the machine.
pub(crate) async fn serve_at<F, Fut>(host: &str, handler: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    serve_on((host.parse::<IpAddr>().unwrap(), 0).into(), handler).await
}

/// The same, at this port.
pub(crate) async fn serve_on<F, Fut>(at: SocketAddr, handler: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(at).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handler(stream));
        }
    });
    address
}

/// Answers every HTTP request with the same bytes and closes the connection.
pub(crate) async fn answer(bytes: impl Into<Vec<u8>>) -> SocketAddr {
    let bytes = bytes.into();
    serve(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

/// An HTTP answer of this status line, these headers and this body.
pub(crate) fn http(status: &str, headers: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
    for header in headers {
        answer += &format!("{header}\r\n");
    }
    answer += "\r\n";
    [answer.as_bytes(), body].concat()
}

/// Reads up to the end of a request's head.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// Keeps what it is given and never ends: a server that hangs.
pub(crate) async fn hang<T>(held: T) {
    std::future::pending::<()>().await;
    drop(held);
}

/// The ports that are given out here: below those that the kernel gives to whoever asks for any.
const PORTS: std::ops::Range<u16> = 16_384..32_768;

/// A port that is this process's alone until it ends, and that nobody listens on yet.
///
/// One that the kernel gave, and that was given back, it gives to the next: a test beside, or a connection, had it before
/// the program under test was there. So it is none of the kernel's, and a name that only one process of this machine can
/// hold says that it is taken.
pub(crate) fn own_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    static TAKEN: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    let all = PORTS.end - PORTS.start;
    // Processes side by side begin apart.
    let begin = (std::process::id() % u32::from(all)) as u16;
    for _ in 0..all {
        let port = PORTS.start + begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % all;
        let name = Name::from_abstract_name(format!("healthcheck-dashboard-test-port-{port}")).unwrap();
        let Ok(taken) = UnixListener::bind_addr(&name) else { continue };
        // Somebody who knows nothing of names may be there.
        if Listener::bind(("0.0.0.0", port)).is_ok() {
            TAKEN.lock().unwrap().push(taken);
            return port;
        }
    }
    panic!("no port is free between {} and {}", PORTS.start, PORTS.end);
}

/// An address that nobody listens on.
pub(crate) fn closed_port() -> SocketAddr {
    ([127, 0, 0, 1], own_port()).into()
}
