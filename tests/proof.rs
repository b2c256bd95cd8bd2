//! The history proved, mended, replayed, thinned out: the commands that look after it.

use crate::support::{
    binary::{Serving, document, program, run, stderr, stdout, wait_for},
    history::{History, KEEP, record, result, service, watched},
    past::{BEGIN, TABLES, begin, differences, folder, number, past, rows, sql, troubled, write},
    target::{Does, Target},
};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        maintenance::Overlay,
        service::{CheckSchedule, Service, Thresholds},
        time::{DAY_MS, HOUR_MS, SECOND_MS, UnixMs},
    },
    history::figures,
    store::{MaintenanceTasks, RetentionPolicy, Store},
};
use serde_json::{Value, json};

#[test]
fn a_sound_history_is_proved_and_what_was_compared_is_said() {
    let folder = folder("");
    let path = folder.path().join("history.db");
    troubled(&path);
    let output = run(folder.path(), &["verify"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let said = stdout(&output).replace('\u{202f}', "");
    let count = |table| number(&path, &format!("SELECT count(*) FROM {table}"));
    for (table, words) in [
        ("check_result", "check results"),
        ("rollup_hour", "hours"),
        ("rollup_day", "days"),
        ("outage", "incidents and blips"),
        ("gap", "gaps"),
    ] {
        assert!(count(table) > 0 && said.contains(&format!("{} {words}", count(table))), "{table} in {said}");
    }
    assert!(said.contains("2 services") && said.contains("the file is sound"), "{said}");
    let document = document(&run(folder.path(), &["verify", "--quick", "--json", "--service", "api"]));
    assert_eq!((&document["verified"], document["services"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(
        document["services"][0]["results"],
        json!(number(&path, "SELECT count(*) FROM check_result WHERE service_id = 2"))
    );
    let output = run(folder.path(), &["verify", "--service", "nobody"]);
    assert_eq!(output.status.code(), Some(2), "1 would say that something does not follow");
    assert!(stderr(&output).contains("no service named “nobody”"));
}

#[test]
fn a_reader_that_has_read_enough_is_no_fault() {
    let folder = folder("");
    troubled(&folder.path().join("history.db"));
    for arguments in [&["verify", "--json"][..], &["history", "services"], &["replay", "--failure-threshold", "1"]] {
        let mut child = program(folder.path())
            .args(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(141), ""), "{arguments:?}");
    }
}

#[test]
fn every_kind_of_damage_is_found_named_and_repaired() {
    let sound = folder("");
    troubled(&sound.path().join("history.db"));
    let before: Vec<Vec<String>> = TABLES.iter().map(|table| rows(&sound.path().join("history.db"), table)).collect();
    // What is done, what is found first, and what is said of it.
    let damages = [
        ("UPDATE rollup_hour SET down_ms = down_ms + 1 WHERE service_id = 1 AND start % 10800000 = 0", "hour 2026-11-16T00", "down_ms"),
        ("UPDATE rollup_hour SET checks = 7 WHERE service_id = 2 AND start = 1794798000000", "hour 2026-11-16T03", "checks 7"),
        ("UPDATE rollup_hour SET latency = x'ff' WHERE service_id = 1 AND start = 1794798000000", "hour 2026-11-16T03", "cannot be read"),
        ("UPDATE rollup_hour SET latency = x'0101' WHERE service_id = 1 AND start = 1794798000000", "hour 2026-11-16T03", "0x0101"),
        ("DELETE FROM rollup_hour WHERE service_id = 1", "hour 2026-11-16T00", "up_ms 0"),
        ("INSERT INTO rollup_hour SELECT service_id, start + 864000000, up_ms, degraded_ms, down_ms, unknown_ms, doubt_up_ms,
           doubt_down_ms, checks, failures, min_us, max_us, latency FROM rollup_hour WHERE service_id = 1 LIMIT 1", "hour 2026-11-26T00", "up_ms"),
        ("UPDATE rollup_day SET doubt_up_ms = doubt_up_ms - 1 WHERE service_id = 1", "day 2026-11-16T00", "doubt_up_ms"),
        ("UPDATE rollup_day SET failures = -failures", "day 2026-11-16T00", "cannot be read"),
        ("DELETE FROM rollup_day", "day 2026-11-16T00", "up_ms 0"),
        ("UPDATE service SET rolled_until = rolled_until - 3600000 WHERE id = 2", "hours settled up to", "2026-11-17T23"),
        ("UPDATE outage SET down_ms = down_ms + 1 WHERE id = 3", "outage 3 of", "down_ms"),
        ("UPDATE outage SET last_ok_at = last_ok_at - 1 WHERE id = 3", "outage 3 of", "last_ok_at"),
        ("UPDATE outage SET started_at = started_at + 1 WHERE id = 3", "outage 3 of", "started_at"),
        ("UPDATE outage SET confirmed_at = NULL WHERE id = 1", "outage 1 of", "confirmed_at none"),
        ("UPDATE outage SET ended_at = ended_at + 1 WHERE id = 1", "outage 1 of", "ended_at"),
        ("UPDATE outage SET ended_at = NULL WHERE id = (SELECT max(id) FROM outage WHERE service_id = 2)", "outage ", "ended_at none"),
        ("UPDATE outage SET checks_failed = 0 WHERE id = 1", "outage 1 of", "checks_failed 0"),
        ("UPDATE outage SET reason_id = 1, http_status = 1 WHERE id = 1", "outage 1 of", "(HTTP 1)"),
        ("UPDATE outage SET latency_us = NULL, dns_us = 9 WHERE id = 1", "outage 1 of", "phases_us 9/"),
        ("UPDATE outage SET last_http_status = 1 WHERE id = 1", "outage 1 of", "last_cause"),
        ("UPDATE outage SET cause_changes = 0 WHERE id = 1", "outage 1 of", "cause_changes 0"),
        ("UPDATE cause_change SET http_status = 1 WHERE outage_id = 1 AND at = (SELECT min(at) FROM cause_change)", "outage 1 of", "changes ["),
        ("INSERT INTO cause_change SELECT outage_id, at + 1, reason_id, 1, NULL FROM cause_change LIMIT 1", "outage 1 of", "changes ["),
        ("DELETE FROM gap WHERE service_id = 1", "gap 2026-11-16T00", "no gap"),
        ("UPDATE gap SET to_at = to_at + 1 WHERE service_id = 2", "gap 2026-11-16T00", "to 2026-11-16T00"),
        ("UPDATE gap SET why = 'off' WHERE service_id = 1", "gap 2026-11-16T00", "off"),
        ("INSERT INTO gap VALUES (1, 1794798000001, 1794798000002, 'off')", "gap 2026-11-16T03:00:00.001Z", "no gap"),
    ];
    for (damage, what, said) in damages {
        let folder = folder("");
        let path = folder.path().join("history.db");
        std::fs::copy(sound.path().join("history.db"), &path).unwrap();
        sql(&path, damage);
        let output = run(folder.path(), &["verify"]);
        assert_eq!(output.status.code(), Some(1), "{damage}");
        let text = stdout(&output);
        assert!(text.contains(what) && text.contains(said), "{damage}:\n{text}");
        assert_eq!(text.matches("recomputed:").count(), 1, "only the first is shown:\n{text}");
        let output = run(folder.path(), &["verify", "--all", "--json"]);
        let found = document(&output)["differences"].as_array().unwrap().len();
        let output = run(folder.path(), &["verify", "--repair", "--json"]);
        let repaired = document(&output);
        assert_eq!((output.status.code(), &repaired["verified"]), (Some(0), &json!(true)), "{damage}: {repaired}");
        assert_eq!(repaired["repaired"].as_array().unwrap().len(), found, "{damage}");
        for (table, before) in TABLES.iter().zip(&before) {
            // Which answer a change of cause came with is in no row.
            let after = rows(&path, table);
            assert_eq!(&after, before, "{table} after: {damage}");
        }
        assert_eq!(run(folder.path(), &["verify"]).status.code(), Some(0), "{damage}");
    }
}

#[test]
fn a_repair_writes_what_is_missing_and_deletes_what_does_not_follow() {
    let folder = folder("");
    let path = folder.path().join("history.db");
    troubled(&path);
    let results = rows(&path, "check_result");
    let outages = number(&path, "SELECT count(*) FROM outage");
    let last = number(&path, "SELECT max(id) FROM outage");
    sql(
        &path,
        "DELETE FROM outage WHERE id IN (2, (SELECT max(id) FROM outage));
         DELETE FROM cause_change WHERE outage_id NOT IN (SELECT id FROM outage);
         DELETE FROM outbox WHERE outage_id NOT IN (SELECT id FROM outage);
         INSERT INTO outage (id, service_id, started_at, ended_at, down_ms, checks_failed, reason_id, last_reason_id)
           VALUES (5000, 1, 1794798000001, 1794798000002, 0, 0, 1, 1)",
    );
    let output = run(folder.path(), &["verify", "--all"]);
    let text = stdout(&output);
    assert!(text.contains("outage 5000 of 2026-11-16T03:00:00.001Z") && text.contains("no outage"), "{text}");
    let output = run(folder.path(), &["verify", "--repair"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("repaired: 3 differences"), "{}", stdout(&output));
    assert_eq!(rows(&path, "check_result"), results);
    assert_eq!(number(&path, "SELECT count(*) FROM outage"), outages);
    assert_eq!(number(&path, &format!("SELECT count(*) FROM outage WHERE id <= {last}")), outages - 2);
    // The number of what was deleted is never given again.
    assert_eq!(number(&path, "SELECT min(id) FROM outage WHERE id >= 5000"), 5001);
}

#[test]
fn a_damaged_file_is_said_to_be_damaged() {
    let folder = folder("");
    let path = folder.path().join("history.db");
    troubled(&path);
    let mut bytes = std::fs::read(&path).unwrap();
    // Pages in the middle are noise.
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 5 * 4096].iter_mut().for_each(|byte| *byte = 0xA5);
    std::fs::write(&path, &bytes).unwrap();
    let output = run(folder.path(), &["verify"]);
    assert_eq!(output.status.code(), Some(1));
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(said.contains("damaged") && said.contains("backup"), "{said}");
    // A reference to nothing.
    troubled(&folder.path().join("other.db"));
    std::fs::rename(folder.path().join("other.db"), &path).unwrap();
    sql(
        &path,
        "UPDATE check_result SET reason_id = 99999 WHERE service_id = 2 AND at = (SELECT min(at) FROM check_result WHERE service_id = 2)",
    );
    let output = run(folder.path(), &["verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("a row of check_result names a reason that is not there"), "{}", stdout(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_proved_while_the_service_writes_and_mended_only_when_it_does_not() {
    let target = Target::start(Clock::system()).await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = "[checks]\ninterval_secs = 0.1\ntimeout_secs = 0.1\n".to_owned();
    for i in 0..8 {
        config += &format!("[[checks.endpoints]]\nname = \"s{i}\"\nurl = \"http://{}/{i}\"\n", target.address);
    }
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    let serving = Serving::start(folder.path());
    for round in 0..6u64 {
        for i in 0..8 {
            let fails = (round + i) % 3 == 0;
            target.set(&format!("/{i}"), if fails { Does::Answer(503) } else { Does::Answer(200) });
        }
        let seen = target.count("/0") + 3;
        wait_for("checks", || (target.count("/0") >= seen).then_some(()));
        let output = run(folder.path(), &["verify", "--all"]);
        assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    }
    let pid = format!("process id {}", serving.pid().as_raw_nonzero());
    for arguments in [
        &["verify", "--repair"][..],
        &["history", "compact"],
        &["history", "retention"],
        &["history", "forget", "s0", "--yes"],
    ] {
        let output = run(folder.path(), arguments);
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
        if arguments != ["history", "forget", "s0", "--yes"] {
            assert!(stderr(&output).contains(&pid), "{arguments:?}: {}", stderr(&output));
        }
    }
    for arguments in [&["history", "retention", "--dry-run"][..], &["history", "services"], &["replay"]] {
        assert_eq!(run(folder.path(), arguments).status.code(), Some(0), "{arguments:?}");
    }
    serving.kill();
    assert_eq!(differences(&folder.path().join("data/history.db")), []);
}

#[test]
fn a_replay_shows_what_other_thresholds_would_have_made_of_the_same_checks() {
    let folder = folder("");
    let path = folder.path().join("history.db");
    // An incident of five failures, one of three, a blip; and slow answers.
    let web = past(begin(), 10 * SECOND_MS, "....xxxxx......xxx.....x....~~~~....");
    write(&path, &[(service("web"), web)], begin());
    let output = run(folder.path(), &["replay", "--json", "--to", "2026-11-17"]);
    let same = document(&output);
    assert_eq!(same["totals"]["had"], same["totals"]["would"]);
    assert_eq!(same["services"]["web"]["had"]["outages"], same["services"]["web"]["would"]["outages"]);
    assert_eq!((&same["totals"]["had"]["incidents"], &same["totals"]["had"]["blips"]), (&json!(2), &json!(1)));
    let output = run(folder.path(), &["replay", "--failure-threshold", "5", "--json", "--to", "2026-11-17"]);
    let other = document(&output);
    assert_eq!(other["totals"]["had"], same["totals"]["had"]);
    assert_eq!(
        other["totals"]["would"],
        json!({"incidents": 1, "blips": 2, "incidents_down_ms": 50_000, "blips_down_ms": 40_000, "mttd_ms": 40_031, "degraded_ms": 40_000})
    );
    let output = run(folder.path(), &["replay", "--failure-threshold", "5", "--to", "2026-11-17"]);
    let text = stdout(&output).replace('\u{a0}', " ");
    assert!(text.contains("failure threshold 5"), "{text}");
    let row = |start: &str| text.lines().find(|l| l.contains(start)).unwrap_or_else(|| panic!("{start} in {text}"));
    assert!(row("00:02:30.000Z").contains("incident, 30 s") && row("00:02:30.000Z").contains("blip, 30 s"), "{text}");
    assert!(row("00:00:40.000Z").matches("incident, 50 s").count() == 2, "{text}");
    // Another limit makes other time degraded, and no incident.
    let output = run(folder.path(), &["replay", "--degraded-after-ms", "1000", "--json", "--to", "2026-11-17"]);
    let slower = document(&output);
    assert_eq!(
        (&slower["totals"]["had"]["degraded_ms"], &slower["totals"]["would"]["degraded_ms"]),
        (&json!(40_000), &json!(0))
    );
    assert_eq!(slower["totals"]["would"]["incidents"], 2);
    let output = run(folder.path(), &["replay", "--degraded-after-ms", "20", "--json", "--to", "2026-11-17"]);
    let checks = number(&path, "SELECT count(*) FROM check_result WHERE outcome < 2");
    // The last one speaks for its validity.
    assert_eq!(document(&output)["totals"]["would"]["degraded_ms"], json!(checks * 10_000 + 15_000));
    // A part of it.
    let window = ["--from", "2026-11-16T00:01:30Z", "--to", "2026-11-16T00:03:30Z"];
    let output = run(folder.path(), &[&["replay", "--json", "--failure-threshold", "5"][..], &window].concat());
    let part = document(&output);
    assert_eq!((&part["totals"]["had"]["incidents"], &part["totals"]["would"]["blips"]), (&json!(1), &json!(1)));
    for arguments in [&["--failure-threshold", "0"][..], &["--success-threshold", "x"], &["--degraded-after-ms", "0"]] {
        assert_eq!(run(folder.path(), &[&["replay"][..], arguments].concat()).status.code(), Some(2), "{arguments:?}");
    }
    let help = run(folder.path(), &["replay", "--help"]);
    assert!(stdout(&help).contains("rechecks would have"), "{}", stdout(&help));
}

#[test]
fn a_service_is_forgotten_wholly_and_only_when_it_is_not_watched() {
    let folder = folder("");
    let path = folder.path().join("history.db");
    troubled(&path);
    write(&path, &[(service("new"), past(begin().plus(5 * DAY_MS), 10_000, "..."))], begin().plus(5 * DAY_MS));
    let last = number(&path, "SELECT max(id) FROM outage");
    let forget = |arguments: &[&str]| run(folder.path(), &[&["history", "forget"][..], arguments].concat());
    let output = forget(&["nobody", "--yes"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no service named “nobody”"), "{}", stderr(&output));
    // It is configured and enabled: whoever says yes does not say this.
    let output = forget(&["new", "--yes"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("configured and enabled"), "{}", stderr(&output));
    // Nobody can be asked.
    let output = forget(&["web"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--yes") && stderr(&output).contains("incidents"), "{}", stderr(&output));
    let services: i64 = number(&path, "SELECT count(*) FROM service");
    assert_eq!(services, 3, "nothing has gone so far");

    // The one with the highest number of an incident.
    let name = if number(&path, "SELECT service_id FROM outage ORDER BY id DESC LIMIT 1") == 1 { "web" } else { "api" };
    let others =
        rows(&path, &format!("check_result WHERE service_id <> (SELECT id FROM service WHERE name = '{name}')"));
    let output = forget(&[name, "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("forgotten:") && stdout(&output).contains(name), "{}", stdout(&output));
    assert_eq!(rows(&path, "check_result"), others);
    for table in ["outage", "gap", "rollup_hour", "rollup_day", "setting"] {
        let query = format!("SELECT count(*) FROM {table} WHERE service_id NOT IN (SELECT id FROM service)");
        assert_eq!(number(&path, &query), 0, "{table}");
    }
    assert_eq!(number(&path, "SELECT count(*) FROM service"), 2);
    assert_eq!(differences(&path), []);
    // Its name is free, and no number of an incident is given again.
    let past = past(begin().plus(6 * DAY_MS), 10_000, "..xxx");
    write(&path, &[(service(name), past)], begin().plus(6 * DAY_MS));
    let again = format!("SELECT min(id) FROM outage WHERE service_id = (SELECT id FROM service WHERE name = '{name}')");
    assert_eq!(number(&path, &again), last + 1);
    assert_eq!(differences(&path), []);
}

#[test]
fn what_a_broken_off_forgetting_left_is_seen_by_nobody_and_goes_with_the_next_retention() {
    let folder = folder("keep_checks_days = \"forever\"");
    let path = folder.path().join("history.db");
    troubled(&path);
    let mut upkeep = MaintenanceTasks::open(&path).unwrap();
    upkeep.forget("web", UnixMs(0)).unwrap();
    assert!(upkeep.forget_some().unwrap() > 0);
    drop(upkeep);
    assert!(number(&path, "SELECT count(*) FROM check_result WHERE service_id = 1") > 0);
    let output = run(folder.path(), &["history", "services", "--json"]);
    let names: Vec<Value> =
        document(&output)["services"].as_array().unwrap().iter().map(|s| s["service"].clone()).collect();
    assert_eq!(names, ["api"]);
    assert_eq!(differences(&path), []);
    // One that has lost its settings is not one that is to be forgotten.
    sql(&path, "INSERT INTO service (name, kind, target, added_at) VALUES ('odd', 'tcp', 'tcp://a:1', 0)");
    assert_eq!(run(folder.path(), &["history", "retention"]).status.code(), Some(0));
    assert_eq!(number(&path, "SELECT count(*) FROM check_result WHERE service_id = 1"), 0);
    assert_eq!(number(&path, "SELECT count(*) FROM service WHERE name IN ('api', 'odd')"), 2);
    assert_eq!(number(&path, "SELECT count(*) FROM service"), 2);
    assert_eq!(differences(&path), []);
}

#[test]
fn retention_says_what_would_go_and_that_is_what_goes() {
    let folder = folder("keep_checks_days = 2\nkeep_hours_days = 3\nkeep_days_days = 4");
    let path = folder.path().join("history.db");
    // Older than anything that is kept: the command goes by the machine's clock.
    let now = Clock::system().now().floor(DAY_MS);
    let from = now.plus(-10 * DAY_MS);
    let day = [".........xxx....".repeat(9), " ".repeat(20)].concat();
    let cadence = CheckSchedule { interval_ms: 600_000, timeout_ms: 5_000, retry_interval_ms: 2_000 };
    let web = Service { cadence, ..service("web") };
    write(&path, &[(web, past(from, 600_000, &day.repeat(8)))], from);
    let count = |table: &str| number(&path, &format!("SELECT count(*) FROM {table}"));
    let tables = ["check_result", "rollup_hour", "rollup_day", "gap", "outage"];
    let before: Vec<i64> = tables.iter().map(|table| count(table)).collect();
    let output = run(folder.path(), &["history", "retention", "--dry-run", "--json"]);
    let dry = document(&output);
    assert_eq!(tables.iter().map(|table| count(table)).collect::<Vec<_>>(), before);
    let would: Vec<i64> = dry["kinds"].as_array().unwrap().iter().map(|kind| kind["rows"].as_i64().unwrap()).collect();
    assert!(would[..5].iter().all(|&rows| rows > 0), "{dry}");
    assert_eq!(dry["kinds"][0]["from"], from.to_string());
    let estimated = dry["kinds"][0]["bytes_estimated"].as_i64().unwrap() / would[0];
    assert!((15..80).contains(&estimated), "{estimated} bytes a check result");
    let output = run(folder.path(), &["history", "retention"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let after: Vec<i64> = tables.iter().map(|table| count(table)).collect();
    for (i, table) in tables.iter().enumerate() {
        assert_eq!(before[i] - after[i], would[i], "{table}");
    }
    assert_eq!(differences(&path), []);
    let output = run(folder.path(), &["verify"]);
    assert!(stdout(&output).contains("check results are kept from"), "{}", stdout(&output));
    let output = run(folder.path(), &["history", "retention", "--dry-run", "--json"]);
    let left: Vec<i64> =
        document(&output)["kinds"].as_array().unwrap().iter().map(|kind| kind["rows"].as_i64().unwrap()).collect();
    assert_eq!(left, [0; 6]);
}

#[test]
fn compacting_gives_back_what_was_deleted() {
    let folder = folder("");
    let path = folder.path().join("history.db");
    troubled(&path);
    let size = || std::fs::metadata(&path).unwrap().len();
    let before = size();
    sql(&path, "INSERT INTO reason (class, phase, message) VALUES ('connect', '', 'of a result that has gone')");
    assert_eq!(run(folder.path(), &["history", "forget", "web", "--yes"]).status.code(), Some(0));
    assert_eq!(size(), before, "the space is kept for what comes");
    let output = run(folder.path(), &["history", "compact"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(size() < before * 3 / 4, "{} of {before}", size());
    assert_eq!(number(&path, "SELECT freelist_count FROM pragma_freelist_count"), 0);
    assert_eq!(number(&path, "SELECT count(*) FROM reason WHERE message = 'of a result that has gone'"), 0);
    assert_eq!(differences(&path), []);
    // A copy that has lost the mark of a file that shrinks in steps.
    sql(&path, "PRAGMA journal_mode = DELETE; PRAGMA auto_vacuum = NONE; VACUUM");
    sql(&path, "DELETE FROM rollup_day; DELETE FROM check_result WHERE at % 3 > 0");
    let before = size();
    assert_eq!(run(folder.path(), &["history", "compact"]).status.code(), Some(0));
    assert!(size() <= before);
    assert_eq!(number(&path, "SELECT auto_vacuum FROM pragma_auto_vacuum"), 2);
}

#[tokio::test(start_paused = true)]
async fn results_are_never_made_under_settings_that_begin_after_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    write(&path, &[(service("web"), past(begin(), 10_000, "...."))], begin());
    // New settings, and then the clock is set back by an hour: the monitor is started again without a check between.
    let cadence = CheckSchedule { interval_ms: 60_000, timeout_ms: 5_000, retry_interval_ms: 2_000 };
    let slower = Service { cadence, thresholds: Thresholds { failure: 1, success: 1 }, ..service("web") };
    let open = |at: UnixMs| {
        Store::open(&path, vec![watched(slower.clone())], Vec::new(), Routing::default(), KEEP, Clock::pinned(at))
            .unwrap()
    };
    let later = begin().plus(2 * HOUR_MS);
    open(later).stop().await;
    let store = open(later.plus(-HOUR_MS));
    let position = store.resume_points[0].clone();
    let (mut health, mut last) = (position.health, position.last_at.unwrap());
    for letter in ['x', '.', 'x'] {
        // As the scheduler does.
        let at = later.plus(-HOUR_MS).max(last.plus(1));
        last = at;
        let result = result(letter, at);
        let changes = health.observe(slower.thresholds, at, result.outcome, &Overlay::NONE);
        store.writer.record(record(position.id, result, changes, health.confirmed));
    }
    store.stop().await;
    assert!(number(&path, "SELECT max(at) FROM check_result") >= later.0);
    assert_eq!(number(&path, "SELECT count(*) FROM outage WHERE confirmed_at IS NOT NULL"), 2);
    assert_eq!(differences(&path), []);
}

#[tokio::test(start_paused = true)]
async fn that_a_service_was_not_configured_follows_from_what_is_stored() {
    let mut history = History::new(BEGIN, vec![service("web"), service("api")]);
    history.checks("web", begin(), "...");
    history.committed().await;
    history.at(begin().plus(HOUR_MS));
    let history = history.restart(vec![service("api")]).await;
    history.at(begin().plus(2 * HOUR_MS));
    let mut history = history.restart(vec![service("web"), service("api")]).await;
    history.checks("web", begin().plus(2 * HOUR_MS), "..");
    history.committed().await;
    let path = history.path();
    assert_eq!(number(&path, "SELECT count(*) FROM gap WHERE why = 'paused'"), 1);
    assert_eq!(differences(&path), []);
}

#[tokio::test(start_paused = true)]
async fn what_reaches_into_the_time_that_is_kept_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let cadence = CheckSchedule { interval_ms: 7 * DAY_MS, timeout_ms: 5_000, retry_interval_ms: 2_000 };
    let weekly = Service { cadence, ..service("weekly") };
    // Checked once a week; another one was not checked for twenty days, and is recovering, a check every ten days.
    let weeks = past(begin(), 7 * DAY_MS, "......");
    let patient = Service { thresholds: Thresholds { failure: 1, success: 9 }, cadence, ..service("patient") };
    let recovering = past(begin(), 7 * DAY_MS, ".x....");
    let seldom = past(begin(), 20 * DAY_MS, "...");
    write(&path, &[(weekly, weeks), (patient.clone(), recovering), (service("seldom"), seldom)], begin());
    let now = begin().plus(41 * DAY_MS);
    let keep = RetentionPolicy { checks: Some(10), hours: Some(10), days: Some(10), ..RetentionPolicy::FOREVER };
    let mut upkeep = MaintenanceTasks::open(&path).unwrap();
    let mut retiring = Default::default();
    while upkeep.retire(&mut retiring, keep, now).unwrap() {}
    drop(upkeep);
    let reader = healthcheck_dashboard::store::Reader::open(&path).unwrap();
    let id = |name: &str| reader.service(name).unwrap().unwrap().id;
    // What is kept begins in the middle of a week; the result before it speaks into it.
    let kept = begin().plus(31 * DAY_MS);
    let window = |from: UnixMs, to: UnixMs| healthcheck_dashboard::domain::window::Window::new(from, to).unwrap();
    let u = figures::uptime(&reader, id("weekly"), window(kept.plus(1), kept.plus(HOUR_MS / 2)), now).unwrap();
    assert_eq!((u.up_ms, u.gap_ms), (HOUR_MS / 2 - 1, 0));
    // A gap that began before and ended after is told.
    let gaps = reader.gaps(id("seldom"), window(kept, now), now).unwrap();
    assert_eq!(gaps.first().map(|gap| gap.from), Some(begin().plus(20 * DAY_MS + 25_000)));
    // Four passed checks have been counted, and a restart does not forget them.
    let store =
        Store::open(&path, vec![watched(patient)], Vec::new(), Routing::default(), keep, Clock::pinned(now)).unwrap();
    assert_eq!(store.resume_points[0].health.recovering.map(|run| run.in_a_row), Some(4));
    store.stop().await;
    assert_eq!(differences(&path), []);
}
