//! Tokens from an OAuth 2 server: fetched, kept, renewed, and missing.

use super::*;
use crate::support::net::{closed_port, hang, http, read_head, serve};
use healthcheck_dashboard::config;
use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Mutex,
};

/// What was asked for tokens, and of the service.
type Asked = Arc<Mutex<(Vec<String>, Vec<String>)>>;

/// A server that gives the tokens `token-1`, `token-2`, … with this rest of the answer, and a service that takes them
/// all but `refused`.
async fn server(rest: &'static str, refused: &'static str) -> (SocketAddr, Asked) {
    let (asked, given) = (Asked::default(), Arc::new(AtomicUsize::new(0)));
    let record = Arc::clone(&asked);
    let address = serve(move |mut stream| {
        let (record, given) = (Arc::clone(&record), Arc::clone(&given));
        async move {
            let head = read_head(&mut stream).await;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).await.unwrap();
            let request = head + std::str::from_utf8(&body).unwrap();
            let answer = if request.starts_with("POST /token ") {
                let token = given.fetch_add(1, SeqCst) + 1;
                let json = format!("{{\"access_token\": \"token-{token}\", \"token_type\": \"Bearer\"{rest}}}");
                record.lock().await.0.push(request);
                http("200 OK", &[], json)
            } else {
                let bearer = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
                let bearer = bearer.unwrap_or_default().to_owned();
                let status = if bearer == refused { "401 Unauthorized" } else { "200 OK" };
                record.lock().await.1.push(bearer);
                http(status, &[], &request)
            };
            let _ = stream.write_all(&answer).await;
        }
    })
    .await;
    (address, asked)
}

fn probe_of(service: SocketAddr, tokens: SocketAddr, keys: &str) -> Probe {
    let text = format!(
        "[[checks.endpoints]]\nname = \"x\"\nurl = \"http://{service}/\"\nexpect_status = 200\n\
         oauth2 = {{ token_url = \"http://{tokens}/token\", client_id = \"a b\", client_secret = \"hunter2!\"{keys} }}"
    );
    let endpoint = config::parse(&text, Path::new("config.toml"), &|_| None).unwrap().checks.endpoints.remove(0);
    assert!(!endpoint.shown.to_string().contains("hunter2"), "{}", endpoint.shown);
    Probe::new(&endpoint.probe, endpoint.secrets, shared()).unwrap()
}

#[tokio::test]
async fn a_token_is_asked_for_with_our_credentials_and_kept_until_it_ends() {
    let (address, asked) = server(", \"expires_in\": 3600", "").await;
    let probe = probe_of(address, address, ", scope = \"read write\", audience = \"api\"");
    for _ in 0..2 {
        assert_passed(&probe.run(AMPLE).await);
    }
    let asked = asked.lock().await;
    assert_eq!((asked.0.len(), asked.1.as_slice()), (1, ["token-1", "token-1"].map(str::to_owned).as_slice()));
    // The pair as RFC 6749 has it: encoded, and encoded again.
    assert!(asked.0[0].contains("authorization: Basic YStiOmh1bnRlcjIlMjE=\r\n"), "{asked:?}");
    let body = "\r\n\r\ngrant_type=client_credentials&scope=read+write&audience=api";
    assert!(asked.0[0].ends_with(body), "{asked:?}");
}

#[tokio::test]
async fn a_token_that_ended_is_replaced() {
    let (address, asked) = server(", \"expires_in\": 0", "").await;
    let probe = probe_of(address, address, ", style = \"post\"");
    for _ in 0..2 {
        assert_passed(&probe.run(AMPLE).await);
    }
    let asked = asked.lock().await;
    assert_eq!(asked.1, ["token-1", "token-2"]);
    assert!(asked.0[0].ends_with("&client_id=a+b&client_secret=hunter2%21"), "{asked:?}");
    assert!(!asked.0[0].contains("authorization"), "{asked:?}");
}

#[tokio::test]
async fn a_kept_token_that_the_service_refuses_is_replaced_at_once() {
    let (address, asked) = server("", "token-1").await;
    let probe = probe_of(address, address, "");
    // A new one that is refused is the service's word.
    let report = probe.run(AMPLE).await;
    assert_failed(&report, Class::HttpStatus, Phase::Ttfb, "HTTP 401, expected 200");
    let excerpt = report.excerpt.unwrap();
    assert!(excerpt.contains("authorization: Bearer •••") && !excerpt.contains("token-1"), "{excerpt}");
    assert_passed(&probe.run(AMPLE).await);
    assert_eq!(asked.lock().await.1, ["token-1", "token-1", "token-2"]);
}

#[tokio::test]
async fn why_there_is_no_token_is_said_to_be_that() {
    let (service, asked) = server("", "").await;
    for (answer, class, phase, why) in [
        (
            http("401 Unauthorized", &[], r#"{"error": "invalid_client", "error_description": "hunter2!"}"#),
            Class::HttpStatus,
            Phase::Ttfb,
            "HTTP 401 (invalid_client)",
        ),
        (http("500 Oh", &[], "<html>"), Class::HttpStatus, Phase::Ttfb, "HTTP 500"),
        (http("200 OK", &[], "<html>"), Class::Content, Phase::Body, "the answer is not JSON"),
        (http("200 OK", &[], "{}"), Class::Content, Phase::Body, "the answer has no access_token"),
        (
            http("200 OK", &[], r#"{"access_token": "x", "token_type": "mac"}"#),
            Class::Content,
            Phase::Body,
            "the token is not of the type Bearer",
        ),
    ] {
        let tokens = crate::support::net::answer(answer).await;
        let report = probe_of(service, tokens, "").run(AMPLE).await;
        assert_failed(&report, class, phase, &format!("no OAuth2 token from http://{tokens}/token: {why}"));
    }
    let closed = closed_port();
    let message = format!("no OAuth2 token from http://{closed}/token: connection refused by {closed}");
    assert_failed(&probe_of(service, closed, "").run(AMPLE).await, Class::Connect, Phase::Connect, &message);
    let silent = serve(hang).await;
    let message = format!("no OAuth2 token from http://{silent}/token: no answer within 1 s");
    assert_late(&probe_of(service, silent, "").run(SHORT).await, Phase::Ttfb, &message);
    assert!(asked.lock().await.1.is_empty());
}
