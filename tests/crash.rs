//! The program as a process: killed in the middle of writing, asked to stop, out of disk.

use crate::support::{
    binary::{Serving, program, run, stdout, wait_for},
    target::{Does, Target},
};
use healthcheck_dashboard::{clock::Clock, domain::time::UnixMs};
use rusqlite::Connection;
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};
use tempfile::TempDir;

const SERVICES: usize = 12;
const HOOK: &str = "/hook";

/// A folder with a configuration that checks its services ten times a second.
fn folder(target: &Target) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut config = format!(
        "[checks]\ninterval_secs = 0.1\ntimeout_secs = 0.1\n[alerts]\nenabled = true\nwebhook = \"http://{}{HOOK}\"\n",
        target.address
    );
    for i in 0..SERVICES {
        config += &format!("[[checks.endpoints]]\nname = \"s{i}\"\nurl = \"http://{}/{i}\"\n", target.address);
    }
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    folder
}

/// What the interface has shown of the history.
#[derive(Default)]
struct Shown {
    /// Service and time of a check result, and all that was said of it.
    checks: BTreeMap<(String, String), Value>,
    incidents: BTreeMap<i64, Value>,
}

impl Shown {
    fn look(&mut self, serving: &Serving) {
        for i in 0..SERVICES {
            for check in serving.items(&format!("/api/v1/services/s{i}/checks?window=1h&limit=50")) {
                let key = (check["service"].as_str().unwrap().to_owned(), check["at"].as_str().unwrap().to_owned());
                self.checks.insert(key, check);
            }
        }
        for incident in serving.items("/api/v1/incidents?limit=500") {
            let id = incident["id"].as_i64().unwrap();
            if let Some(before) = self.incidents.insert(id, incident.clone()) {
                assert_continues(&before, &incident);
            }
        }
    }

    /// Everything that was shown is still there, as it was.
    fn compare(&self, serving: &Serving) {
        let export = serving.json("/api/v1/export?window=1h");
        let stored: BTreeMap<(String, String), &Value> = export["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| ((c["service"].as_str().unwrap().to_owned(), c["at"].as_str().unwrap().to_owned()), c))
            .collect();
        for (key, check) in &self.checks {
            // An export says more: the answer that a check got, where it is kept.
            let stored = stored.get(key).map(|stored| {
                let mut stored = Value::clone(stored);
                stored.as_object_mut().unwrap().shift_remove("excerpt");
                stored
            });
            assert_eq!(stored.as_ref(), Some(check), "{key:?} was shown");
        }
        let log: BTreeMap<i64, &Value> =
            export["incidents"].as_array().unwrap().iter().map(|i| (i["id"].as_i64().unwrap(), i)).collect();
        for (id, before) in &self.incidents {
            assert_continues(before, log.get(id).unwrap_or_else(|| panic!("the incident {before} has gone")));
        }
    }
}

/// An incident may go on and end; nothing that was said of it changes.
fn assert_continues(before: &Value, after: &Value) {
    for key in ["id", "service", "started_at", "last_ok_at", "confirmed_at", "cause"] {
        assert_eq!(before[key], after[key], "{key} of {before}");
    }
    if !before["resolved_at"].is_null() {
        for key in ["status", "resolved_at", "duration_ms", "down_ms", "checks_failed"] {
            assert_eq!(before[key], after[key], "{key} of {before}");
        }
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_of_writing_it_loses_nothing_that_it_showed_and_tells_nothing_twice() {
    let target = Target::start(Clock::system()).await;
    let folder = folder(&target);
    let mut dice = Dice(20_261_124);
    let mut shown = Shown::default();
    let mut kills: Vec<UnixMs> = Vec::new();
    for _ in 0..8 {
        let serving = Serving::start(folder.path());
        shown.compare(&serving);
        // Some begin to fail, some recover, at moments that have nothing to do with commits.
        for _ in 0..3 + dice.roll(4) {
            let path = format!("/{}", dice.roll(SERVICES as u64));
            target.set(&path, if dice.roll(2) == 0 { Does::Answer(503) } else { Does::Answer(200) });
            let seen = target.count("/0") + 1 + dice.roll(4) as usize;
            wait_for("checks", || (target.count("/0") >= seen).then_some(()));
            shown.look(&serving);
        }
        serving.kill();
        kills.push(Clock::system().now());
        let proof = run(folder.path(), &["verify", "--all"]);
        assert_eq!(proof.status.code(), Some(0), "{}", stdout(&proof));
        // Long enough to be a gap.
        let back = kills[kills.len() - 1].plus(700);
        wait_for("time to pass", || (Clock::system().now() > back).then_some(()));
    }
    let serving = Serving::start(folder.path());
    shown.compare(&serving);
    assert!(shown.checks.len() > 200, "only {} results were seen", shown.checks.len());
    assert!(shown.incidents.len() > 3, "only {} incidents were seen", shown.incidents.len());

    // Everybody recovers, and everything is told.
    (0..SERVICES).for_each(|i| target.set(&format!("/{i}"), Does::Answer(200)));
    wait_for("every incident to end", || serving.items("/api/v1/incidents?status=open").is_empty().then_some(()));
    let path = folder.path().join("data/history.db");
    let reader = Connection::open(&path).unwrap();
    let unsettled = || -> i64 {
        reader.query_row("SELECT count(*) FROM outbox WHERE settled_at IS NULL", [], |row| row.get(0)).unwrap()
    };
    wait_for("the outbox to be empty", || (unsettled() == 0).then_some(()));

    // One event of each kind for each incident, under one id. The one whose answer was lost in a kill may come twice.
    let mut told: BTreeMap<(i64, String), BTreeSet<String>> = BTreeMap::new();
    let seen = target.seen(HOOK);
    for notice in &seen {
        let body: Value = serde_json::from_str(&notice.body).unwrap();
        let key = (body["incident"]["id"].as_i64().unwrap(), body["event"].as_str().unwrap().to_owned());
        told.entry(key).or_default().insert(notice.body.clone());
    }
    let log = serving.items("/api/v1/incidents?limit=500");
    assert_eq!(told.len(), 2 * log.len(), "every incident is told at its beginning and at its end");
    assert!(told.values().all(|bodies| bodies.len() == 1), "{told:#?}");
    assert!(seen.len() - told.len() <= kills.len(), "{} events were told {} times", told.len(), seen.len());

    // No outage lies in another of the same service.
    for service in 0..SERVICES {
        let mut own: Vec<&Value> = log.iter().filter(|i| i["service"] == format!("s{service}")).collect();
        own.sort_by_key(|i| i["started_at"].as_str().unwrap().to_owned());
        for pair in own.windows(2) {
            assert!(pair[0]["resolved_at"].as_str() <= pair[1]["started_at"].as_str(), "{pair:?}");
        }
    }

    // Each kill is a gap of every service, with its reason.
    let export = serving.json("/api/v1/export?window=1h");
    let gaps = export["gaps"].as_array().unwrap();
    for kill in &kills {
        let around = kill.plus(500).to_string();
        let over = gaps.iter().filter(|g| {
            g["from"].as_str().unwrap() < around.as_str() && g["to"].as_str().is_some_and(|to| to > around.as_str())
        });
        let reasons: Vec<&str> = over.map(|g| g["reason"].as_str().unwrap()).collect();
        assert_eq!(reasons, vec!["off"; SERVICES], "at {around}");
    }
    let check: String = reader.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    drop(reader);
    serving.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_it_cleanly_within_ten_seconds() {
    for signal in [Signal::TERM, Signal::INT] {
        let target = Target::start(Clock::system()).await;
        let folder = tempfile::tempdir().unwrap();
        // One check hangs, one answers, and the receiver of alerts hangs too.
        let config = format!(
            "[checks]\ninterval_secs = 3\ntimeout_secs = 3\nfailure_threshold = 1\n\
             [alerts]\nenabled = true\nwebhook = \"http://{0}{HOOK}\"\n\
             [[checks.endpoints]]\nname = \"slow\"\nurl = \"http://{0}/slow\"\n\
             [[checks.endpoints]]\nname = \"bad\"\nurl = \"http://{0}/bad\"\ninterval_secs = 0.2\n",
            target.address
        );
        std::fs::write(folder.path().join("config.toml"), config).unwrap();
        target.set("/slow", Does::Hang);
        target.set("/bad", Does::Answer(500));
        target.set(HOOK, Does::Hang);
        let serving = Serving::start(folder.path());
        wait_for("a hanging alert and a hanging check", || (target.hanging() == 2).then_some(()));
        let log = serving.log();
        let asked = target.count("/slow");
        let (status, took) = serving.signal(signal);
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(took.as_secs() < 10, "it took {took:?}");
        assert_eq!(target.count("/slow"), asked, "a check was started after the signal");
        let path = folder.path().join("data/history.db");
        let conn = Connection::open(&path).unwrap();
        let clean: bool = conn.query_row("SELECT stopped_at IS NOT NULL FROM run", [], |row| row.get(0)).unwrap();
        assert!(clean);
        // The check that hung met its deadline, and its result is there.
        let count = |name: &str| -> i64 {
            let sql = "SELECT count(*) FROM check_result c JOIN service s ON s.id = c.service_id WHERE s.name = ?1";
            conn.query_row(sql, [name], |row| row.get(0)).unwrap()
        };
        assert_eq!(count("slow"), asked as i64);
        assert_eq!(count("bad"), target.count("/bad") as i64);
        let wal = std::fs::metadata(folder.path().join("data/history.db-wal")).map_or(0, |m| m.len());
        assert_eq!(wal, 0, "one tidy file is left behind");
    }
}

/// Runs the program so that a full disk is an error and not a signal.
fn enduring(folder: &Path) -> Command {
    let plain = program(folder);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\""]).arg(plain.get_program()).current_dir(folder);
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_history_may_not_grow_it_goes_on_checking_and_writes_everything_afterwards() {
    // The log has room, the history has none.
    let log = full_disk(64 * 1024, "info").await;
    assert_eq!(log.matches("the history cannot be written").count(), 1, "it is said once:\n{log}");
    assert_eq!(log.matches("the history can be written again").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_on_the_same_full_disk_stops_nothing() {
    full_disk(1024, "debug").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_the_disk_is_full_it_tells_nobody_again_of_what_goes_on() {
    let target = Target::start(Clock::system()).await;
    let folder = folder(&target);
    let serving = Serving::start_as(folder.path(), enduring(folder.path()));
    let wal = folder.path().join("data/history.db-wal");
    wait_for("results", || (std::fs::metadata(&wal).ok()?.len() > 64 * 1024 && target.count("/0") > 5).then_some(()));
    prlimit(Some(serving.pid()), Resource::Fsize, Rlimit { current: Some(64 * 1024), maximum: None }).unwrap();
    wait_for("/readyz to notice", || (serving.get("/readyz").0 == 503).then_some(()));
    target.set("/3", Does::Answer(503));
    wait_for("the alert", || (target.count(HOOK) == 1).then_some(()));
    let noted = folder.path().join("data/history.db-told");
    let answered = || String::from_utf8_lossy(&std::fs::read(&noted).unwrap()).contains(r#"["webhook",true]"#);
    wait_for("the answer to be noted", || answered().then_some(()));
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&noted).unwrap());
    assert_eq!(mode & 0o777, 0o600, "what targets said is nobody else's business");
    serving.kill();
    let serving = Serving::start(folder.path());
    wait_for("the incident", || (serving.items("/api/v1/incidents?status=open").len() == 1).then_some(()));
    let asked = target.count("/3");
    wait_for("more checks", || (target.count("/3") > asked + 20).then_some(()));
    assert_eq!(target.count(HOOK), 1);
    target.set("/3", Does::Answer(200));
    wait_for("the end to be told", || (target.count(HOOK) == 2).then_some(()));
    let told: Vec<Value> = target.seen(HOOK).iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect();
    assert_eq!((&told[0]["event"], &told[1]["event"]), (&"incident.confirmed".into(), &"incident.resolved".into()));
    assert_eq!(told[0]["incident"]["id"], told[1]["incident"]["id"]);
    assert_eq!(serving.items("/api/v1/incidents")[0]["id"], told[0]["incident"]["id"]);
    serving.kill();
    let proof = run(folder.path(), &["verify", "--all"]);
    assert_eq!(proof.status.code(), Some(0), "{}", stdout(&proof));
}

/// No write may reach beyond so many bytes of any file, for a while: as if the disk were full. What is in the log.
async fn full_disk(bytes: u64, level: &str) -> String {
    let target = Target::start(Clock::system()).await;
    let folder = folder(&target);
    let mut command = enduring(folder.path());
    command.env("RUST_LOG", level);
    let serving = Serving::start_as(folder.path(), command);
    let wal = folder.path().join("data/history.db-wal");
    wait_for("results", || (std::fs::metadata(&wal).ok()?.len() > bytes && target.count("/0") > 5).then_some(()));
    assert_eq!(serving.get("/readyz").0, 200);
    let limit = |bytes: Option<u64>| {
        prlimit(Some(serving.pid()), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap()
    };
    let before = limit(Some(bytes));
    assert_eq!(before.maximum, None, "this needs a process that may lift its own limit");
    wait_for("/readyz to notice", || (serving.get("/readyz").0 == 503).then_some(()));
    let (_, said) = serving.get("/readyz");
    assert!(said.contains("disk"), "{said}");
    assert_eq!(serving.get("/livez").0, 200);
    // Checking goes on meanwhile, and an outage happens.
    target.set("/3", Does::Answer(503));
    let asked: Vec<usize> = (0..SERVICES).map(|i| target.count(&format!("/{i}"))).collect();
    let seen = |name: &str| serving.json("/health?verbose=1")["services"][name].clone();
    wait_for("the outage to be seen", || (seen("s3")["status"] == "down").then_some(()));
    wait_for("the others to be well", || {
        let s0 = seen("s0");
        (s0["ok"] == true && s0["pending_store"].as_u64() > Some(20)).then_some(())
    });
    wait_for("the alert", || (target.count(HOOK) == 1).then_some(()));
    wait_for("more checks", || (0..SERVICES).all(|i| target.count(&format!("/{i}")) > asked[i] + 20).then_some(()));
    assert_eq!(serving.get("/readyz").0, 503);
    limit(None);
    wait_for("/readyz to recover", || (serving.get("/readyz").0 == 200).then_some(()));
    let metric = |name: &str| {
        let (_, text) = serving.get("/metrics");
        let line = text.lines().find(|l| l.starts_with(&format!("healthcheck_{name} "))).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    assert_eq!(metric("results_lost_total"), 0.0);
    assert_eq!(metric("store_failing"), 0.0);
    let log = serving.log();
    let (status, _) = serving.signal(Signal::TERM);
    assert_eq!(status.code(), Some(0));
    assert_eq!(target.count(HOOK), 1, "told once, and not again when it is written");
    // Every check that was made is a row, in the order of time, and no gap is left.
    let conn = Connection::open(folder.path().join("data/history.db")).unwrap();
    for i in 0..SERVICES {
        // On a busy machine a request may come too late to be sent before its timeout.
        let sql = "SELECT count(*), count(*) FILTER (WHERE r.class = 'timeout') FROM check_result c
                   JOIN service s ON s.id = c.service_id LEFT JOIN reason r ON r.id = c.reason_id WHERE s.name = ?1";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (rows, late) = conn.query_row(sql, [format!("s{i}")], row).unwrap();
        let asked = target.count(&format!("/{i}")) as i64;
        assert!(rows - late <= asked && asked <= rows, "s{i}: {rows} rows, {late} late, {asked} asked");
    }
    let incidents: i64 =
        conn.query_row("SELECT count(*) FROM outage WHERE confirmed_at IS NOT NULL", [], |r| r.get(0)).unwrap();
    assert_eq!(incidents, 1);
    let check: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    log
}
