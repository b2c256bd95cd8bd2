//! The incident log.

use super::{begin, five_minutes, history::pages, time};
use crate::support::history::{History, result, service};
use healthcheck_dashboard::domain::service::{Cadence, Service, Thresholds};
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
            "also_failed": [],
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
        cadence: Cadence { interval_ms: 100, timeout_ms: 100, retry_interval_ms: 100 },
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
