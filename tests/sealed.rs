//! Sealed days: what is seen of a history does not depend on whether it is sealed, and nothing is lost on the way.

use crate::support::{
    binary::{Serving, cramped, document, run, stderr, stdout},
    history::{History, record, result, seal, sealed_days, service, watched},
    past::{BEGIN, RESULTS, begin, differences, folder, large, number, past, sql, troubled, write},
};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        health::{Changes, Confirmed},
        service::{CheckSchedule, Service},
        time::{DAY_MS, HOUR_MS},
    },
    store::{MaintenanceTasks, RetentionPolicy, Store},
};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn every_answer_is_the_same_from_sealed_days() {
    let services = || vec![service("web"), service("api")];
    let (mut history, ()) = History::new(BEGIN, services()).meanwhile(services(), troubled).await;
    history.at(begin().plus(4 * DAY_MS));
    let incident = history.get("/api/v1/incidents?service=web&limit=40").await.ok()["items"][30]["id"].clone();
    let incident_page = format!("/dashboard/incidents/{incident}");
    let asked = [
        "/health?at=2026-11-16T11:00:07Z",
        "/api/v1/services?at=2026-11-16T11:00:07Z",
        "/api/v1/services/web/uptime?from=2026-11-16T03:00:07Z&to=2026-11-17T04:00:01Z",
        "/api/v1/services/web/history?from=2026-11-16T01:00:00Z&to=2026-11-17T02:00:00Z&buckets=300",
        "/api/v1/services/api/history?from=2026-11-16T01:00:00Z&to=2026-11-16T01:10:00Z&buckets=300",
        "/api/v1/services/web/checks?from=2026-11-16T23:00:00Z&to=2026-11-17T01:00:00Z&limit=1000",
        "/api/v1/services/web/checks?from=2026-11-16T05:00:00Z&to=2026-11-16T06:00:00Z&outcome=down",
        "/api/v1/incidents?service=web&limit=100",
        "/api/v1/review?from=2026-11-16&to=2026-11-18",
        "/api/v1/export?from=2026-11-16T00:00:00Z&to=2026-11-18T00:00:00Z&format=csv",
        "/dashboard/services/web?from=2026-11-16T05:00:00Z&to=2026-11-16T05:20:00Z",
        &incident_page,
    ];
    let mut before = Vec::new();
    for path in asked {
        let answer = history.get(path).await;
        assert!(answer.status == 200 || path.starts_with("/health"), "{path}: {}", answer.text());
        before.push(answer.text().to_owned());
    }
    let rows = number(&history.path(), "SELECT count(*) FROM check_result");
    (history, ()) = history
        .meanwhile(services(), |path| {
            assert_eq!(seal(path), 3, "a day of one service and two of the other");
            assert_eq!(differences(path), []);
        })
        .await;
    assert!(number(&history.path(), "SELECT count(*) FROM check_result") < rows / 10);
    assert_eq!(number(&history.path(), RESULTS), rows);
    history.at(begin().plus(4 * DAY_MS));
    for (path, before) in asked.iter().zip(before) {
        let now = history.get(path).await;
        // Pages say when they were made.
        let plain = |text: &str| text.lines().filter(|line| !line.contains("generated")).collect::<Vec<_>>().join("\n");
        assert_eq!(plain(now.text()), plain(&before), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_running_service_seals_what_is_old_enough_and_goes_on() {
    let keep = RetentionPolicy { rows: Some(2), ..RetentionPolicy::FOREVER };
    let mut history = History::kept(BEGIN, vec![service("web")], keep);
    for day in 0..5 {
        history.checks("web", begin().plus(day * DAY_MS), &"....xx~?....".repeat(3));
    }
    history.at(begin().plus(4 * DAY_MS + HOUR_MS));
    history.committed().await;
    for _ in 0..200 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let path = history.path();
    // The 16th and 17th are over two days old; the 18th is not yet.
    assert_eq!((sealed_days(&path), number(&path, RESULTS)), (2, 5 * 36));
    assert_eq!(differences(&path), []);
    // What comes next finds its place, and what was missed on a day that is sealed, too.
    history.at(begin().plus(4 * DAY_MS + 2 * HOUR_MS));
    history.check("web", result('x', begin().plus(4 * DAY_MS + 2 * HOUR_MS)));
    history.committed().await;
    assert_eq!(number(&path, RESULTS), 5 * 36 + 1);
    assert_eq!(differences(&path), []);
}

#[tokio::test(start_paused = true)]
async fn a_result_of_a_sealed_day_that_comes_late_makes_rows_of_that_day_only() {
    let (history, ()) = History::new(BEGIN, vec![service("web"), service("api")])
        .meanwhile(vec![service("web"), service("api")], |path| {
            troubled(path);
            seal(path);
        })
        .await;
    let path = history.path();
    let (results, sealed) = (number(&path, RESULTS), sealed_days(&path));
    // One that is there already, one that is not, and another one of a later day that is sealed, too.
    for at in [begin().plus(3_000 + 182 * 20_000), begin().plus(HOUR_MS + 1), begin().plus(DAY_MS + HOUR_MS + 1)] {
        let position = history.store.resume_points[1].clone();
        let late = record(position.id, result('.', at), Changes::default(), position.health.confirmed);
        history.store.writer.record(late);
        history.committed().await;
    }
    assert_eq!((number(&path, RESULTS), sealed_days(&path)), (results + 2, sealed - 2));
    let beside = "SELECT count(*) FROM check_result c JOIN sealed_day d ON d.service_id = c.service_id
                  WHERE c.at BETWEEN d.day AND d.day + 86399999";
    assert_eq!(number(&path, beside), 0);
}

#[test]
fn sealed_days_take_little_room_and_become_rows_again() {
    let folder = folder("seal_after_days = 1");
    let path = folder.path().join("history.db");
    // With the phases of HTTPS, on 30 days.
    large(&path);
    sql(
        &path,
        "UPDATE check_result SET dns_us = at % 900, connect_us = at % 5000, tls_us = at % 7000, ttfb_us = at % 90000 WHERE outcome = 0",
    );
    let before = stdout(&run(folder.path(), &["export"])).lines().skip(1).collect::<Vec<_>>().join("\n");
    let dry = || document(&run(folder.path(), &["history", "retention", "--dry-run", "--json"]))["sealed"].clone();
    let to_be_sealed = dry()["rows"].as_i64().unwrap();
    let output = run(folder.path(), &["history", "retention"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("check results older than 1 day were sealed, from "), "{}", stdout(&output));
    assert!(sealed_days(&path) >= 48, "{}", sealed_days(&path));
    assert_eq!(number(&path, "SELECT sum(results) FROM sealed_day"), to_be_sealed);
    assert_eq!(dry()["rows"], json!(0));
    let known = document(&run(folder.path(), &["history", "services", "--json"]));
    let web = known["services"].as_array().unwrap().iter().find(|s| s["service"] == "web").unwrap();
    let (sealed, all) = (web["sealed_results"].as_u64().unwrap(), web["results"].as_u64().unwrap());
    assert!(sealed > all * 9 / 10 && sealed < all, "{web}");
    assert!(stdout(&run(folder.path(), &["history", "services"])).contains(" sealed"));
    let bytes = number(&path, "SELECT sum(pgsize) FROM dbstat WHERE name = 'sealed_day'");
    let results = number(&path, "SELECT sum(results) FROM sealed_day");
    assert!(bytes < 10 * results, "{bytes} bytes for {results}");
    let after = stdout(&run(folder.path(), &["export"])).lines().skip(1).collect::<Vec<_>>().join("\n");
    assert!(before == after, "an export is the same");
    // First one service, then all.
    let output = run(folder.path(), &["history", "unseal", "--service", "web"]);
    let said = stdout(&output);
    assert!(said.contains("are rows again") && said.contains("seal_after_days = 1"), "{said}");
    assert_eq!(number(&path, "SELECT count(DISTINCT service_id) FROM sealed_day"), 1);
    assert_eq!(run(folder.path(), &["history", "unseal"]).status.code(), Some(0));
    assert_eq!((sealed_days(&path), number(&path, "SELECT count(*) FROM sealed_reason")), (0, 0));
    let after = stdout(&run(folder.path(), &["export"])).lines().skip(1).collect::<Vec<_>>().join("\n");
    assert!(before == after, "an export is the same");
    assert_eq!(differences(&path), []);
    let said = run(folder.path(), &["history", "unseal"]);
    assert!(stdout(&said).starts_with("0 check results of no sealed days"), "{}", stdout(&said));
    let said = run(folder.path(), &["history", "unseal", "--service", "nobody"]);
    assert!(stderr(&said).contains("no service named “nobody”"), "{}", stderr(&said));
}

#[test]
fn what_is_sealed_and_too_old_goes_day_by_day() {
    let folder = folder("keep_checks_days = 10");
    let path = folder.path().join("history.db");
    large(&path);
    let overdue = || {
        let document = document(&run(folder.path(), &["history", "retention", "--dry-run", "--json"]));
        document["kinds"][0].clone()
    };
    let rows = overdue();
    assert!(seal(&path) >= 48);
    let sealed = overdue();
    // A day that begins before the limit and ends after it stays whole.
    let (of_rows, of_sealed) = (rows["rows"].as_i64().unwrap(), sealed["rows"].as_i64().unwrap());
    assert!(of_sealed <= of_rows && of_sealed > of_rows - 2 * 1440, "{rows} {sealed}");
    assert!(sealed["bytes_estimated"].as_i64().unwrap() * 2 < rows["bytes_estimated"].as_i64().unwrap());
    let before = number(&path, RESULTS);
    assert_eq!(run(folder.path(), &["history", "retention"]).status.code(), Some(0));
    assert_eq!(number(&path, RESULTS), before - of_sealed);
    assert_eq!(overdue()["rows"], json!(0));
    assert_eq!(differences(&path), []);
    assert_eq!(run(folder.path(), &["history", "forget", "web", "--yes"]).status.code(), Some(0));
    assert_eq!(number(&path, "SELECT count(*) FROM sealed_day WHERE service_id = 1"), 0);
    assert!(sealed_days(&path) > 0);
    assert_eq!(differences(&path), []);
}

#[test]
fn an_import_opens_only_the_days_that_it_brings_something_to() {
    let (here, there) = (folder(""), folder(""));
    let file = |folder: &tempfile::TempDir, name: &str| folder.path().join(name);
    troubled(&file(&here, "history.db"));
    assert_eq!(run(here.path(), &["export", "-o", "all.ndjson"]).status.code(), Some(0));
    // There one result is missing, and one is another.
    std::fs::copy(file(&here, "history.db"), file(&there, "history.db")).unwrap();
    sql(&file(&there, "history.db"), "DELETE FROM check_result WHERE service_id = 1 AND at = 1794798000000");
    assert_eq!(run(there.path(), &["verify", "--repair"]).status.code(), Some(0));
    for folder in [&here, &there] {
        assert_eq!(seal(&file(folder, "history.db")), 3);
    }
    let all = file(&here, "all.ndjson");
    let document = all.to_str().unwrap();
    for (folder, left) in [(&here, 3), (&there, 2)] {
        let output = run(folder.path(), &["import", document]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let path = file(folder, "history.db");
        assert_eq!((sealed_days(&path), differences(&path)), (left, vec![]));
    }
    assert_eq!(number(&file(&here, "history.db"), RESULTS), number(&file(&there, "history.db"), RESULTS));
}

#[test]
fn a_damaged_sealed_day_is_found_said_and_never_made_worse() {
    let folder = folder("");
    let path = folder.path().join("history.db");
    troubled(&path);
    seal(&path);
    // What is said of a day can be told from its rows.
    sql(
        &path,
        "UPDATE sealed_day SET outcomes = 1, first_at = first_at + 60000 WHERE id = 1; UPDATE gap SET to_at = to_at - 1 WHERE service_id = 1",
    );
    let output = run(folder.path(), &["verify", "--all"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("first result of the sealed day 2026-11-16"), "{}", stdout(&output));
    assert_eq!(run(folder.path(), &["verify", "--repair"]).status.code(), Some(0));
    assert_eq!((differences(&path), sealed_days(&path)), (vec![], 3));
    // The rows themselves cannot.
    let results = number(&path, RESULTS);
    sql(&path, "UPDATE sealed_day SET latency_us = x'02ffffff' WHERE service_id = 1 AND day = 1794787200000");
    for arguments in [&["verify"][..], &["verify", "--repair"]] {
        let output = run(folder.path(), arguments);
        let said = stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("sealed day 2026-11-16") && said.contains("of web"), "{said}");
        assert!(said.contains("restore a backup"), "{said}");
    }
    let output = run(folder.path(), &["history", "unseal"]);
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("still sealed") && said.contains("2026-11-16 of “web”"), "{said}");
    // It is as it was, the others are rows, and the other service answers.
    assert_eq!((sealed_days(&path), number(&path, RESULTS)), (1, results));
    let output = run(folder.path(), &["export", "--service", "api"]);
    assert_eq!(output.status.code(), Some(0));
    let output = run(folder.path(), &["export", "--service", "web"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("2026-11-16 of “web”"), "{}", stderr(&output));
}

#[test]
fn a_bit_that_turns_one_result_into_another_does_not_become_the_truth() {
    let folder = folder("");
    let path = folder.path().join("history.db");
    write(&path, &[(service("web"), past(begin(), 60_000, &".".repeat(3_000)))], begin());
    let whole = run(folder.path(), &["export"]);
    std::fs::write(folder.path().join("whole.ndjson"), stdout(&whole)).unwrap();
    assert_eq!(seal(&path), 2);
    // All of the day was up, and now it was degraded: as readable as before.
    let flip = "UPDATE sealed_day SET outcome = CAST(substr(outcome, 1, length(outcome) - 1) || x'02' AS BLOB) WHERE day = 1794787200000";
    sql(&path, flip);
    for arguments in [&["verify"][..], &["verify", "--repair"], &["export"], &["history", "unseal"]] {
        assert_eq!(run(folder.path(), arguments).status.code(), Some(1), "{arguments:?}");
    }
    assert_eq!(number(&path, "SELECT count(*) FROM check_result WHERE outcome = 1"), 0);
    assert_eq!(sealed_days(&path), 1, "what is not damaged has become rows");
    // The day can be brought back from an export that has it.
    let output = run(folder.path(), &["import", "whole.ndjson"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("2026-11-16 of “web”"), "{}", stderr(&output));
    let output = run(folder.path(), &["history", "unseal", "--drop-damaged"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("deleted: 2026-11-16 of “web”, 1440 results"), "{}", stderr(&output));
    assert_eq!(run(folder.path(), &["import", "whole.ndjson"]).status.code(), Some(0));
    assert_eq!(run(folder.path(), &["verify", "--repair"]).status.code(), Some(0));
    let lines = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines(stdout(&run(folder.path(), &["export"]))), lines(stdout(&whole)));
}

#[tokio::test(start_paused = true)]
async fn a_damaged_day_keeps_nobody_from_being_checked() {
    let services = || vec![service("web"), service("api")];
    let (mut history, ()) = History::new(BEGIN, services())
        .meanwhile(services(), |path| {
            let all = || past(begin(), 60_000, &".".repeat(3_000));
            write(path, &[(service("web"), all()), (service("api"), all())], begin());
            seal(path);
            sql(path, "UPDATE sealed_day SET outcome = x'ff' WHERE service_id = 1");
        })
        .await;
    let at = begin().plus(3_000 * 60_000);
    history.at(at);
    history.checks("web", at, "..");
    history.checks("api", at, "..");
    history.committed().await;
    assert_eq!(history.get("/health").await.ok()["status"], "healthy");
    // Sealing and retiring go on with the others.
    let retired = |path: &std::path::Path| {
        let keep = RetentionPolicy { checks: Some(1), rows: Some(1), ..RetentionPolicy::FOREVER };
        let (mut upkeep, mut retiring) = (MaintenanceTasks::open(path).unwrap(), Default::default());
        while upkeep.retire(&mut retiring, keep, begin().plus(90 * DAY_MS)).unwrap() {}
        number(path, "SELECT count(*) FROM sealed_day WHERE service_id = 2")
    };
    assert_eq!(number(&history.path(), "SELECT count(*) FROM sealed_day WHERE service_id = 2"), 2);
    assert_eq!(history.meanwhile(Vec::new(), retired).await.1, 1);
}

/// What is said of a sealed day, and its columns, in ways that only a damaged file can have.
const DAMAGE: [&str; 5] = [
    "results = 0",
    "day = day + 1",
    "day = 9223372036854720000, first_at = 9223372036854720000, last_at = 9223372036854775807",
    "outcomes = 300",
    "latency_us = x''",
];

#[test]
fn whatever_is_damaged_of_a_sealed_day_is_found_and_can_be_deleted_and_the_service_starts() {
    for damage in DAMAGE {
        let folder = folder("seal_after_days = 1\nkeep_checks_days = 30000");
        let path = folder.path().join("history.db");
        let all = || past(begin(), 60_000, &".".repeat(3_000));
        write(&path, &[(service("web"), all()), (service("api"), all())], begin());
        assert_eq!(seal(&path), 4);
        sql(&path, &format!("PRAGMA ignore_check_constraints = ON; UPDATE sealed_day SET {damage} WHERE id = 1"));
        let code = |arguments: &[&str]| {
            let output = run(folder.path(), arguments);
            assert!(!stderr(&output).contains("panicked"), "{damage}, {arguments:?}: {}", stderr(&output));
            output.status.code()
        };
        assert_eq!(code(&["verify", "--quick"]), Some(1), "{damage}");
        assert_eq!(code(&["history", "services"]), Some(0), "{damage}");
        assert_eq!(code(&["history", "retention"]), Some(0), "{damage}");
        let store = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        store.block_on(async {
            let services = ["web", "api"].map(|name| watched(service(name))).into();
            let clock = Clock::pinned(begin().plus(3 * DAY_MS));
            Store::open(&path, services, Vec::new(), Routing::default(), RetentionPolicy::FOREVER, clock)
                .unwrap()
                .stop()
                .await;
        });
        assert_eq!(code(&["history", "unseal"]), Some(1), "{damage}");
        assert_eq!(sealed_days(&path), 1, "{damage}");
        assert_eq!(code(&["history", "unseal", "--drop-damaged"]), Some(1), "{damage}");
        assert_eq!(code(&["history", "unseal"]), Some(0), "{damage}");
        assert_eq!((sealed_days(&path), number(&path, RESULTS)), (0, 6_000 - 1_440), "{damage}");
    }
}

#[tokio::test(start_paused = true)]
async fn results_go_on_being_written_after_a_day_that_cannot_be_read() {
    let services = || vec![service("web"), service("api"), service("down")];
    // The one was last checked just after midnight, so that its next hour is summed up with what was said the day before;
    // the other has been down since that day.
    let (mut history, ()) = History::new(BEGIN, services())
        .meanwhile(services(), |path| {
            let up = past(begin(), 60_000, &".".repeat(1_450));
            let down = past(begin(), 60_000, &format!("{}{}", ".".repeat(1_400), "x".repeat(1_500)));
            write(path, &[(service("web"), up.clone()), (service("api"), up), (service("down"), down)], begin());
            assert_eq!(seal(path), 4);
            sql(path, "UPDATE sealed_day SET outcome = x'ff' WHERE service_id IN (1, 3)");
        })
        .await;
    let ids: Vec<_> = history.store.resume_points.iter().map(|position| position.id).collect();
    let at = begin().plus(5 * DAY_MS);
    history.at(at);
    for name in ["web", "api", "down"] {
        history.checks(name, at, "...");
    }
    history.committed().await;
    assert_eq!(history.get("/health").await.ok()["status"], "healthy");
    let path = history.path();
    let new = format!("SELECT count(*) FROM check_result WHERE at >= {}", at.0);
    assert_eq!(number(&path, &new), 9);
    // One that comes late, of the damaged day, is lost, and it alone.
    let late = record(ids[0], result('.', begin().plus(1)), Changes::default(), Confirmed::Up);
    history.store.writer.record(late);
    history.check("api", result('.', at.plus(60_000)));
    history.committed().await;
    assert_eq!((number(&path, &new), history.store.writer.figures().dropped), (10, 1));
}

#[test]
fn a_full_disk_in_the_middle_of_sealing_or_unsealing_loses_nothing() {
    let folder = folder("seal_after_days = 1");
    let path = folder.path().join("history.db");
    large(&path);
    let whole = number(&path, RESULTS);
    let kib = |path: &std::path::Path| std::fs::metadata(path).unwrap().len() / 1024;
    for (arguments, done) in [(["history", "retention"], 48), (["history", "unseal"], 0)] {
        // The log of a transaction finds no room.
        for room in [40, 200] {
            let output = cramped(folder.path(), room, &arguments);
            assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
            assert!(stderr(&output).contains("disk"), "{}", stderr(&output));
            assert_eq!((number(&path, RESULTS), differences(&path)), (whole, vec![]));
        }
        assert!(kib(&path) > 200);
        let output = run(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(sealed_days(&path) >= done, "{}", sealed_days(&path));
        assert_eq!(number(&path, RESULTS), whole);
    }
}

#[test]
fn a_service_that_is_checked_every_few_hours_stays_rows() {
    let folder = folder("seal_after_days = 1");
    let path = folder.path().join("history.db");
    let cadence = CheckSchedule { interval_ms: 3 * HOUR_MS, timeout_ms: 5_000, retry_interval_ms: 2_000 };
    write(&path, &[(Service { cadence, ..service("seldom") }, past(begin(), 3 * HOUR_MS, &".".repeat(800)))], begin());
    assert_eq!(seal(&path), 0);
    // And that is found out soon, however long its history is.
    let mut upkeep = MaintenanceTasks::open(&path).unwrap();
    let mut retiring = Default::default();
    let keep = RetentionPolicy { rows: Some(1), ..RetentionPolicy::FOREVER };
    let steps = (0..).take_while(|_| upkeep.retire(&mut retiring, keep, begin().plus(200 * DAY_MS)).unwrap()).count();
    assert!(steps < 8, "{steps}");
}

#[test]
fn while_it_is_sealed_by_the_running_service_nobody_else_unseals_it() {
    let folder = folder("seal_after_days = 1");
    let path = folder.path().join("history.db");
    troubled(&path);
    seal(&path);
    let text = std::fs::read_to_string(folder.path().join("config.toml")).unwrap();
    std::fs::write(folder.path().join("config.toml"), text + "[dashboard]\nbind = \"127.0.0.1\"\n").unwrap();
    let serving = Serving::start(folder.path());
    let output = run(folder.path(), &["history", "unseal"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&serving.pid().as_raw_nonzero().to_string()), "{}", stderr(&output));
    drop(serving);
    assert_eq!(run(folder.path(), &["history", "unseal"]).status.code(), Some(0));
}
