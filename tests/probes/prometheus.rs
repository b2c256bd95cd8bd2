use super::*;
use crate::support::net::{http, read_head, serve};
use healthcheck_dashboard::config;
use std::{net::SocketAddr, path::Path};
use tokio::io::AsyncWriteExt;

/// A Prometheus that answers one query with this.
async fn server(status: &'static str, body: &'static str) -> SocketAddr {
    serve(move |mut stream| async move {
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("GET /base/api/v1/query?query=sum%28up%29+%3E+0 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("authorization: Bearer T0K3N\r\n"), "{head}");
        let _ = stream.write_all(&http(status, &["content-type: application/json"], body)).await;
    })
    .await
}

/// A check with these keys, as a configuration has them.
async fn run(address: SocketAddr, keys: &str) -> Report {
    let text = format!(
        "[[checks.endpoints]]\nname = \"x\"\nurl = \"http://{address}/base\"\npromql = \"sum(up) > 0\"\n\
         bearer_token = \"T0K3N\"\n{keys}\n"
    );
    let mut config = config::parse(&text, Path::new("config.toml"), &|_| None).unwrap();
    probe(config.checks.endpoints.remove(0).probe).run(AMPLE).await
}

const ONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"7.5"]}]}}"#;
const TWO: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
    {"metric":{"a":"1"},"value":[1,"3"]},{"metric":{"a":"2"},"value":[1,"9"]}]}}"#;
const NONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
const NAN: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}"#;

#[tokio::test]
async fn a_query_is_compared_and_what_it_gives_makes_a_service_degraded_or_down() {
    let one = server("200 OK", ONE).await;
    assert_passed(&run(one, "").await);
    assert_passed(&run(one, "expect = [\"value < 8\", \"count == 1\"]").await);
    let report = run(one, "expect = \"value < 7\"").await;
    let reason = failure(&report);
    assert!(reason.class == Class::Content && reason.message.contains("value < 7"), "{report:?}");
    assert!(report.excerpt.as_ref().unwrap().contains("7.5"), "{report:?}");
    assert!(degraded(&run(one, "degraded = \"value < 5\"").await).message.contains("value < 5"));
    let two = server("200 OK", TWO).await;
    assert_passed(&run(two, "expect = [\"min == 3\", \"max <= 9\", \"count == 2\"]").await);
    assert!(failure(&run(two, "expect = \"value < 8\"").await).message.contains("the query gives several series"));
}

#[tokio::test]
async fn a_query_without_a_result_or_a_number_is_a_failure_unless_that_is_expected() {
    let none = server("200 OK", NONE).await;
    assert_failed(&run(none, "").await, Class::Content, Phase::Body, "the query gives nothing");
    assert_passed(&run(none, "expect = \"count == 0\"").await);
    assert!(failure(&run(none, "expect = \"value < 8\"").await).message.contains("the query gives nothing"));
    let nan = run(server("200 OK", NAN).await, "expect = \"value < 8\"").await;
    assert!(failure(&nan).message.contains("no number"), "{nan:?}");
}

#[tokio::test]
async fn what_is_wrong_with_the_query_and_with_the_server_is_distinguished() {
    let wrong = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
    let report = run(server("400 Bad Request", wrong).await, "").await;
    assert_failed(&report, Class::Query, Phase::Body, "the query failed: parse error");
    let report = run(server("401 Unauthorized", "no").await, "").await;
    assert_failed(&report, Class::HttpStatus, Phase::Body, "HTTP 401, expected 200");
    let report = run(server("200 OK", "<html>").await, "").await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the answer is not that of Prometheus");
    let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
    let report = run(server("200 OK", matrix).await, "").await;
    assert_eq!(failure(&report).message, "the query failed: it gives a matrix, and not one value for each series");
    static LONG: [u8; 2_000_000] = [b' '; 2_000_000];
    let report = run(server("200 OK", std::str::from_utf8(&LONG).unwrap()).await, "").await;
    let message = "the answer is longer than 1 MiB: let the query aggregate";
    assert_failed(&report, Class::Protocol, Phase::Body, message);
}
