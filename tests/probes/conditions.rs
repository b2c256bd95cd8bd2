//! Conditions on HTTP answers, read from a configuration and held against a server.

use super::*;
use crate::support::net::{answer, http};
use healthcheck_dashboard::config;
use std::{net::SocketAddr, path::Path};

/// A check of a server with these keys of its section.
async fn check(address: SocketAddr, keys: &str) -> Report {
    let text = format!("[[checks.endpoints]]\nname = \"x\"\nurl = \"http://{address}/\"\n{keys}\n");
    let env = |name: &str| (name == "TOKEN").then(|| "t0ps3cret".to_owned());
    let endpoint = config::parse(&text, Path::new("config.toml"), &env).unwrap().checks.endpoints.remove(0);
    Probe::new(&endpoint.probe, endpoint.secrets, shared()).unwrap().run(AMPLE).await
}

async fn json_answer(body: &str) -> SocketAddr {
    answer(http("200 OK", &["content-type: application/json", "x-queue: 12"], body)).await
}

#[tokio::test]
async fn what_a_condition_names_is_what_came() {
    let address = json_answer(r#"{"queue": {"depth": 3}}"#).await;
    let keys = r#"expect = ["status in [200, 204]", "json.queue.depth < 100", "'json' in headers['content-type']",
        "headers['X-Queue'] | int == 12", "response_time_ms < 120000 and connect_ms + ttfb_ms <= response_time_ms",
        "body.matches('^.\"queue')", "tls_ms is not defined"]"#;
    assert_passed(&check(address, keys).await);
}

#[tokio::test]
async fn a_condition_that_does_not_hold_fails_the_check_with_its_values() {
    let address = json_answer(r#"{"queue": {"depth": 250}}"#).await;
    let report = check(address, "expect = [\"status == 200\", \"json.queue.depth < 100\"]").await;
    let message = "json.queue.depth < 100 does not hold: json.queue.depth is 250";
    assert_failed(&report, Class::Content, Phase::Body, message);
    let excerpt = report.excerpt.unwrap();
    assert!(excerpt.ends_with("\n\n{\"queue\": {\"depth\": 250}}"), "{excerpt}");
}

#[tokio::test]
async fn what_is_not_there_is_a_failure_that_says_what_was() {
    for (body, why) in [
        (r#"{"jobs": 5}"#, "json has no \"queue\", it is an object with \"jobs\""),
        ("<html>", "the answer is not JSON"),
        ("", "the answer is empty, JSON was expected"),
        ("{\"queue\":", "the answer is not JSON: it ends too early"),
    ] {
        let report = check(json_answer(body).await, "expect = \"json.queue.depth < 100\"").await;
        let message = format!("json.queue.depth < 100 cannot be judged: {why}");
        assert_failed(&report, Class::Content, Phase::Body, &message);
    }
    let report = check(json_answer("{}").await, "expect = \"cert_days > 14\"").await;
    let message = "cert_days > 14 cannot be judged: the answer came without TLS, there is no certificate";
    assert_failed(&report, Class::Content, Phase::Body, message);
}

#[tokio::test]
async fn a_condition_on_the_status_alone_is_judged_as_a_status() {
    let report = check(answer(http("503 Down", &[], "")).await, "expect = \"status in [200, 204]\"").await;
    assert_failed(&report, Class::HttpStatus, Phase::Ttfb, "status in [200, 204] does not hold: status is 503");
    assert_passed(&check(answer(http("503 Down", &[], "")).await, "expect = \"status >= 500\"").await);
}

#[tokio::test]
async fn what_does_not_hold_of_degraded_makes_it_degraded_alone() {
    let address = json_answer(r#"{"queue": {"depth": 70}}"#).await;
    let keys = "expect = \"json.queue.depth < 100\"\ndegraded = [\"status == 200\", \"json.queue.depth < 50\"]";
    let report = check(address, keys).await;
    let Verdict::Degraded(reason) = &report.verdict else { panic!("{report:?}") };
    let message = "json.queue.depth < 50 does not hold: json.queue.depth is 70";
    assert_eq!((reason.class, reason.message.as_str()), (Class::Content, message));
    // What is missing is no pass here either.
    let report = check(json_answer("{}").await, "degraded = \"json.queue.depth < 50\"").await;
    assert!(matches!(report.verdict, Verdict::Degraded(_)), "{report:?}");
}

#[tokio::test]
async fn no_secret_is_in_a_message() {
    let address = json_answer(r#"{"id": "t0ps3cret", "other": "x"}"#).await;
    let report = check(address, "expect = \"json.other == '${TOKEN}' and json.id == 'x'\"").await;
    assert_eq!(
        failure(&report).message,
        "json.other == '•••' and json.id == 'x' does not hold: json.other is \"x\", json.id is \"•••\""
    );
    let report = check(json_answer(r#"{"id": "t0ps3cret"}"#).await, "expect = \"json.id != '${TOKEN}'\"").await;
    assert_eq!(failure(&report).message, "json.id != '•••' does not hold: json.id is \"•••\"");
}

#[tokio::test]
async fn a_condition_sees_where_redirects_lead() {
    let there = json_answer("{}").await;
    let address = answer(http("302 Found", &[&format!("location: http://{there}/login?next=1")], "")).await;
    let keys = format!("expect = [\"url == 'http://{there}/login'\", \"redirects == 1 and location is not defined\"]");
    assert_passed(&check(address, &keys).await);
    let keys = format!("max_redirects = 0\nexpect = \"location.startswith('http://{there}/') and redirects == 0\"");
    assert_passed(&check(address, &keys).await);
    let report = check(there, "expect = \"location == '/'\"").await;
    let message = "location == '/' cannot be judged: the answer has no header location";
    assert_failed(&report, Class::Content, Phase::Body, message);
}
