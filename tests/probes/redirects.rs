use super::{http::spec, *};
use crate::support::net::{answer, closed_port, http, read_head, serve};
use healthcheck_dashboard::{
    domain::secret::Secret,
    probe::http::{Auth, HttpSpec, StatusSet},
};
use reqwest::{Method, header::HeaderName};
use std::{net::SocketAddr, sync::Arc};
use tokio::{io::AsyncWriteExt, sync::Mutex};

async fn run(spec: HttpSpec) -> Report {
    probe(Spec::Http(Box::new(spec))).run(AMPLE).await
}

/// A server that redirects `/from` to `to`, and answers `arrived` everywhere else; and what it was asked.
async fn redirecting(status: &'static str, to: String) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let address = serve(move |mut stream| {
        let (record, to) = (Arc::clone(&record), to.clone());
        async move {
            let head = read_head(&mut stream).await;
            let answer = if head.contains(" /from ") {
                http(status, &[&format!("location: {to}")], "")
            } else {
                http("200 OK", &[], "arrived")
            };
            record.lock().await.push(head);
            let _ = stream.write_all(&answer).await;
        }
    })
    .await;
    (address, asked)
}

#[tokio::test]
async fn a_redirect_is_followed_and_the_phases_are_the_sum_of_both_hops() {
    let (address, asked) = redirecting("302 Found", "/there".to_owned()).await;
    let spec = HttpSpec { expect_body: Some("arrived".to_owned()), ..spec(&format!("http://{address}/from")) };
    let report = run(spec).await;
    assert_passed(&report);
    assert_eq!(report.http_status, Some(200));
    assert!(report.phases.sum_us() <= u64::from(report.latency_us), "{report:?}");
    assert_eq!(asked.lock().await.len(), 2);
}

#[tokio::test]
async fn without_following_the_redirect_is_the_answer() {
    let (address, _) = redirecting("302 Found", "/there".to_owned()).await;
    let report = run(HttpSpec { max_redirects: 0, ..spec(&format!("http://{address}/from")) }).await;
    assert_passed(&report);
    assert_eq!(report.http_status, Some(302));
    let strict = HttpSpec {
        max_redirects: 0,
        expect_status: StatusSet(vec![200..=200]),
        ..spec(&format!("http://{address}/from"))
    };
    assert_failed(&run(strict).await, Class::HttpStatus, Phase::Ttfb, "HTTP 302, expected 200");
}

#[tokio::test]
async fn where_redirects_are_forbidden_one_is_a_failure() {
    let (address, asked) = redirecting("301 Moved Permanently", "/there?token=1".to_owned()).await;
    let spec = HttpSpec { forbid_redirects: true, ..spec(&format!("http://{address}/from")) };
    let message = format!("HTTP 301 to http://{address}/there, and redirects are forbidden");
    assert_failed(&run(spec.clone()).await, Class::HttpStatus, Phase::Ttfb, &message);
    assert_eq!(asked.lock().await.len(), 1);
    assert_passed(&run(HttpSpec { url: format!("http://{address}/").parse().unwrap(), ..spec }).await);
}

#[tokio::test]
async fn a_redirect_loop_is_a_protocol_failure() {
    let (address, _) = redirecting("302 Found", "/from".to_owned()).await;
    let report = run(spec(&format!("http://{address}/from"))).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, &format!("redirect loop at http://{address}/from"));
    assert_eq!(report.excerpt.as_deref(), Some("HTTP/1.1 302 Found\nlocation: /from"));
    assert_eq!(report.http_status, Some(302));
}

#[tokio::test]
async fn redirects_without_end_are_given_up() {
    let address = serve(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let _ = stream.write_all(&http("302 Found", &[&format!("location: {path}x")], "")).await;
    })
    .await;
    let report = run(HttpSpec { max_redirects: 3, ..spec(&format!("http://{address}/")) }).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, "more than 3 redirects");
}

#[tokio::test]
async fn credentials_do_not_go_to_another_host() {
    let (stranger, seen) = redirecting("200 OK", String::new()).await;
    let (address, first) = redirecting("307 Temporary Redirect", format!("http://a:b@{stranger}/there")).await;
    let report = run(HttpSpec {
        headers: vec![
            (HeaderName::from_static("x-api-key"), Secret::new("k-123456")),
            (HeaderName::from_static("accept-language"), Secret::new("de")),
        ],
        auth: Some(Auth::Bearer(Secret::new("tok-123456"))),
        ..spec(&format!("http://{address}/from"))
    })
    .await;
    assert_passed(&report);
    let (first, seen) = (first.lock().await, seen.lock().await);
    assert!(first[0].contains("authorization: Bearer tok-123456") && first[0].contains("x-api-key: k-123456"));
    assert!(!seen[0].contains("authorization") && !seen[0].contains("x-api-key"), "{}", seen[0]);
    assert!(seen[0].contains("accept-language: de"));
}

#[tokio::test]
async fn credentials_stay_with_their_own_host() {
    let (address, asked) = redirecting("301 Moved Permanently", "/there".to_owned()).await;
    let auth = Some(Auth::Bearer(Secret::new("tok-123456")));
    assert_passed(&run(HttpSpec { auth, ..spec(&format!("http://{address}/from")) }).await);
    assert!(asked.lock().await[1].contains("authorization: Bearer tok-123456"));
}

#[tokio::test]
async fn a_body_does_not_go_to_another_host_and_a_303_becomes_a_get() {
    let stranger = answer(http("200 OK", &[], "")).await;
    let post = |address: SocketAddr| HttpSpec {
        method: Method::POST,
        body: Some("password=hunter2".to_owned()),
        ..spec(&format!("http://{address}/from"))
    };
    let (address, _) = redirecting("307 Temporary Redirect", format!("http://{stranger}/login?x=1")).await;
    let message = format!("redirected to http://{stranger}/login, which is not sent the body");
    assert_failed(&run(post(address)).await, Class::Protocol, Phase::Ttfb, &message);
    let (address, asked) = redirecting("303 See Other", "/there".to_owned()).await;
    assert_passed(&run(post(address)).await);
    let asked = asked.lock().await;
    assert!(asked.iter().any(|head| head.starts_with("GET /there ") && !head.contains("content-length")), "{asked:?}");
}

#[tokio::test]
async fn a_redirect_to_what_is_no_http_is_not_followed() {
    let (address, _) = redirecting("302 Found", "ftp://example.com/".to_owned()).await;
    let report = run(spec(&format!("http://{address}/from"))).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, "redirected to what is no HTTP address (ftp:)");
}

#[tokio::test]
async fn a_redirect_to_a_metadata_service_is_refused_however_it_is_spelled() {
    for (spelled, address) in [
        ("169.254.169.254", "169.254.169.254"),
        ("2852039166", "169.254.169.254"),
        ("0251.0376.0xa9.0xfe", "169.254.169.254"),
        ("169.254.170.2", "169.254.170.2"),
        ("100.100.100.200", "100.100.100.200"),
        ("[fd00:ec2::254]", "fd00:ec2::254"),
        ("[::ffff:169.254.169.254]", "::ffff:169.254.169.254"),
        ("[64:ff9b::a9fe:a9fe]", "64:ff9b::a9fe:a9fe"),
    ] {
        let (first, _) = redirecting("302 Found", format!("http://{spelled}/latest/meta-data/")).await;
        let report = run(spec(&format!("http://{first}/from"))).await;
        let message = format!("{address}, a cloud's metadata service: it is not asked without `allow_metadata = true`");
        assert_failed(&report, Class::Connect, Phase::Connect, &message);
        assert_eq!((report.http_status, &report.excerpt), (None, &None));
    }
}

#[tokio::test]
async fn where_the_second_hop_is_not_reached_there_is_no_status() {
    let nobody = closed_port();
    let (address, _) = redirecting("302 Found", format!("http://{nobody}/")).await;
    let report = run(spec(&format!("http://{address}/from"))).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {nobody}"));
    assert_eq!(report.http_status, None);
}

/// The line of a request's cookies, as it came.
fn cookies(head: &str) -> Vec<&str> {
    head.lines().filter_map(|line| line.strip_prefix("cookie: ")).collect()
}

/// A server that answers a request without this cookie with it and a redirect to the same place, and one with it with
/// these; and what it was asked.
async fn wanting(cookie: &'static str, then: (&'static str, &'static str)) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let address = serve(move |mut stream| {
        let record = Arc::clone(&record);
        async move {
            let head = read_head(&mut stream).await;
            let has_it = cookies(&head).iter().flat_map(|line| line.split("; ")).any(|known| known == cookie);
            record.lock().await.push(head);
            let set = format!("set-cookie: {cookie}; Path=/");
            let answer = if has_it { http(then.0, &[], then.1) } else { http("302 Found", &[&set, "location: /"], "") };
            let _ = stream.write_all(&answer).await;
        }
    })
    .await;
    (address, asked)
}

#[tokio::test]
async fn a_cookie_that_a_redirect_sets_is_sent_back_along_the_way_and_forgotten_with_the_check() {
    let (address, asked) = wanting("seen=1", ("200 OK", "")).await;
    let probe = probe(Spec::Http(Box::new(spec(&format!("http://{address}/")))));
    for _ in 0..2 {
        assert_passed(&probe.run(AMPLE).await);
    }
    let asked = asked.lock().await;
    let sent: Vec<_> = asked.iter().map(|head| cookies(head)).collect();
    assert_eq!(sent, [vec![], vec!["seen=1"], vec![], vec!["seen=1"]]);
}

#[tokio::test]
async fn a_configured_cookie_is_sent_as_it_is_with_those_of_the_way_behind_it() {
    let (address, asked) = wanting("seen=1", ("200 OK", "")).await;
    let configured = vec![(HeaderName::from_static("cookie"), Secret::new("session=ours;x=2"))];
    assert_passed(&run(HttpSpec { headers: configured, ..spec(&format!("http://{address}/")) }).await);
    let asked = asked.lock().await;
    assert_eq!(cookies(&asked[0]), ["session=ours;x=2"]);
    assert_eq!(cookies(&asked[1]), ["session=ours;x=2; seen=1"]);
}

#[tokio::test]
async fn a_configured_cookie_does_not_go_to_another_host_and_one_of_the_way_goes_to_its_own() {
    let (stranger, seen) = redirecting("302 Found", "/there".to_owned()).await;
    let first = serve(move |mut stream| async move {
        read_head(&mut stream).await;
        let to = format!("location: http://localhost:{}/from", stranger.port());
        let _ = stream.write_all(&http("302 Found", &["set-cookie: mine=1; Path=/", &to], "")).await;
    })
    .await;
    let configured = vec![(HeaderName::from_static("cookie"), Secret::new("session=ours"))];
    assert_passed(&run(HttpSpec { headers: configured, ..spec(&format!("http://{first}/")) }).await);
    assert!(seen.lock().await.iter().all(|head| cookies(head).is_empty()));
}

#[tokio::test]
async fn a_server_that_does_not_take_its_own_cookie_is_a_redirect_loop() {
    let address = answer(http("302 Found", &["set-cookie: seen=1; Path=/", "location: /"], "")).await;
    let report = run(spec(&format!("http://{address}/"))).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, &format!("redirect loop at http://{address}/"));
}

#[tokio::test]
async fn what_an_answer_repeats_of_its_cookies_is_scrubbed() {
    let (address, _) = wanting("sid=a1B2c3D4", ("503 Service Unavailable", "session a1B2c3D4 is gone")).await;
    let report = run(spec(&format!("http://{address}/"))).await;
    assert_eq!(report.excerpt.as_deref(), Some("HTTP/1.1 503 Service Unavailable\n\nsession ••• is gone"));
    // One that only the last answer sets, and one that is in an address.
    let last = answer(http("500 No", &["set-cookie: sid=a1B2c3D4"], "session a1B2c3D4")).await;
    let report = run(spec(&format!("http://{last}/"))).await;
    assert_eq!(report.excerpt.as_deref(), Some("HTTP/1.1 500 Internal Server Error\n\nsession •••"));
    let set = ["set-cookie: sid=a1B2c3D4", "location: /x;sid=a1B2c3D4"];
    let address = answer(http("302 Found", &set, "")).await;
    let report = run(spec(&format!("http://{address}/"))).await;
    assert_failed(&report, Class::Protocol, Phase::Ttfb, &format!("redirect loop at http://{address}/x;sid=•••"));
    assert_eq!(report.excerpt.as_deref(), Some("HTTP/1.1 302 Found\nlocation: /x;sid=•••"));
}
