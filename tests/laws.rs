//! The laws of the history, over random lives of a service: intervals that change, restarts, missing results, clocks that
//! stand still. What the store answers (from rollups, rows and outages) is compared with a naive walk over the rows.

mod agreement;

use self::agreement::{
    answers_agree, buckets_agree, gaps_agree, naive, naive_outages, outages_agree, rollups_agree, stories_agree, story,
    verified,
};
use crate::support::history::{self, KEEP, bare_result, record, seal, unseal};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::settings::effective::EffectiveSettings;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        check::Outcome,
        incident::GapReason,
        maintenance::Overlay,
        service::{CheckSchedule, Service, Thresholds},
        time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs},
        window::Window,
    },
    history::{figures, repair},
    store::{
        Configured, Interruption, MaintenanceTasks, OutageFilter, OutageKind, Reader, RetentionPolicy, Retiring, Store,
        WatchedService,
    },
};
use proptest::prelude::*;
use rusqlite::Connection;
use std::path::Path;

/// How many lives are tried: more of them with PROPTEST_CASES.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
}

/// A stretch of one run of the monitor.
#[derive(Clone, Debug)]
struct Run {
    /// Between the end of the run before and this one.
    pause_ms: i64,
    interval_ms: i64,
    failure: u32,
    success: u32,
    watched: Watch,
    /// From one check to the next, and what it said.
    checks: Vec<(i64, Outcome, u32)>,
}

/// Whether the service is watched in a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Watch {
    Yes,
    NotEnabled,
    /// It is not in the configuration.
    Gone,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        6 => Just(Outcome::Up),
        2 => Just(Outcome::Degraded),
        4 => Just(Outcome::Down),
        1 => Just(Outcome::Unknown),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    // Settings change seldom enough that some runs go on under those of the one before.
    run_with(prop_oneof![Just(30_000), 1_000..=10 * MINUTE_MS], 1)
}

/// A service that is checked as seldom as once a week.
fn slow_run() -> impl Strategy<Value = Run> {
    run_with(prop_oneof![10 * MINUTE_MS..=DAY_MS, Just(7 * DAY_MS)], 8)
}

/// Runs with one of these intervals, and steps that are so many times as long as those of a usual one.
fn run_with(interval: impl Strategy<Value = i64>, times: i64) -> impl Strategy<Value = Run> {
    let step = prop_oneof![
        8 => 1..=times * MINUTE_MS,
        4 => MINUTE_MS..=times * 20 * MINUTE_MS,
        1 => HOUR_MS..=times * 30 * HOUR_MS,
    ];
    // A step back is a clock that is set back while the monitor runs.
    let step = prop_oneof![40 => step, 1 => -3 * HOUR_MS..0i64];
    let checks = prop::collection::vec((step, outcome(), 1..5_000_000u32), 0..60);
    let pause = prop_oneof![
        6 => 0..=5 * MINUTE_MS,
        2 => HOUR_MS..=60 * HOUR_MS,
        // The clock was set back while nothing ran.
        1 => -5 * HOUR_MS..0i64,
    ];
    let watched = prop_oneof![6 => Just(Watch::Yes), 1 => Just(Watch::NotEnabled), 1 => Just(Watch::Gone)];
    (pause, interval, 1..=4u32, 1..=3u32, watched, checks).prop_map(
        |(pause_ms, interval_ms, failure, success, watched, checks)| {
            let checks = if watched == Watch::Yes { checks } else { Vec::new() };
            Run { pause_ms, interval_ms, failure, success, watched, checks }
        },
    )
}

fn service(run: &Run) -> Service {
    Service {
        enabled: run.watched != Watch::NotEnabled,
        cadence: CheckSchedule {
            interval_ms: run.interval_ms,
            timeout_ms: run.interval_ms / 2,
            retry_interval_ms: 1_000,
        },
        thresholds: Thresholds { failure: run.failure, success: run.success },
        ..history::service("web")
    }
}

/// A stored result as the naive reference sees it.
#[derive(Clone, Copy, Debug)]
struct Row {
    at: i64,
    outcome: Outcome,
    latency_us: u32,
    validity_ms: i64,
    failure: u32,
    success: u32,
}

/// A day before the clocks of Europe are set forward.
fn begin() -> UnixMs {
    UnixMs::parse("2026-03-28T20:17:03.250Z").unwrap()
}

/// Lives through the runs; gives the rows and the moment at the end.
async fn live(path: &Path, runs: &[Run], begin: UnixMs) -> (Vec<Row>, UnixMs) {
    let mut now = begin;
    let mut rows = Vec::new();
    for run in runs {
        now = now.plus(run.pause_ms);
        let service = service(run);
        let watched = WatchedService {
            configured: Configured { service: service.clone(), renamed_from: None, depends_on: Vec::new() },
            settings: EffectiveSettings::default(),
        };
        // Something else is watched all the time.
        let other = WatchedService {
            configured: Configured {
                service: Service { name: "other".into(), ..self::service(&runs[0]) },
                renamed_from: None,
                depends_on: Vec::new(),
            },
            settings: EffectiveSettings::default(),
        };
        let all = if run.watched == Watch::Gone { vec![other] } else { vec![watched, other] };
        let clock = Clock::pinned(now);
        let store = Store::open(path, all, Vec::new(), Routing::to_all(["webhook"]), KEEP, clock.clone()).unwrap();
        let position = store.resume_points[0].clone();
        let (mut health, mut last_at) = (position.health, position.last_at);
        for &(step_ms, outcome, latency_us) in &run.checks {
            clock.step(step_ms);
            if step_ms < 0 {
                let (from, to) = (now.plus(step_ms), now);
                store.writer.interrupted(Interruption { from, to, why: GapReason::ClockStep, results: 0 });
            }
            // Results follow one another, whatever the clock does.
            now = last_at.map_or(now.plus(step_ms), |last| now.plus(step_ms).max(last.plus(1)));
            last_at = Some(now);
            let changes = health.observe(service.thresholds, now, outcome, &Overlay::NONE);
            let result = bare_result(now, outcome, latency_us);
            store.writer.record(record(position.id, result, changes, health.confirmed));
            rows.push(Row {
                at: now.0,
                outcome,
                latency_us,
                validity_ms: service.cadence.validity_ms(),
                failure: run.failure,
                success: run.success,
            });
        }
        store.stop().await;
    }
    let now = rows.last().map_or(now, |last: &Row| now.max(UnixMs(last.at)));
    (rows, now.plus(90_000))
}

fn windows() -> impl Strategy<Value = Vec<(i64, i64)>> {
    // Ends relative to the whole life, in millionths, and a hint whether to move them to whole hours.
    prop::collection::vec((0..1_000_000i64, 0..1_000_000i64), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..crate::support::law(cases(40), "tests/proptest-regressions/laws.txt") })]

    #[test]
    fn what_the_store_answers_is_what_the_rows_say(runs in prop::collection::vec(run(), 1..5), windows in windows()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let (rows, now) = runtime().block_on(live(&path, &runs, begin()));
        if rows.is_empty() {
            return Ok(());
        }
        answers_agree(&path, &rows, now, &windows)?;
        // The same answers from sealed days, and from rows again.
        let sealed = seal(&path);
        prop_assert!(!worth_sealing(&rows) || sealed > 0, "nothing was sealed");
        answers_agree(&path, &rows, now, &windows)?;
        unseal(&path);
        prop_assert_eq!(stored_rows(&path), rows.len() as i64);
        answers_agree(&path, &rows, now, &windows)?;
    }
}

/// Whether there is a settled day, not the last one, with more than a few results.
fn worth_sealing(rows: &[Row]) -> bool {
    let day = |row: &Row| UnixMs(row.at).floor(DAY_MS);
    let judged = rows.iter().rev().find(|row| row.outcome.passed().is_some()).map_or(UnixMs(0), day);
    rows.chunk_by(|a, b| day(a) == day(b)).any(|rows| rows.len() >= 16 && day(&rows[0]) < judged)
}

/// The results of `web` that lie in rows.
fn stored_rows(path: &Path) -> i64 {
    let sql = "SELECT count(*) FROM check_result WHERE service_id = (SELECT id FROM service WHERE name = 'web')";
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..crate::support::law(cases(16), "tests/proptest-regressions/laws.txt") })]

    #[test]
    fn whatever_rows_go_missing_a_repair_makes_everything_follow_from_those_that_are_left(
        runs in prop::collection::vec(run(), 1..5),
        missing in prop::collection::vec(prop_oneof![4 => Just(false), 1 => Just(true)], 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let (mut rows, now) = runtime().block_on(live(&path, &runs, begin()));
        let conn = Connection::open(&path).unwrap();
        let ids = |conn: &Connection| -> std::collections::BTreeMap<i64, i64> {
            let mut statement = conn.prepare("SELECT started_at, id FROM outage WHERE service_id = 1").unwrap();
            let ids = statement.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap();
            ids.map(Result::unwrap).collect()
        };
        let before = ids(&conn);
        let mut gone = missing.iter().cycle();
        rows.retain(|row| {
            let goes = *gone.next().unwrap();
            if goes {
                let sql = "DELETE FROM check_result WHERE at = ?1 AND service_id = (SELECT id FROM service WHERE name = 'web')";
                conn.execute(sql, [row.at]).unwrap();
            }
            !goes
        });
        let Some(_) = rows.first() else { return Ok(()) };
        let reader = Reader::open(&path).unwrap();
        let stored = reader.service("web").unwrap().unwrap();
        let mut upkeep = MaintenanceTasks::open(&path).unwrap();
        repair::service(&mut upkeep, stored.id).unwrap();
        drop(upkeep);
        let stored = reader.service("web").unwrap().unwrap();
        outages_agree(&reader, &rows, &stored, now)?;
        stories_agree(&path, &reader, &rows, &stored, now)?;
        buckets_agree(&reader, &rows, &stored, now)?;
        rollups_agree(&path, &rows)?;
        gaps_agree(&reader, &rows, &stored, now)?;
        if stored.id.0 == 1 {
            for (start, id) in ids(&conn) {
                prop_assert!(before.get(&start).is_none_or(|before| *before == id), "{} changed its number", start);
            }
        }
    }

    #[test]
    fn what_retention_leaves_answers_as_before_and_the_history_goes_on(
        runs in prop::collection::vec(slow_run(), 1..5),
        later in prop::collection::vec(slow_run(), 1..3),
        windows in windows(),
        (checks, hours) in (1..=4u32, 0..=4u32),
        sealed in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let (mut rows, now) = runtime().block_on(live(&path, &runs, begin()));
        let Some(first) = rows.first().copied() else { return Ok(()) };
        let reader = Reader::open(&path).unwrap();
        let stored = reader.service("web").unwrap().unwrap();
        let keep = RetentionPolicy { checks: Some(checks), hours: Some(checks + hours), ..RetentionPolicy::FOREVER };
        if sealed {
            seal(&path);
        }
        let first_kept = |days: u32| now.plus(-i64::from(days) * DAY_MS).floor(DAY_MS);
        let mut upkeep = MaintenanceTasks::open(&path).unwrap();
        let mut retiring = Retiring::default();
        while upkeep.retire(&mut retiring, keep, now).unwrap() {}
        drop(upkeep);
        verified(&path, &stored)?;
        // The windows of a life of some weeks: where rows are left to the millisecond, before that by hours and days.
        for (a, b) in windows {
            let begin = first.at - DAY_MS;
            let at = |share: i64| UnixMs(begin + (i128::from(now.0 - begin) * i128::from(share) / 1_000_000) as i64);
            let grid = |at: UnixMs| match at {
                at if at < first_kept(checks + hours) => DAY_MS,
                at if at < first_kept(checks) => HOUR_MS,
                _ => 1,
            };
            let (from, to) = (at(a.min(b)), at(a.max(b)).plus(1));
            let Some(window) = Window::new(from.floor(grid(from)), to.ceil(grid(to)).min(now)) else { continue };
            let u = figures::uptime(&reader, stored.id, Window::new(from, to).unwrap(), now).unwrap();
            prop_assert_eq!(u.window, window);
            let [up, degraded, down, unknown, ..] = naive(&rows, window, now);
            prop_assert_eq!((u.up_ms, u.degraded_ms, u.down_ms, u.unknown_ms), (up, degraded, down, unknown), "{:?}", window);
        }
        // Life goes on as if nothing had been deleted.
        let (more, now) = runtime().block_on(live(&path, &later, now));
        rows.extend(more);
        verified(&path, &stored)?;
        let filter = OutageFilter { service: Some(stored.id), kind: OutageKind::All, ..OutageFilter::default() };
        let mut outages = reader.outages(&filter, None, u32::MAX).unwrap();
        outages.reverse();
        prop_assert_eq!(outages.iter().map(story).collect::<Vec<_>>(), naive_outages(&rows));
        let window = Window::new(now.plus(-HOUR_MS), now).unwrap();
        let [up, degraded, down, unknown, ..] = naive(&rows, window, now);
        let u = figures::uptime(&reader, stored.id, window, now).unwrap();
        prop_assert_eq!((u.up_ms, u.degraded_ms, u.down_ms, u.unknown_ms), (up, degraded, down, unknown));
    }
}
