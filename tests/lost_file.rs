//! The history's file is deleted, replaced or truncated while the program writes it: the real program and real files.

use crate::support::{
    binary::{Serving, document, run, stderr, wait_for},
    target::Target,
};
use healthcheck_dashboard::clock::Clock;
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

struct Running {
    folder: TempDir,
    target: Target,
    serving: Serving,
}

impl Running {
    /// One service that is checked ten times a second, and somebody who is told.
    async fn start() -> Running {
        let target = Target::start(Clock::system()).await;
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[checks]\ninterval_secs = 0.1\n[[checks.endpoints]]\nname = \"web\"\nurl = \"http://{0}/web\"\n\
             [dashboard]\nbind = \"127.0.0.1\"\n[alerts]\nenabled = true\nwebhook = \"http://{0}/hook\"\n",
            target.address
        );
        fs::write(folder.path().join("config.toml"), config).unwrap();
        let place = folder.path().to_owned();
        let serving = tokio::task::spawn_blocking(move || Serving::start(&place)).await.unwrap();
        let running = Running { folder, target, serving };
        running.stored(3);
        running
    }

    fn at(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("data/history.db{suffix}"))
    }

    /// Waits until so many results are stored.
    fn stored(&self, results: usize) {
        wait_for("results", || {
            let checks = self.serving.items("/api/v1/services/web/checks?window=1h");
            (checks.len() >= results).then_some(())
        });
    }

    /// Waits until the monitor says that it cannot store; why.
    fn failing(&self, why: &str) -> String {
        wait_for("the failure", || {
            let (status, body) = self.serving.get("/readyz");
            (status == 503 && body.contains(why)).then_some(body)
        })
    }

    /// What the receiver of alerts was told.
    fn told(&self) -> Vec<Value> {
        self.target.seen("/hook").iter().map(|seen| serde_json::from_str(&seen.body).unwrap()).collect()
    }

    fn alarmed(&self, events: &[&str]) {
        wait_for("the alert", || (self.told().len() >= events.len()).then_some(()));
        let told: Vec<_> = self.told().iter().map(|told| told["event"].as_str().unwrap().to_owned()).collect();
        assert_eq!(told, events);
    }

    fn saved(&self) -> PathBuf {
        wait_for("the saved copy", || saved(self.folder.path()))
    }

    /// Checks go on, and what they see is shown.
    fn goes_on(&self) {
        let so_far = self.target.count("/web");
        wait_for("more checks", || (self.target.count("/web") > so_far + 3).then_some(()));
        assert_eq!(self.serving.get("/health").0, 200);
        assert!(self.serving.json("/health?verbose=1")["pending_store"].as_u64() > Some(0));
    }

    /// Stops it; what is left.
    fn stop(self) -> (TempDir, Target) {
        let Running { folder, target, serving } = self;
        serving.signal(Signal::TERM);
        (folder, target)
    }
}

fn saved(folder: &Path) -> Option<PathBuf> {
    let there = fs::read_dir(folder.join("data")).ok()?.flatten().map(|entry| entry.path());
    there.filter(|path| path.to_str().is_some_and(|path| path.contains(".saved-") && path.ends_with(".db"))).min()
}

/// The results that the history has, all of which follow from one another.
#[track_caller]
fn results(folder: &Path) -> usize {
    let output = run(folder, &["verify", "--json"]);
    assert!(output.status.success(), "{}{}", crate::support::binary::stdout(&output), stderr(&output));
    document(&output)["services"][0]["results"].as_u64().unwrap() as usize
}

/// Every check that was made is in the history.
#[track_caller]
fn every_check_is_in(folder: &Path, target: &Target) {
    let (results, asked) = (results(folder), target.count("/web"));
    let checks = document(&run(folder, &["export"]))["checks"].clone();
    // On a busy machine a check may come too late to be made, or to send its request before its timeout.
    let is_late = |check: &&Value| ["timeout", "monitor"].iter().any(|class| check["failure"]["class"] == *class);
    let late = checks.as_array().unwrap().iter().filter(is_late).count();
    assert!(results - late <= asked && asked <= results, "{asked} were asked, {results} are here, {late} late");
}

#[track_caller]
fn restore(folder: &Path, from: &Path) {
    let output = run(folder, &["restore", from.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_history_is_told_of_at_once_and_nothing_of_it_is_lost() {
    let running = Running::start().await;
    fs::remove_file(running.at("")).unwrap();
    let why = running.failing("data/history.db was deleted while it was in use");
    assert!(!why.contains('\n'));
    let saved = running.saved();
    running.failing(saved.file_name().unwrap().to_str().unwrap());
    running.goes_on();
    let page = running.serving.get("/dashboard").1;
    assert!(page.contains("history.db was deleted while it was in use"), "{page}");
    running.alarmed(&["monitor.failing"]);
    let told = &running.told()[0];
    assert_eq!((&told["service"], &told["incident"]), (&Value::Null, &Value::Null));
    assert!(told["text"].as_str().unwrap().contains("history.db was deleted while it was in use"), "{told}");
    let log = running.serving.log();
    assert_eq!(log.lines().filter(|line| line.contains("ERROR")).count(), 1, "{log}");
    let (folder, target) = running.stop();
    // Up to the last one: what waited in memory has been written there.
    restore(folder.path(), &saved);
    every_check_is_in(folder.path(), &target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_deleted_is_made_again_for_what_it_held() {
    let running = Running::start().await;
    fs::remove_dir_all(running.at("").parent().unwrap()).unwrap();
    running.failing("was deleted");
    let saved = running.saved();
    running.goes_on();
    let (folder, target) = running.stop();
    restore(folder.path(), &saved);
    every_check_is_in(folder.path(), &target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_takes_its_place_is_neither_written_nor_read() {
    let running = Running::start().await;
    // Another history, with a log of its own.
    let other = rusqlite::Connection::open(running.folder.path().join("other.db")).unwrap();
    other.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE other (a); INSERT INTO other VALUES (1)").unwrap();
    for suffix in ["", "-wal", "-shm"] {
        fs::rename(running.folder.path().join(format!("other.db{suffix}")), running.at(suffix)).unwrap();
    }
    let bytes = || ["", "-wal"].map(|suffix| fs::read(running.at(suffix)).unwrap());
    let before = bytes();
    running.failing("was replaced by another file");
    let saved = running.saved();
    running.goes_on();
    running.alarmed(&["monitor.failing"]);
    assert!(running.serving.items("/api/v1/services/web/checks?window=1h").len() >= 3);
    let places = ["", "-wal"].map(|suffix| running.at(suffix));
    let (folder, target) = running.stop();
    assert!(places.map(|place| fs::read(place).unwrap()) == before);
    drop(other);
    restore(folder.path(), &saved);
    every_check_is_in(folder.path(), &target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_history_is_told_of_and_checks_go_on() {
    let running = Running::start().await;
    fs::OpenOptions::new().write(true).open(running.at("")).unwrap().set_len(100).unwrap();
    running.failing("was truncated");
    running.goes_on();
    running.alarmed(&["monitor.failing"]);
    running.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_comes_back_takes_in_what_waited() {
    let running = Running::start().await;
    fs::rename(running.at(""), running.at(".away")).unwrap();
    running.failing("was deleted");
    running.goes_on();
    fs::rename(running.at(".away"), running.at("")).unwrap();
    wait_for("readiness", || (running.serving.get("/readyz").0 == 200).then_some(()));
    running.alarmed(&["monitor.failing", "monitor.recovered"]);
    let (folder, target) = running.stop();
    every_check_is_in(folder.path(), &target);
    let gaps = document(&run(folder.path(), &["export"]))["gaps"].clone();
    // But for the one that begins after the end.
    let ended: Vec<&Value> = gaps.as_array().unwrap().iter().filter(|gap| !gap["to"].is_null()).collect();
    assert_eq!(ended, Vec::<&Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_deleted_takes_nothing_with_it() {
    let running = Running::start().await;
    fs::remove_file(running.at("-wal")).unwrap();
    running.failing("history.db-wal was deleted");
    running.failing("what the log held is in the history");
    running.goes_on();
    let (folder, target) = running.stop();
    every_check_is_in(folder.path(), &target);
}
