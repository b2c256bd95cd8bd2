//! Why nothing was observed, where that is not plain.

use crate::support::{
    history::{self, KEEP, bare_result, export, import, record, watched},
    past::differences,
};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        check::Outcome,
        incident::GapReason,
        maintenance::Overlay,
        service::{Commands, Service},
        time::UnixMs,
        window::Window,
    },
    interchange::{
        self,
        export::{Format, Order},
    },
    store::{Interruption, MaintenanceTasks, Reader, Store, WatchedService},
};
use std::path::Path;

/// One run of the monitor that starts at `start` and has these checks, all in seconds.
async fn run(path: &Path, start: i64, checks: &[i64]) {
    run_with(path, start, vec![watched(history::service("web"))], checks).await;
}

/// The same in which the service is paused.
async fn pause(path: &Path, start: i64) {
    run_with(path, start, vec![watched(Service { enabled: false, ..history::service("web") })], &[]).await;
}

/// A run with these services, of which the first one has the checks.
async fn run_with(path: &Path, start: i64, services: Vec<WatchedService>, checks: &[i64]) {
    let thresholds = history::service("web").thresholds;
    let clock = Clock::pinned(second(start));
    let store = Store::open(path, services, Vec::new(), Routing::default(), KEEP, clock.clone()).unwrap();
    let mut health = store.resume_points[0].health;
    for &check in checks {
        clock.step(second(check).since(clock.now()));
        let result = bare_result(second(check), Outcome::Up, 1_000);
        let changes = health.observe(thresholds, result.at, result.outcome, &Overlay::NONE);
        store.writer.record(record(store.resume_points[0].id, result, changes, health.confirmed));
    }
    store.stop().await;
}

fn second(n: i64) -> UnixMs {
    UnixMs::parse("2026-11-16").unwrap().plus(n * 1_000)
}

type Gaps = Vec<(UnixMs, Option<UnixMs>, GapReason)>;

async fn gaps(runs: &[(i64, &[i64])]) -> Gaps {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    for (start, checks) in runs {
        run(&path, *start, checks).await;
    }
    gaps_of(&path, *runs.last().unwrap().1.last().unwrap())
}

/// The gaps of `web` as they are known at a second.
fn gaps_of(path: &Path, now: i64) -> Gaps {
    let reader = Reader::open(path).unwrap();
    let id = reader.service("web").unwrap().unwrap().id;
    let gaps = reader.gaps(id, Window::new(second(0), second(now)).unwrap(), second(now)).unwrap();
    gaps.into_iter().map(|gap| (gap.from, gap.to, gap.why)).collect()
}

/// Holds that what is stored follows from the rows, also in a history that all of this one was taken into.
fn assert_holds(path: &Path) {
    assert_eq!(differences(path), []);
    let copy = path.with_extension("copy");
    let now = second(1_000_000);
    let all = export(path, Format::Ndjson, now);
    import(&copy, &[&all]);
    assert_eq!(differences(&copy), []);
    assert_eq!(export(&copy, Format::Ndjson, now), all);
}

#[tokio::test(start_paused = true)]
async fn a_gap_across_a_restart_is_there_because_the_monitor_was_off() {
    // The first result speaks until second 25. The next run is there before that or after it; its check comes after it.
    for start in [20, 25, 26, 30] {
        let off = vec![(second(25), Some(second(31)), GapReason::Off)];
        assert_eq!(gaps(&[(0, &[0]), (start, &[31])]).await, off, "started again at second {start}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_within_a_run_is_there_because_it_stalled() {
    let stalled = vec![(second(32), Some(second(60)), GapReason::Stalled)];
    assert_eq!(gaps(&[(0, &[0]), (5, &[7, 60])]).await, stalled);
}

#[tokio::test(start_paused = true)]
async fn a_gap_with_two_causes_is_in_two_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    run(&path, 0, &[0]).await;
    // Off until second 1000, and paused from then on.
    pause(&path, 1_000).await;
    let off = (second(25), Some(second(1_000)), GapReason::Off);
    assert_eq!(gaps_of(&path, 1_500), [off, (second(1_000), None, GapReason::Paused)]);
    run(&path, 2_000, &[2_001]).await;
    assert_eq!(gaps_of(&path, 2_001), [off, (second(1_000), Some(second(2_001)), GapReason::Paused)]);
    assert_holds(&path);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_begins_while_the_last_result_speaks_is_the_only_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    run(&path, 0, &[0]).await;
    pause(&path, 20).await;
    run(&path, 2_000, &[2_001]).await;
    assert_eq!(gaps_of(&path, 2_001), [(second(25), Some(second(2_001)), GapReason::Paused)]);
    assert_holds(&path);
}

#[tokio::test(start_paused = true)]
async fn what_goes_off_after_a_pause_and_before_a_check_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    run(&path, 0, &[0]).await;
    pause(&path, 20).await;
    run(&path, 500, &[]).await;
    assert_eq!(gaps_of(&path, 520), [(second(25), None, GapReason::Paused)], "its first check is not overdue");
    let paused = (second(25), Some(second(500)), GapReason::Paused);
    assert_eq!(gaps_of(&path, 900), [paused, (second(500), None, GapReason::Off)]);
    run(&path, 2_000, &[2_001]).await;
    assert_eq!(gaps_of(&path, 2_001), [paused, (second(500), Some(second(2_001)), GapReason::Off)]);
    assert_holds(&path);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_before_a_pause_is_said_to_have_slept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let services = || vec![watched(history::service("web")), watched(history::service("api"))];
    let clock = Clock::pinned(second(0));
    let store = Store::open(&path, services(), Vec::new(), Routing::default(), KEEP, clock.clone()).unwrap();
    let mut health = store.resume_points[0].health;
    let result = bare_result(second(0), Outcome::Up, 1_000);
    let thresholds = history::service("web").thresholds;
    let changes = health.observe(thresholds, result.at, result.outcome, &Overlay::NONE);
    store.writer.record(record(store.resume_points[0].id, result, changes, health.confirmed));
    clock.step(900_000);
    let slept = Interruption { from: second(10), to: second(900), why: GapReason::Suspended, results: 0 };
    store.writer.interrupted(slept);
    store.stop().await;
    pause(&path, 1_000).await;
    run(&path, 2_000, &[2_001]).await;
    let pieces = [
        (second(25), Some(second(1_000)), GapReason::Suspended),
        (second(1_000), Some(second(2_001)), GapReason::Paused),
    ];
    assert_eq!(gaps_of(&path, 2_001), pieces);
    assert_holds(&path);
}

#[tokio::test(start_paused = true)]
async fn a_gap_that_an_earlier_version_wrote_in_one_piece_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    run(&path, 0, &[0]).await;
    pause(&path, 1_000).await;
    run(&path, 2_000, &[2_001]).await;
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute("DELETE FROM gap", []).unwrap();
    let (from, to) = (second(25), second(2_001));
    old.execute("INSERT INTO gap SELECT id, ?1, ?2, 'paused' FROM service", [from.0, to.0]).unwrap();
    drop(old);
    assert_eq!(gaps_of(&path, 2_001), [(from, Some(to), GapReason::Paused)]);
    assert_eq!(differences(&path), []);
    // What it exports is understood as it is understood today.
    let copy = folder.path().join("copy.db");
    import(&copy, &[&export(&path, Format::Ndjson, to)]);
    assert_eq!(gaps_of(&copy, 2_001).len(), 2);
    assert_eq!(differences(&copy), []);
}

#[tokio::test(start_paused = true)]
async fn a_history_that_arrives_in_the_middle_of_a_pause_leaves_a_gap_that_has_its_own_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let named = |name: &str, renamed_from: Option<&str>| {
        let mut watched = watched(history::service(name));
        watched.configured.renamed_from = renamed_from.map(Into::into);
        vec![watched]
    };
    // Two names that should have been one: what the second one had is exported, forgotten, and taken in again.
    run_with(&path, 0, named("old", None), &[0]).await;
    run_with(&path, 1_000, named("web", None), &[1_001]).await;
    let reader = Reader::open(&path).unwrap();
    let order = Order {
        format: Format::Ndjson,
        window: Window::new(UnixMs::MIN, second(2_000)).unwrap(),
        services: vec![reader.service("web").unwrap().unwrap()],
        commands: Commands::Whole,
        now: second(1_001),
    };
    let mut web = Vec::new();
    interchange::export::write(&reader, &order, &mut web, |_| ()).unwrap();
    drop(reader);
    let mut upkeep = MaintenanceTasks::open(&path).unwrap();
    upkeep.forget("web", UnixMs(0)).unwrap();
    while upkeep.forget_some().unwrap() > 0 {}
    drop(upkeep);
    run_with(&path, 3_000, named("web", Some("old")), &[3_001]).await;
    import(&path, &[&String::from_utf8(web).unwrap()]);
    let gaps = gaps_of(&path, 3_001);
    assert_eq!(gaps[0], (second(25), Some(second(1_001)), GapReason::Off));
    assert_eq!(gaps.last().unwrap().1, Some(second(3_001)));
    assert_holds(&path);
}
