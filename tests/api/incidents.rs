//! The incident log.

use super::{begin, five_minutes, history::pages, time};
use crate::support::history::{History, result, service};
use healthcheck_dashboard::domain::service::{CheckSchedule, Service, Thresholds};
use serde_json::{Value, json};

fn ids(items: &[Value]) -> Vec<(String, String)> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    items.iter().map(|item| (text(item, "started_at"), text(item, "service"))).collect()
}

#[tokio::test(start_paused = true)]
async fn an_incident_says_when_it_began_between_what_and_why() {
    let history = five_minutes().await;
    let body = history.get("/api/v1/incidents?service=web").await.ok();
    let items = body["items"].as_array().unwrap();
    assert_eq!(items.len(), 1, "the blip is none: {body}");
    let incident = &items[0];
    assert_eq!(
        incident,
        &json!({
            "id": incident["id"], "service": "web", "status": "resolved",
            "last_ok_at": time(90.0), "started_at": time(100.0), "confirmed_at": time(120.031),
            "resolved_at": time(140.0), "duration_ms": 40_000, "down_ms": 40_000, "checks_failed": 4,
            "cause": {"class": "http_status", "phase": "ttfb", "message": "HTTP 503, expected 200–399", "http_status": 503,
                      "excerpt": null},
            "also_failed": [], "note": null, "noted_at": null,
        })
    );
}

#[tokio::test(start_paused = true)]
async fn the_log_is_read_page_by_page_and_gives_every_incident_once() {
    let history = five_minutes().await;
    let all = history.get("/api/v1/incidents?limit=500").await.ok();
    let all = ids(all["items"].as_array().unwrap());
    assert_eq!(all.len(), 12);
    assert!(all.windows(2).all(|pair| pair[0].0 >= pair[1].0), "newest first: {all:?}");
    for limit in [1, 2, 3, 5, 12] {
        let pages = pages(&history, &format!("/api/v1/incidents?limit={limit}")).await;
        assert_eq!(ids(&pages.concat()), all, "limit {limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_is_filtered_by_service_status_and_window() {
    let history = five_minutes().await;
    let count = async |query: &str| {
        let body = history.get(&format!("/api/v1/incidents?{query}")).await.ok();
        body["items"].as_array().unwrap().len()
    };
    assert_eq!(count("status=open").await, 1);
    assert_eq!(count("status=resolved").await, 11);
    assert_eq!(count("status=open&service=flap%20a").await, 0);
    assert_eq!(count("service=flap+a").await, 5);
    // The incident of web lasts from 100 s up to 140 s: it belongs to every window that it overlaps, to no other.
    let between = async |from: &str, to: &str| {
        count(&format!("service=web&from=2026-11-16T00:{from}Z&to=2026-11-16T00:{to}Z")).await
    };
    assert_eq!(between("01:00", "01:40").await, 0);
    assert_eq!(between("01:00", "01:40.001").await, 1);
    assert_eq!(between("01:50", "02:00").await, 1);
    assert_eq!(between("02:19.999", "04:00").await, 1);
    assert_eq!(between("02:20", "04:00").await, 0);
    // An open one overlaps everything after its start.
    assert_eq!(count("status=open&from=2026-11-16T00:05:09Z").await, 1);
}

#[tokio::test(start_paused = true)]
async fn one_incident_comes_with_what_surrounds_it() {
    let history = five_minutes().await;
    let list = history.get("/api/v1/incidents?service=web").await.ok();
    let id = list["items"][0]["id"].as_i64().unwrap();
    let body = history.get(&format!("/api/v1/incidents/{id}")).await.ok();
    let times = |key: &str| {
        body[key].as_array().unwrap().iter().map(|c| c["at"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(times("first_checks"), [100.0, 110.0, 120.0, 130.0].map(time));
    assert!(times("checks_around_start").contains(&time(90.0)));
    assert!(times("checks_around_end").contains(&time(140.0)));
    let change = &body["cause_changes"];
    assert_eq!(change.as_array().unwrap().len(), 1);
    assert_eq!((&change[0]["at"], &change[0]["class"]), (&json!(time(130.0)), &json!("connect")));
    let of_flap = history.get("/api/v1/incidents?service=flap%20a").await.ok();
    let id = of_flap["items"][0]["id"].as_i64().unwrap();
    let body = history.get(&format!("/api/v1/incidents/{id}")).await.ok();
    assert_eq!(body["also_failed"], json!(["flap b"]));
    let with: Vec<&str> =
        body["failed_with_it"].as_array().unwrap().iter().map(|o| o["service"].as_str().unwrap()).collect();
    assert!(!with.is_empty() && with.iter().all(|name| *name == "flap b"));
    for missing in ["999999", "0", "-1", "x", "99999999999999999999"] {
        assert_eq!(history.get(&format!("/api/v1/incidents/{missing}")).await.status, 404, "{missing}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_blip_is_no_incident_under_its_number_either() {
    let mut history = History::new(super::BEGIN, vec![service("web")]);
    history.checks("web", begin(), ".x.");
    history.at(begin().plus(30_000));
    history.committed().await;
    assert_eq!(history.get("/api/v1/incidents/1").await.status, 404);
    assert_eq!(history.get("/api/v1/services/web/uptime?window=1h").await.ok()["blips"], 1);
}

#[tokio::test(start_paused = true)]
async fn the_checks_around_an_end_are_those_next_to_it_however_often_we_look() {
    let often = Service {
        cadence: CheckSchedule { interval_ms: 100, timeout_ms: 100, retry_interval_ms: 100 },
        thresholds: Thresholds { failure: 1, success: 1 },
        ..service("web")
    };
    let mut history = History::new(super::BEGIN, vec![often]);
    let at = |i: i64| begin().plus(i * 100);
    for i in 0..9000 {
        history.check("web", result(if (3000..6000).contains(&i) { 'x' } else { '.' }, at(i)));
    }
    history.at(at(9000));
    history.committed().await;
    let body = history.get("/api/v1/incidents/1").await.ok();
    for (key, moment) in [("checks_around_start", 3000), ("checks_around_end", 6000)] {
        let checks = body[key].as_array().unwrap();
        for near in [moment - 1, moment, moment + 1] {
            assert!(checks.iter().any(|c| c["at"] == at(near).to_string()), "{key} lacks {}", at(near));
        }
        assert!(checks.len() <= 200);
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_is_filtered_by_how_it_failed_and_how_long_it_lasted() {
    let history = five_minutes().await;
    let found = async |query: &str| {
        let body = history.get(&format!("/api/v1/incidents?limit=500&{query}")).await.ok();
        ids(body["items"].as_array().unwrap()).len()
    };
    assert_eq!(found("class=http_status").await, 12, "the class of its first failed check");
    assert_eq!(found("class=connect").await, 0, "not of a later one");
    // web: 40 s; of flap a and b five and five of 10 s, and one that is open, 10 s old.
    assert_eq!(found("min_duration=10s").await, 12);
    assert_eq!(found("min_duration=11s").await, 1);
    assert_eq!(found("max_duration=10s").await, 11);
    assert_eq!(found("min_duration=40s&max_duration=40s&service=web&status=resolved&class=http_status").await, 1);
    assert_eq!(found("min_duration=40s&status=open").await, 0);
    assert_eq!(found("max_duration=10s&service=flap+b&status=open").await, 1);
    history.at(begin().plus(330_000));
    assert_eq!(found("min_duration=30s&status=open").await, 1, "an open one grows");
    assert_eq!(found("max_duration=10s").await, 10);
    // Page by page it is the same.
    let pages = pages(&history, "/api/v1/incidents?limit=3&max_duration=10s&class=http_status").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 1]);
    for (query, parameter, said) in [
        ("class=slow", "class", "http_status"),
        ("class=", "class", "timeout"),
        ("min_duration=5", "min_duration", "takes numbers with units"),
        ("max_duration=-1s", "max_duration", "takes numbers with units"),
        ("min_duration=2h&max_duration=1h", "min_duration", "max_duration"),
        ("status=closed", "status", "left_open"),
    ] {
        let answer = history.get(&format!("/api/v1/incidents?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.json()["parameter"], parameter, "{query}");
        assert!(answer.text().contains(said), "{query}: {}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn an_incident_of_a_service_that_is_not_checked_any_more_was_left_open() {
    let mut history = History::new(super::BEGIN, vec![service("web"), service("api"), service("db")]);
    for name in ["web", "api", "db"] {
        history.checks(name, begin(), "..xxx");
    }
    history.at(begin().plus(50_000));
    history.committed().await;
    // One has left the configuration, one is paused.
    let paused = Service { enabled: false, ..service("api") };
    let history = history.restart(vec![paused, service("db")]).await;
    history.at(begin().plus(900_000));
    let names = async |query: &str| {
        let body = history.get(&format!("/api/v1/incidents?{query}")).await.ok();
        let mut names: Vec<String> =
            body["items"].as_array().unwrap().iter().map(|i| i["service"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("status=open").await, ["db"]);
    assert_eq!(names("status=left_open").await, ["api", "web"]);
    assert_eq!(names("status=resolved").await, Vec::<String>::new());
    // It is as long as it was seen.
    assert_eq!(names("min_duration=10m").await, ["db"]);
    let web = history.get("/api/v1/incidents?service=web").await.ok()["items"][0].clone();
    assert_eq!((&web["status"], &web["resolved_at"]), (&json!("left_open"), &Value::Null));
    assert_eq!(web["duration_ms"], web["down_ms"]);
    let review = history.get("/api/v1/review?from=2026-11-16&to=2026-11-17").await.ok();
    let of = |name: &str| {
        let longest = review["longest"].as_array().unwrap();
        longest.iter().find(|i| i["service"] == name).unwrap()["status"].clone()
    };
    assert_eq!((of("web"), of("api"), of("db")), (json!("left_open"), json!("left_open"), json!("open")));
    let export = history.get("/api/v1/export?window=24h").await.ok();
    let states: Vec<&Value> = export["incidents"].as_array().unwrap().iter().map(|i| &i["status"]).collect();
    assert_eq!(states.iter().filter(|state| **state == "left_open").count(), 2, "{states:?}");
    let feed = history.get("/dashboard/incidents.atom").await;
    assert!(feed.text().contains("web was down when it was last checked"), "{}", feed.text());
    assert!(feed.text().contains("db is down"));
    // It goes on when it is watched again.
    let history = history.restart(vec![service("web"), service("api"), service("db")]).await;
    let body = history.get("/api/v1/incidents?status=open").await.ok();
    assert_eq!(body["items"].as_array().unwrap().len(), 3);
}
