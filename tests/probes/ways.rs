//! The way to a service: proxies, and versions of HTTP.

use super::*;
use crate::support::{
    net::{answer, closed_port, hang, http, read_head, serve},
    tls::{Authority, https},
};
use healthcheck_dashboard::config;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{net::SocketAddr, path::Path, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::TcpStream,
    sync::Mutex,
};

async fn check(keys: &str) -> Report {
    let text = format!("[[checks.endpoints]]\nname = \"x\"\n{keys}\n");
    let endpoint = config::parse(&text, Path::new("config.toml"), &|_| None).unwrap().checks.endpoints.remove(0);
    assert!(!endpoint.shown.to_string().contains("hunter2"), "{}", endpoint.shown);
    Probe::new(&endpoint.probe, endpoint.secrets, shared()).unwrap().run(AMPLE).await
}

/// An HTTP proxy that leads everything to `to`, and what it was asked.
async fn http_proxy(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let address = serve(move |mut stream| {
        let record = Arc::clone(&record);
        async move {
            let head = read_head(&mut stream).await;
            record.lock().await.push(head.clone());
            let mut there = TcpStream::connect(to).await.unwrap();
            if head.starts_with("CONNECT ") {
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            } else {
                there.write_all(head.as_bytes()).await.unwrap();
            }
            let _ = copy_bidirectional(&mut stream, &mut there).await;
        }
    })
    .await;
    (address, asked)
}

#[tokio::test]
async fn a_service_without_tls_is_asked_by_the_proxy() {
    let (proxy, asked) = http_proxy(answer(http("200 OK", &[], "arrived")).await).await;
    let report = check(&format!(
        "url = \"http://shop.invalid/x?y=1\"\nproxy = \"http://me:hunter2@{proxy}\"\nexpect_body = \"arrived\""
    ))
    .await;
    assert_passed(&report);
    let asked = asked.lock().await;
    assert!(asked[0].starts_with("GET http://shop.invalid/x?y=1 HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].contains("host: shop.invalid\r\n"), "{asked:?}");
    assert!(asked[0].contains("proxy-authorization: Basic bWU6aHVudGVyMg==\r\n"), "{asked:?}");
}

#[tokio::test]
async fn a_service_with_tls_is_asked_through_a_tunnel_and_the_proxy_sees_its_name_alone() {
    let authority = Authority::new();
    let service = https(&authority.issue(&["shop.invalid"], 90), None).await;
    let (proxy, asked) = http_proxy(service).await;
    let report = check(&format!(
        "url = \"https://shop.invalid/x\"\nproxy = \"http://me:hunter2@{proxy}\"\ntls = {{ skip_verify = true }}"
    ))
    .await;
    assert_passed(&report);
    assert!(report.certificate_expires_at.is_some());
    let login = "Proxy-Authorization: Basic bWU6aHVudGVyMg==\r\n";
    let expected = format!("CONNECT shop.invalid:443 HTTP/1.1\r\nHost: shop.invalid:443\r\n{login}\r\n");
    assert_eq!(asked.lock().await.as_slice(), [expected]);
}

#[tokio::test]
async fn what_the_proxy_refuses_is_said_to_be_the_proxys() {
    let closed = closed_port();
    let ask = async |proxy: SocketAddr, login: &str| {
        check(&format!("url = \"https://shop.invalid/\"\nproxy = \"http://{login}{proxy}\"")).await
    };
    let message = format!("the proxy {closed}: connection refused by {closed}");
    assert_failed(&ask(closed, "").await, Class::Connect, Phase::Connect, &message);
    for (said, login, why) in [
        ("HTTP/1.1 407 No\r\n\r\n", "", "it wants credentials (HTTP 407)"),
        ("HTTP/1.1 407 No\r\n\r\n", "me:hunter2@", "it refuses our credentials (HTTP 407)"),
        ("HTTP/1.0 502 Bad Gateway\r\n\r\n", "", "no connection to shop.invalid:443 (HTTP 502)"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "", "its answer is not HTTP"),
        ("HTTP/1.1 200 OK\r\n\r\nand more", "", "it says more than its answer"),
        ("HTTP/1.1 200 OK\r\n", "", "it closed the connection without an answer"),
        (&"x".repeat(40_000), "", "the head of its answer is longer than 16 KiB"),
    ] {
        let proxy = answer(said).await;
        let message = format!("the proxy {proxy}: {why}");
        assert_failed(&ask(proxy, login).await, Class::Connect, Phase::Connect, &message);
    }
}

/// A SOCKS 5 proxy that wants these credentials, leads everything to `to`, and ends with this word; and where it was to
/// lead.
async fn socks(login: Option<&'static str>, to: SocketAddr, word: u8) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let address = serve(move |mut stream| {
        let record = Arc::clone(&record);
        async move {
            let mut greeting = [0; 3];
            stream.read_exact(&mut greeting).await.unwrap();
            let method = if login.is_some() { 2 } else { 0 };
            if greeting[2] != method {
                stream.write_all(&[5, 0xff]).await.unwrap();
                return;
            }
            stream.write_all(&[5, method]).await.unwrap();
            if let Some(login) = login {
                let mut said = String::new();
                assert_eq!(stream.read_u8().await.unwrap(), 1);
                for _ in 0..2 {
                    let mut word = vec![0; usize::from(stream.read_u8().await.unwrap())];
                    stream.read_exact(&mut word).await.unwrap();
                    said += &(String::from_utf8(word).unwrap() + ":");
                }
                stream.write_all(&[1, u8::from(said != format!("{login}:"))]).await.unwrap();
            }
            let mut request = [0; 5];
            stream.read_exact(&mut request).await.unwrap();
            assert_eq!(request[..4], [5, 1, 0, 3]);
            let mut host = vec![0; usize::from(request[4])];
            stream.read_exact(&mut host).await.unwrap();
            let port = stream.read_u16().await.unwrap();
            record.lock().await.push(format!("{}:{port}", String::from_utf8(host).unwrap()));
            stream.write_all(&[5, word, 0, 3, 1, b'x', 0, 80]).await.unwrap();
            let mut there = TcpStream::connect(to).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut there).await;
        }
    })
    .await;
    (address, asked)
}

#[tokio::test]
async fn a_socks_proxy_resolves_the_name_and_leads_there() {
    let service = answer(http("200 OK", &[], "arrived")).await;
    for (login, written) in [(None, ""), (Some("me:hunter2"), "me:hunter2@")] {
        let (proxy, asked) = socks(login, service, 0).await;
        let keys = format!("url = \"http://shop.invalid/\"\nproxy = \"socks5://{written}{proxy}\"");
        let report = check(&format!("{keys}\nexpect_body = \"arrived\"")).await;
        assert_passed(&report);
        assert_eq!(report.phases.dns_us, None);
        assert_eq!(asked.lock().await.as_slice(), ["shop.invalid:80"]);
    }
}

#[tokio::test]
async fn what_a_socks_proxy_refuses_is_said_to_be_the_proxys() {
    let nowhere = closed_port();
    for (login, written, word, why) in [
        (None, "", 5, "no connection to shop.invalid:80: the connection was refused"),
        (None, "", 4, "no connection to shop.invalid:80: the host is unreachable, or has no address"),
        (Some("me:hunter2"), "", 0, "it wants credentials"),
        (Some("me:hunter2"), "me:hunter3@", 0, "it refuses our credentials"),
        (None, "me:hunter2@", 0, "it takes no credentials, or others"),
    ] {
        let (proxy, _) = socks(login, nowhere, word).await;
        let report = check(&format!("url = \"http://shop.invalid/\"\nproxy = \"socks5://{written}{proxy}\"")).await;
        assert_failed(&report, Class::Connect, Phase::Connect, &format!("the proxy {proxy}: {why}"));
    }
}

#[tokio::test]
async fn who_is_excepted_is_asked_directly_and_a_metadata_service_by_nobody() {
    let address = answer(http("200 OK", &[], "")).await;
    let closed = closed_port();
    let keys = format!("url = \"http://{address}/\"\nproxy = \"http://{closed}\"");
    assert_passed(&check(&format!("{keys}\nno_proxy = [\"internal\", \"127.0.0.0/8\"]")).await);
    assert_eq!(failure(&check(&format!("{keys}\nno_proxy = \"10.0.0.0/8\"")).await).class, Class::Connect);
    let (proxy, asked) = http_proxy(address).await;
    let report = check(&format!("url = \"http://169.254.169.254/\"\nproxy = \"http://{proxy}\"")).await;
    assert!(failure(&report).message.contains("a cloud's metadata service"), "{report:?}");
    assert!(asked.lock().await.is_empty());
}

#[tokio::test]
async fn http_2_is_spoken_without_tls_where_both_know() {
    let address = serve(|stream| async move {
        let service = service_fn(async |request: hyper::Request<hyper::body::Incoming>| {
            Ok::<_, std::convert::Infallible>(hyper::Response::new(format!("{:?}", request.version())))
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    })
    .await;
    let keys = format!("url = \"http://{address}/\"\nexpect_body = \"HTTP/2.0\"");
    assert_passed(&check(&format!("{keys}\nhttp_version = \"2\"")).await);
    assert_eq!(failure(&check(&keys).await).class, Class::Protocol);
    let lines = serve(|mut stream| async move {
        let _ = stream.write_all(&http("400 Bad Request", &[], "")).await;
        hang(stream).await;
    })
    .await;
    let report = check(&format!("url = \"http://{lines}/\"\nhttp_version = \"2\"")).await;
    let message = "the server was asked in HTTP/2 and answers in HTTP/1";
    assert_failed(&report, Class::Protocol, Phase::Ttfb, message);
}

#[tokio::test]
async fn the_version_that_is_asked_for_is_the_only_one_that_is_offered() {
    let authority = Authority::new();
    // It knows no version by name, and speaks HTTP/1.1.
    let service = https(&authority.issue(&["127.0.0.1"], 90), None).await;
    let keys = format!("url = \"https://{service}/\"\ntls = {{ skip_verify = true }}");
    assert_passed(&check(&format!("{keys}\nhttp_version = \"1.1\"")).await);
    let report = check(&format!("{keys}\nhttp_version = \"2\"")).await;
    assert_failed(&report, Class::Protocol, Phase::Tls, "the server does not speak HTTP/2");
}
