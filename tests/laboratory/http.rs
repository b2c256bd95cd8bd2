//! What HTTP servers do wrong.

use super::{
    bench::reset,
    fault::{Expected, Fault, Port, handler},
};
use crate::support::net::{http, read_head};
use flate2::{Compression, write::GzEncoder};
use healthcheck_dashboard::domain::check::Class;
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use tokio::io::AsyncWriteExt;

pub(super) const PAGE: &str = "{\"all\":\"well\"}";

const KEYS: &str = "url = \"http://ADDRESS/\"\nexpect_body = '\"well\"'\n";
const JSON: &str = "url = \"http://ADDRESS/\"\nexpect_json = { path = \"$.all\", value = \"well\" }\n";

/// Answers with these bytes, and closes the connection.
fn says(bytes: impl Into<Vec<u8>>) -> Port {
    let bytes = bytes.into();
    Port::Serves(handler(move |mut stream, _| {
        let bytes = bytes.clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
    }))
}

/// The same, and the connection is reset.
fn breaks_off_after(bytes: &'static str) -> Port {
    Port::Serves(handler(move |mut stream, _| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(bytes.as_bytes()).await;
        reset(&stream);
    }))
}

/// Begins like this, and goes on byte by byte.
fn drips_after(bytes: &'static str) -> Port {
    Port::Serves(handler(move |mut stream, hanging| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(bytes.as_bytes()).await;
        hanging.drip(stream).await;
    }))
}

/// Begins like this, and goes on with that without end.
fn endless(begin: &'static str, again: &str) -> Port {
    let again = again.repeat(1 + 8192 / again.len());
    Port::Serves(handler(move |mut stream, _| {
        let again = again.clone();
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(begin.as_bytes()).await;
            while stream.write_all(again.as_bytes()).await.is_ok() {}
        }
    }))
}

fn by_turns() -> Port {
    let asked = Arc::new(AtomicUsize::new(0));
    Port::Serves(handler(move |mut stream, _| {
        let asked = Arc::clone(&asked);
        async move {
            // What is found out beside a check asks nothing.
            if read_head(&mut stream).await.is_empty() {
                return;
            }
            let is_well = asked.fetch_add(1, Relaxed) % 2 == 1;
            let answer = if is_well { http("200 OK", &[], PAGE) } else { http("503 Service Unavailable", &[], "") };
            let _ = stream.write_all(&answer).await;
        }
    }))
}

fn bomb() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; 16 * 1024 * 1024]).unwrap();
    http("200 OK", &["content-encoding: gzip"], encoder.finish().unwrap())
}

fn utf_16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

pub(super) fn well() -> Port {
    says(http("200 OK", &["content-type: application/json"], PAGE))
}

pub(super) fn faults() -> Vec<Fault> {
    use Class::{Connect, Content, HttpStatus, Protocol, Timeout};
    let fault = |name, expected, broken| Fault::new("http", name, expected, KEYS, well(), broken);
    let down = |name, class, broken| fault(name, Expected::Down(class), broken);
    let json = |name, broken| Fault { keys: JSON.to_owned(), ..down(name, Content, broken) };
    let ok = "HTTP/1.1 200 OK\r\n";
    vec![
        down("nobody listens", Connect, Port::Closed),
        down("packets are dropped", Timeout, Port::Drops),
        down("connections are never accepted", Timeout, Port::NeverAccepts),
        down(
            "a request is never answered",
            Timeout,
            Port::Serves(handler(|mut stream, hanging| async move {
                read_head(&mut stream).await;
                hanging.hang(stream).await;
            })),
        ),
        down("the connection is closed without an answer", Protocol, says("")),
        down(
            "the connection is reset before the request is read",
            Protocol,
            Port::Serves(handler(|stream, _| async move {
                let _ = stream.readable().await;
                reset(&stream);
            })),
        ),
        down("the connection is reset after the request", Protocol, breaks_off_after("")),
        down("the connection is reset within the head", Protocol, breaks_off_after("HTTP/1.1 200 OK\r\ncontent-le")),
        down(
            "the connection is reset within the body",
            Protocol,
            breaks_off_after("HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"all\":"),
        ),
        down("the head comes byte by byte", Timeout, drips_after("HTTP/1.1 200 OK\r\nx-slow: ")),
        down("the body comes byte by byte", Timeout, drips_after("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")),
        down("status 500", HttpStatus, says(http("500 Internal Server Error", &[], "sorry"))),
        down("status 503", HttpStatus, says(http("503 Service Unavailable", &["retry-after: 60"], "busy"))),
        down("status 503 with the right page", HttpStatus, says(http("503 Service Unavailable", &[], PAGE))),
        down("status 404", HttpStatus, says(http("404 Not Found", &[], "no such page"))),
        down("status 401", HttpStatus, says(http("401 Unauthorized", &["www-authenticate: Basic"], ""))),
        down("status 429", HttpStatus, says(http("429 Too Many Requests", &[], ""))),
        Fault {
            keys: format!("{KEYS}interval_secs = 2\n"),
            ..fault("answers and status 503 by turns", Expected::Flapping(HttpStatus), by_turns())
        },
        down("a redirect to itself", Protocol, says(http("302 Found", &["location: /"], ""))),
        down(
            "redirects without end",
            Protocol,
            Port::Serves(handler(|mut stream, _| async move {
                let head = read_head(&mut stream).await;
                let next = format!("location: {}x", head.split(' ').nth(1).unwrap_or("/"));
                let _ = stream.write_all(&http("302 Found", &[&next], "")).await;
            })),
        ),
        down(
            "a redirect to a metadata service",
            Connect,
            says(http("302 Found", &["location: http://169.254.169.254/latest/meta-data/"], "")),
        ),
        down("status 200 with the wrong page", Content, says(http("200 OK", &[], "<h1>It works!</h1>"))),
        down("an empty body", Content, says(http("200 OK", &[], ""))),
        down("no body at all", Content, says(format!("{ok}\r\n"))),
        down("an endless body", Content, endless("HTTP/1.1 200 OK\r\n\r\n", "lorem ipsum ")),
        down(
            "an endless chunked body",
            Content,
            endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "5\r\nlorem\r\n"),
        ),
        down("a body shorter than its Content-Length", Protocol, says(format!("{ok}content-length: 99\r\n\r\n{PAGE}"))),
        down("a body longer than its Content-Length", Content, says(format!("{ok}content-length: 5\r\n\r\n{PAGE}"))),
        down(
            "a chunked body without its last chunk",
            Protocol,
            says(format!("{ok}transfer-encoding: chunked\r\n\r\ne\r\n{PAGE}\r\n")),
        ),
        down(
            "two Content-Lengths that differ",
            Protocol,
            says(format!("{ok}content-length: 14\r\ncontent-length: 15\r\n\r\n{PAGE}")),
        ),
        down("a Content-Length that is no number", Protocol, says(format!("{ok}content-length: many\r\n\r\n{PAGE}"))),
        down("a gzip bomb", Content, says(bomb())),
        down("broken gzip", Protocol, says(http("200 OK", &["content-encoding: gzip"], PAGE))),
        down("an endless header", Protocol, endless("HTTP/1.1 200 OK\r\nx-long: ", "x")),
        down("endless headers", Protocol, endless("HTTP/1.1 200 OK\r\n", "x-many: x\r\n")),
        down("endless interim answers (1xx)", Protocol, endless("", "HTTP/1.1 102 Processing\r\n\r\n")),
        down("another protocol", Protocol, says("SSH-2.0-OpenSSH_9.6\r\n")),
        json("JSON with another value", says(http("200 OK", &[], "{\"all\":\"broken\"}"))),
        json("JSON without the value", says(http("200 OK", &[], "{}"))),
        json("JSON that breaks off", says(http("200 OK", &[], "{\"all\":\"wel"))),
        json("a page where JSON is expected", says(http("200 OK", &[], "<h1>It works!</h1>"))),
        fault("an interim answer before the answer", Expected::Up, {
            let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n".as_bytes();
            says([hints, &http("200 OK", &[], PAGE)].concat())
        }),
        fault("the right page, and more without end", Expected::Up, {
            endless("HTTP/1.1 200 OK\r\n\r\n{\"all\":\"well\"}", "lorem ipsum ")
        }),
        down(
            "a charset that the text is not in",
            Content,
            says(http("200 OK", &["content-type: application/json; charset=utf-8"], utf_16(PAGE))),
        ),
    ]
}
