//! What a proxy says of a request, and of whom it is believed.

use crate::support::history::{Answer, History, ask, service};
use axum::{body::Body, extract::ConnectInfo, http::Request};
use healthcheck_dashboard::{
    domain::{network::Network, time::UnixMs},
    http::state::AppState,
};
use std::{net::SocketAddr, sync::Arc};

/// One incident behind it; two networks are trusted.
async fn site(base: &str) -> (History, AppState) {
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web")]);
    let begin = UnixMs::parse("2026-11-16T00:00:00Z").unwrap();
    history.checks("web", begin, "..xxx..");
    history.at(begin.plus(70_000));
    history.committed().await;
    let trusted = ["10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
    let site = AppState { trusted: Arc::from(trusted), base_path: base.into(), ..history.site() };
    (history, site)
}

async fn get(site: &AppState, path: &str, peer: Option<&str>, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path).header("host", "inner:9100");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(peer) = peer {
        request = request.extension(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    }
    ask(site, request.body(Body::empty()).unwrap()).await
}

const PROXY: Option<&str> = Some("10.1.2.3:50000");
const SAID: [(&str, &str); 3] =
    [("x-forwarded-host", "status.example"), ("x-forwarded-proto", "https"), ("x-forwarded-prefix", "/watch")];

/// Where the feed says that the incident is.
async fn address(site: &AppState, peer: Option<&str>, headers: &[(&str, &str)]) -> String {
    let answer = get(site, "/dashboard/incidents.atom", peer, headers).await;
    assert_eq!(answer.status, 200);
    let feed = answer.text().replace("&#x2f;", "/");
    feed.split("<link href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn what_a_trusted_proxy_says_is_where_we_are() {
    let (_history, site) = site("").await;
    assert_eq!(address(&site, PROXY, &SAID).await, "https://status.example/watch/dashboard/incidents/1");
    assert_eq!(address(&site, Some("[::1]:5"), &SAID).await, "https://status.example/watch/dashboard/incidents/1");
    let page = get(&site, "/dashboard/incidents/1", PROXY, &SAID).await;
    let text = page.text().replace("&#x2f;", "/");
    assert!(
        text.contains("href=\"/watch/dashboard\"") && text.contains("data-base=\"/watch\""),
        "links, and the script's"
    );
    assert!(!text.contains("\"/dashboard"), "no link leaves the prefix");
    assert!(text.contains("More:         https://status.example/watch/dashboard/incidents/1"), "the copied summary");
    let home = get(&site, "/", PROXY, &SAID).await;
    assert_eq!(home.header("location"), "/watch/dashboard");
    for missing in ["/dashboard/services/nobody", "/dashboard/incidents/77", "/nowhere"] {
        let missing = get(&site, missing, PROXY, &[&SAID[..], &[("accept", "text/html")]].concat()).await;
        assert_eq!(missing.status, 404);
        let text = missing.text().replace("&#x2f;", "/");
        assert!(
            text.contains("href=\"/watch/dashboard\"") && !text.contains("\"/dashboard"),
            "on the page of an error"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_anybody_else_says_is_not_read() {
    let (_history, site) = site("/status").await;
    for peer in [Some("192.0.2.7:50000"), Some("[::2]:5"), None] {
        let found = address(&site, peer, &SAID).await;
        assert_eq!(found, "http://inner:9100/status/dashboard/incidents/1", "{peer:?}");
    }
    let nobody = AppState { trusted: Arc::from([]), ..site.clone() };
    assert_eq!(address(&nobody, PROXY, &SAID).await, "http://inner:9100/status/dashboard/incidents/1");
    // A page that was made for the one is not shown to the other.
    for path in ["/dashboard", "/dashboard/wall"] {
        let first = get(&site, path, PROXY, &SAID).await;
        let second = get(&site, path, Some("192.0.2.7:50000"), &SAID).await;
        assert!(first.text().contains("&#x2f;watch") && !second.text().contains("&#x2f;watch"), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_prefix_and_the_base_path_are_one_path() {
    let (_history, site) = site("/status").await;
    for (prefix, base) in [("/status", "/status"), ("/outer", "/outer/status"), ("/outer/status/", "/outer/status")] {
        let found = address(&site, PROXY, &[("x-forwarded-prefix", prefix)]).await;
        assert_eq!(found, format!("http://inner:9100{base}/dashboard/incidents/1"), "{prefix}");
    }
}

#[tokio::test(start_paused = true)]
async fn hostile_values_are_as_if_they_were_not_there() {
    let (_history, site) = site("").await;
    for (name, value) in [
        ("x-forwarded-host", "evil.example/\"><script>"),
        ("x-forwarded-host", "user@evil.example"),
        ("x-forwarded-host", "evil.example:99999"),
        ("x-forwarded-host", "a b"),
        ("x-forwarded-host", ""),
        ("x-forwarded-proto", "javascript"),
        ("x-forwarded-proto", "https://evil.example"),
        ("x-forwarded-prefix", "//evil.example"),
        ("x-forwarded-prefix", "https://evil.example"),
        ("x-forwarded-prefix", "/../../etc"),
        ("x-forwarded-prefix", "/a\"onload=\"x"),
        ("x-forwarded-prefix", "/%0d%0aset-cookie:x"),
    ] {
        let found = address(&site, PROXY, &[(name, value)]).await;
        assert_eq!(found, "http://inner:9100/dashboard/incidents/1", "{name}: {value}");
        let home = get(&site, "/", PROXY, &[(name, value)]).await;
        assert_eq!(home.header("location"), "/dashboard", "{name}: {value}");
    }
    let long = format!("/{}", "a".repeat(300));
    assert_eq!(get(&site, "/", PROXY, &[("x-forwarded-prefix", &long)]).await.header("location"), "/dashboard");
    // What a client wrote stands before what the proxy added.
    let found = address(&site, PROXY, &[("x-forwarded-host", "evil.example, status.example")]).await;
    assert_eq!(found, "http://status.example/dashboard/incidents/1");
}
