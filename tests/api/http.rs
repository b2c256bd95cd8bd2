//! What holds for every answer.

use super::{begin, five_minutes};
use crate::support::{
    binary::unchunked,
    history::{History, ask, get, send, service},
};
use axum::{
    Router,
    body::Body,
    http::{Method, Request},
};
use healthcheck_dashboard::{http::state::AppState, server, shutdown};
use proptest::prelude::*;
use std::{io::Read, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

const SECURITY: [&str; 4] = ["content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy"];

#[tokio::test(start_paused = true)]
async fn every_answer_has_the_security_headers() {
    let history = five_minutes().await;
    let site = history.site();
    for path in [
        "/health",
        "/livez",
        "/metrics",
        "/api/v1/services",
        "/api/v1/export?window=24h",
        "/api/v1/incidents/999",
        "/api/v1/incidents?status=x",
        "/api/v1/services/%FF",
        "/nothing/here",
    ] {
        let answer = get(&site, path).await;
        for header in SECURITY {
            assert!(!answer.header(header).is_empty(), "{path} ({}) lacks {header}", answer.status);
        }
        assert!(!answer.header("content-security-policy").contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let large = Request::post("/health").header("content-length", "1000000").body(Body::from(vec![b'x'; 1_000_000]));
    let answer = ask(&site, large.unwrap()).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(!answer.header("content-security-policy").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_mistake_in_the_query_is_named() {
    let history = five_minutes().await;
    for (path, parameter) in [
        ("/api/v1/uptime?window=7", "window"),
        ("/api/v1/uptime?window=", "window"),
        ("/api/v1/uptime?window=0d", "window"),
        ("/api/v1/uptime?window=7d&from=2026-11-16", "from"),
        ("/api/v1/uptime?from=yesterday", "from"),
        ("/api/v1/uptime?from=2026-11-16T00:00:00+01:00", "from"),
        ("/api/v1/uptime?to=2026-11-16", "from"),
        ("/api/v1/uptime?windows=7d", "windows"),
        ("/api/v1/services/web/uptime?service=web", "service"),
        ("/api/v1/services/web/history?buckets=0", "buckets"),
        ("/api/v1/services/web/history?buckets=2001", "buckets"),
        ("/api/v1/services/web/history?buckets=-1", "buckets"),
        ("/api/v1/services/web/checks?outcome=bad", "outcome"),
        ("/api/v1/services/web/checks?limit=5001", "limit"),
        ("/api/v1/services/web/checks?cursor=x", "cursor"),
        ("/api/v1/incidents?status=closed", "status"),
        ("/api/v1/incidents?cursor=17", "cursor"),
        ("/api/v1/incidents?cursor=17-", "cursor"),
        ("/api/v1/export?format=xml", "format"),
        ("/api/v1/services?page=2", "page"),
        ("/health?verbose=yes", "verbose"),
        ("/health/web?at_=1", "at_"),
    ] {
        let answer = history.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let body = answer.json();
        assert_eq!((&body["parameter"], &body["status"]), (&parameter.into(), &400.into()), "{path}");
        assert!(!body["detail"].as_str().unwrap().is_empty());
    }
    // A plus in a query is a space: the answer says how to write it.
    let answer = history.get("/api/v1/uptime?from=2026-11-16T00:00:00+01:00").await.json();
    assert!(answer["detail"].as_str().unwrap().contains("%2B"));
    assert_eq!(history.get("/api/v1/uptime?from=2026-11-16T00:00:00%2B01:00").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn every_path_names_a_parameter_that_it_does_not_know() {
    let history = five_minutes().await;
    let site = history.site();
    let known: &[(&str, &[&str])] = &[
        ("/health", &["verbose=1", "at=2026-11-16T00:01:00Z"]),
        ("/livez", &[]),
        ("/readyz", &["verbose=1"]),
        ("/metrics", &[]),
        ("/dashboard/incidents.atom", &[]),
        ("/dashboard", &["q=w&state=&sort=name&open=a&open=b", "at=2026-11-16T00:01:00Z&tz=Asia/Tokyo"]),
        ("/dashboard/services/web", &["window=1h&outcome=down", "from=2026-11-16&to="]),
        ("/dashboard/incidents", &["service=web&show=all&class=connect&min_duration=90s", "window=7d"]),
        ("/dashboard/incidents/1", &["tz=Asia/Tokyo"]),
        ("/dashboard/review", &["month=2026-11", "from=2026-11-16T00:00&tz=UTC"]),
        ("/dashboard/wall", &["tz=Asia/Tokyo"]),
    ];
    for (path, queries) in known {
        for query in *queries {
            assert_ne!(get(&site, &format!("{path}?{query}")).await.status, 400, "{path}?{query}");
        }
        let answer = get(&site, &format!("{path}?windw=7d")).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains("windw"), "{path}: {}", answer.text());
        for query in queries.iter().filter(|query| !query.contains("open=")) {
            let answer = get(&site, &format!("{path}?{query}&{query}")).await;
            assert_eq!(answer.status, 400, "{path}?{query} twice");
            assert!(answer.text().contains("more than once"), "{path}?{query} twice: {}", answer.text());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_duration_is_written_in_one_way_everywhere() {
    let history = five_minutes().await;
    history.at(begin().plus(300_000));
    let site = history.site();
    let paths = [
        "/api/v1/uptime?window=",
        "/api/v1/services/web/history?window=",
        "/api/v1/services/web/checks?window=",
        "/api/v1/incidents?window=",
        "/api/v1/incidents?min_duration=",
        "/api/v1/incidents?max_duration=",
        "/api/v1/export?window=",
        "/api/v1/review?window=",
        "/api/v1/maintenance?window=",
        "/badge/web/uptime.svg?window=",
        "/dashboard/services/web?window=",
        "/dashboard/incidents?window=",
        "/dashboard/incidents?max_duration=",
        "/dashboard/review?window=",
    ];
    for path in paths {
        for duration in ["1m", "90s", "36h", "1h+30m", "1h30min", "2w", "36525d"] {
            let answer = get(&site, &format!("{path}{duration}")).await;
            assert_eq!(answer.status, 200, "{path}{duration}: {}", answer.text());
        }
        for (duration, said) in [("7", "numbers with units"), ("1y", "numbers with units"), ("0s", "from 1s to 36525d")]
        {
            let answer = get(&site, &format!("{path}{duration}")).await;
            assert_eq!(answer.status, 400, "{path}{duration}");
            assert!(answer.text().contains(said), "{path}{duration}: {}", answer.text());
        }
    }
    let minute = get(&site, "/api/v1/services/web/uptime?window=1m").await.ok();
    let asked = (&minute["from"], &minute["to"]);
    assert_eq!(asked, (&"2026-11-16T00:04:00.000Z".into(), &"2026-11-16T00:05:00.000Z".into()), "{minute}");
}

#[tokio::test(start_paused = true)]
async fn a_window_that_ends_before_it_begins_cannot_be_processed() {
    let history = five_minutes().await;
    for path in ["/api/v1/uptime", "/api/v1/services/web/history", "/api/v1/incidents", "/api/v1/export"] {
        for query in ["from=2026-11-16&to=2026-11-15", "from=2026-11-16&to=2026-11-16", "from=2027-01-01&to=2027-01-02"]
        {
            let answer = history.get(&format!("{path}?{query}")).await;
            assert_eq!(answer.status, 422, "{path}?{query}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_parameter_is_what_is_said() {
    let history = five_minutes().await;
    history.at(begin().plus(3_600_000));
    for (path, status, parameter, said) in [
        ("/api/v1/incidents/1?window=7d", 400, "window", "this path takes no parameters"),
        ("/api/v1/services/web?window=7d", 400, "window", "there is no such parameter here, only at"),
        // Well-formed, and out of range.
        ("/health?at=1969-12-31T23:59:59Z", 400, "at", "is out of range: from 1970"),
        ("/api/v1/uptime?from=1969-12-31", 400, "from", "is out of range: from 1970"),
        ("/api/v1/uptime?from=2026-11-16&to=%2B10000-01-01", 400, "to", "is out of range: from 1970"),
        ("/api/v1/uptime?window=999999d", 400, "window", "is out of range: from 1s to 36525d"),
        ("/api/v1/uptime?window=0h", 400, "window", "is out of range: from 1s"),
        ("/api/v1/uptime?window=99999999999999999999999w", 400, "window", "is out of range: from 1s"),
        ("/badge/web/uptime.svg?window=999999d", 400, "window", "is out of range: from 1s"),
        ("/api/v1/review?week=1970-W01", 400, "week", "is out of range: it and the one before it"),
        ("/api/v1/review?month=1970-01", 400, "month", "is out of range: it and the one before it"),
        ("/api/v1/review?week=1970-W54", 400, "week", "takes an ISO week"),
        ("/api/v1/uptime?window=d", 400, "window", "takes numbers with units"),
        ("/api/v1/uptime?from=2026-11-31", 400, "from", "takes an RFC 3339 time"),
        // Of two values nobody knows which is meant.
        ("/api/v1/uptime?window=7d&window=8d", 400, "window", "is given more than once"),
        ("/api/v1/incidents?service=web&service=web", 400, "service", "is given more than once"),
        ("/health?verbose=1&verbose=1", 400, "verbose", "is given more than once"),
        ("/badge/web/status.svg?label=a&label=b", 400, "label", "is given more than once"),
        ("/api/v1/events?events=check&events=status", 400, "events", "is given more than once"),
        ("/api/v1/uptime?from=2026-11-16&to=2026-11-16", 422, "", "this window is empty"),
        ("/api/v1/uptime?from=2026-11-16&to=2026-11-15", 422, "", "ends before it begins"),
        ("/api/v1/uptime?from=2026-11-17", 422, "", "lies in the future"),
    ] {
        let answer = history.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text());
        let problem = answer.json();
        assert_eq!(problem["parameter"].as_str().unwrap_or_default(), parameter, "{path}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{path}: {problem}");
    }
    // Where several are meant, they may be named one by one.
    let two = history.get("/api/v1/uptime?service=web&service=flap%20b&window=1h").await.ok();
    assert_eq!(two["services"].as_object().unwrap().len(), 2);
    assert_eq!(history.get("/api/v1/export?service=web&service=flap%20b").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_a_problem_too() {
    let history = five_minutes().await;
    for path in [
        "/nothing",
        "/api/v1/nothing",
        "/api/v1/services/nobody",
        "/api/v1/services/nobody/uptime",
        "/api/v1/services/nobody/history",
        "/api/v1/services/nobody/checks",
        "/api/v1/uptime?service=nobody",
        "/api/v1/incidents?service=nobody",
        "/api/v1/export?service=nobody",
    ] {
        let answer = history.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(answer.json()["status"], 404);
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_addresses_are_answered_and_harm_nothing() {
    let history = five_minutes().await;
    let long = "x".repeat(60_000);
    for path in [
        format!("/health/{long}"),
        format!("/api/v1/uptime?service={long}"),
        format!("/api/v1/uptime?{long}"),
        format!("/api/v1/uptime?{}", "service=web&".repeat(3000)),
        "/health/%00".into(),
        "/health/%FF%FE".into(),
        "/health/..%2F..%2Fetc%2Fpasswd".into(),
        "/health/%3Cscript%3Ealert(1)%3C%2Fscript%3E".into(),
        "/api/v1/services/'%20OR%201=1--".into(),
        "/api/v1/incidents/1%20OR%201".into(),
        "//health".into(),
    ] {
        let answer = history.get(&path).await;
        let shown = &path[..path.len().min(60)];
        assert!(answer.status.is_client_error() || path.contains("service=web&"), "{shown}: {}", answer.status);
        if answer.status.is_client_error() {
            assert_eq!(answer.header("content-type"), "application/problem+json", "{shown}");
            answer.json();
        }
    }
    assert_eq!(history.get("/readyz").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn head_is_get_without_a_body_and_other_methods_are_refused() {
    let history = five_minutes().await;
    let site = history.site();
    for path in ["/health", "/livez", "/api/v1/services", "/api/v1/export?window=24h"] {
        let (head, get) = (send(&site, Method::HEAD, path).await, get(&site, path).await);
        assert_eq!((head.status, head.header("content-type")), (get.status, get.header("content-type")), "{path}");
        assert!(head.body.is_empty());
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = send(&site, method, path).await;
            assert_eq!(answer.status, 405, "{path}");
            assert_eq!(answer.header("allow"), "GET,HEAD", "{path}");
            assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_compressed_for_those_who_can_read_that() {
    let history = five_minutes().await;
    let path = "/api/v1/services/web/history?window=24h";
    let plain = history.get(path).await;
    assert_eq!(plain.header("content-encoding"), "");
    let request = Request::get(path).header("accept-encoding", "gzip").body(Body::empty()).unwrap();
    let packed = ask(&history.site(), request).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.header("vary").contains("accept-encoding"));
    assert!(packed.body.len() * 4 < plain.body.len());
    assert_eq!(gunzip(&packed.body), plain.body);
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut child = std::process::Command::new("gzip")
        .arg("-dc")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), bytes).unwrap();
    let mut plain = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut plain).unwrap();
    assert!(child.wait().unwrap().success());
    plain
}

#[tokio::test(start_paused = true)]
async fn behind_a_proxy_it_answers_with_the_base_path_and_without() {
    let mut history = History::new(super::BEGIN, vec![service("web")]);
    history.checks("web", begin(), ".");
    history.committed().await;
    let site = AppState { base_path: "/status".into(), ..history.site() };
    for path in ["/health", "/status/health", "/api/v1/services", "/status/api/v1/services", "/status/livez"] {
        assert_eq!(get(&site, path).await.status, 200, "{path}");
    }
    for path in ["/status/nothing", "/statushealth", "/status/status/health"] {
        let answer = get(&site, path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{path}");
    }
    assert_eq!(send(&site, Method::POST, "/status/health").await.status, 405);
}

/// Pieces that queries are made of, sensible and not.
fn piece() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "window",
        "from",
        "to",
        "service",
        "status",
        "outcome",
        "cursor",
        "limit",
        "buckets",
        "format",
        "verbose",
        "=",
        "&",
        "7d",
        "24h",
        "99999999999d",
        "1970-01-01",
        "2026-11-16",
        "9999-12-31T23:59:59Z",
        "2026-11-16T00:01:00.001Z",
        "web",
        "flap%20a",
        "open",
        "down",
        "csv",
        "ndjson",
        "0",
        "1",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "-",
        "%",
        "%00",
        "%FF",
        "+",
        "1794787200000-1",
    ]);
    prop_oneof![9 => word.prop_map(str::to_owned), 1 => "[ -~]{0,6}".prop_map(|t| t.replace([' ', '#', '"', '<', '>', '\\', '^', '`', '{', '|', '}'], "_"))]
}

#[test]
fn no_query_makes_it_break() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let history = runtime.block_on(five_minutes());
    let paths = prop::sample::select(vec![
        "/health",
        "/api/v1/services",
        "/api/v1/services/web",
        "/api/v1/uptime",
        "/api/v1/services/web/uptime",
        "/api/v1/services/web/history",
        "/api/v1/services/web/checks",
        "/api/v1/incidents",
        "/api/v1/incidents/2",
        "/api/v1/export",
    ]);
    let requests = (paths, prop::collection::vec(piece(), 0..8));
    proptest!(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() }, |((path, pieces) in requests)| {
        let uri = format!("{path}?{}", pieces.concat());
        prop_assume!(uri.parse::<axum::http::Uri>().is_ok());
        let answer = runtime.block_on(history.get(&uri));
        prop_assert!([200, 400, 404, 422, 503].contains(&answer.status.as_u16()), "{}: {}", uri, answer.status);
        // 503 is what /health says of these services, and nothing else here.
        prop_assert!(answer.status != 503 || path == "/health", "{}: {}", uri, answer.text());
    });
}

/// The interface on a real socket, and what ends it.
async fn listen(router: Router) -> (SocketAddr, shutdown::Trigger, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, token) = shutdown::channel();
    (
        address,
        trigger,
        tokio::spawn(server::serve(listener, router, std::sync::Arc::default(), std::sync::Arc::from([]), token)),
    )
}

/// What it answers to these bytes, up to the end of the connection.
async fn say(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // It may have heard enough before all of it was sent.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn what_is_no_sensible_request_is_refused_and_the_next_one_is_answered() {
    let mut history = History::new(super::BEGIN, vec![service("web")]);
    history.checks("web", begin(), ".");
    history.committed().await;
    let (address, trigger, server) = listen(server::router(history.site())).await;
    let long = format!("GET /health/{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(200_000));
    let many = format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(500));
    for request in [
        long.as_str(),
        &many,
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET /health HTTP/9.9\r\n\r\n",
        "\u{16}\u{3}\u{1}\0\u{5}\r\n\r\n",
    ] {
        let answer = say(address, request.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{}", &answer[..answer.len().min(100)]);
        let next = say(address, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(next.starts_with("HTTP/1.1 200"), "{next}");
    }
    trigger.fire();
    server.await.unwrap();
}

#[tokio::test]
async fn whoever_leaves_in_the_middle_of_an_export_leaves_nothing_behind() {
    let mut history = History::new(super::BEGIN, vec![service("web")]);
    for i in 0..20_000 {
        history.check("web", crate::support::history::result('.', begin().plus(i * 10_000)));
    }
    history.at(begin().plus(200_000_000));
    history.committed().await;
    let (address, trigger, server) = listen(server::router(history.site())).await;
    // More of them than may run at once.
    for _ in 0..12 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /api/v1/export?window=7d HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        stream.read_u8().await.unwrap();
    }
    let whole = loop {
        let answer =
            say(address, b"GET /api/v1/export?window=7d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        // Those who left are noticed in a moment.
        if !answer.starts_with("HTTP/1.1 503") {
            break answer;
        }
    };
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let body = String::from_utf8(unchunked(body.as_bytes()).expect("a whole body")).unwrap();
    assert_eq!(body.matches("\"outcome\":\"up\"").count(), 20_000);
    trigger.fire();
    server.await.unwrap();
}
