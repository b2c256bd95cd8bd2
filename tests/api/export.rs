//! The history as a file.

use super::{ODD, begin, five_minutes, time};
use crate::support::history::{History, result, service};
use healthcheck_dashboard::domain::service::Service;
use serde_json::{Value, json};

const WINDOW: &str = "from=2026-11-16T00:00:00Z&to=2026-11-16T00:05:10Z";

#[tokio::test(start_paused = true)]
async fn the_document_holds_every_result_incident_and_gap_of_the_window() {
    let history = five_minutes().await;
    let answer = history.get(&format!("/api/v1/export?{WINDOW}")).await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"history-20261116T000000Z-to-20261116T000510Z.json\""
    );
    let body = answer.ok();
    assert_eq!(
        body.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["export", "checks", "incidents", "gaps", "blips", "sums", "maintenance", "notes", "end"]
    );
    let head = &body["export"];
    assert_eq!((&head["version"], &head["from"], &head["to"]), (&json!(1), &json!(time(0.0)), &json!(time(310.0))));
    assert_eq!(head["services"].as_array().unwrap().len(), 6);
    let of = |list: &str, name: &str| {
        let items = body[list].as_array().unwrap();
        items.iter().filter(|item| item["service"] == name).cloned().collect::<Vec<Value>>()
    };
    let checks = of("checks", "web");
    assert_eq!(checks.len(), 19);
    assert!(checks.windows(2).all(|pair| pair[0]["at"].as_str() < pair[1]["at"].as_str()));
    assert_eq!(of("checks", ODD).len(), 31);
    assert_eq!(of("incidents", "web").len(), 1);
    assert_eq!(of("incidents", "flap a").len() + of("incidents", "flap b").len(), 11);
    assert_eq!(
        of("gaps", "web"),
        [json!({"service": "web", "from": time(195.0), "to": time(300.0), "reason": "stalled"})]
    );
    // The same objects as the interface gives.
    let list = history.get(&format!("/api/v1/services/web/checks?{WINDOW}&limit=1000")).await.ok();
    let mut listed = list["items"].as_array().unwrap().clone();
    listed.reverse();
    assert_eq!(checks, listed);
    let log = history.get("/api/v1/incidents?service=web").await.ok();
    assert_eq!(of("incidents", "web"), *log["items"].as_array().unwrap());
}

#[tokio::test(start_paused = true)]
async fn the_downtime_of_the_export_is_that_of_the_figures() {
    let history = five_minutes().await;
    let body = history.get(&format!("/api/v1/export?{WINDOW}&service=flap%20a")).await.ok();
    let down: i64 = body["incidents"].as_array().unwrap().iter().map(|i| i["down_ms"].as_i64().unwrap()).sum();
    let u = history.get(&format!("/api/v1/services/flap%20a/uptime?{WINDOW}")).await.ok();
    assert_eq!(u["down_ms"], down);
}

#[tokio::test(start_paused = true)]
async fn lines_hold_the_same_objects_each_with_its_type() {
    let history = five_minutes().await;
    let whole = history.get(&format!("/api/v1/export?{WINDOW}")).await.ok();
    let answer = history.get(&format!("/api/v1/export?{WINDOW}&format=ndjson")).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let mut lines = answer.text().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut take = |kind: &str, object: &Value| {
        let mut line = lines.next().unwrap();
        assert_eq!(line.as_object_mut().unwrap().remove("type").unwrap(), kind);
        assert_eq!(&line, object);
    };
    take("export", &whole["export"]);
    for (kind, list) in [
        ("check", "checks"),
        ("incident", "incidents"),
        ("gap", "gaps"),
        ("blip", "blips"),
        ("sum", "sums"),
        ("maintenance", "maintenance"),
    ] {
        whole[list].as_array().unwrap().iter().for_each(|object| take(kind, object));
    }
    take("end", &whole["end"]);
    assert!(lines.next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_spreadsheet_gets_the_same_results_and_takes_no_text_for_a_formula() {
    let name = "=cmd|' /C calc'!A0, \"x\"\n";
    let evil = service(name);
    let mut history = History::new(super::BEGIN, vec![evil]);
    let mut failed = result('x', begin());
    failed.reason.as_mut().unwrap().message = "@SUM(1,2) said \"no\",\r\nand more".into();
    history.check(name, failed);
    history.check(name, result('.', begin().plus(10_000)));
    history.at(begin().plus(20_000));
    history.committed().await;
    let answer = history.get("/api/v1/export?window=1h&format=csv").await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert!(answer.header("content-disposition").ends_with(".csv\""));
    let rows = csv(answer.text());
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{rows:?}");
    let column = |row: usize, title: &str| rows[row][rows[0].iter().position(|t| t == title).unwrap()].as_str();
    assert_eq!(column(1, "service"), format!("'{name}"));
    assert_eq!(column(1, "message"), "'@SUM(1,2) said \"no\",\r\nand more");
    assert_eq!((column(1, "outcome"), column(1, "http_status"), column(1, "at")), ("down", "503", &*time(0.0)));
    assert_eq!((column(2, "response_time_ms"), column(2, "tls_ms"), column(2, "message")), ("24.4", "", ""));
    for row in &rows {
        assert!(row.iter().all(|field| !field.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{row:?}");
    }
}

/// RFC 4180.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.push(chars.next().unwrap()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            c => field.push(c),
        }
    }
    assert!(!quoted && field.is_empty() && row.is_empty(), "it ends in the middle of a row");
    rows
}

#[tokio::test(start_paused = true)]
async fn services_are_chosen_by_name_and_each_comes_once() {
    let history = five_minutes().await;
    let names = async |query: &str| {
        let body = history.get(&format!("/api/v1/export?{WINDOW}&{query}")).await.ok();
        let names =
            body["export"]["services"].as_array().unwrap().iter().map(|s| s["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>().join(", ")
    };
    assert_eq!(names("service=web").await, "web");
    assert_eq!(names("service=web&service=flap%20a&service=web").await, "flap a, web");
}

#[tokio::test(start_paused = true)]
async fn an_export_of_a_window_that_is_over_stays_the_same() {
    let mut history = five_minutes().await;
    let path = "/api/v1/export?from=2026-11-16T00:00:00Z&to=2026-11-16T00:05:05Z&format=ndjson";
    let without_head = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    let before = without_head(history.get(path).await.text());
    assert!(before.contains("\"open\""));
    history.at(begin().plus(3_600_000));
    assert!(without_head(history.get(path).await.text()) == before, "it changed with the time of the export alone");
    // The outage that was open ends, and that is news.
    history.check("flap b", result('.', begin().plus(3_600_000)));
    history.committed().await;
    assert!(without_head(history.get(path).await.text()) != before);
}

#[tokio::test(start_paused = true)]
async fn a_history_larger_than_a_page_loses_nothing_between_pages() {
    let mut history = History::new(super::BEGIN, vec![Service { name: "web".into(), ..service("") }]);
    for i in 0..9_001 {
        history.check("web", result('.', begin().plus(i * 10_000)));
    }
    history.at(begin().plus(9_001 * 10_000));
    history.committed().await;
    let answer = history.get("/api/v1/export?window=7d&format=ndjson").await;
    let times: Vec<String> = answer
        .text()
        .lines()
        .filter(|l| l.contains("\"type\":\"check\""))
        .map(|l| l.split("\"at\":\"").nth(1).unwrap()[..24].to_owned())
        .collect();
    let expected: Vec<String> = (0..9_001).map(|i| begin().plus(i * 10_000).to_string()).collect();
    assert!(times == expected, "{} results", times.len());
}
