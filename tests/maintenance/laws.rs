//! The laws of the history with maintenance: windows that are announced in all sorts of places of a life (also where the
//! monitor is off), and others that are marked afterwards and partly taken back. What the store answers is compared with a
//! naive walk over the rows and the windows.

mod agreement;

use self::agreement::everything_agrees;
use crate::support::history::{self, KEEP, bare_result, export, import, record};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::settings::effective::EffectiveSettings;
use healthcheck_dashboard::{
    calendar::{Planned, Rule, When},
    clock::Clock,
    domain::{
        check::Outcome,
        health::Health,
        incident::Outage,
        maintenance::Overlay,
        service::{CheckSchedule, Service, Thresholds},
        time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs},
        window::Window,
    },
    history::{
        figures, overview,
        replay::{self, Rules},
        verify,
    },
    interchange::export::Format,
    store::{Configured, Examiner, MaintenanceMarker, Mark, Reader, Source, Store, WatchedService},
};
use proptest::prelude::*;
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
            let id = MaintenanceMarker::open(path).unwrap().add(&mark, now, |_, _| ()).unwrap();
            life.doomed.extend(doomed.then_some(id));
        }
        let service = service(run);
        let watched = WatchedService {
            configured: Configured { service: service.clone(), renamed_from: None, depends_on: Vec::new() },
            settings: EffectiveSettings::default(),
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
            let mut marking = MaintenanceMarker::open(&path).unwrap();
            for id in doomed {
                marking.take_back(id, now, |_, _| ()).unwrap();
            }
            drop(marking);
            everything_agrees(&path, &rows, now, &windows)?;
            it_is_proved_replayed_and_leaves_whole(&path, now)?;
        }
    }
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
