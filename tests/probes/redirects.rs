use super::{http::spec, *};
use crate::support::net::{answer, closed_port, http, read_head, serve};
use healthcheck_dashboard::{
    domain::secret::Secret,
    probe::spec::{Auth, HttpSpec, StatusSet},
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
    let nobody = closed_port().await;
    let (address, _) = redirecting("302 Found", format!("http://{nobody}/")).await;
    let report = run(spec(&format!("http://{address}/from"))).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {nobody}"));
    assert_eq!(report.http_status, None);
}
