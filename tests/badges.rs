//! Badges, and the feed of incidents.

use crate::support::{
    browser::plain,
    history::{History, ask, service},
};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::domain::time::UnixMs;

const ODD: &str = "a/b <ü>";

async fn some() -> History {
    let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web"), service(ODD), service("new")]);
    let begin = UnixMs::parse("2026-11-16T00:00:00Z").unwrap();
    history.checks("web", begin, "......................xxx");
    history.checks(ODD, begin, "...xxx...................");
    history.committed().await;
    history.at(begin.plus(245_000));
    history
}

#[tokio::test(start_paused = true)]
async fn a_badge_says_the_status_or_the_uptime() {
    let history = some().await;
    for (path, said) in [
        ("/badge/web/status.svg", "web: down"),
        ("/badge/new/status.svg", "new: pending"),
        ("/badge/a%2Fb%20%3C%C3%BC%3E/status.svg", "a/b &lt;ü&gt;: up"),
        ("/badge/web/status.svg?label=shop", "shop: down"),
        ("/badge/web/uptime.svg", "web uptime 30d: 89.79 %"),
        ("/badge/web/uptime.svg?window=24h", "web uptime 24h: 89.79 %"),
        ("/badge/new/uptime.svg", "new uptime 30d: no data"),
    ] {
        let answer = history.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), "image/svg+xml");
        assert!(plain(answer.text()).contains(&format!("<title>{said}</title>")), "{path}: {}", answer.text());
    }
    for path in ["/badge/nothing/status.svg", "/badge/%ff/status.svg", "/badge/%ff/uptime.svg"] {
        let answer = history.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("content-type")),
            (404, "application/problem+json"),
            "{path}"
        );
    }
    assert_eq!(history.get("/badge/web/uptime.svg?window=x").await.json()["parameter"], "window");
}

#[tokio::test(start_paused = true)]
async fn the_feed_lists_incidents_with_addresses_as_the_reader_reached_it() {
    let history = some().await;
    let request = Request::get("/dashboard/incidents.atom").header("host", "monitor:9100").body(Body::empty()).unwrap();
    let answer = ask(&history.site(), request).await;
    assert!(answer.header("content-type").starts_with("application/atom+xml"));
    let feed = plain(&answer.text().replace("&#x2f;", "/"));
    assert_eq!(feed.matches("<entry>").count(), 2);
    assert!(feed.contains("<title>web is down: HTTP 503, expected 200–399</title>"), "{feed}");
    assert!(feed.contains("<title>a/b &lt;ü&gt; was down for 30 s: HTTP 503, expected 200–399</title>"), "{feed}");
    assert!(feed.contains("http://monitor:9100/dashboard/incidents/1\""), "{feed}");
}
