//! What pages say of incidents: one by one, and in the log.

use super::{BEGIN, between, page, s, seen, words};
use crate::support::history::{Answer, History, get, result, service};
use healthcheck_dashboard::{config::PublicService, domain::service::Service, http::state::AppState};
use std::sync::Arc;

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
