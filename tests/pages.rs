//! What the pages say, over histories that are known: states, empty places, mistakes in an address.

mod incidents;
mod overview;

use crate::support::{
    browser::plain,
    history::{Answer, History, ask, get, service},
};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::{
    domain::{
        service::{CheckSchedule, Service},
        time::UnixMs,
    },
    http::state::AppState,
};
use std::sync::Arc;

const BEGIN: &str = "2026-11-16T00:00:00Z";

fn s(seconds: i64) -> UnixMs {
    UnixMs::parse(BEGIN).unwrap().plus(seconds * 1000)
}

/// The words of a page, without its markup.
fn words(answer: &Answer) -> String {
    let mut said = String::new();
    for piece in answer.text().split('<').skip(1) {
        let (tag, text) = piece.split_once('>').unwrap_or((piece, ""));
        // What begins or ends a block separates words.
        let block = ["p", "/p", "h1", "h2", "td", "th", "tr", "dd", "dt", "div", "li", "/h1", "/h2"];
        if block.iter().any(|b| tag.split([' ', '\n']).next() == Some(b)) {
            said.push(' ');
        }
        said.push_str(text);
    }
    let said = said
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#x27;", "'")
        .replace("&#x2f;", "/");
    plain(&said.replace("&amp;", "&")).split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn page(site: &AppState, path: &str) -> String {
    let answer = get(site, path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    words(&answer)
}

/// The part of a page's words between two others.
#[track_caller]
fn between<'a>(said: &'a str, from: &str, to: &str) -> &'a str {
    let start = said.find(from).unwrap_or_else(|| panic!("no “{from}” in {said}")) + from.len();
    let end = said[start..].find(to).unwrap_or_else(|| panic!("no “{to}” in {said}"));
    said[start..start + end].trim()
}

/// A history of some services with these letters each, ten seconds apart, seen at a moment.
async fn seen(services: &[(&str, &str)], at: UnixMs) -> History {
    let mut history = History::new(BEGIN, services.iter().map(|(name, _)| service(name)).collect());
    for (name, letters) in services {
        history.checks(name, s(0), letters);
    }
    history.committed().await;
    history.at(at);
    history
}

#[tokio::test(start_paused = true)]
async fn a_service_shows_uptime_with_bounds_and_where_the_time_went() {
    let history = seen(&[("web", "......~.x.xx......            .")], s(310)).await;
    let said = page(&history.site(), "/dashboard/services/web?window=24h").await;
    let uptime = history.get("/api/v1/services/web/uptime?window=24h").await.ok();
    let shown = format!("{:.4} %", uptime["uptime"].as_f64().unwrap());
    assert!(said.contains(&shown), "{shown} is not in {said}");
    for (key, label) in [("worst", "between"), ("best", "and")] {
        let bound = format!("{label} {:.4} %", uptime[key].as_f64().unwrap());
        assert!(said.contains(&bound), "{bound} is not in {said}");
    }
    assert!(said.contains("Degraded 10 s"), "{said}");
    assert!(said.contains("Down 30 s"), "{said}");
    assert!(said.contains("Adds up to 1 d"), "{said}");
    assert!(said.contains("2 blips in these 24 hours"), "{said}");
    assert!(said.contains("no check was made"), "the gap is listed: {said}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_drawn_at_its_true_extent_however_short_and_a_gap_as_a_gap() {
    // One failed check in an hour of a year's chart.
    let mut history = History::new(BEGIN, vec![service("web")]);
    history.checks("web", s(0), &format!("{}x{}{}{}", ".".repeat(60), ".".repeat(60), " ".repeat(60), ".".repeat(60)));
    history.committed().await;
    history.at(s(2405));
    let answer = get(&history.site(), "/dashboard/services/web?window=365d").await;
    assert_eq!(answer.text().matches("data-outage").count(), 1);
    // Both are drawn at least 3 pixels wide: a stroke stands at the beginning, whatever the scale.
    assert_eq!(answer.text().matches("class=\"k-down\" x1=").count(), 1);
    // The year before it was watched, and the gap.
    let chart = answer.text().split("data-chart=\"history\"").nth(1).unwrap().split("</figure>").next().unwrap();
    assert_eq!(chart.matches("class=\"f-page\"").count(), 2, "{chart}");
}

#[tokio::test(start_paused = true)]
async fn a_chart_says_when_its_settings_changed_and_from_what() {
    let history = seen(&[("web", ".....")], s(43)).await;
    let cadence = CheckSchedule { interval_ms: 60_000, ..service("web").cadence };
    let mut history = history.restart(vec![Service { cadence, critical: false, ..service("web") }]).await;
    history.checks("web", s(50), "..");
    history.committed().await;
    history.at(s(120));
    let site = history.site();
    for window in ["1h", "30d"] {
        let answer = get(&site, &format!("/dashboard/services/web?window={window}")).await;
        let said = words(&answer);
        assert!(said.contains("Changes in this range Mon 16 Nov, 00:00:43"), "{said}");
        assert!(said.contains("checked every 1 min instead of 10 s, no longer critical"), "{said}");
        // Over the chart the same, and to be found by the script.
        assert_eq!(answer.text().matches("data-said=\"checked every 1\u{a0}min instead of 10\u{a0}s").count(), 1);
        assert!(said.contains("settings changed"), "{said}");
    }
    // What it was set to at first is no change; nor is one known that came later, nor one of another range.
    for query in ["window=1h&at=2026-11-16T00:00:42Z", "from=2026-11-16T00:01:00Z"] {
        let said = page(&site, &format!("/dashboard/services/web?{query}")).await;
        assert!(!said.contains("Changes in this range") && !said.contains("settings changed"), "{query}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_window_without_results_says_so() {
    let history = seen(&[("web", ".....")], s(43)).await;
    let said = page(&history.site(), "/dashboard/services/web?from=2026-11-01&to=2026-11-02").await;
    assert!(said.contains("Nothing was observed here, so there is no uptime to give."), "{said}");
    assert!(said.contains("No incident in these 1 d"), "{said}");
    assert!(said.contains("No check was made in this range."), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_left_the_configuration_keeps_its_page() {
    let history = seen(&[("web", "....."), ("old", ".....")], s(43)).await;
    let history = history.restart(vec![service("web")]).await;
    let said = page(&history.site(), "/dashboard/services/old").await;
    assert!(said.contains("old is no longer watched, since Monday, 16 November. Its history stays"), "{said}");
    assert!(!page(&history.site(), "/dashboard").await.contains("old"));
}

#[tokio::test(start_paused = true)]
async fn an_address_that_makes_no_sense_is_answered_with_what_to_do() {
    let history = seen(&[("api", "..xxx..")], s(63)).await;
    let site = history.site();
    for (path, status, wanted) in [
        ("/dashboard/services/apo", 404, "There is no service named “apo” Did you mean api?"),
        ("/dashboard/services/a%2Fb", 404, "There is no service named “a/b”"),
        ("/dashboard/incidents/999", 404, "There is no incident 999 Show the incident log"),
        ("/dashboard/incidents/x", 404, "There is no incident x"),
        // What is no UTF-8 is the name of nothing.
        ("/dashboard/services/%ff", 404, "There is nothing at this address"),
        ("/dashboard/incidents/%ff", 404, "There is nothing at this address"),
        ("/dashboard/incidents/%ff/note", 404, "There is nothing at this address"),
        ("/dashboard/incidents?service=zzz", 404, "There is no service named “zzz”"),
        ("/dashboard/services/api?window=7", 400, "“7” is no duration"),
        ("/dashboard/services/api?from=yesterday", 400, "“yesterday” is no time"),
        ("/dashboard/services/api?from=1969-12-31", 400, "“1969-12-31” is out of range"),
        ("/dashboard/services/api?from=-0001-01-01T00:00", 400, "“-0001-01-01T00:00” is out of range"),
        ("/dashboard/services/api?from=1970-01-01&tz=Asia/Tokyo", 400, "“1970-01-01” is out of range"),
        ("/dashboard/services/api?from=2026-11-16&to=%2B10000-01-01", 400, "“+10000-01-01” is out of range"),
        ("/dashboard/services/api?at=1969-12-31T23:59:59Z", 400, "from 1970 to the end of 9999, in UTC"),
        ("/dashboard/services/api?tz=Atlantis", 400, "There is no time zone named “Atlantis”"),
        ("/dashboard/services/api?from=2026-11-16&to=2026-11-15", 422, "This range ends before it begins"),
        ("/dashboard/services/api?from=2030-01-01", 422, "This range ends before it begins"),
        ("/dashboard/services/api?from=2030-01-01&to=2030-01-02", 422, "This range lies in the future"),
    ] {
        let answer = get(&site, path).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        assert!(words(&answer).contains(wanted), "{path}: {}", words(&answer));
    }
    assert_eq!(get(&site, "/dashboard/assets/%ff").await.status, 404);
    let nowhere = Request::get("/dashbord").header("accept", "text/html,*/*").body(Body::empty()).unwrap();
    let answer = ask(&site, nowhere).await;
    assert_eq!(answer.status, 404);
    assert!(words(&answer).contains("There is nothing at this address"));
    assert_eq!(get(&site, "/dashbord").await.header("content-type"), "application/problem+json");
}

#[tokio::test(start_paused = true)]
async fn times_are_said_in_the_readers_zone() {
    let history = seen(&[("web", "..xxx")], s(43)).await;
    let site = history.site();
    assert!(page(&site, "/dashboard?tz=Asia/Tokyo").await.contains("and 09:00:20 (first failed)"));
    let request = Request::get("/dashboard").header("cookie", "tz=Europe%2FBerlin").body(Body::empty()).unwrap();
    let answer = ask(&site, request).await;
    assert!(words(&answer).contains("and 01:00:20 (first failed)"));
    assert!(words(&answer).contains("Times are Europe/Berlin"));
    // Whoever wants the exact moment finds it in UTC.
    assert!(answer.text().contains("title=\"2026-11-16T00:00:20.000Z\""));
}

#[tokio::test(start_paused = true)]
async fn pages_work_below_a_path_and_not_at_all_where_they_are_not_wanted() {
    let history = seen(&[("web", "..xxx")], s(43)).await;
    let site = AppState { base_path: Arc::from("/status"), ..history.site() };
    for path in ["/status/dashboard", "/dashboard", "/status/dashboard/services/web", "/status/dashboard/incidents/1"] {
        let answer = get(&site, path).await;
        assert_eq!(answer.status, 200, "{path}");
        for link in answer.text().split("href=\"").skip(1).chain(answer.text().split("src=\"").skip(1)) {
            let link = link.split('"').next().unwrap().replace("&#x2f;", "/");
            let fine = link.starts_with("/status/") || link.starts_with(['#', '?']);
            assert!(fine, "{path} links to {link}");
        }
    }
    for front in ["/status", "/status/", "/"] {
        assert_eq!(get(&site, front).await.header("location"), "/status/dashboard", "{front}");
    }
    let asset =
        get(&site, "/dashboard").await.text().split("href=\"").find(|l| l.contains("style-")).unwrap().to_owned();
    let asset = get(&site, &asset.split('"').next().unwrap().replace("&#x2f;", "/")).await;
    assert_eq!(asset.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");

    let without = AppState { dashboard: false, ..history.site() };
    for path in ["/", "/dashboard", "/dashboard/services/web", "/dashboard/incidents", "/dashboard/incidents/1"] {
        assert_eq!(get(&without, path).await.status, 404, "{path}");
    }
    assert_eq!(get(&without, "/health").await.status, 503);
}

/// The relative luminance of `#rrggbb` (WCAG 2.2).
fn luminance(colour: &str) -> f64 {
    let part = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

#[test]
fn phases_that_can_stand_beside_each_other_differ_in_lightness() {
    let style = include_str!("../templates/style.css");
    for theme in [0, 1] {
        let colour = |name: &str| {
            let both = style.split(&format!("--{name}: light-dark(")).nth(1).unwrap().split(')').next().unwrap();
            both.split(", ").nth(theme).unwrap().to_owned()
        };
        let contrast = |one: &str, other: &str| {
            let (one, other) = (luminance(&colour(one)) + 0.05, luminance(&colour(other)) + 0.05);
            one.max(other) / one.min(other)
        };
        // DNS, connect, TLS, first byte, the rest; without names there is no DNS, without TLS the first byte follows.
        for (one, other) in [("p1", "p2"), ("p2", "p3"), ("p3", "p4"), ("p2", "p4"), ("p4", "p5")] {
            assert!(contrast(one, other) >= 3.0, "{one} beside {other}: {}", contrast(one, other));
        }
        for seen in ["p1", "p2-edge", "p3", "p4", "p5-edge"] {
            assert!(contrast(seen, "page") >= 3.0, "{seen} on the page: {}", contrast(seen, "page"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_chart_says_in_words_what_it_shows_and_has_a_table() {
    let history = seen(&[("web", "...xxx.....xx"), ("api", "....")], s(143)).await;
    let site = history.site();
    for path in ["/dashboard/services/web?window=1h", "/dashboard/services/web?window=30d", "/dashboard/incidents/1"] {
        let answer = get(&site, path).await;
        for figure in answer.text().split("<figure").skip(1).map(|rest| rest.split("</figure>").next().unwrap()) {
            let said = between(figure, "<figcaption class=\"vh\">", "</figcaption>");
            assert!(said.len() > 30, "{path}: {figure}");
            let elsewhere = figure.contains("The exact times follow") || figure.contains("as a list</a>");
            assert!(figure.contains("<table") || elsewhere, "{path}: {figure}");
        }
    }
}
