//! The history when things go wrong: a store that fails, rows that are refused, what is too old, whose file it is.

use crate::support::history::{History, KEEP, record, result, service, watched};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        check::{CheckResult, Outcome, Reason},
        health::{Began, Changes, Confirmed},
        service::{CheckSchedule, Service, Thresholds},
        time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs},
    },
    store::{RetentionPolicy, Store, StoreError},
};
use rusqlite::Connection;
use serde_json::json;
use std::{path::Path, time::Duration};

mod migrations;

const BEGIN: &str = "2026-11-16T00:00:00Z";

fn begin() -> UnixMs {
    UnixMs::parse(BEGIN).unwrap()
}

/// Makes every commit fail, and heals it.
fn break_store(history: &History) {
    sql(history).execute_batch("ALTER TABLE run RENAME TO gone").unwrap();
}

fn heal_store(history: &History) {
    sql(history).execute_batch("ALTER TABLE gone RENAME TO run").unwrap();
}

fn sql(history: &History) -> Connection {
    Connection::open(history.path()).unwrap()
}

/// Lets time pass until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what} does not come");
}

fn times(history: &History, name: &str) -> Vec<i64> {
    let sql = sql(history);
    let mut statement = sql
        .prepare("SELECT at FROM check_result c JOIN service s ON s.id = c.service_id WHERE s.name = ?1 ORDER BY at")
        .unwrap();
    statement.query_map([name], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test(start_paused = true)]
async fn while_the_store_fails_results_wait_and_then_all_of_them_are_written() {
    let mut history = History::new(BEGIN, vec![service("web"), service("api")]);
    history.checks("web", begin(), "..");
    history.committed().await;
    break_store(&history);
    history.checks("web", begin().plus(20_000), "xxxxxx..");
    history.checks("api", begin(), ".....");
    until("trouble", || history.store.writer.trouble().is_some()).await;
    let answer = history.get("/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(answer.json()["reason"].as_str().unwrap().contains("no such table"), "{}", answer.text());
    assert_eq!(history.store.writer.figures().waiting, 13);
    history.checks("api", begin().plus(50_000), "...");
    heal_store(&history);
    until("the commit", || history.store.writer.figures().waiting == 0).await;
    assert_eq!(history.get("/readyz").await.status, 200);
    assert_eq!(history.store.writer.figures().dropped, 0);
    let every_ten = |count: i64| (0..count).map(|i| begin().plus(i * 10_000).0).collect::<Vec<_>>();
    assert_eq!(times(&history, "web"), every_ten(10));
    assert_eq!(times(&history, "api"), every_ten(8));
    let log = history.get("/api/v1/incidents").await.ok();
    assert_eq!((&log["items"][0]["checks_failed"], &log["items"][0]["duration_ms"]), (&json!(6), &json!(60_000)));
    history.at(begin().plus(100_000));
    let u = history.get("/api/v1/services/web/uptime?from=2026-11-16").await.ok();
    assert_eq!((&u["gap_ms"], &u["down_ms"]), (&json!(0), &json!(60_000)));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_fails_a_hundred_thousand_results_have_room() {
    let mut history = History::new(BEGIN, vec![service("web")]);
    history.committed().await;
    break_store(&history);
    for i in 0..100_000 {
        assert!(history.store.writer.has_room(), "{i}");
        history.check("web", result('.', begin().plus(i * 10_000)));
        if i % 1000 == 0 {
            tokio::task::yield_now().await;
        }
    }
    until("trouble", || history.store.writer.trouble().is_some()).await;
    assert!(!history.store.writer.has_room());
    assert_eq!(history.store.writer.figures().waiting, 100_000);
}

#[tokio::test(start_paused = true)]
async fn what_found_no_room_is_counted_and_becomes_a_gap_with_its_reason() {
    let mut history = History::new(BEGIN, vec![service("web")]);
    history.checks("web", begin(), "..");
    history.committed().await;
    break_store(&history);
    let last = begin().plus(20_000);
    history.check("web", result('.', last));
    // An hour goes by, and none of its results finds room.
    for i in 1..=360 {
        history.record_dropped("web", result('.', last.plus(i * 10_000)));
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    heal_store(&history);
    until("the commit", || history.store.writer.figures().waiting == 0).await;
    assert_eq!(history.store.writer.figures().dropped, 360);
    history.check("web", result('.', last.plus(3_610_000)));
    history.committed().await;
    history.at(last.plus(3_620_000));
    let body = history.get("/api/v1/export?from=2026-11-16").await.ok();
    assert_eq!(
        body["gaps"],
        json!([{"service": "web", "from": last.plus(25_000).to_string(), "to": last.plus(3_610_000).to_string(), "reason": "not_stored"}])
    );
    let noted: (i64, i64) = sql(&history)
        .query_row("SELECT count(*), sum(results) FROM interruption", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!(noted, (1, 360), "one stretch, and not one for each attempt");
}

#[tokio::test(start_paused = true)]
async fn a_short_gap_of_lost_results_knows_its_reason_too() {
    let mut history = History::new(BEGIN, vec![service("web")]);
    let last = begin();
    history.check("web", result('.', last));
    history.record_dropped("web", result('.', last.plus(10_000)));
    history.record_dropped("web", result('.', last.plus(20_000)));
    history.check("web", result('.', last.plus(30_000)));
    history.at(last.plus(31_000));
    history.committed().await;
    let body = history.get("/api/v1/export?from=2026-11-16").await.ok();
    let (from, to) = (last.plus(25_000).to_string(), last.plus(30_000).to_string());
    assert_eq!(body["gaps"], json!([{"service": "web", "from": from, "to": to, "reason": "not_stored"}]));
    assert_eq!(history.store.writer.figures().dropped, 2);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_renamed_carries_its_history_on_and_does_so_once() {
    let mut history = History::new(BEGIN, vec![service("old"), service("other")]);
    history.checks("old", begin(), "..xxx");
    history.at(begin().plus(50_000));
    history.committed().await;
    let renamed = || {
        let mut watched = watched(service("new"));
        watched.configured.renamed_from = Some("old".into());
        vec![watched, self::watched(service("other"))]
    };
    for _ in 0..2 {
        history = history.restart_as(renamed()).await;
        let log = history.get("/api/v1/incidents").await.ok();
        assert_eq!((&log["items"][0]["service"], &log["items"][0]["status"]), (&json!("new"), &json!("open")));
        assert_eq!(history.get("/api/v1/services/new/uptime?from=2026-11-16").await.ok()["checks"], 5);
        assert_eq!(history.get("/api/v1/services/old").await.status, 404);
    }
    history.checks("new", begin().plus(60_000), "..");
    history.committed().await;
    let log = history.get("/api/v1/incidents").await.ok();
    assert_eq!((log["items"].as_array().unwrap().len(), &log["items"][0]["status"]), (1, &json!("resolved")));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_the_database_refuses_takes_no_other_with_it() {
    let mut history = History::new(BEGIN, vec![service("a"), service("b"), service("c")]);
    history.checks("a", begin(), ".");
    history.committed().await;
    let at = |i: i64| begin().plus(i * 10_000);
    // A row of `b` is refused for ever; one of `c` fails for a while, after that of `a` has been committed alone.
    sql(&history)
        .execute_batch(&format!(
            "CREATE TRIGGER refuses BEFORE INSERT ON check_result WHEN NEW.service_id = 2 AND NEW.at = {}
               BEGIN SELECT RAISE(ABORT, 'no'); END;
             CREATE TRIGGER fails BEFORE INSERT ON check_result WHEN NEW.service_id = 3
               BEGIN SELECT json_extract('{{', '$'); END;",
            at(1).0
        ))
        .unwrap();
    history.check("a", result('~', at(1)));
    history.checks("b", at(1), "..");
    history.checks("c", at(1), "..");
    until("trouble", || history.store.writer.trouble().is_some()).await;
    history.at(at(2));
    let health = history.get("/health?verbose=1").await.json();
    assert_eq!(health["services"]["a"]["status"], "degraded", "what is committed is shown");
    tokio::time::sleep(Duration::from_secs(60)).await;
    sql(&history).execute_batch("DROP TRIGGER fails").unwrap();
    until("the commit", || history.store.writer.figures().waiting == 0).await;
    let figures = history.store.writer.figures();
    assert_eq!((figures.committed, figures.dropped), (5, 1));
    assert_eq!(times(&history, "a"), [at(0).0, at(1).0]);
    assert_eq!(times(&history, "b"), [at(2).0]);
    assert_eq!(times(&history, "c"), [at(1).0, at(2).0]);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_record_was_lost_is_made_up_for_by_the_next() {
    let at = |i: i64| begin().plus(i * 10_000);
    // Refused: the first failure, the third, the first pass, the second, each in a history of its own.
    for (refused, started, confirmed, resolved) in
        [(2, at(3), at(4), at(6)), (4, at(2), at(5), at(6)), (6, at(2), at(4), at(6)), (7, at(2), at(4), at(8))]
    {
        let mut history = History::new(BEGIN, vec![service("web")]);
        history.checks("web", begin(), ".");
        history.committed().await;
        let trigger = format!(
            "CREATE TRIGGER refuses BEFORE INSERT ON check_result WHEN NEW.at = {}
               BEGIN SELECT RAISE(ABORT, 'no'); END",
            at(refused).0
        );
        sql(&history).execute_batch(&trigger).unwrap();
        history.checks("web", at(1), ".xxxx...");
        history.at(at(9));
        history.committed().await;
        assert_eq!(history.store.writer.figures().dropped, 1);
        let log = history.get("/api/v1/incidents").await.ok();
        assert_eq!(log["items"].as_array().unwrap().len(), 1, "without {refused}: {log}");
        let incident = &log["items"][0];
        let known = confirmed.plus(31).to_string();
        assert_eq!(
            (&incident["started_at"], &incident["confirmed_at"], &incident["resolved_at"]),
            (&json!(started.to_string()), &json!(known), &json!(resolved.to_string())),
            "without {refused}"
        );
        let told: String =
            sql(&history).query_row("SELECT group_concat(event) FROM outbox", [], |row| row.get(0)).unwrap();
        assert_eq!(told, "confirmed,resolved");
        assert_eq!(history.get("/health").await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_contradicts_the_history_is_refused_alone() {
    let mut history = History::new(BEGIN, vec![service("web"), service("api")]);
    let id = history.store.resume_points[0].id;
    history.checks("api", begin(), "...");
    // Two outages that begin one after the other: the second cannot be.
    for i in 0..2 {
        let changes = Changes { began: Some(Began { last_ok_at: None }), ..Changes::default() };
        let result = result('x', begin().plus(i * 10_000));
        assert_eq!(result.outcome, Outcome::Down);
        history.store.writer.record(record(id, result, changes, Confirmed::Pending));
    }
    history.committed().await;
    let figures = history.store.writer.figures();
    assert_eq!((figures.committed, figures.dropped), (4, 1));
    assert_eq!(times(&history, "web"), [begin().0]);
    assert_eq!(times(&history, "api").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_retired_is_answered_at_the_resolution_that_is_left() {
    let cadence = CheckSchedule { interval_ms: 10 * MINUTE_MS, timeout_ms: 5_000, retry_interval_ms: 2_000 };
    let web = Service { cadence, thresholds: Thresholds { failure: 1, success: 1 }, ..service("web") };
    let keep = RetentionPolicy { checks: Some(2), hours: Some(4), ..RetentionPolicy::FOREVER };
    let mut history = History::kept(BEGIN, vec![web], keep);
    // Eight days, a result in every ten minutes; each seventh failed.
    for i in 0..8 * 144 {
        history.check("web", result(if i % 7 == 3 { 'x' } else { '.' }, begin().plus(i * 10 * MINUTE_MS)));
    }
    let now = begin().plus(8 * DAY_MS);
    history.at(now);
    history.committed().await;
    let day = |n: i64| begin().plus(n * DAY_MS);
    let uptime = |from: UnixMs, to: UnixMs| format!("/api/v1/services/web/uptime?from={from}&to={to}");
    let charts = |from: UnixMs, to: UnixMs, buckets: u32| {
        format!("/api/v1/services/web/history?from={from}&to={to}&buckets={buckets}")
    };
    let mut before = Vec::new();
    for n in 0..8 {
        before.push(history.get(&uptime(day(n), day(n + 1))).await.ok());
    }
    let hour_before = history.get(&uptime(day(5), day(5).plus(HOUR_MS))).await.ok();
    let conn = sql(&history);
    let count = |query: &str| conn.query_row(query, [], |row| row.get::<_, i64>(0)).unwrap();
    until("what is too old to go", || {
        // The clock of the history goes with the timer: it is held where it was.
        history.at(now);
        count(&format!("SELECT count(*) FROM check_result WHERE at < {}", day(5).0)) == 0
            && count(&format!("SELECT count(*) FROM rollup_hour WHERE start < {}", day(4).0)) == 0
    })
    .await;
    history.at(now);
    // A day more than promised stays, so that results speak into the first day that is answered from rows.
    assert!(count("SELECT min(at) FROM check_result") >= day(5).0);
    for (n, expected) in (0..).zip(&before) {
        assert_eq!(&history.get(&uptime(day(n), day(n + 1))).await.ok(), expected, "day {n}");
    }
    // The rows of the sixth day are gone: the hours are left, also when the window begins with an hour.
    let chart = history.get(&charts(day(5), day(5).plus(HOUR_MS), 12)).await.ok();
    assert_eq!((&chart["bucket_ms"], chart["buckets"].as_array().unwrap().len()), (&json!(HOUR_MS), 1));
    for key in ["up_ms", "down_ms", "gap_ms", "checks", "failures"] {
        assert_eq!(chart["buckets"][0][key], hour_before[key], "{key}");
    }
    // Of the second day nothing but its sum.
    let chart = history.get(&charts(day(1), day(1).plus(6 * HOUR_MS), 6)).await.ok();
    assert_eq!(
        (&chart["bucket_ms"], &chart["from"], &chart["to"]),
        (&json!(DAY_MS), &json!(day(1).to_string()), &json!(day(2).to_string()))
    );
    for key in ["up_ms", "down_ms", "gap_ms", "checks", "failures"] {
        assert_eq!(chart["buckets"][0][key], before[1][key], "{key}");
    }
    // The ends of a window move out to what is left, and the answer says so.
    let u = history.get(&uptime(day(1).plus(5 * HOUR_MS), day(5).plus(90 * MINUTE_MS))).await.ok();
    assert_eq!((&u["from"], &u["to"]), (&json!(day(1).to_string()), &json!(day(5).plus(2 * HOUR_MS).to_string())));
    let down = |u: &serde_json::Value| u["down_ms"].as_i64().unwrap();
    let rest = history.get(&uptime(day(5), day(5).plus(2 * HOUR_MS))).await.ok();
    assert_eq!(down(&u), before[1..5].iter().map(down).sum::<i64>() + down(&rest));
}

#[tokio::test(start_paused = true)]
async fn the_texts_of_failures_go_with_the_last_result_that_has_them() {
    let mut history =
        History::kept(BEGIN, vec![service("web")], RetentionPolicy { checks: Some(1), ..RetentionPolicy::FOREVER });
    let judged = |at: UnixMs, message: String| {
        let reason = result('?', at).reason.map(|reason| Reason { message, ..reason });
        CheckResult { reason, ..result('?', at) }
    };
    for n in 0..1_200 {
        history.check("web", judged(begin().plus(n * 10_000), format!("this was never said before: {n}")));
    }
    // One is said again.
    let later = begin().plus(10 * DAY_MS);
    history.check("web", judged(later, "this was never said before: 7".to_owned()));
    history.check("web", result('.', later.plus(10_000)));
    history.at(later.plus(20_000));
    history.committed().await;
    let conn = sql(&history);
    let count = || conn.query_row("SELECT count(*) FROM reason", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count(), 1_200);
    // The newest one stays, so that its number is not given again.
    until("the texts to go", || count() == 2).await;
    let left = "SELECT group_concat(message, ', ') FROM (SELECT message FROM reason ORDER BY id)";
    let left: String = conn.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, "this was never said before: 7, this was never said before: 1199");
    assert!(!conn.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap());
    history.check("web", judged(later.plus(30_000), "this was never said before: 8".to_owned()));
    history.committed().await;
    assert_eq!(count(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_an_incident_is_never_given_twice() {
    let flappy = Service { thresholds: Thresholds { failure: 1, success: 1 }, ..service("web") };
    let mut history = History::kept(
        BEGIN,
        vec![flappy],
        RetentionPolicy { checks: Some(1), hours: Some(1), days: Some(1), ..RetentionPolicy::FOREVER },
    );
    history.checks("web", begin(), ".x.x.x.");
    history.committed().await;
    assert_eq!(history.get("/api/v1/incidents/3").await.status, 200);
    let later = begin().plus(10 * DAY_MS);
    history.check("web", result('.', later));
    history.committed().await;
    let conn = sql(&history);
    let oldest = || conn.query_row("SELECT min(id) FROM outage", [], |row| row.get::<_, Option<i64>>(0)).unwrap();
    until("the old ones to go", || {
        history.at(later.plus(1000));
        oldest() != Some(1)
    })
    .await;
    history.checks("web", later.plus(10_000), "x.");
    history.committed().await;
    let log = history.get("/api/v1/incidents").await.ok();
    assert_eq!(log["items"][0]["id"], 4);
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, vec![watched(service("web"))], Vec::new(), Routing::default(), KEEP, Clock::pinned(begin()))
}

/// What the program says when it cannot be opened.
fn refusal(path: &Path) -> String {
    match open(path) {
        Ok(_) => panic!("{} was taken for a history", path.display()),
        Err(error) => format!("{:#}", anyhow::Error::new(error)),
    }
}

#[tokio::test]
async fn a_file_that_is_no_history_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)").unwrap();
    let before = std::fs::read(&path).unwrap();
    let said = refusal(&path);
    assert!(said.contains("not a history of this program") && said.contains("[storage] path"), "{said}");
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let path = folder.path().join("text.db");
    let text = "This is a letter, and somebody would miss it.\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let said = refusal(&path);
    assert!(said.contains("not an SQLite database") && said.contains("text.db"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_history_of_a_newer_version_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    open(&path).unwrap().stop().await;
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = std::fs::read(&path).unwrap();
    let said = refusal(&path);
    assert!(said.contains("newer version") && said.contains("99"), "{said}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_history_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    open(&path).unwrap().stop().await;
    let whole = std::fs::read(&path).unwrap();
    // Its header stands, or its schema; everything behind it is noise.
    for sound in [100, 4096] {
        let mut bytes = whole.clone();
        bytes[sound..].iter_mut().for_each(|byte| *byte = 0xA5);
        std::fs::write(&path, &bytes).unwrap();
        let said = refusal(&path);
        assert!(said.contains("damaged") && said.contains("backup") && said.contains("history.db"), "{said}");
        assert_eq!(said.matches("malformed").count(), 1, "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let said = refusal(&file.join("data").join("history.db"));
    assert!(said.contains("cannot be made") && said.contains("file/data"), "{said}");
    // A path that is a folder.
    let said = refusal(folder.path());
    assert!(said.contains(&*folder.path().display().to_string()), "{said}");
    let deep = folder.path().join("a/b/c/history.db");
    open(&deep).unwrap().stop().await;
    assert!(deep.exists());
}

#[tokio::test]
async fn only_one_may_write_a_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let first = open(&path).unwrap();
    let said = refusal(&path);
    assert!(said.contains(&format!("process id {}", std::process::id())), "{said}");
    first.stop().await;
    open(&path).unwrap().stop().await;
}
