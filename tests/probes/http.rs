use super::*;
use crate::support::net::{answer, closed_port, hang, http, read_head, serve};
use healthcheck_dashboard::{
    domain::secret::Secret,
    probe::{
        http::{Auth, HttpSpec, HttpVersion, JsonExpectation, StatusSet},
        reachable,
    },
    settings::{network::IpVersion, tls::TlsSpec},
};
use regex::Regex;
use reqwest::{Method, header::HeaderName};
use serde_json::json;
use std::{net::SocketAddr, sync::Arc};
use tokio::{io::AsyncWriteExt, sync::Mutex};

pub(super) fn spec(url: &str) -> HttpSpec {
    HttpSpec {
        url: url.parse().unwrap(),
        method: Method::GET,
        headers: Vec::new(),
        body: None,
        expect_status: StatusSet(vec![200..=399]),
        expect_body: None,
        expect_body_regex: None,
        expect_json: Vec::new(),
        expect: Vec::new(),
        degraded: Vec::new(),
        auth: None,
        tls: TlsSpec::default(),
        ip_version: IpVersion::Any,
        allow_metadata: false,
        resolve: Vec::new(),
        proxy: None,
        http_version: HttpVersion::Any,
        max_redirects: 10,
        forbid_redirects: false,
        steps: Vec::new(),
    }
}

fn to(address: SocketAddr) -> HttpSpec {
    spec(&format!("http://{address}/health"))
}

async fn run(spec: HttpSpec, deadline: Duration) -> Report {
    probe(Spec::Http(Box::new(spec))).run(deadline).await
}

fn json_is(path: &str, value: serde_json::Value) -> JsonExpectation {
    JsonExpectation { text: path.to_owned(), path: serde_json_path::JsonPath::parse(path).unwrap(), value }
}

/// A server that answers 200 and keeps what it was asked.
async fn recorder() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let address = serve(move |mut stream| {
        let record = Arc::clone(&record);
        async move {
            record.lock().await.push(read_head(&mut stream).await);
            let _ = stream.write_all(&http("200 OK", &[], "ok")).await;
        }
    })
    .await;
    (address, asked)
}

#[tokio::test]
async fn a_good_answer_passes_and_every_phase_is_timed() {
    let address = answer(http("200 OK", &[], "ok")).await;
    let report =
        run(HttpSpec { ip_version: IpVersion::V4, ..spec(&format!("http://localhost:{}/", address.port())) }, AMPLE)
            .await;
    assert_passed(&report);
    assert_eq!(report.http_status, Some(200));
    let phases = report.phases;
    assert!(phases.dns_us.is_some() && phases.connect_us.is_some() && phases.ttfb_us.is_some(), "{report:?}");
    assert_eq!((phases.tls_us, report.certificate_expires_at, &report.excerpt), (None, None, &None));
    assert!(phases.sum_us() <= u64::from(report.latency_us), "{report:?}");
}

#[tokio::test]
async fn an_address_is_not_looked_up() {
    let report = run(to(answer(http("204 No Content", &[], "")).await), AMPLE).await;
    assert_passed(&report);
    assert_eq!(report.phases.dns_us, None);
}

#[tokio::test]
async fn every_check_comes_on_a_connection_of_its_own_with_our_name_and_the_configured_headers() {
    let (address, asked) = recorder().await;
    let probe = probe(Spec::Http(Box::new(HttpSpec {
        headers: vec![(HeaderName::from_static("x-api-key"), Secret::new("k-123456"))],
        auth: Some(Auth::Basic { user: "alice".to_owned(), password: Secret::new("hunter2") }),
        ..to(address)
    })));
    for _ in 0..2 {
        assert_passed(&probe.run(AMPLE).await);
    }
    let asked = asked.lock().await;
    assert_eq!(asked.len(), 2);
    for line in [
        "GET /health HTTP/1.1\r\n",
        "user-agent: healthcheck_dashboard/0.1.0\r\n",
        "x-api-key: k-123456\r\n",
        "authorization: Basic YWxpY2U6aHVudGVyMg==\r\n",
    ] {
        assert!(asked[0].contains(line), "{line} in {}", asked[0]);
    }
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let address = closed_port();
    let report = run(to(address), AMPLE).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {address}"));
    assert_eq!(report.phases.connect_us, None);
}

#[tokio::test]
async fn a_name_without_an_address_is_a_dns_failure() {
    let report = run(spec("http://no-such-host.invalid/"), AMPLE).await;
    let reason = failure(&report);
    assert_eq!((reason.class, reason.phase), (Class::Dns, Some(Phase::Dns)));
    assert!(reason.message.starts_with("no-such-host.invalid has no address: "), "{}", reason.message);
}

#[tokio::test]
async fn the_wrong_kind_of_address_is_a_dns_failure() {
    let address = answer(http("200 OK", &[], "")).await;
    let report = run(HttpSpec { ip_version: IpVersion::V6, ..to(address) }, AMPLE).await;
    assert_failed(&report, Class::Dns, Phase::Dns, "127.0.0.1 has no IPv6 address");
}

#[tokio::test]
async fn a_server_that_never_answers_is_late_in_its_first_byte() {
    let report = run(to(serve(hang).await), SHORT).await;
    assert_late(&report, Phase::Ttfb, "no answer within 1 s");
    assert!(report.phases.connect_us.is_some() && report.phases.ttfb_us.is_none());
}

#[tokio::test]
async fn a_server_that_never_accepts_is_late_too() {
    // The system takes the connection, the program never does.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let report = run(to(listener.local_addr().unwrap()), SHORT).await;
    assert_late(&report, Phase::Ttfb, "no answer within 1 s");
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_late_in_its_body() {
    let address = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
        hang(stream).await;
    })
    .await;
    let report = run(to(address), SHORT).await;
    assert_late(&report, Phase::Body, "the answer was not complete within 1 s");
    assert!(report.phases.ttfb_us.is_some());
    assert_eq!(report.http_status, Some(200));
}

#[tokio::test]
async fn a_wrong_status_is_the_failure_even_where_its_body_never_ends() {
    let address = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 100\r\n\r\nhalf").await;
        hang(stream).await;
    })
    .await;
    let report = run(to(address), SHORT).await;
    assert_failed(&report, Class::HttpStatus, Phase::Ttfb, "HTTP 503, expected 200–399");
    assert_eq!(report.excerpt.as_deref(), Some("HTTP/1.1 503 Service Unavailable\n\nhalf"));
}

#[tokio::test]
async fn a_connection_closed_before_the_answer_is_said_to_be() {
    let report = run(to(answer("").await), AMPLE).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, "connection closed before the answer");
}

#[tokio::test]
async fn a_truncated_body_is_no_good_answer_and_what_it_lacks_is_said() {
    let why = "connection closed before the answer was complete";
    for (head, lacks) in [
        ("content-length: 100", "it is shorter than its Content-Length"),
        ("transfer-encoding: chunked", "its last chunk is missing"),
    ] {
        let body = if head.starts_with('t') { "4\r\nhalf\r\n" } else { "half" };
        let address = answer(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}")).await;
        let report = run(to(address), AMPLE).await;
        assert_failed(&report, Class::Protocol, Phase::Body, &format!("{why}: {lacks}"));
        assert_eq!(report.excerpt.as_deref(), Some("HTTP/1.1 200 OK\n\nhalf"));
    }
    // In the middle of a chunk, and in the middle of its length.
    for body in ["9\r\nhalf", "4\r\nhalf\r\n1"] {
        let address = answer(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}")).await;
        let message = format!("{why}: its last chunk is missing");
        assert_failed(&run(to(address), AMPLE).await, Class::Protocol, Phase::Body, &message);
    }
}

#[tokio::test]
async fn what_came_in_the_place_of_an_answer_is_said_with_the_line_that_is_wrong() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for (said, message, excerpt) in [
        (
            "SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned(),
            "the answer is not HTTP: it begins with \"SSH-2.0-OpenSSH_9.6\"",
            Some("SSH-2.0-OpenSSH_9.6"),
        ),
        (
            "ICY 200 OK\r\nicy-name: radio\r\n\r\n".to_owned(),
            "the answer is not HTTP but its likeness from Shoutcast servers: \"ICY 200 OK\"",
            Some("ICY 200 OK"),
        ),
        (
            "HTTP/1.1 OK\r\n\r\n".to_owned(),
            "the answer's status line is not valid: \"HTTP/1.1 OK\"",
            Some("HTTP/1.1 OK"),
        ),
        (
            format!("{ok}content-length: 2\r\nContent-Length: 3\r\n\r\nok"),
            "the answer has two Content-Lengths that contradict each other",
            Some("HTTP/1.1 200 OK\ncontent-length: 2\nContent-Length: 3"),
        ),
        (
            format!("{ok}content-length: two\r\n\r\nok"),
            "the answer's Content-Length is not a number",
            Some("HTTP/1.1 200 OK\ncontent-length: two"),
        ),
        (
            format!("{ok}X Cache: HIT\r\n\r\n"),
            "the answer has a header whose name has a space: \"X Cache\"",
            Some("HTTP/1.1 200 OK\nX Cache:"),
        ),
        (
            format!("{ok}X-Cache : HIT\r\n\r\n"),
            "the answer has a header whose name has a space before its colon: \"X-Cache \"",
            Some("HTTP/1.1 200 OK\nX-Cache :"),
        ),
        (
            format!("{ok}no header at all\r\n\r\n"),
            "a line of the answer's head is no header, it has no colon: \"no header at …\"",
            Some("HTTP/1.1 200 OK\nno header at all"),
        ),
        (
            format!("{ok} folded: yes\r\n\r\n"),
            "the answer's first header is a continued line: there is none that it continues",
            Some("HTTP/1.1 200 OK"),
        ),
        (
            "\0\0\u{12}\u{4}\0\0\0\0\0\0\u{3}\0\0\0\u{64}".to_owned(),
            "the answer is HTTP/2 (SETTINGS frame), which is only spoken over TLS here",
            None,
        ),
    ] {
        let report = run(to(answer(said).await), AMPLE).await;
        assert_failed(&report, Class::Protocol, Phase::Ttfb, message);
        assert_eq!(report.excerpt.as_deref(), excerpt);
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_is_named_however_early_it_is_read() {
    let address = serve(|mut stream| async move {
        let _ = stream.write_all(b"220 mail.example.com ESMTP ready\r\n").await;
        hang(stream).await;
    })
    .await;
    for _ in 0..20 {
        let message = "the answer is not HTTP: it begins with \"220 mail.example.com ESMTP …\"";
        assert_failed(&run(to(address), AMPLE).await, Class::Protocol, Phase::Ttfb, message);
    }
}

#[tokio::test]
async fn a_line_that_is_wrong_is_shown_without_our_credentials() {
    let head = "HTTP/1.1 200 OK\r\nkey tok-123456 \u{1b}[31mis wrong\r\n\r\n";
    let spec = HttpSpec { auth: Some(Auth::Bearer(Secret::new("tok-123456"))), ..to(answer(head).await) };
    let report = run(spec, AMPLE).await;
    let message = "a line of the answer's head is no header, it has no colon: bytes that are no text";
    assert_failed(&report, Class::Protocol, Phase::Ttfb, message);
    assert_eq!(report.excerpt.as_deref(), Some("HTTP/1.1 200 OK\nkey ••• is wrong"));
}

#[tokio::test]
async fn a_folded_header_is_read_as_one_line() {
    let folded = "HTTP/1.1 200 OK\r\nx-old: a\r\n  b\r\n\tc\r\ncontent-type:\r\n text/plain;\r\n charset=iso-8859-1\r\n\
                  content-length: 2\r\n\r\n";
    let address = answer([folded.as_bytes(), b"gr"].concat()).await;
    assert_passed(&run(to(address), AMPLE).await);
    let latin = answer([folded.replace("length: 2", "length: 4").as_bytes(), b"gr\xfcn"].concat()).await;
    assert_passed(&run(HttpSpec { expect_body: Some("grün".to_owned()), ..to(latin) }, AMPLE).await);
}

#[tokio::test]
async fn headers_that_no_client_would_take_are_said_to_be_too_large() {
    let large = format!("HTTP/1.1 200 OK\r\nx-large: {}\r\n\r\nok", "x".repeat(100_000));
    let report = run(to(answer(large).await), AMPLE).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, "the answer's head is longer than 64 KiB");
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\nok", "x-many: x\r\n".repeat(1000));
    let report = run(to(answer(many).await), AMPLE).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, "the answer's headers are too large, or too many");
    let allowed = format!("HTTP/1.1 200 OK\r\nx-large: {}\r\n\r\nok", "x".repeat(50_000));
    assert_passed(&run(to(answer(allowed).await), AMPLE).await);
}

/// A server that says `begin`, and then `again` for ever.
async fn endless(begin: &str, again: &[u8]) -> SocketAddr {
    // Together: what one write costs is not what is tested.
    let (begin, again) = (begin.to_owned(), again.repeat(100));
    serve(move |mut stream| {
        let (begin, again) = (begin.clone(), again.clone());
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(begin.as_bytes()).await;
            while stream.write_all(&again).await.is_ok() {}
        }
    })
    .await
}

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n";

#[tokio::test]
async fn after_sixteen_interim_answers_the_next_has_to_be_the_answer() {
    let message = "more than 16 interim answers (1xx) came before the answer";
    let report = run(to(endless("", HINT.as_bytes()).await), AMPLE).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, message);
    let then = |hints: usize| HINT.repeat(hints) + "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    assert_passed(&run(to(answer(then(16)).await), AMPLE).await);
    assert_failed(&run(to(answer(then(17)).await), AMPLE).await, Class::Protocol, Phase::Ttfb, message);
}

#[tokio::test]
async fn interim_answers_count_for_the_head() {
    let hint = format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", "x".repeat(10_000));
    let report = run(to(answer(hint.repeat(10) + "HTTP/1.1 200 OK\r\n\r\n").await), AMPLE).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, "the answer's head is longer than 64 KiB");
}

#[tokio::test]
async fn an_answer_that_is_sent_without_end_but_never_grows_is_given_up() {
    let chunks = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let gzip = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n\u{1f}";
    let message = "more than 4 MiB were sent for less than 1 MiB of answer";
    let report = run(to(endless(chunks, b"1;extension=ignored\r\nx\r\n").await), AMPLE).await;
    let reason = failure(&report);
    assert_eq!((reason.class, reason.phase), (Class::Protocol, Some(Phase::Body)), "{report:?}");
    let report = run(to(endless(chunks, format!("{:01000}\r\nx\r\n", 1).as_bytes()).await), AMPLE).await;
    assert_failed(&report, Class::Protocol, Phase::Body, message);
    // Empty blocks: they unpack to nothing. (The second byte of gzip is no text.)
    let address = serve(move |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(gzip.as_bytes()).await;
        let _ = stream.write_all(&[0x8b, 8, 0, 0, 0, 0, 0, 0, 3]).await;
        while stream.write_all(&[0, 0, 0, 0xff, 0xff].repeat(1000)).await.is_ok() {}
    })
    .await;
    assert_failed(&run(to(address), AMPLE).await, Class::Protocol, Phase::Body, message);
}

#[tokio::test]
async fn when_a_check_ends_its_connection_does() {
    let (closed, mut ends) = tokio::sync::mpsc::unbounded_channel();
    let address = serve(move |mut stream| {
        let closed = closed.clone();
        async move {
            read_head(&mut stream).await;
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut [0]).await;
            let _ = closed.send(());
        }
    })
    .await;
    assert_late(&run(to(address), SHORT).await, Phase::Ttfb, "no answer within 1 s");
    tokio::time::timeout(AMPLE, ends.recv()).await.expect("the connection is closed");
}

#[tokio::test]
async fn what_an_answer_repeats_of_our_credentials_is_scrubbed() {
    let said = "token tok-123456 and YWxpY2U6aHVudGVyMg== and hunter2 and tok%2D123456";
    let address = answer(http("503 Service Unavailable", &["content-type: text/plain"], said)).await;
    let spec = HttpSpec {
        headers: vec![(HeaderName::from_static("x-token"), Secret::new("tok-123456"))],
        auth: Some(Auth::Basic { user: "alice".to_owned(), password: Secret::new("hunter2") }),
        ..to(address)
    };
    let report = run(spec, AMPLE).await;
    assert_failed(&report, Class::HttpStatus, Phase::Ttfb, "HTTP 503, expected 200–399");
    let expected = "HTTP/1.1 503 Service Unavailable\ncontent-type: text/plain\n\ntoken ••• and •••== and ••• and •••";
    assert_eq!(report.excerpt.as_deref(), Some(expected));
}

#[tokio::test]
async fn text_and_patterns_are_looked_for_in_the_answer() {
    let address = answer(http("200 OK", &[], "all systems go")).await;
    let good = HttpSpec {
        expect_body: Some("systems".to_owned()),
        expect_body_regex: Some(Regex::new("^all .* go$").unwrap()),
        ..to(address)
    };
    assert_passed(&run(good, AMPLE).await);
    let text = HttpSpec { expect_body: Some("ok".to_owned()), ..to(address) };
    let report = run(text, AMPLE).await;
    assert_failed(&report, Class::Content, Phase::Body, "the answer does not contain \"ok\"");
    assert_eq!(report.excerpt.as_deref(), Some("HTTP/1.1 200 OK\n\nall systems go"));
    let pattern = HttpSpec { expect_body_regex: Some(Regex::new("^go").unwrap()), ..to(address) };
    assert_failed(&run(pattern, AMPLE).await, Class::Content, Phase::Body, "the answer does not match ^go");
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_the_answer() {
    let utf8 = |text: &str| format!("\u{feff}{text}").into_bytes();
    let little = |text: &str| utf8(text)[3..].iter().fold(vec![0xff, 0xfe], |all, byte| [all, vec![*byte, 0]].concat());
    let big = |text: &str| utf8(text)[3..].iter().fold(vec![0xfe, 0xff], |all, byte| [all, vec![0, *byte]].concat());
    let start = Regex::new(r#"^\{"ok"."#).unwrap();
    for encode in [&utf8 as &dyn Fn(&str) -> Vec<u8>, &little, &big] {
        let address = answer(http("200 OK", &[], encode(r#"{"ok":true}"#))).await;
        let good = HttpSpec {
            expect_body: Some("ok".to_owned()),
            expect_body_regex: Some(start.clone()),
            expect_json: vec![json_is("$.ok", json!(true))],
            ..to(address)
        };
        assert_passed(&run(good, AMPLE).await);
        let bad = HttpSpec { expect_body: Some("down".to_owned()), ..to(address) };
        assert_eq!(run(bad, AMPLE).await.excerpt.as_deref(), Some("HTTP/1.1 200 OK\n\n{\"ok\":true}"));
        // Nothing but the mark is nothing.
        let empty = HttpSpec {
            expect_json: vec![json_is("$.ok", json!(true))],
            ..to(answer(http("200 OK", &[], encode(""))).await)
        };
        assert_failed(&run(empty, AMPLE).await, Class::Content, Phase::Body, "the answer is empty, JSON was expected");
    }
}

#[tokio::test]
async fn json_is_judged_by_its_paths() {
    let address = answer(http("200 OK", &[], r#"{"status":"warn","db":{"ok":true}}"#)).await;
    let with = |expect: JsonExpectation| HttpSpec { expect_json: vec![expect], ..to(address) };
    assert_passed(&run(with(json_is("$.db.ok", json!(true))), AMPLE).await);
    let report = run(with(json_is("$.status", json!("ok"))), AMPLE).await;
    assert_failed(&report, Class::Content, Phase::Body, "$.status is \"warn\", expected \"ok\"");
    let report = run(with(json_is("$.missing", json!(0))), AMPLE).await;
    assert_failed(&report, Class::Content, Phase::Body, "the answer has no $.missing, expected 0");
}

#[tokio::test]
async fn what_is_no_json_is_said_to_be_none() {
    let address = answer(http("200 OK", &[], "<html>hello</html>")).await;
    let report = run(HttpSpec { expect_json: vec![json_is("$.ok", json!(true))], ..to(address) }, AMPLE).await;
    assert_failed(&report, Class::Content, Phase::Body, "the answer is not JSON");
}

#[tokio::test]
async fn of_a_long_answer_the_first_mebibyte_is_judged() {
    let mut body = vec![b'x'; 10 * 1024 * 1024];
    body[..5].copy_from_slice(b"start");
    let end = body.len() - 3;
    body[end..].copy_from_slice(b"end");
    let address = answer(http("200 OK", &[], body)).await;
    assert_passed(&run(HttpSpec { expect_body: Some("start".to_owned()), ..to(address) }, AMPLE).await);
    let report = run(HttpSpec { expect_body: Some("end".to_owned()), ..to(address) }, AMPLE).await;
    let message = "the answer does not contain \"end\" in its first 1 MiB";
    assert_failed(&report, Class::Content, Phase::Body, message);
    assert!(report.excerpt.unwrap().len() <= 2048);
}

#[tokio::test]
async fn identical_failures_have_identical_messages() {
    let probe = probe(Spec::Http(Box::new(to(serve(hang).await))));
    let (first, second) = (probe.run(SHORT).await, probe.run(SHORT).await);
    assert_eq!(first.verdict, second.verdict);
}

#[tokio::test]
async fn a_witness_is_reachable_or_it_is_not() {
    let address = answer("").await;
    assert!(reachable(&address.to_string(), AMPLE).await);
    assert!(!reachable(&closed_port().to_string(), AMPLE).await);
    assert!(!reachable("no-such-host.invalid:53", AMPLE).await);
}
