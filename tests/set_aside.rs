//! Starts that would lose something, or cannot be: what they say, and how the service is started all the same.

use crate::support::{
    binary::{Serving, program, run, stderr, wait_for},
    net::own_port,
};
use rustix::process::Signal;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[checks]\ninterval_secs = 0.1\n[[checks.endpoints]]\nname = \"web\"\nurl = \"tcp://127.0.0.1:9\"\n\
         [dashboard]\nbind = \"127.0.0.1\"\nport = {}\n",
        own_port()
    );
    fs::write(folder.path().join("config.toml"), config).unwrap();
    folder
}

fn at(folder: &Path, suffix: &str) -> PathBuf {
    folder.join(format!("data/history.db{suffix}"))
}

/// The names beside the history that begin like this, after its own.
fn beside(folder: &Path, begin: &str) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.join("data"))
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_prefix("history.db").filter(|rest| rest.starts_with(begin)).map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

fn with(folder: &Path, option: &str) -> Command {
    let mut command = program(folder);
    command.args(["serve", option]);
    command
}

/// A service that has stored something and did not stop cleanly: there is a log.
fn killed(folder: &Path) {
    let serving = Serving::start(folder);
    stored(&serving);
    serving.kill();
    assert!(at(folder, "-wal").metadata().unwrap().len() > 0);
}

fn stored(serving: &Serving) {
    wait_for("a result", || (!serving.items("/api/v1/services/web/checks?window=1h").is_empty()).then_some(()));
}

#[test]
fn a_log_without_its_history_stops_a_start_until_it_is_told_to_begin_anew() {
    let folder = folder();
    killed(folder.path());
    let log = fs::read(at(folder.path(), "-wal")).unwrap();
    fs::rename(at(folder.path(), ""), folder.path().join("kept.db")).unwrap();
    // Also where something has made an empty file in its place.
    for empty in [false, true] {
        if empty {
            fs::write(at(folder.path(), ""), "").unwrap();
        }
        for command in [&["serve"][..], &["history", "compact"]] {
            let output = run(folder.path(), command);
            assert_eq!(output.status.code(), Some(1), "{command:?}");
            if command == ["serve"] || empty {
                for part in ["history.db-wal", "--new", "restore"] {
                    assert!(stderr(&output).contains(part), "{command:?}: {}", stderr(&output));
                }
            }
            assert!(fs::read(at(folder.path(), "-wal")).unwrap() == log, "nothing is lost");
        }
    }
    fs::remove_file(at(folder.path(), "")).unwrap();
    let serving = Serving::start_as(folder.path(), with(folder.path(), "--new"));
    stored(&serving);
    let kept = beside(folder.path(), ".replaced-");
    let kept = kept.iter().find(|name| name.ends_with("-wal")).unwrap();
    assert!(fs::read(at(folder.path(), kept)).unwrap() == log);
    assert!(serving.log().contains(kept.as_str()), "{}", serving.log());
    serving.signal(Signal::TERM);
    // It is told once: from here on there is a history, which it leaves alone.
    let serving = Serving::start_as(folder.path(), with(folder.path(), "--new"));
    wait_for("results of both runs", || {
        (serving.items("/api/v1/services/web/checks?window=1h").len() > 1).then_some(())
    });
    assert_eq!(beside(folder.path(), ".replaced-").iter().filter(|name| name.ends_with("-wal")).count(), 1);
    serving.signal(Signal::TERM);
    // Put back together, nothing was lost.
    fs::rename(folder.path().join("kept.db"), at(folder.path(), "")).unwrap();
    fs::rename(at(folder.path(), kept), at(folder.path(), "-wal")).unwrap();
    assert!(run(folder.path(), &["verify"]).status.success());
}

#[test]
fn a_copy_that_was_saved_of_a_lost_history_stops_a_start_too() {
    let folder = folder();
    let serving = Serving::start(folder.path());
    stored(&serving);
    fs::remove_file(at(folder.path(), "")).unwrap();
    wait_for("the copy", || (beside(folder.path(), ".saved-").iter().any(|name| name.ends_with(".db"))).then_some(()));
    serving.signal(Signal::TERM);
    let saved = beside(folder.path(), ".saved-").remove(0);
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(at(folder.path(), suffix));
    }
    let output = run(folder.path(), &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&saved) && stderr(&output).contains("--new"), "{}", stderr(&output));
    let serving = Serving::start_as(folder.path(), with(folder.path(), "--new"));
    serving.signal(Signal::TERM);
    drop(Serving::start(folder.path()));
}

#[test]
fn a_damaged_history_can_be_set_aside_to_watch_without_the_past() {
    let folder = folder();
    let serving = Serving::start(folder.path());
    stored(&serving);
    serving.signal(Signal::TERM);
    let damaged = vec![b'x'; 20_000];
    fs::write(at(folder.path(), ""), &damaged).unwrap();
    fs::write(at(folder.path(), "-told"), "of alerts").unwrap();
    let output = run(folder.path(), &["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--set-aside"), "{}", stderr(&output));
    let serving = Serving::start_as(folder.path(), with(folder.path(), "--set-aside"));
    stored(&serving);
    let kept = beside(folder.path(), ".damaged-");
    assert!(fs::read(at(folder.path(), &kept[0])).unwrap() == damaged, "{kept:?}");
    assert!(kept.iter().any(|name| name.ends_with("-told")), "what belongs to it: {kept:?}");
    assert!(serving.log().contains(&kept[0]), "{}", serving.log());
    serving.signal(Signal::TERM);
    assert!(run(folder.path(), &["verify"]).status.success());
    // What is whole stays.
    let before = document_results(folder.path());
    Serving::start_as(folder.path(), with(folder.path(), "--set-aside")).signal(Signal::TERM);
    assert!(document_results(folder.path()) >= before);
    assert_eq!(beside(folder.path(), ".damaged-"), kept);
}

#[test]
fn only_what_is_damaged_is_set_aside() {
    let folder = folder();
    fs::create_dir(folder.path().join("data")).unwrap();
    let other = rusqlite::Connection::open(at(folder.path(), "")).unwrap();
    other.execute_batch("CREATE TABLE other (a)").unwrap();
    drop(other);
    let output = run(folder.path(), &["serve", "--set-aside"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not a history of this program"), "{}", stderr(&output));
    assert_eq!(beside(folder.path(), ".damaged-"), Vec::<String>::new());
}

fn document_results(folder: &Path) -> u64 {
    let output = run(folder, &["verify", "--json"]);
    crate::support::binary::document(&output)["services"][0]["results"].as_u64().unwrap()
}
