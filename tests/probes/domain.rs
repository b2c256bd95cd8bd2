use super::*;
use crate::support::{
    net::{answer, closed_port, http, read_head, serve},
    tls::since_1970,
};
use healthcheck_dashboard::{domain::time::UnixMs, probe::domain::DomainSpec};
use reqwest::Url;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

fn spec(rdap: Option<SocketAddr>, whois: Option<SocketAddr>) -> DomainSpec {
    let url = |address: SocketAddr| Url::parse(&format!("http://{address}/v1/")).unwrap();
    DomainSpec {
        domain: "shop.example".to_owned(),
        rdap: rdap.map(url),
        whois: whois.map(|address| (address.ip().to_string(), address.port())),
        list: url(closed_port()),
        degraded_days: 30,
        min_days: 7,
    }
}

/// So many days from now, and an hour: whole days are left for as long as the test runs.
fn in_days(days: i64) -> String {
    let now = i64::try_from(since_1970().as_millis()).unwrap();
    UnixMs(now + days * 86_400_000 + 3_600_000).to_string()
}

fn registered(days: i64, status: &str) -> String {
    let ends = in_days(days);
    format!(
        r#"{{"objectClassName":"domain","status":["{status}"],"events":[{{"eventAction":"registration","eventDate":"1999-01-01T00:00:00Z"}},{{"eventAction":"expiration","eventDate":"{ends}"}}]}}"#
    )
}

/// A registry, and how often it was asked.
async fn registry(status: &'static str, body: String) -> (SocketAddr, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&count);
    let address = serve(move |mut stream| {
        let (body, asked) = (body.clone(), Arc::clone(&asked));
        async move {
            let head = read_head(&mut stream).await;
            assert!(head.starts_with("GET /v1/domain/shop.example HTTP/1.1\r\n"), "{head}");
            asked.fetch_add(1, Relaxed);
            let _ = stream.write_all(&http(status, &[], body)).await;
        }
    });
    (address.await, count)
}

async fn run(spec: DomainSpec) -> Report {
    probe(Spec::Domain(Box::new(spec))).run(AMPLE).await
}

#[tokio::test]
async fn a_registration_that_lasts_passes_and_its_registry_is_asked_once_a_day() {
    let (address, asked) = registry("200 OK", registered(90, "active")).await;
    let probe = probe(Spec::Domain(Box::new(spec(Some(address), None))));
    for _ in 0..3 {
        assert_passed(&probe.run(AMPLE).await);
    }
    assert_eq!(asked.load(Relaxed), 1);
}

#[tokio::test]
async fn what_ends_soon_is_degraded_and_what_has_ended_or_is_on_hold_is_down() {
    let (address, _) = registry("200 OK", registered(20, "active")).await;
    assert_eq!(
        degraded(&run(spec(Some(address), None)).await).message,
        "the registration of shop.example expires in 20 days"
    );
    for (days, status, message) in [
        (5, "active", "the registration of shop.example expires in 5 days"),
        (-3, "active", "the registration of shop.example has expired"),
        (90, "client hold", "the domain shop.example is on hold: its registrar took it out of the DNS"),
        (90, "pending delete", "the domain shop.example is about to be deleted"),
    ] {
        let (address, _) = registry("200 OK", registered(days, status)).await;
        assert_failed(&run(spec(Some(address), None)).await, Class::Content, Phase::Body, message);
    }
    let (address, _) = registry("404 Not Found", "{}".to_owned()).await;
    let message = "the domain shop.example is not registered";
    assert_failed(&run(spec(Some(address), None)).await, Class::Content, Phase::Body, message);
}

#[tokio::test]
async fn a_registry_that_does_not_answer_is_not_the_domains_fault_and_is_not_asked_again_at_once() {
    let (address, asked) = registry("429 Too Many Requests", String::new()).await;
    let probe = probe(Spec::Domain(Box::new(spec(Some(address), None))));
    for _ in 0..2 {
        let report = probe.run(AMPLE).await;
        let Verdict::Inconclusive(reason) = &report.verdict else { panic!("{report:?}") };
        let message =
            "nothing is known of the registration of shop.example: the registry is asked too often (HTTP 429)";
        assert_eq!(reason.message, message);
    }
    assert_eq!(asked.load(Relaxed), 1);
    let report = run(spec(Some(closed_port()), None)).await;
    assert!(matches!(report.verdict, Verdict::Inconclusive(_)), "{report:?}");
}

#[tokio::test]
async fn the_registry_is_found_in_the_list_and_redirects_are_followed() {
    let (registry, asked) = registry("200 OK", registered(90, "active")).await;
    let moved = answer(
        format!(
            "HTTP/1.1 302 Found\r\nlocation: http://{registry}/v1/domain/shop.example\r\ncontent-length: 0\r\n\r\n"
        )
        .into_bytes(),
    )
    .await;
    let list = format!(r#"{{"services":[[["com"],["http://none.invalid/"]],[["example"],["http://{moved}/"]]]}}"#);
    let list = answer(http("200 OK", &[], list)).await;
    let list = Url::parse(&format!("http://{list}/dns.json")).unwrap();
    assert_passed(&run(DomainSpec { list, ..spec(None, None) }).await);
    assert_eq!(asked.load(Relaxed), 1);
    let circle = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n").await;
    });
    let report = run(spec(Some(circle.await), None)).await;
    let Verdict::Inconclusive(reason) = &report.verdict else { panic!("{report:?}") };
    assert!(reason.message.ends_with("the registry redirects more than 3 times"), "{reason:?}");
}

/// A registry that says this by WHOIS.
async fn whois(text: String) -> SocketAddr {
    serve(move |mut stream| {
        let text = text.clone();
        async move {
            let mut question = String::new();
            BufReader::new(&mut stream).read_line(&mut question).await.unwrap();
            assert_eq!(question, "shop.example\r\n");
            let _ = stream.write_all(text.as_bytes()).await;
        }
    })
    .await
}

#[tokio::test]
async fn whois_is_read_where_there_is_nothing_better() {
    let text = format!("% A registry\r\nDomain Name: SHOP.EXAMPLE\r\nRegistry Expiry Date: {}\r\n", in_days(20));
    let report = run(spec(None, Some(whois(text).await))).await;
    assert_eq!(degraded(&report).message, "the registration of shop.example expires in 20 days");
    let report = run(spec(None, Some(whois("No match for \"SHOP.EXAMPLE\".\r\n".to_owned()).await))).await;
    assert_failed(&report, Class::Content, Phase::Body, "the domain shop.example is not registered");
    let report = run(spec(None, Some(whois("Come again tomorrow.\r\n".to_owned()).await))).await;
    assert!(matches!(report.verdict, Verdict::Inconclusive(_)), "{report:?}");
    // More than is read of anybody.
    let report = run(spec(None, Some(whois("x: y\r\n".repeat(100_000)).await))).await;
    assert!(matches!(report.verdict, Verdict::Inconclusive(_)), "{report:?}");
}
