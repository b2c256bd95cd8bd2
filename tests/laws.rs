//! The laws of the history, over random lives of a service: intervals that change, restarts, missing results, clocks that
//! stand still. What the store answers (from rollups, rows and outages) is compared with a naive walk over the rows.

use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        check::{CheckResult, Class, Outcome, PhaseTimes, Reason},
        maintenance::Overlay,
        service::{Cadence, Kind, Service, Thresholds},
        time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs},
        window::Window,
    },
    store::{Configured, Keep, OutageFilter, OutageKind, Record, Store, Watched},
};
use proptest::prelude::*;
use rusqlite::Connection;
use std::{path::Path, sync::Arc};

const KEEP: Keep = Keep { checks: None, hours: None, days: None };

/// A stretch of one run of the monitor.
#[derive(Clone, Debug)]
struct Run {
    /// Between the end of the run before and this one.
    pause_ms: i64,
    interval_ms: i64,
    failure: u32,
    success: u32,
    /// From one check to the next, and what it said.
    checks: Vec<(i64, Outcome, u32)>,
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
    let step = prop_oneof![
        8 => 1..=MINUTE_MS,
        4 => MINUTE_MS..=20 * MINUTE_MS,
        1 => HOUR_MS..=30 * HOUR_MS,
    ];
    let checks = prop::collection::vec((step, outcome(), 1..5_000_000u32), 0..60);
    let pause = prop_oneof![3 => 0..=5 * MINUTE_MS, 1 => HOUR_MS..=60 * HOUR_MS];
    (pause, 1_000..=10 * MINUTE_MS, 1..=4u32, 1..=3u32, checks).prop_map(
        |(pause_ms, interval_ms, failure, success, checks)| Run { pause_ms, interval_ms, failure, success, checks },
    )
}

fn service(run: &Run) -> Service {
    Service {
        name: "web".into(),
        group: None,
        description: None,
        kind: Kind::Http,
        target: "http://web:3000/".into(),
        critical: true,
        enabled: true,
        cadence: Cadence { interval_ms: run.interval_ms, timeout_ms: run.interval_ms / 2, retry_interval_ms: 1_000 },
        thresholds: Thresholds { failure: run.failure, success: run.success },
        degraded_after_ms: None,
    }
}

/// A stored result as the naive reference sees it.
#[derive(Clone, Copy, Debug)]
struct Row {
    at: i64,
    outcome: Outcome,
    validity_ms: i64,
}

/// Lives through the runs; gives the rows and the moment at the end.
async fn live(path: &Path, runs: &[Run]) -> (Vec<Row>, UnixMs) {
    let mut now = UnixMs::parse("2026-03-28T20:17:03.250Z").unwrap();
    let mut rows = Vec::new();
    for run in runs {
        now = now.plus(run.pause_ms);
        let service = service(run);
        let watched = Watched {
            configured: Configured { service: service.clone(), renamed_from: None },
            settings: Arc::new(serde_json::Value::Null),
        };
        let store = Store::open(path, vec![watched], Vec::new(), vec!["webhook"], KEEP, Clock::pinned(now)).unwrap();
        let position = store.positions[0].clone();
        let mut health = position.health;
        for &(step_ms, outcome, latency_us) in &run.checks {
            now = now.plus(step_ms);
            let changes = health.observe(service.thresholds, now, outcome, &Overlay::NONE);
            let reason = (outcome != Outcome::Up).then(|| Reason {
                class: Class::HttpStatus,
                phase: None,
                message: format!("HTTP {}", 500 + latency_us % 3),
            });
            store.writer.record(Record {
                service: position.id,
                result: CheckResult {
                    at: now,
                    outcome,
                    latency_us: Some(latency_us),
                    phases: PhaseTimes::default(),
                    http_status: None,
                    certificate_days: None,
                    reason,
                    recheck: false,
                },
                excerpt: None,
                certificate_expires_at: None,
                changes,
                confirmed: health.confirmed,
            });
            rows.push(Row { at: now.0, outcome, validity_ms: service.cadence.validity_ms() });
        }
        store.stop().await;
    }
    (rows, now.plus(90_000))
}

/// up, degraded, down, unknown, doubt of up, doubt of down: straight from the definition.
fn naive(rows: &[Row], window: Window, now: UnixMs) -> [i64; 6] {
    let mut sums = [0; 6];
    let clip = |from: i64, to: i64| (to.min(window.to().0) - from.max(window.from().0)).max(0);
    for (i, row) in rows.iter().enumerate() {
        let next = rows.get(i + 1).map_or(now.0, |next| next.at);
        let spoken = clip(row.at, next.min(row.at + row.validity_ms));
        sums[row.outcome.code() as usize] += spoken;
        let judged_next = rows[i + 1..].iter().find_map(|later| later.outcome.passed());
        match (row.outcome.passed(), judged_next) {
            (Some(true), Some(false)) => sums[4] += spoken,
            (Some(false), Some(true)) => sums[5] += spoken,
            _ => {}
        }
    }
    sums
}

fn windows() -> impl Strategy<Value = Vec<(i64, i64)>> {
    // Ends relative to the whole life, in millionths, and a hint whether to move them to whole hours.
    prop::collection::vec((0..1_000_000i64, 0..1_000_000i64), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_the_store_answers_is_what_the_rows_say(runs in prop::collection::vec(run(), 1..5), windows in windows()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let (rows, now) = runtime.block_on(live(&path, &runs));
        let Some(first) = rows.first() else { return Ok(()) };
        let reader = healthcheck_dashboard::store::Reader::open(&path).unwrap();
        let stored = reader.service("web").unwrap().unwrap();
        let begin = first.at - DAY_MS;
        let whole = now.0 - begin;
        let mut asked = vec![Window::new(UnixMs(begin), now).unwrap()];
        for (a, b) in windows {
            let at = |share: i64| UnixMs(begin + (i128::from(whole) * i128::from(share) / 1_000_000) as i64);
            let (from, to) = (at(a.min(b)), at(a.max(b)).plus(1));
            asked.extend(Window::new(from, to.min(now)));
            asked.extend(Window::new(from.floor(HOUR_MS), to.floor(HOUR_MS)));
            asked.extend(Window::new(from.floor(DAY_MS), to.min(now)));
        }
        for window in asked {
            let u = reader.uptime(stored.id, window, now).unwrap();
            let [up, degraded, down, unknown, doubt_up, doubt_down] = naive(&rows, window, now);
            prop_assert_eq!((u.up_ms, u.degraded_ms, u.down_ms, u.unknown_ms), (up, degraded, down, unknown), "{:?}", window);
            let sum = u.up_ms + u.degraded_ms + u.down_ms + u.unknown_ms + u.maintenance_ms + u.gap_ms;
            prop_assert_eq!(sum, window.length_ms());
            let inside = rows.iter().filter(|r| window.contains(UnixMs(r.at)));
            prop_assert_eq!(u.checks, inside.clone().count() as u64);
            prop_assert_eq!(u.failures, inside.filter(|r| r.outcome == Outcome::Down).count() as u64);
            let judged = up + degraded + down;
            prop_assert_eq!(u.uptime.is_some(), judged > 0);
            if let (Some(worst), Some(uptime), Some(best)) = (u.worst, u.uptime, u.best) {
                prop_assert!(worst <= uptime && uptime <= best);
                let share = |good: i64| (good as f64 / judged as f64 * 1e6).floor() / 1e4;
                prop_assert!((worst - share(up + degraded - doubt_up)).abs() < 2e-4);
                prop_assert!((best - share(up + degraded + doubt_down)).abs() < 2e-4);
                prop_assert_eq!(uptime == 100.0, down == 0);
            }
        }
        outages_agree(&reader, &rows, &stored, now)?;
        buckets_agree(&reader, &rows, &stored, now)?;
        rollups_agree(&path, &rows)?;
        gaps_agree(&reader, &rows, &stored, now)?;
    }
}

use healthcheck_dashboard::store::{Reader, StoredService};

/// Downtime is the outages' time; they do not overlap, begin with a failure, end with a pass, and are told once.
fn outages_agree(reader: &Reader, rows: &[Row], stored: &StoredService, now: UnixMs) -> Result<(), TestCaseError> {
    let filter = OutageFilter { service: Some(stored.id), kind: OutageKind::All, ..OutageFilter::default() };
    let mut outages = reader.outages(&filter, None, u32::MAX).unwrap();
    outages.reverse();
    let whole = Window::new(UnixMs(rows[0].at), now).unwrap();
    let down = naive(rows, whole, now)[2];
    // An outage under way counts up to its latest check; the last result goes on speaking.
    let last = rows[rows.len() - 1];
    let tail = if last.outcome == Outcome::Down { (now.0 - last.at).min(last.validity_ms) } else { 0 };
    prop_assert_eq!(outages.iter().map(|o| o.down_ms).sum::<i64>() + tail, down);
    prop_assert_eq!(
        outages.iter().map(|o| o.checks_failed).sum::<u64>(),
        rows.iter().filter(|r| r.outcome == Outcome::Down).count() as u64
    );
    let said = |at: UnixMs| rows.iter().find(|r| r.at == at.0).and_then(|r| r.outcome.passed());
    for outage in &outages {
        prop_assert_eq!(said(outage.started_at), Some(false));
        prop_assert!(outage.last_ok_at.is_none_or(|at| said(at) == Some(true) && at < outage.started_at));
        prop_assert!(outage.ended_at.is_none_or(|at| said(at) == Some(true) && at > outage.started_at));
        prop_assert!(outage.down_ms <= outage.duration_ms(now));
    }
    for pair in outages.windows(2) {
        prop_assert!(pair[0].ended_at.is_some_and(|end| end < pair[1].started_at));
    }
    Ok(())
}

/// Charts say what the rows say, whatever the size of their buckets.
fn buckets_agree(reader: &Reader, rows: &[Row], stored: &StoredService, now: UnixMs) -> Result<(), TestCaseError> {
    let window = Window::new(UnixMs(rows[0].at - HOUR_MS), now).unwrap();
    for count in [1, 7, 60, 300] {
        let buckets = reader.history(stored.id, window, count, now).unwrap();
        for (part, tally) in buckets.iter() {
            let [up, degraded, down, unknown, doubt_up, doubt_down] = naive(rows, part, now);
            prop_assert_eq!(
                (
                    tally.up_ms,
                    tally.degraded_ms,
                    tally.down_ms,
                    tally.unknown_ms,
                    tally.doubt_up_ms,
                    tally.doubt_down_ms
                ),
                (up, degraded, down, unknown, doubt_up, doubt_down),
                "{:?} of {} buckets",
                part,
                count
            );
        }
    }
    Ok(())
}

/// Every stored rollup is what its rows add up to, and no settled hour is missing.
fn rollups_agree(path: &Path, rows: &[Row]) -> Result<(), TestCaseError> {
    let conn = Connection::open(path).unwrap();
    let last_judged = rows.iter().rev().find(|r| r.outcome.passed().is_some()).map_or(0, |r| r.at);
    for (table, size) in [("rollup_hour", HOUR_MS), ("rollup_day", DAY_MS)] {
        let mut statement = conn
            .prepare(&format!(
                "SELECT start, up_ms, degraded_ms, down_ms, unknown_ms, doubt_up_ms, doubt_down_ms FROM {table}"
            ))
            .unwrap();
        let stored: std::collections::BTreeMap<i64, [i64; 6]> = statement
            .query_map([], |r| Ok((r.get(0)?, [r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?])))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let mut start = rows[0].at / size * size;
        while start + size <= last_judged {
            let window = Window::new(UnixMs(start), UnixMs(start + size)).unwrap();
            let sums = naive(rows, window, UnixMs(i64::MAX));
            let kept = stored.get(&start).copied().unwrap_or_default();
            prop_assert_eq!(kept, sums, "{} at {}", table, UnixMs(start));
            start += size;
        }
        prop_assert!(stored.keys().all(|start| start + size <= last_judged));
    }
    Ok(())
}

/// Gaps are the time that nothing speaks for, exactly.
fn gaps_agree(reader: &Reader, rows: &[Row], stored: &StoredService, now: UnixMs) -> Result<(), TestCaseError> {
    let window = Window::new(UnixMs(rows[0].at), now).unwrap();
    let gaps = reader.gaps(stored.id, window, now).unwrap();
    let total: i64 = gaps.iter().map(|gap| gap.to.unwrap_or(now).since(gap.from)).sum();
    prop_assert_eq!(total, reader.uptime(stored.id, window, now).unwrap().gap_ms);
    Ok(())
}
