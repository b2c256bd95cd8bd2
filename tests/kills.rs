//! What is left of a history when whoever works on it is killed, at any moment.

use crate::support::{
    binary::{program, run, wait_for},
    history::{record, seal, sealed_days, service, watched},
    past::{RESULTS, differences, folder, large, number, past, sql},
};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        maintenance::Overlay,
        service::{CheckSchedule, Service},
        time::UnixMs,
    },
    store::{RetentionPolicy, Store},
};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides.max(1)
    }
}

/// How many times a test kills: a few, or as many as HISTORY_KILLS says.
fn kills(usual: u64) -> u64 {
    std::env::var("HISTORY_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// Runs a command to its end, or kills it after a while; whether it was killed.
fn killed_after(folder: &Path, arguments: &[&str], after: Duration) -> bool {
    let mut child = program(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    let ended = child.try_wait().unwrap();
    if let Some(status) = ended {
        assert!(status.success(), "{arguments:?}: {status}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    ended.is_none()
}

/// Kills a command again and again, each time on the same history, at random moments of its work.
fn kill_often(storage: &str, prepare: impl FnOnce(&Path), arguments: &[&str], after: impl Fn(&Path)) {
    let original = folder(storage);
    large(&original.path().join("history.db"));
    prepare(&original.path().join("history.db"));
    let fresh = || {
        let folder = folder(storage);
        std::fs::copy(original.path().join("history.db"), folder.path().join("history.db")).unwrap();
        folder
    };
    // How long it takes when it is let be.
    let folder = fresh();
    let since = std::time::Instant::now();
    assert!(run(folder.path(), arguments).status.success());
    let whole = since.elapsed();
    let mut dice = Dice(20_261_116);
    let (mut killed, mut tries) = (0, 0);
    while killed < kills(3) && tries < 20 * kills(3) {
        tries += 1;
        let folder = fresh();
        let moment = whole.mul_f64(dice.roll(1000) as f64 / 1000.0);
        killed += u64::from(killed_after(folder.path(), arguments, moment));
        after(folder.path());
    }
    assert!(killed >= kills(3), "only {killed} of {tries} were killed");
}

/// What was broken off left a sound history, and is done by the next retention.
fn retention_goes_on(folder: &Path) {
    let path = folder.join("history.db");
    assert_eq!(differences(&path), []);
    assert!(run(folder, &["history", "retention"]).status.success());
    assert_eq!(differences(&path), []);
}

#[test]
fn retention_may_be_killed_at_any_moment() {
    let keep = "keep_checks_days = 2\nkeep_hours_days = 4\nkeep_days_days = 8";
    kill_often(keep, |_| (), &["history", "retention"], retention_goes_on);
}

#[test]
fn sealing_may_be_killed_at_any_moment() {
    kill_often(
        "seal_after_days = 2",
        |_| (),
        &["history", "retention"],
        |folder| {
            let path = folder.join("history.db");
            let rows = number(&path, RESULTS);
            retention_goes_on(folder);
            assert!(sealed_days(&path) > 40);
            assert_eq!(number(&path, RESULTS), rows);
        },
    );
}

#[test]
fn unsealing_may_be_killed_at_any_moment() {
    kill_often(
        "",
        |path| assert!(seal(path) > 40),
        &["history", "unseal"],
        |folder| {
            let path = folder.join("history.db");
            let rows = number(&path, RESULTS);
            assert_eq!(differences(&path), []);
            assert!(run(folder, &["history", "unseal"]).status.success());
            assert_eq!((sealed_days(&path), number(&path, RESULTS), differences(&path)), (0, rows, vec![]));
        },
    );
}

#[test]
fn forgetting_may_be_killed_at_any_moment() {
    kill_often("", |_| (), &["history", "forget", "web", "--yes"], retention_goes_on);
}

#[test]
fn a_repair_may_be_killed_at_any_moment() {
    let damage = "DELETE FROM rollup_hour WHERE start % 7200000 = 0; UPDATE rollup_day SET checks = 0; DELETE FROM gap;
        UPDATE outage SET down_ms = 0, checks_failed = 0; DELETE FROM outage WHERE id % 5 = 0; DELETE FROM cause_change;
        UPDATE service SET rolled_until = 0";
    kill_often(
        "",
        |path| sql(path, damage),
        &["verify", "--repair"],
        |folder| {
            let path = folder.join("history.db");
            let left = differences(&path);
            assert!(left.iter().all(|difference| difference.service.is_some()), "the file is sound: {left:?}");
            assert!(run(folder, &["verify", "--repair"]).status.success());
            assert_eq!(differences(&path), []);
        },
    );
}

#[test]
fn a_backup_may_be_killed_at_any_moment() {
    kill_often(
        "",
        |_| (),
        &["backup", "copy.db"],
        |folder| {
            let (path, copy) = (folder.join("history.db"), folder.join("copy.db"));
            let results = |path: &Path| number(path, "SELECT count(*) FROM check_result");
            assert_eq!(differences(&path), []);
            // What has its name is whole.
            if copy.exists() {
                assert_eq!((results(&copy), differences(&copy)), (results(&path), vec![]));
            }
            assert!(run(folder, &["backup", "copy.db", "--force"]).status.success());
            assert_eq!((results(&copy), differences(&copy)), (results(&path), vec![]));
        },
    );
}

/// Runs one of the processes below until something of it is committed and some milliseconds more, and kills it; the latest
/// time that it said was recorded.
fn kill_a_writer(name: &str, folder: &Path, after_ms: u64) -> i64 {
    let acknowledged = folder.join("acknowledged");
    let _ = std::fs::remove_file(&acknowledged);
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("kills::{name}"), "--ignored"])
        .env("HISTORY_TO_WRITE", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let told = || std::fs::read_to_string(&acknowledged).ok().and_then(|text| text.parse::<i64>().ok());
    wait_for("a commit", told);
    std::thread::sleep(Duration::from_millis(after_ms));
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it ended by itself");
    told().unwrap()
}

/// The writer killed while it writes, retires a part of a month and seals the rest. A hundred times and more:
/// `HISTORY_KILLS=120 cargo test --test suite kills::the_writer_may_be_killed`
#[test]
fn the_writer_may_be_killed_while_it_writes_retires_and_seals() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let mut dice = Dice(7);
    let (mut killed_while_retiring, mut killed_while_sealing) = (0, 0);
    for kill in 0..kills(4) {
        // From time to time there is a month to retire again.
        if kill % 10 == 0 {
            for suffix in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(folder.path().join(format!("history.db{suffix}")));
            }
            large(&path);
        }
        let old = || {
            (
                number(&path, &format!("{RESULTS} - (SELECT count(*) FROM check_result WHERE service_id > 2)")),
                sealed_days(&path),
            )
        };
        let (results, sealed) = old();
        let told = kill_a_writer("writes_and_retires_until_it_is_killed", folder.path(), dice.roll(500));
        killed_while_retiring += u64::from(old().0 < results && old().0 > 0);
        killed_while_sealing += u64::from(old().1 > sealed);
        let last = number(&path, "SELECT max(at) FROM check_result WHERE service_id = 3");
        assert!(last >= told, "a result has gone that was said to be recorded");
        assert_eq!(differences(&path), [], "after kill {kill}");
    }
    assert!(killed_while_retiring > 0, "nothing was being retired when it was killed");
    assert!(killed_while_sealing > 0 || kills(4) < 20, "nothing was being sealed when it was killed");
    println!("killed {} times, {killed_while_retiring} while retiring, {killed_while_sealing} while sealing", kills(4));
}

/// Not a test: what [`the_writer_may_be_killed_while_it_writes_retires_and_seals`] runs as a process of its own.
#[tokio::test(start_paused = true)]
#[ignore = "it never ends"]
async fn writes_and_retires_until_it_is_killed() {
    let Some(folder) = std::env::var_os("HISTORY_TO_WRITE").map(PathBuf::from) else { return };
    let cadence = CheckSchedule { interval_ms: 3_000, timeout_ms: 1_000, retry_interval_ms: 1_000 };
    let services: Vec<Service> =
        ["a", "b", "c", "d"].map(|name| Service { cadence, ..service(name) }).into_iter().collect();
    let keep = RetentionPolicy { checks: Some(20), hours: Some(21), days: Some(22), rows: Some(2) };
    let path = folder.join("history.db");
    // Time goes faster here than outside: it goes on where the run before this one had come to.
    let known = std::fs::read_to_string(folder.join("time")).ok().and_then(|text| text.parse().ok());
    let clock = Clock::pinned(Clock::system().now().max(UnixMs(known.unwrap_or(0))));
    let all = services.iter().cloned().map(watched).collect();
    let store = Store::open(&path, all, Vec::new(), Routing::to_all(["webhook"]), keep, clock.clone()).unwrap();
    let mut positions = store.resume_points.clone();
    let mut dice = Dice(clock.now().0.unsigned_abs());
    let mut at = positions.iter().filter_map(|position| position.last_at).max().unwrap().max(clock.now());
    loop {
        clock.step(dice.roll(3_000) as i64);
        at = clock.now().max(at.plus(1));
        std::fs::write(folder.join("next"), at.plus(10_000).0.to_string()).unwrap();
        std::fs::rename(folder.join("next"), folder.join("time")).unwrap();
        for (service, position) in services.iter().zip(&mut positions) {
            let letter = b"....~xxx?X"[dice.roll(10) as usize] as char;
            let result = past(at, 1, &letter.to_string()).remove(0);
            let changes = position.health.observe(service.thresholds, at, result.outcome, &Overlay::NONE);
            store.writer.record(record(position.id, result, changes, position.health.confirmed));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        if store.writer.figures().waiting == 0 {
            std::fs::write(folder.join("new"), at.0.to_string()).unwrap();
            std::fs::rename(folder.join("new"), folder.join("acknowledged")).unwrap();
        }
    }
}

/// The writer killed while the newest rows of many services lie in the tail, are joined there and move to where they
/// stay. A hundred times and more: `HISTORY_KILLS=120 cargo test --test suite kills::many_services`
#[test]
fn many_services_may_be_killed_while_their_rows_move() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let mut dice = Dice(11);
    let mut killed_with_a_tail = 0;
    for kill in 0..kills(3) {
        // A new history from time to time: all of it is read after each kill.
        if kill % 10 == 0 {
            for name in ["history.db", "history.db-wal", "history.db-shm"] {
                let _ = std::fs::remove_file(folder.path().join(name));
            }
        }
        let told = kill_a_writer("writes_of_many_until_it_is_killed", folder.path(), dice.roll(2_500));
        killed_with_a_tail += u64::from(number(&path, "SELECT count(*) FROM tail") > 0);
        // Every service has each round that was said to be recorded, wherever it lies, and no row stands twice.
        let all = "(SELECT service_id, at FROM check_result UNION ALL SELECT service_id, at FROM tail)";
        let rounds = number(&path, &format!("SELECT count(DISTINCT at) FROM {all} WHERE at <= {told}"));
        assert!(rounds > 0);
        let (rows, distinct) = (
            number(&path, &format!("SELECT count(*) FROM {all} WHERE at <= {told}")),
            number(
                &path,
                &format!("SELECT count(*) FROM (SELECT DISTINCT service_id, at FROM {all} WHERE at <= {told})"),
            ),
        );
        assert_eq!((rows, distinct), (rounds * MANY as i64, rounds * MANY as i64), "after kill {kill}");
        let people_see = number(&path, "SELECT count(*) FROM history");
        assert_eq!(people_see, number(&path, &format!("SELECT count(*) FROM {all}")));
        let early = "SELECT count(*) FROM tail t JOIN check_result c ON c.service_id = t.service_id AND c.at >= t.at";
        assert_eq!(number(&path, early), 0, "after kill {kill}");
        assert_eq!(differences(&path), [], "after kill {kill}");
    }
    assert!(killed_with_a_tail > 0, "nothing lay in the tail when it was killed");
}

/// So many services have a tail.
const MANY: usize = 600;

/// Not a test: what [`many_services_may_be_killed_while_their_rows_move`] runs as a process of its own.
#[tokio::test(start_paused = true)]
#[ignore = "it never ends"]
async fn writes_of_many_until_it_is_killed() {
    let Some(folder) = std::env::var_os("HISTORY_TO_WRITE").map(PathBuf::from) else { return };
    let services: Vec<Service> = (0..MANY).map(|i| service(&format!("service {i}"))).collect();
    let known = std::fs::read_to_string(folder.join("acknowledged time")).ok().and_then(|text| text.parse().ok());
    let clock = Clock::pinned(Clock::system().now().max(UnixMs(known.unwrap_or(0))));
    let all = services.iter().cloned().map(watched).collect();
    let keep = RetentionPolicy::FOREVER;
    let store =
        Store::open(&folder.join("history.db"), all, Vec::new(), Routing::default(), keep, clock.clone()).unwrap();
    let mut positions = store.resume_points.clone();
    let mut dice = Dice(clock.now().0.unsigned_abs());
    let mut at = positions.iter().filter_map(|position| position.last_at).max().unwrap().max(clock.now());
    let tell = |name: &str, at: UnixMs| {
        std::fs::write(folder.join("new"), at.0.to_string()).unwrap();
        std::fs::rename(folder.join("new"), folder.join(name)).unwrap();
    };
    loop {
        clock.step(10_000);
        at = clock.now().max(at.plus(1));
        tell("acknowledged time", at.plus(60_000));
        for (service, position) in services.iter().zip(&mut positions) {
            let letter = b".....~xx?."[dice.roll(10) as usize] as char;
            let result = past(at, 1, &letter.to_string()).remove(0);
            let changes = position.health.observe(service.thresholds, at, result.outcome, &Overlay::NONE);
            store.writer.record(record(position.id, result, changes, position.health.confirmed));
        }
        while store.writer.figures().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tell("acknowledged", at);
    }
}
