//! What the pages say, over histories that are known: states, empty places, mistakes in an address.

use crate::support::{
    browser::plain,
    history::{Answer, History, ask, get, result, service},
};
use axum::{body::Body, http::Request};
use healthcheck_dashboard::{
    config::PublicService,
    domain::{
        service::{Cadence, Service},
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
async fn the_overview_begins_with_the_truth() {
    for (services, truth) in [
        (vec![("web", "....."), ("api", ".....")], "All 2 services are up"),
        (vec![("web", ".....")], "web is up"),
        (vec![("web", "..xxx"), ("api", ".....")], "web has been down for 23 s: HTTP 503"),
        (vec![("web", "..xxx"), ("api", ".xxxx")], "2 services are down: api failed first, 33 s ago"),
        (vec![("web", "...~~"), ("api", ".....")], "web has been degraded for 13 s: slower than 800 ms"),
        (vec![("web", "...~~"), ("api", "....~")], "2 services are degraded"),
        (vec![("web", "....."), ("api", ".    ")], "api has had no result for 18 s"),
        (vec![("web", ""), ("api", "")], "2 services, first results within 10 s"),
    ] {
        let history = seen(&services, s(43)).await;
        let said = page(&history.site(), "/dashboard").await;
        assert!(said.contains(truth), "{truth} is not in {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_overview_says_what_else_is_wrong_and_when_something_failed_last() {
    let history = seen(&[("web", "..xxx"), ("api", "...~~"), ("db", ".    ")], s(43)).await;
    let said = page(&history.site(), "/dashboard").await;
    assert!(said.contains("Also: api has been degraded for 13 s, db has had no result for 18 s."), "{said}");
    let history = seen(&[("web", "..xxx...")], s(73)).await;
    let said = page(&history.site(), "/dashboard").await;
    assert!(said.contains("Nothing has failed since Monday, 16 November, 00:00."), "{said}");
    let history = seen(&[("web", "....x")], s(43)).await;
    let said = page(&history.site(), "/dashboard").await;
    assert!(said.contains("web is up"), "one failed check is no outage: {said}");
    assert!(said.contains("web failed the latest check and is being checked again."), "{said}");
}

#[tokio::test(start_paused = true)]
async fn an_open_incident_says_when_it_began_and_why() {
    let mut history = seen(&[("web", "...."), ("api", "....")], s(40)).await;
    history.check_with("web", result('x', s(40)), Some("HTTP/1.1 503\n\n{\"error\":\"pool timed out\"}"));
    history.checks("web", s(50), "xx");
    history.committed().await;
    history.at(s(63));
    let said = page(&history.site(), "/dashboard").await;
    let open = between(&said, "1 open incident", "See how it began");
    assert!(open.starts_with("Cause HTTP 503, expected 200–399"), "{open}");
    assert!(open.contains("between 00:00:30 (last good) and 00:00:40 (first failed)"), "{open}");
    assert!(open.contains("Confirmed 00:01:00, 20 s later"), "{open}");
    assert!(open.contains("3 failed checks"), "{open}");
    assert!(open.contains("pool timed out"), "{open}");
}

#[tokio::test(start_paused = true)]
async fn filters_choose_services_and_an_empty_list_says_why() {
    let api = Service { group: Some("Public API".into()), ..service("api") };
    let mut history = History::new(BEGIN, vec![api, service("web"), service("worker")]);
    history.checks("api", s(0), "..xxx");
    history.checks("web", s(0), ".....");
    history.checks("worker", s(0), ".....");
    history.committed().await;
    history.at(s(43));
    let site = history.site();
    let rows = |answer: &Answer| {
        let names =
            answer.text().split("data-service=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        // The chart of the open incident names its service too.
        let mut names: Vec<String> = names.collect();
        names.dedup();
        names
    };
    let list = |answer: &Answer| rows(answer).into_iter().filter(|n| n != "api").collect::<Vec<_>>();
    assert_eq!(list(&get(&site, "/dashboard?state=up").await), ["web", "worker"]);
    assert_eq!(list(&get(&site, "/dashboard?q=WORK").await), ["worker"]);
    assert_eq!(list(&get(&site, "/dashboard?group=Public+API").await), [""; 0]);
    assert_eq!(list(&get(&site, "/dashboard?sort=name").await), ["web", "worker"]);
    let said = page(&site, "/dashboard?state=down&q=work").await;
    assert!(said.contains("No service that is down has “work” in its name or address. Show all 3"), "{said}");
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
    let cadence = Cadence { interval_ms: 60_000, ..service("web").cadence };
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
async fn an_incident_that_nobody_watches_any_more_is_not_said_to_last() {
    let history = seen(&[("web", "....."), ("old", "..xxx")], s(43)).await;
    let paused = Service { enabled: false, ..service("old") };
    for (services, what) in [(vec![service("web")], "removed"), (vec![service("web"), paused], "paused")] {
        let mut history = seen(&[("web", "....."), ("old", "..xxx")], s(43)).await.restart(services).await;
        history.checks("web", s(50), ".....");
        history.committed().await;
        history.at(s(93));
        let site = history.site();
        let said = page(&site, "/dashboard").await;
        for untrue in ["open incident", "old failed the latest check", "Nothing has failed since"] {
            assert!(!said.contains(untrue), "{what}: {untrue} is in {said}");
        }
        let said = page(&site, "/dashboard/incidents").await;
        assert!(said.contains("No incident is open"), "{what}: {said}");
        assert!(
            said.contains("Left open old 00:00:20.000 or up to 10 s earlier at least 20 s HTTP 503"),
            "{what}: {said}"
        );
        let said = page(&site, "/dashboard/incidents/1").await;
        assert!(said.contains("old was down when it was last checked"), "{what}: {said}");
        assert!(said.contains("Lasted at least 20 s"), "{what}: {said}");
        assert!(!said.contains("still down") && !said.contains("so far"), "{what}: {said}");
        assert!(!page(&site, "/dashboard/services/old").await.contains("down now"), "{what}");
    }
    let said = page(&history.site(), "/dashboard/incidents/1").await;
    assert!(said.contains("old has been down for 23 s"), "watched, it is another matter: {said}");
}

#[tokio::test(start_paused = true)]
async fn the_word_of_the_confirmation_stands_where_there_is_room_for_it() {
    // It takes three failed checks to be sure: that is at the right edge of what is drawn.
    let history = seen(&[("api", "..xxx")], s(43)).await;
    let answer = get(&history.site(), "/dashboard/incidents/1").await;
    let (before, _) = answer.text().split_once(">confirmed</text>").unwrap();
    let word = &before[before.rfind('<').unwrap()..];
    assert!(word.starts_with("<text class=\"k end\"") && word.contains("x=\"89.47"), "{word}");
}

#[tokio::test(start_paused = true)]
async fn the_overview_does_not_say_of_many_open_incidents_that_nothing_else_failed() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let history = seen(&names.map(|name| (name, "..xxx")), s(43)).await;
    let said = page(&history.site(), "/dashboard").await;
    assert!(said.contains("6 open incidents"), "{said}");
    assert!(!said.contains("nothing else"), "{said}");
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

#[tokio::test(start_paused = true)]
async fn the_log_pages_through_every_incident_once() {
    let flappy = Service {
        thresholds: healthcheck_dashboard::domain::service::Thresholds { failure: 1, success: 1 },
        ..service("flappy")
    };
    let mut history = History::new(BEGIN, vec![flappy]);
    history.checks("flappy", s(0), &".x".repeat(120));
    history.committed().await;
    history.at(s(2405));
    let site = history.site();
    let mut path = "/dashboard/incidents".to_owned();
    let mut found = Vec::new();
    for _ in 0..10 {
        let answer = get(&site, &path).await;
        let links =
            answer.text().split("incidents&#x2f;").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        found.extend(links.filter(|id| id.parse::<i64>().is_ok()));
        let Some(older) = answer.text().split("href=\"").find(|l| l.contains("\">Older<")) else { break };
        path = format!("/dashboard/incidents{}", older.split('"').next().unwrap().replace("&amp;", "&"));
    }
    assert_eq!(found.len(), 120);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_the_past_log_is_as_long_as_any_other() {
    let flappy = Service {
        thresholds: healthcheck_dashboard::domain::service::Thresholds { failure: 1, success: 1 },
        ..service("flappy")
    };
    let mut history = History::new(BEGIN, vec![flappy]);
    history.checks("flappy", s(0), &format!("{}{}...", ".xx".repeat(60), ".x".repeat(60)));
    history.committed().await;
    history.at(s(3100));
    // Of the latest 60 each lasted 10 s; those that were asked for come before them.
    let path = format!("/dashboard/incidents?min_duration=15s&at={}", s(3050));
    let first = get(&history.site(), &path).await;
    let rows = |answer: &Answer| answer.text().matches("c-began").count();
    assert_eq!(rows(&first), 50);
    let older = first.text().split("href=\"").find(|link| link.contains("\">Older<")).unwrap();
    let older = format!("/dashboard/incidents{}", older.split('"').next().unwrap().replace("&amp;", "&"));
    assert_eq!(rows(&get(&history.site(), &older).await), 10);
}

#[tokio::test(start_paused = true)]
async fn the_wall_shows_what_is_wrong_large_and_the_rest_small() {
    let history = seen(&[("web", "..xxx"), ("api", "....."), ("db", "...~~")], s(43)).await;
    let answer = get(&history.site(), "/dashboard/wall").await;
    let said = words(&answer);
    assert!(said.contains("web has been down for 23 s: HTTP 503"), "{said}");
    assert!(answer.text().contains("data-theme=\"dark\""));
    let large: Vec<&str> = answer.text().split("<li class=").filter(|tile| tile.contains("large off")).collect();
    let named = |name: &str| large.iter().any(|tile| tile.contains(&format!("{name}</b>")));
    assert!(named("web") && named("db") && !named("api"), "{large:?}");
    assert!(!answer.text().contains("<nav"), "there is nothing to click");
}

#[tokio::test(start_paused = true)]
async fn an_incident_compares_its_phases_with_the_day_before() {
    let mut history = History::new(BEGIN, vec![service("web")]);
    history.checks("web", s(0), &".".repeat(40));
    let mut slow = result('x', s(400));
    slow.phases.ttfb_us = Some(400_000);
    slow.latency_us = Some(402_000);
    history.check("web", slow);
    history.checks("web", s(410), "xx..");
    history.committed().await;
    history.at(s(460));
    let said = page(&history.site(), "/dashboard/incidents/1").await;
    let table = between(&said, "Phases against normal", "What else failed");
    assert!(table.contains("First byte 400 ms 20 ms to 20 ms 20 times"), "{table}");
    assert!(table.contains("Connect 0.9 ms 0.9 ms to 0.9 ms normal"), "{table}");
}

#[tokio::test(start_paused = true)]
async fn outsiders_see_what_was_published_and_nothing_else() {
    let secret = Service { target: "http://10.0.0.7:8080/internal".into(), ..service("secret-backend") };
    let mut history = History::new(BEGIN, vec![service("web"), secret, service("unpublished")]);
    history.checks("web", s(0), ".....");
    history.checks("secret-backend", s(0), "..xxx");
    history.checks("unpublished", s(0), "xxxxx");
    history.committed().await;
    history.at(s(43));
    let published = |name: &str, title: &str| PublicService { name: name.into(), title: title.into() };
    let list = vec![published("web", "Shop"), published("secret-backend", "Orders")];
    let site = AppState { public: Some(Arc::from(list)), ..history.site() };
    let answer = get(&site, "/public").await;
    let said = words(&answer);
    assert!(said.contains("1 service is down As of 00:00:43."), "{said}");
    assert!(said.contains("Up Shop 100 %") && said.contains("Down Orders"), "{said}");
    assert!(said.contains("Mon 16 Nov, 00:00:20: Orders is down, 23 s so far"), "{said}");
    for hidden in ["secret-backend", "10.0.0.7", "503", "unpublished", "/dashboard", "/api", "web:3000"] {
        assert!(!answer.text().contains(hidden), "{hidden} is public");
    }
    let style = answer.text().split("href=\"").find(|l| l.contains("style-")).unwrap().split('"').next().unwrap();
    assert_eq!(get(&site, &style.replace("&#x2f;", "/")).await.status, 200);
    assert_eq!(get(&history.site(), "/public").await.status, 404, "there is no such page unless it is wanted");
}

#[tokio::test(start_paused = true)]
async fn the_log_is_chosen_by_cause_and_length_and_its_sums_are_of_what_is_chosen() {
    let mut history = History::new(BEGIN, vec![service("web"), service("api")]);
    history.checks("web", s(0), "..xxx....xxxxxxxxx...");
    let mut refused = result('x', s(30));
    let reason = refused.reason.as_mut().unwrap();
    reason.class = healthcheck_dashboard::domain::check::Class::Connect;
    history.checks("api", s(0), "...");
    for at in [30, 40, 50] {
        let mut refused = refused.clone();
        refused.at = s(at);
        history.check("api", refused);
    }
    history.checks("api", s(60), "...");
    history.at(s(300));
    history.committed().await;
    let site = history.site();
    let said = async |query: &str| page(&site, &format!("/dashboard/incidents?{query}")).await;
    assert!(said("").await.contains("3 incidents, 2 min 30 s all together"), "{}", said("").await);
    let one = said("class=connect").await;
    assert!(one.contains("1 incident like this, 30 s all together") && one.contains("HTTP 503"), "{one}");
    let one = said("min_duration=1m&service=web").await;
    assert!(one.contains("1 incident like this, 1 min 30 s all together"), "{one}");
    let none = said("class=dns").await;
    assert!(none.contains("There is no incident like this.") && none.contains("Show all incidents"), "{none}");
    // What is chosen stays chosen: in the fields, and in the links.
    let answer = get(&site, "/dashboard/incidents?class=connect&max_duration=90s&from=2026-11-16").await;
    let text = answer.text();
    assert!(text.contains("<option value=\"connect\" selected>") && text.contains("<option value=\"90s\" selected>"));
    assert!(text.contains("name=\"from\" value=\"2026-11-16\""));
    assert!(text.contains("?class=connect&amp;max_duration=90s&amp;window=7d"), "{text}");
    for (query, said) in [
        ("class=slow", "“class” takes dns, connect, "),
        ("min_duration=x", "“min_duration” takes numbers with units"),
        ("min_duration=2h&max_duration=1h", "not longer than max_duration"),
    ] {
        let answer = get(&site, &format!("/dashboard/incidents?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(words(&answer).contains(said), "{query}: {}", words(&answer));
    }
}

/// Seventy services in two groups, `Bulk` of sixty-nine and `Few` of one; in `Few` it goes as the letters say.
async fn many(few: &str) -> History {
    let grouped = |name: String, group: &str| Service { group: Some(group.into()), ..service(&name) };
    let mut all: Vec<Service> = (0..69).map(|i| grouped(format!("bulk-{i:02}"), "Bulk")).collect();
    all.push(grouped("lonely".into(), "Few & far"));
    let mut history = History::new(BEGIN, all);
    (0..69).for_each(|i| history.checks(&format!("bulk-{i:02}"), s(0), "....."));
    history.checks("lonely", s(0), few);
    history.at(s(43));
    history.committed().await;
    history
}

/// The services of the table.
async fn listed(site: &AppState, query: &str) -> usize {
    get(site, &format!("/dashboard{query}")).await.text().matches("<tr class=\"").count()
}

#[tokio::test(start_paused = true)]
async fn many_services_are_folded_by_group_while_all_of_a_group_is_up() {
    let history = many(".....").await;
    let site = history.site();
    let answer = get(&site, "/dashboard").await;
    let said = words(&answer);
    assert!(said.contains("Bulk 69 up 100 %") && said.contains("Few & far 1 up 100 %"), "{said}");
    let rows = |answer: &Answer| answer.text().matches("data-service=").count();
    assert_eq!(rows(&answer), 0, "both are folded");
    assert_eq!(answer.text().matches("aria-expanded=\"false\"").count(), 2);
    // Its days are there all the same, the worst of all its services.
    assert_eq!(answer.text().matches("class=\"d90\"").count(), 2);
    assert!(said.contains("something failed on 0 of 1 days"), "{said}");
    // The address opens one, and the link there folds it again.
    let link = |answer: &Answer, name: &str| {
        let id = format!("id=\"group-{name}\" href=\"");
        let rest = answer.text().split(&id).nth(1).unwrap().split('"').next().unwrap().to_owned();
        rest.replace("&amp;", "&").replace("&#x2f;", "/")
    };
    let opened = get(&site, &format!("/dashboard{}", link(&answer, "Few%20%26%20far"))).await;
    assert_eq!(rows(&opened), 1);
    assert!(opened.text().contains("data-service=\"lonely\"") && opened.text().contains("aria-expanded=\"true\""));
    assert_eq!(rows(&get(&site, &format!("/dashboard{}", link(&opened, "Few%20%26%20far"))).await), 0);
    // Whoever searches sees what is found, and whoever filters.
    assert_eq!(rows(&get(&site, "/dashboard?q=bulk-07").await), 1);
    assert_eq!(rows(&get(&site, "/dashboard?state=up").await), 70);
    assert_eq!(rows(&get(&site, "/dashboard?group=Bulk").await), 69);
}

#[tokio::test(start_paused = true)]
async fn a_group_with_a_service_that_is_not_up_is_never_folded() {
    for (letters, word) in [("..xxx", "1 down"), ("...~~", "1 degraded"), (".    ", "1 stale"), ("     ", "1 pending")]
    {
        let history = many(letters).await;
        for query in ["", "?fold=Few+%26+far", "?open=Few+%26+far", "?open=Few+%26+far&fold=Few+%26+far"] {
            let answer = get(&history.site(), &format!("/dashboard{query}")).await;
            assert!(answer.text().contains("data-service=\"lonely\""), "{letters} {query}");
            assert!(words(&answer).contains(&format!("Few & far {word}")), "{letters}: {}", words(&answer));
            assert!(!answer.text().contains("id=\"group-Few"), "there is nothing to fold");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn few_services_are_shown_until_a_group_is_folded() {
    let grouped = |name: &str, group: &str| Service { group: Some(group.into()), ..service(name) };
    let mut history = History::new(BEGIN, vec![grouped("web", "A"), grouped("api", "B"), service("db")]);
    for name in ["web", "api", "db"] {
        history.checks(name, s(0), ".....");
    }
    history.at(s(43));
    history.committed().await;
    let site = history.site();
    assert_eq!(listed(&site, "").await, 3 + 3, "three services below three headings");
    assert_eq!(listed(&site, "?fold=A").await, 3 + 2);
    assert_eq!(listed(&site, "?fold=A&fold=Other").await, 3 + 1);
    assert_eq!(listed(&site, "?open=A").await, 3 + 3);
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
