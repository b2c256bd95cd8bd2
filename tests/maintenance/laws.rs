//! The laws of the history with maintenance: windows that are announced in all sorts of places of a life (also where the
//! monitor is off), and others that are marked afterwards and partly taken back. What the store answers is compared with a
//! naive walk over the rows and the windows.

use crate::support::history::{self, KEEP, bare_result, export, import, record};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    calendar::{Planned, Rule, When},
    clock::Clock,
    domain::{
        check::Outcome,
        health::Health,
        incident::Outage,
        maintenance::Overlay,
        service::{Cadence, Service, Thresholds},
        time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs},
        window::Window,
    },
    history::{
        figures, overview,
        replay::{self, Rules},
        verify,
    },
    interchange::export::Format,
    store::{
        Configured, Examiner, Maintenance, Mark, Marking, OutageFilter, OutageKind, Reader, Source, Store,
        StoredService, WatchedService,
    },
};
use proptest::prelude::*;
use rusqlite::Connection;
use std::{path::Path, sync::Arc};

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
    // No run begins in the millisecond of the last check of the run before it: whose check that was could not be told.
    let pause = prop_oneof![3 => 1..=5 * MINUTE_MS, 1 => HOUR_MS..=60 * HOUR_MS];
    (pause, 1_000..=10 * MINUTE_MS, 1..=4u32, 1..=3u32, checks).prop_map(
        |(pause_ms, interval_ms, failure, success, checks)| Run { pause_ms, interval_ms, failure, success, checks },
    )
}

fn service(run: &Run) -> Service {
    Service {
        cadence: Cadence { interval_ms: run.interval_ms, timeout_ms: run.interval_ms / 2, retry_interval_ms: 1_000 },
        thresholds: Thresholds { failure: run.failure, success: run.success },
        ..history::service("web")
    }
}

/// A stored result as the naive reference sees it.
#[derive(Clone, Copy, Debug)]
struct Row {
    at: i64,
    outcome: Outcome,
    validity_ms: i64,
}

/// A window of maintenance in a life: where it begins, in millionths of the whole, and its length.
type Laid = (i64, i64);

/// What happens to a life besides its checks.
#[derive(Clone, Debug)]
struct Laying {
    /// In the configuration of every run.
    announced: Vec<(Laid, bool)>,
    /// Marked by hand before the run of this number, and whether it is taken back in the end.
    marked: Vec<(Laid, usize, bool)>,
}

fn laying() -> impl Strategy<Value = Laying> {
    let length = prop_oneof![2 => 1..=2 * MINUTE_MS, 4 => 2 * MINUTE_MS..=3 * HOUR_MS, 1 => HOUR_MS..=40 * HOUR_MS];
    let laid = (0..1_000_000i64, length);
    let announced = prop::collection::vec((laid.clone(), any::<bool>()), 0..6);
    let marked = prop::collection::vec((laid, 1..6usize, any::<bool>()), 0..4);
    (announced, marked).prop_map(|(announced, marked)| Laying { announced, marked })
}

/// Begins a life.
fn birth() -> UnixMs {
    UnixMs::parse("2026-03-28T20:17:03.250Z").unwrap()
}

impl Laying {
    fn window(&self, runs: &[Run], (share, length): Laid) -> Window {
        let steps = |run: &Run| run.checks.iter().map(|(step, ..)| step).sum::<i64>();
        let whole: i64 = runs.iter().map(|run| run.pause_ms + steps(run)).sum();
        let from = birth().plus((i128::from(whole) * i128::from(share) / 1_000_000) as i64);
        Window::new(from, from.plus(length)).unwrap()
    }

    fn planned(&self, runs: &[Run]) -> Vec<Planned> {
        let one = |&(laid, named): &(Laid, bool)| Planned {
            rule: Arc::new(Rule::new(When::Once(self.window(runs, laid)))),
            services: named.then(|| vec!["web".to_owned()]),
            reason: "planned maintenance".into(),
        };
        self.announced.iter().map(one).collect()
    }
}

/// A life that was lived.
struct Life {
    rows: Vec<Row>,
    /// The moment at the end.
    now: UnixMs,
    /// The marks that are to be taken back.
    doomed: Vec<i64>,
}

/// Lives through the runs.
async fn live(path: &Path, runs: &[Run], laying: &Laying) -> Life {
    let mut now = birth();
    let mut life = Life { rows: Vec::new(), now, doomed: Vec::new() };
    let mut before: Option<Health> = None;
    for (number, run) in runs.iter().enumerate() {
        now = now.plus(run.pause_ms);
        for &(laid, _, doomed) in laying.marked.iter().filter(|(_, before, _)| *before == number) {
            let window = laying.window(runs, laid);
            // Only what is past can be marked.
            let Some(window) = Window::new(window.from(), window.to().min(now)) else { continue };
            let services = doomed.then(|| vec!["web".to_owned()]);
            let mark = Mark { window, services, reason: "marked".into() };
            let id = Marking::open(path).unwrap().add(&mark, now, |_, _| ()).unwrap();
            life.doomed.extend(doomed.then_some(id));
        }
        let service = service(run);
        let watched = WatchedService {
            configured: Configured { service: service.clone(), renamed_from: None },
            settings: Arc::new(serde_json::Value::Null),
        };
        let planned = laying.planned(runs);
        let store =
            Store::open(path, vec![watched], planned, Routing::to_all(["webhook"]), KEEP, Clock::pinned(now)).unwrap();
        let position = store.resume_points[0].clone();
        let mut health = position.health;
        if let Some(before) = before {
            // A restart is no transition.
            assert_eq!((health.confirmed, health.last_at), (before.confirmed, before.last_at));
            assert_eq!(health.last_ok_at, before.last_ok_at);
            assert_eq!(health.recovering, before.recovering);
            assert_eq!(health.failing.map(|f| f.started_at), before.failing.map(|f| f.started_at));
        }
        for &(step_ms, outcome, latency_us) in &run.checks {
            now = now.plus(step_ms);
            let since = health.last_at.unwrap_or(now);
            let maintenance = position.timetable.announced(Window::new(since, now.plus(1)).unwrap());
            let changes = health.observe(service.thresholds, now, outcome, &maintenance);
            let result = bare_result(now, outcome, latency_us);
            store.writer.record(record(position.id, result, changes, health.confirmed));
            life.rows.push(Row { at: now.0, outcome, validity_ms: service.cadence.validity_ms() });
        }
        store.stop().await;
        before = Some(health);
    }
    life.now = now.plus(90_000);
    life
}

/// A life and the maintenance over it, as the naive reference knows them.
struct Known<'a> {
    rows: &'a [Row],
    /// From and to; some may overlap.
    maintenance: Vec<(i64, i64)>,
    announced: Vec<(i64, i64)>,
}

fn lies_in(at: i64, windows: &[(i64, i64)]) -> bool {
    windows.iter().any(|&(from, to)| from <= at && at < to)
}

impl Known<'_> {
    fn judged(&self, row: &Row) -> Outcome {
        match row.outcome {
            Outcome::Down if lies_in(row.at, &self.maintenance) => Outcome::Unknown,
            outcome => outcome,
        }
    }

    /// up, degraded, down, unknown, doubt of up, doubt of down, maintenance: straight from the definition.
    fn naive(&self, window: Window, now: UnixMs) -> [i64; 7] {
        let mut sums = [0; 7];
        // Between two of these moments nothing changes.
        let mut cuts: Vec<i64> = self.maintenance.iter().flat_map(|&(from, to)| [from, to]).collect();
        cuts.extend([window.from().0, window.to().0]);
        for (i, row) in self.rows.iter().enumerate() {
            let next = self.rows.get(i + 1).map_or(now.0, |next| next.at);
            cuts.extend([row.at, next.min(row.at + row.validity_ms)]);
        }
        cuts.sort_unstable();
        cuts.dedup();
        for pair in cuts.windows(2).filter(|pair| window.contains(UnixMs(pair[0]))) {
            let (from, ms) = (pair[0], pair[1] - pair[0]);
            if lies_in(from, &self.maintenance) {
                sums[6] += ms;
                continue;
            }
            let spoken = self.rows.partition_point(|row| row.at <= from).checked_sub(1);
            let Some(i) = spoken.filter(|&i| from < self.rows[i].at + self.rows[i].validity_ms && from < now.0) else {
                continue;
            };
            let row = &self.rows[i];
            // A failure says nothing about the time behind maintenance.
            let behind = self.maintenance.iter().any(|&(begin, _)| row.at < begin && begin <= from);
            let mut outcome = self.judged(row);
            if outcome == Outcome::Down && behind {
                outcome = Outcome::Unknown;
            }
            sums[outcome.code() as usize] += ms;
            let judged_next = self.rows[i + 1..].iter().find_map(|later| self.judged(later).passed());
            match (outcome.passed(), judged_next) {
                (Some(true), Some(false)) => sums[4] += ms,
                (Some(false), Some(true)) => sums[5] += ms,
                _ => {}
            }
        }
        sums
    }
}

fn windows() -> impl Strategy<Value = Vec<(i64, i64)>> {
    // Ends relative to the whole life, in millionths, and a hint whether to move them to whole hours.
    prop::collection::vec((0..1_000_000i64, 0..1_000_000i64), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 500, ..crate::support::law(60, "tests/proptest-regressions/maintenance_laws.txt") })]

    #[test]
    fn what_the_store_answers_is_what_rows_and_maintenance_say(
        runs in prop::collection::vec(run(), 1..5), laying in laying(), windows in windows()
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let Life { rows, now, doomed } = runtime.block_on(live(&path, &runs, &laying));
        if rows.is_empty() {
            return Ok(());
        }
        everything_agrees(&path, &rows, now, &windows)?;
        it_is_proved_replayed_and_leaves_whole(&path, now)?;
        let noted = Reader::open(&path).unwrap().maintenance_log(None).unwrap();
        let noted = noted.iter().filter(|one| one.source == Source::Config).map(|one| one.window);
        let planned = laying.announced.iter().map(|(laid, _)| laying.window(&runs, *laid));
        // What was announced is noted as far as there is somebody to note it.
        let lived = Window::new(birth().plus(runs[0].pause_ms), UnixMs(rows[rows.len() - 1].at + 1)).unwrap();
        prop_assert_eq!(
            Overlay::new(noted).inside(lived).collect::<Vec<_>>(),
            Overlay::new(planned).inside(lived).collect::<Vec<_>>()
        );
        if !doomed.is_empty() {
            let mut marking = Marking::open(&path).unwrap();
            for id in doomed {
                marking.take_back(id, now, |_, _| ()).unwrap();
            }
            drop(marking);
            everything_agrees(&path, &rows, now, &windows)?;
            it_is_proved_replayed_and_leaves_whole(&path, now)?;
        }
    }
}

fn everything_agrees(path: &Path, rows: &[Row], now: UnixMs, windows: &[(i64, i64)]) -> Result<(), TestCaseError> {
    let reader = Reader::open(path).unwrap();
    let stored = reader.service("web").unwrap().unwrap();
    let log = reader.maintenance_log(None).unwrap();
    let counting = || log.iter().filter(|one| one.taken_back_at.is_none());
    let span = |one: &Maintenance| (one.window.from().0, one.window.to().0);
    let known = Known {
        rows,
        maintenance: counting().map(span).collect(),
        announced: counting().filter(|one| one.source == Source::Config).map(span).collect(),
    };
    let begin = rows[0].at - DAY_MS;
    let whole = now.0 - begin;
    let mut asked = vec![Window::new(UnixMs(begin), now).unwrap()];
    for &(a, b) in windows {
        let at = |share: i64| UnixMs(begin + (i128::from(whole) * i128::from(share) / 1_000_000) as i64);
        let (from, to) = (at(a.min(b)), at(a.max(b)).plus(1));
        asked.extend(Window::new(from, to.min(now)));
        asked.extend(Window::new(from.floor(HOUR_MS), to.floor(HOUR_MS)));
        asked.extend(Window::new(from.floor(DAY_MS), to.min(now)));
    }
    for window in asked {
        let u = figures::uptime(&reader, stored.id, window, now).unwrap();
        let [up, degraded, down, unknown, doubt_up, doubt_down, maintenance] = known.naive(window, now);
        prop_assert_eq!(
            (u.up_ms, u.degraded_ms, u.down_ms, u.unknown_ms, u.maintenance_ms),
            (up, degraded, down, unknown, maintenance),
            "{:?}",
            window
        );
        let sum = u.up_ms + u.degraded_ms + u.down_ms + u.unknown_ms + u.maintenance_ms + u.gap_ms;
        prop_assert_eq!(sum, window.length_ms());
        prop_assert!(u.gap_ms >= 0);
        let inside = rows.iter().filter(|r| window.contains(UnixMs(r.at)) && !lies_in(r.at, &known.maintenance));
        prop_assert_eq!(u.checks, inside.clone().count() as u64);
        prop_assert_eq!(u.failures, inside.filter(|r| r.outcome == Outcome::Down).count() as u64);
        let judged = up + degraded + down;
        prop_assert_eq!(u.uptime.is_some(), judged > 0);
        prop_assert_eq!(u.coverage.is_some(), maintenance < window.length_ms());
        if let Some(coverage) = u.coverage {
            let share = judged as f64 / (window.length_ms() - maintenance) as f64 * 100.0;
            prop_assert!((coverage - share).abs() < 2e-4, "{} is not {}", coverage, share);
        }
        if let (Some(worst), Some(uptime), Some(best)) = (u.worst, u.uptime, u.best) {
            prop_assert!(worst <= uptime && uptime <= best);
            let share = |good: i64| (good as f64 / judged as f64 * 1e6).floor() / 1e4;
            prop_assert!((worst - share(up + degraded - doubt_up)).abs() < 2e-4);
            prop_assert!((best - share(up + degraded + doubt_down)).abs() < 2e-4);
            prop_assert_eq!(uptime == 100.0, down == 0);
        }
    }
    outages_agree(&reader, &known, &stored, now)?;
    buckets_agree(&reader, &known, &stored, now)?;
    rollups_agree(path, &known)?;
    gaps_agree(&reader, rows, &stored, now)
}

/// What tells the history again gives the history: the proof, a replay with the rules of the time, the overview's figures,
/// and another history that takes in what this one exports.
fn it_is_proved_replayed_and_leaves_whole(path: &Path, now: UnixMs) -> Result<(), TestCaseError> {
    let reader = Reader::open(path).unwrap();
    let stored = reader.service("web").unwrap().unwrap();
    let differences = |path: &Path| {
        let mut examiner = Examiner::open(path).unwrap();
        let mut all = verify::file(&examiner, false).unwrap();
        for service in examiner.services().unwrap() {
            verify::service(&mut examiner, service.id, |difference| all.push(difference)).unwrap();
        }
        all
    };
    prop_assert_eq!(differences(path), []);
    let ever = Window::new(UnixMs::MIN, now).unwrap();
    for window in [ever, Window::ending(now, 10 * HOUR_MS)] {
        let replayed = replay::replay(&reader, stored.id, window, Rules::default(), now).unwrap().unwrap();
        let times = |all: &[Outage]| {
            all.iter()
                .map(|o| (o.started_at, o.confirmed_at, o.ended_at, o.down_ms, o.checks_failed))
                .collect::<Vec<_>>()
        };
        prop_assert_eq!(times(&replayed.had.outages), times(&replayed.would.outages));
        prop_assert_eq!(replayed.had.degraded_ms, replayed.would.degraded_ms);
        if replayed.from == Some(window.from()) {
            prop_assert_eq!(
                replayed.had.degraded_ms,
                figures::uptime(&reader, stored.id, window, now).unwrap().degraded_ms
            );
        }
    }
    let lengths = [5 * HOUR_MS, DAY_MS, 4 * DAY_MS];
    let glance = overview::of(&reader, stored.id, &lengths, 6, now).unwrap();
    for (window, sums) in &glance.windows {
        let u = figures::uptime(&reader, stored.id, *window, now).unwrap();
        prop_assert_eq!(
            [
                sums.up_ms,
                sums.degraded_ms,
                sums.down_ms,
                sums.unknown_ms,
                sums.maintenance_ms,
                sums.gap_ms(window.length_ms())
            ],
            [u.up_ms, u.degraded_ms, u.down_ms, u.unknown_ms, u.maintenance_ms, u.gap_ms]
        );
    }
    for (buckets, size) in [(&glance.days, DAY_MS), (&glance.hours, HOUR_MS)] {
        for (window, sums) in buckets.iter() {
            let u = figures::uptime(&reader, stored.id, window, now).unwrap();
            prop_assert_eq!(
                [sums.up_ms, sums.degraded_ms, sums.down_ms, sums.unknown_ms, sums.maintenance_ms],
                [u.up_ms, u.degraded_ms, u.down_ms, u.unknown_ms, u.maintenance_ms],
                "{:?} of {}",
                window,
                size
            );
        }
    }
    let whole = export(path, Format::Ndjson, now);
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.db");
    import(&other, &[&whole]);
    prop_assert_eq!(&whole, &export(&other, Format::Ndjson, now));
    prop_assert_eq!(differences(&other), []);
    // What it knows already changes nothing.
    import(&other, &[&whole]);
    prop_assert_eq!(&whole, &export(&other, Format::Ndjson, now));
    Ok(())
}

/// Downtime is the outages' time; they do not overlap, begin with a failure outside announced maintenance, end with a
/// pass or with the beginning of maintenance, and are told once.
fn outages_agree(reader: &Reader, known: &Known<'_>, stored: &StoredService, now: UnixMs) -> Result<(), TestCaseError> {
    let rows = known.rows;
    let filter = OutageFilter { service: Some(stored.id), kind: OutageKind::All, ..OutageFilter::default() };
    let mut outages = reader.outages(&filter, None, u32::MAX).unwrap();
    outages.reverse();
    let whole = Window::new(UnixMs(rows[0].at), now).unwrap();
    let down = known.naive(whole, now)[2];
    // An outage under way counts up to its latest check; the last result goes on speaking.
    let last = rows[rows.len() - 1];
    let since_last = Window::new(UnixMs(last.at), now).unwrap();
    let tail = known.naive(since_last, now)[2];
    prop_assert_eq!(outages.iter().map(|o| o.down_ms).sum::<i64>() + tail, down);
    let failed = |r: &&Row| r.outcome == Outcome::Down && !lies_in(r.at, &known.announced);
    prop_assert_eq!(outages.iter().map(|o| o.checks_failed).sum::<u64>(), rows.iter().filter(failed).count() as u64);
    let said = |at: UnixMs| rows.iter().find(|r| r.at == at.0).and_then(|r| r.outcome.passed());
    let announced = |at: UnixMs| lies_in(at.0, &known.announced);
    let begins = |at: UnixMs| known.announced.iter().any(|&(from, _)| from == at.0);
    for outage in &outages {
        prop_assert_eq!(said(outage.started_at), Some(false));
        prop_assert!(!announced(outage.started_at));
        prop_assert!(outage.last_ok_at.is_none_or(|at| said(at) == Some(true) && at < outage.started_at));
        if let Some(end) = outage.ended_at {
            prop_assert!(end > outage.started_at);
            let passed = said(end) == Some(true) && !announced(end);
            prop_assert!(passed || (!outage.is_incident() && begins(end)), "{:?}", outage);
        }
        prop_assert!(outage.down_ms <= outage.duration_ms(now));
    }
    for pair in outages.windows(2) {
        prop_assert!(pair[0].ended_at.is_some_and(|end| end < pair[1].started_at));
    }
    Ok(())
}

/// Charts say what the rows say, whatever the size of their buckets.
fn buckets_agree(reader: &Reader, known: &Known<'_>, stored: &StoredService, now: UnixMs) -> Result<(), TestCaseError> {
    let window = Window::new(UnixMs(known.rows[0].at - HOUR_MS), now).unwrap();
    for count in [1, 7, 60] {
        let buckets = figures::buckets(reader, stored.id, window, count, now).unwrap();
        for (part, tally) in buckets.iter() {
            let sums = known.naive(part, now);
            let told = [
                tally.up_ms,
                tally.degraded_ms,
                tally.down_ms,
                tally.unknown_ms,
                tally.doubt_up_ms,
                tally.doubt_down_ms,
                tally.maintenance_ms,
            ];
            prop_assert_eq!(told, sums, "{:?} of {} buckets", part, count);
        }
    }
    Ok(())
}

/// Every stored rollup is what its rows add up to, and no settled hour is missing.
fn rollups_agree(path: &Path, known: &Known<'_>) -> Result<(), TestCaseError> {
    let rows = known.rows;
    let conn = Connection::open(path).unwrap();
    let last_judged = rows.iter().rev().find(|r| known.judged(r).passed().is_some()).map_or(0, |r| r.at);
    for (table, size) in [("rollup_hour", HOUR_MS), ("rollup_day", DAY_MS)] {
        let mut statement = conn
            .prepare(&format!(
                "SELECT start, up_ms, degraded_ms, down_ms, unknown_ms, doubt_up_ms, doubt_down_ms, checks FROM {table}"
            ))
            .unwrap();
        let stored: std::collections::BTreeMap<i64, [i64; 7]> = statement
            .query_map([], |r| {
                Ok((r.get(0)?, [r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?, r.get(7)?]))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let mut start = rows[0].at / size * size;
        while start + size <= last_judged {
            let window = Window::new(UnixMs(start), UnixMs(start + size)).unwrap();
            let mut sums = known.naive(window, UnixMs(i64::MAX));
            let counts = |r: &&Row| window.contains(UnixMs(r.at)) && !lies_in(r.at, &known.maintenance);
            // How long maintenance was is not in the rollups.
            sums[6] = rows.iter().filter(counts).count() as i64;
            let kept = stored.get(&start).copied().unwrap_or_default();
            prop_assert_eq!(kept, sums, "{} at {}", table, UnixMs(start));
            start += size;
        }
        prop_assert!(stored.keys().all(|start| start + size <= last_judged));
    }
    Ok(())
}

/// Gaps are the time outside maintenance that nothing speaks for, exactly.
fn gaps_agree(reader: &Reader, rows: &[Row], stored: &StoredService, now: UnixMs) -> Result<(), TestCaseError> {
    let window = Window::new(UnixMs(rows[0].at), now).unwrap();
    let gaps = reader.gaps(stored.id, window, now).unwrap();
    let total: i64 = gaps.iter().map(|gap| gap.to.unwrap_or(now).since(gap.from)).sum();
    prop_assert_eq!(total, figures::uptime(reader, stored.id, window, now).unwrap().gap_ms);
    Ok(())
}
