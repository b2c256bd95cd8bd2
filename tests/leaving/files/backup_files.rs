//! Backups and what is restored from them.

use super::{CONFIG, TO, database, empty, export, fine, lived, names, refused};
use crate::support::{
    binary::{Serving, cramped, run, stderr, stdout},
    history::{History, service},
};
use healthcheck_dashboard::{
    backups::{self, Backups, Plan},
    domain::time::HOUR_MS,
    shutdown,
    store::{self},
};
use rusqlite::Connection;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

#[test]
fn a_full_disk_in_the_middle_of_an_import_a_backup_or_a_restoration_changes_nothing() {
    let here = lived(5_000);
    fine(&run(here.path(), &["export", "-o", "a.ndjson.zst", "--to", TO]));
    fine(&run(here.path(), &["backup", "copy.db"]));
    let there = lived(3);
    let before = export(&there, &[]);
    let file = |name: &str| here.path().join(name).to_str().unwrap().to_owned();
    for arguments in [["import", &file("a.ndjson.zst")], ["restore", &file("copy.db")]] {
        let output = cramped(there.path(), 150, &arguments);
        let said = refused(&output);
        assert!(said.contains("disk"), "{said}");
        assert!(export(&there, &[]) == before, "{arguments:?}");
        assert!(
            names(&there.path().join("data")).iter().all(|name| !name.contains("part") && !name.contains("replaced"))
        );
    }
    let output = cramped(here.path(), 150, &["backup", "second.db"]);
    assert!(refused(&output).contains("disk"), "{}", stderr(&output));
    assert_eq!(names(here.path()), ["a.ndjson.zst", "config.toml", "copy.db", "data"]);
    // With room it is done.
    fine(&run(there.path(), &["import", &file("a.ndjson.zst")]));
    assert!(export(&there, &[]).len() > 100 * before.len());
}

#[test]
fn a_backup_replaces_nothing_unasked_and_what_is_restored_leaves_what_was_there() {
    let here = lived(0);
    let before = export(&here, &[]);
    let output = run(here.path(), &["backup", "copy.db"]);
    assert!(fine(&output).contains("copy.db is whole: 16 check results"), "{}", stdout(&output));
    let bytes = fs::read(here.path().join("copy.db")).unwrap();
    let output = run(here.path(), &["backup", "copy.db"]);
    assert!(refused(&output).contains("--force"));
    assert_eq!(fs::read(here.path().join("copy.db")).unwrap(), bytes);
    fine(&run(here.path(), &["backup", "copy.db", "--force"]));
    assert_eq!(names(here.path()), ["config.toml", "copy.db", "data"]);
    let output = run(here.path(), &["backup", "no/such/copy.db"]);
    assert!(refused(&output).contains("no/such/copy.db"), "{}", stderr(&output));

    let there = lived(3);
    let kept = export(&there, &[]);
    let output = run(there.path(), &["restore", here.path().join("copy.db").to_str().unwrap()]);
    let said = fine(&output);
    assert!(said.contains("data/history.db is now what") && said.contains("16 check results"), "{said}");
    assert!(export(&there, &[]) == before);
    let aside = names(&there.path().join("data")).into_iter().find(|n| n.starts_with("history.db.replaced-")).unwrap();
    assert!(said.contains(&aside), "{said}");
    // And back again.
    fine(&run(there.path(), &["restore", there.path().join("data").join(aside).to_str().unwrap()]));
    assert!(export(&there, &[]) == kept);
    let empty = empty();
    fine(&run(empty.path(), &["restore", here.path().join("copy.db").to_str().unwrap()]));
    assert!(export(&empty, &[]) == before);
    let missing = self::empty();
    assert!(refused(&run(missing.path(), &["backup", "x.db"])).contains("there is no history"));
}

#[test]
fn nothing_is_written_in_the_place_of_a_history_that_is_in_use() {
    let here = lived(0);
    std::os::unix::fs::symlink("data/history.db", here.path().join("link.db")).unwrap();
    fs::hard_link(database(&here), here.path().join("twin.db")).unwrap();
    let serving = Serving::start(here.path());
    let all = || names(&here.path().join("data"));
    let there = all();
    let absolute = database(&here).to_str().unwrap().to_owned();
    for target in [
        "data/history.db",
        "./data/../data/history.db",
        &absolute,
        "link.db",
        "twin.db",
        "data/history.db-wal",
        "data/history.db-shm",
        "data/history.db-journal",
        "data/history.db.lock",
        "data/history.db-told",
    ] {
        for arguments in [&["backup", "--force", target][..], &["export", "-o", target], &["report", "--out", target]] {
            let output = run(here.path(), arguments);
            let said = refused(&output);
            assert!(said.contains("the history") && said.contains("name another file"), "{arguments:?}: {said}");
        }
    }
    assert_eq!(all(), there);
    drop(serving);
    let output = run(here.path(), &["backup", "copy.db"]);
    assert!(fine(&output).contains("16 check results"), "{}", stdout(&output));
}

#[test]
fn what_is_no_whole_history_is_neither_restored_nor_taken_for_a_backup() {
    let here = lived(5_000);
    fine(&run(here.path(), &["backup", "copy.db"]));
    let copy = here.path().join("copy.db");
    let whole = fs::read(&copy).unwrap();
    let there = lived(3);
    let before = export(&there, &[]);
    let file = there.path().join("bad.db");
    let mut noise = whole.clone();
    let middle = noise.len() / 2;
    noise[middle..middle + 8192].fill(0xA5);
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("cut off", whole[..whole.len() / 2].to_vec(), "damaged"),
        ("noise in the middle", noise.clone(), "damaged"),
        ("a letter", b"Dear Sir, this is no database.\n".repeat(200), "not an SQLite database"),
        ("nothing", Vec::new(), "not a history"),
    ];
    for (what, bytes, says) in cases {
        fs::write(&file, bytes).unwrap();
        let output = run(there.path(), &["restore", "bad.db"]);
        assert!(refused(&output).contains(says), "{what}: {}", stderr(&output));
        assert!(export(&there, &[]) == before, "{what}");
    }
    fs::remove_file(&file).unwrap();
    let foreign = Connection::open(&file).unwrap();
    foreign.execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)").unwrap();
    drop(foreign);
    assert!(refused(&run(there.path(), &["restore", "bad.db"])).contains("not a history"));
    fs::write(&file, &whole).unwrap();
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(refused(&run(there.path(), &["restore", "bad.db"])).contains("newer version"));
    assert!(refused(&run(there.path(), &["restore", "data/history.db"])).contains("the history itself"));
    assert!(refused(&run(there.path(), &["restore", "nowhere.db"])).contains("nowhere.db"));
    assert!(export(&there, &[]) == before);
    // A backup of a damaged history is not one, and none is left.
    fs::write(database(&there), noise).unwrap();
    let output = run(there.path(), &["backup", "copy.db"]);
    assert!(refused(&output).contains("damaged"), "{}", stderr(&output));
    assert!(!names(there.path()).iter().any(|name| name.starts_with("copy.db")));
}

#[test]
fn a_migration_that_fails_leaves_the_history_as_it_was_and_says_so() {
    let folder = empty();
    let path = database(&folder);
    let mut migrations: Vec<PathBuf> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path().join("up.sql"))
        .collect();
    migrations.sort();
    // The newest that makes a table: others may follow it.
    let made = regex::Regex::new(r"(?m)^CREATE TABLE (\w+)").unwrap();
    let makes_one = |up: &PathBuf| made.is_match(&fs::read_to_string(up).unwrap());
    let place = migrations.iter().rposition(makes_one).expect("a migration that makes a table");
    let (last, before) = (&migrations[place], &migrations[..place]);
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    for up in before {
        conn.execute_batch(&fs::read_to_string(up).unwrap()).unwrap();
    }
    // What it makes is there already: it cannot run.
    let text = fs::read_to_string(last).unwrap();
    let name = made.captures(&text).unwrap()[1].to_owned();
    conn.execute_batch(&format!("CREATE TABLE {name} (mine); INSERT INTO {name} VALUES ('kept')")).unwrap();
    conn.pragma_update(None, "application_id", 0x4843_4448).unwrap();
    conn.pragma_update(None, "user_version", before.len() as i64).unwrap();
    drop(conn);
    let output = run(folder.path(), &[]);
    let said = refused(&output);
    assert!(said.contains("could not be brought up to date and was left as it was"), "{said}");
    assert!(
        said.contains("already exists") && !said.contains("PRIMARY KEY"),
        "the whole migration is no message: {said}"
    );
    let conn = Connection::open(&path).unwrap();
    let kept: String = conn.query_row(&format!("SELECT mine FROM {name}"), [], |row| row.get(0)).unwrap();
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!((kept.as_str(), version), ("kept", before.len() as i64));
}

/// Lets time pass in small steps until something holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("{what} does not come");
}

#[tokio::test(start_paused = true)]
async fn the_running_service_makes_backups_and_keeps_so_many() {
    let history = History::new("2026-11-16T00:00:00Z", vec![service("web")]);
    history.committed().await;
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { path: history.path(), dir: folder.path().join("deep/backups"), every_ms: 6 * HOUR_MS, keep: 2 };
    let start = || {
        let (plan, clock, (trigger, token)) = (plan.clone(), history.clock.clone(), shutdown::channel());
        let state = Arc::new(Backups::default());
        let making = state.clone();
        let task = tokio::spawn(async move { backups::run(plan, &making, clock, token).await });
        (state, trigger, task)
    };
    let (state, trigger, task) = start();
    let dir = plan.dir.clone();
    let there = || if dir.exists() { names(&dir) } else { Vec::new() };
    until("the first", || there() == ["history-20261116T000000Z.db"]).await;
    // Somebody else's file, and what is left of a backup that was killed.
    fs::write(dir.join("history-notes.db"), "mine").unwrap();
    fs::write(dir.join("history-20261116T010000Z.db.part"), "half").unwrap();
    until("the second", || there().len() == 3 && there()[1].starts_with("history-20261116T06")).await;
    until("the third", || there().iter().any(|name| name.starts_with("history-20261116T12"))).await;
    until("the first to go", || there().len() == 3).await;
    assert!(there()[0].starts_with("history-20261116T06") && there()[2] == "history-notes.db", "{:?}", there());
    assert_eq!(store::verify(&dir.join(&there()[1])).unwrap().results, 0);
    assert_eq!(state.state().failing, None);
    trigger.fire();
    task.await.unwrap();

    // A restart makes none before its time.
    let before = there();
    let (state, trigger, task) = start();
    tokio::time::sleep(Duration::from_secs(5 * 3600)).await;
    assert_eq!(there(), before);
    assert!(state.state().last.is_some());
    until("the fourth", || there().iter().any(|name| name.starts_with("history-20261116T18"))).await;
    // When it cannot be done it says why, keeps the old ones, and goes on trying.
    fs::remove_dir_all(&dir).unwrap();
    fs::write(&dir, "in the way").unwrap();
    until("trouble", || state.state().failing.is_some()).await;
    assert!(state.state().failing.unwrap().contains("backups"));
    fs::remove_file(&dir).unwrap();
    until("the trouble to be over", || state.state().failing.is_none() && there().len() == 1).await;
    trigger.fire();
    task.await.unwrap();
}

#[test]
fn the_interface_says_how_backups_are_going() {
    let folder = empty();
    let config = format!("{CONFIG}[storage]\nbackup = {{ dir = \"backups\", every = \"12h\", keep = 3 }}\n");
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let serving = Serving::start(folder.path());
    crate::support::binary::wait_for("a backup", || {
        let body = serving.json("/readyz?verbose=1");
        (body["backup"]["last"].is_string() && body["backup"]["failing"].is_null()).then_some(())
    });
    let (_, metrics) = serving.get("/metrics");
    assert!(metrics.contains("healthcheck_backup_failing 0"), "{metrics}");
    assert!(metrics.contains("healthcheck_backup_timestamp_seconds "), "{metrics}");
    let made = names(&folder.path().join("backups"));
    assert!(made.len() == 1 && made[0].starts_with("history-20") && made[0].ends_with("Z.db"), "{made:?}");
    assert_eq!(serving.json("/readyz"), serde_json::json!({"status": "ok"}));
}
