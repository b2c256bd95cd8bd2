//! The loops, the store and the live state together, on the test's clock, over a grid of settings and of services that hang.

use super::{SchedulerHealth, Witnesses, common::Common, service_loop::ServiceLoop, watch::Watch};
use crate::routing::Routing;
use crate::{
    clock::Clock,
    domain::{
        check::{CheckResult, Outcome},
        health::{Confirmed, Health},
        maintenance::Overlay,
        service::{CheckSchedule, Kind, Service, Thresholds},
        status::Status,
        time::UnixMs,
        window::Window,
    },
    live::{self, Change, ServiceNow, StateChange},
    probe::{Probe, script::Act},
    settings::effective::EffectiveSettings,
    shutdown::{self, Trigger},
    store::{Configured, RetentionPolicy, Store, WatchedService},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    sync::{Semaphore, broadcast, mpsc},
    task::JoinSet,
    time::{Instant, sleep},
};

/// One point of the grid: a service's settings, and how its checks end.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) cadence: CheckSchedule,
    pub(super) thresholds: Thresholds,
    pub(super) acts: Vec<Act>,
}

fn service(name: &str, point: &Point) -> Service {
    Service {
        name: name.to_owned(),
        group: None,
        description: None,
        kind: Kind::Http,
        target: String::new().into(),
        critical: true,
        enabled: true,
        cadence: point.cadence,
        thresholds: point.thresholds,
        degraded_after_ms: None,
        is_degraded_when_unusual: false,
        at_most: None,
        objective: None,
    }
}

/// The loops of some services and what they fill, until it is dropped.
pub(super) struct Running {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) health: Arc<SchedulerHealth>,
    pub(super) events: broadcast::Receiver<Arc<StateChange>>,
    pub(super) trigger: Trigger,
    pub(super) loops: JoinSet<()>,
    _folder: TempDir,
}

impl Running {
    /// Starts the loops; `prepare` may change each before it runs. `at_once` is how many checks may be under way.
    pub(super) fn start(points: &[Point], at_once: usize, mut prepare: impl FnMut(usize, &mut ServiceLoop)) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::pinned(UnixMs::parse("2026-11-16").unwrap());
        let services: Vec<Service> =
            points.iter().enumerate().map(|(i, point)| service(&format!("s{i}"), point)).collect();
        let watched = services.iter().cloned().map(|service| WatchedService {
            configured: Configured { service, renamed_from: None, depends_on: Vec::new() },
            settings: EffectiveSettings::default(),
        });
        let path = folder.path().join("history.db");
        let store = Store::open(
            &path,
            watched.collect(),
            Vec::new(),
            Routing::default(),
            RetentionPolicy::FOREVER,
            clock.clone(),
        )
        .unwrap();
        let events = store.live.listen(None).coming.unwrap();
        let (trigger, token) = shutdown::channel();
        let health = Arc::new(SchedulerHealth::default());
        let common = Arc::new(Common {
            clock: clock.clone(),
            writer: store.writer.clone(),
            slots: Arc::new(Semaphore::new(at_once)),
            witnesses: Witnesses::new(Vec::new(), BTreeMap::new()),
            watch: Watch::new(&clock),
            health: health.clone(),
            diagnoses: Arc::new(Semaphore::new(1)),
            asked: std::collections::HashMap::new(),
        });
        let mut loops = JoinSet::new();
        let begin = Instant::now();
        for (index, (service, point)) in services.into_iter().zip(points).enumerate() {
            let (probe, position) = (Probe::scripted(point.acts.clone()), store.resume_points[index].clone());
            let mut one = ServiceLoop::new(service, probe, position, common.clone());
            prepare(index, &mut one);
            loops.spawn(one.run(begin, begin, token.clone()));
        }
        tokio::spawn(live::keep_up(store.live.clone(), token));
        Running { store, clock, health, events, trigger, loops, _folder: folder }
    }
}

/// What is known of one service.
#[derive(Debug)]
struct Seen {
    /// As the events say it.
    status: Status,
    /// What the state machine makes of the results that were handed over,
    health: Health,
    /// and what it made of them before, with the end of each.
    before: VecDeque<(UnixMs, Confirmed)>,
    /// Some result could not be judged, because of us: after it the service may be stale.
    unjudged: bool,
    /// A check began later than it should.
    skipped: bool,
    /// The incident under way, and since when it is shown.
    incident: Option<(i64, Option<UnixMs>)>,
}

impl Seen {
    const NOTHING: Seen = Seen {
        status: Status::Pending,
        health: Health::NEW,
        before: VecDeque::new(),
        unjudged: false,
        skipped: false,
        incident: None,
    };

    /// A result is handed over.
    fn result(&mut self, point: &Point, result: &CheckResult, now: UnixMs) {
        self.unjudged |= result.outcome == Outcome::Unknown;
        // The timer's own millisecond comes on top of a check that takes all its time.
        let longest = point.cadence.interval_ms + 3;
        self.skipped |= self.health.last_at.is_some_and(|last| result.at.since(last) > longest);
        self.before.push_back((now, self.health.confirmed));
        self.health.observe(point.thresholds, result.at, result.outcome, &Overlay::NONE);
    }

    /// Checks and records a change of the status that an event reports.
    fn status(&mut self, before: Status, now: Status) -> Result<(), TestCaseError> {
        prop_assert_eq!(before, self.status);
        prop_assert_ne!(before, now);
        self.status = now;
        Ok(())
    }

    fn look(&mut self, service: &ServiceNow, now: UnixMs, roomy: bool) -> Result<(), TestCaseError> {
        prop_assert_eq!(service.status(now), self.status, "what is shown was told");
        prop_assert!(!(roomy && (self.unjudged || self.skipped)), "every slot is served in time");
        let incident = service.outage.as_ref().filter(|outage| outage.is_incident());
        let incident = incident.map(|outage| (outage.id, service.status_since(now)));
        while self.before.front().is_some_and(|(ended, _)| now.since(*ended) > COMMIT_MS) {
            self.before.pop_front();
        }
        if !self.unjudged {
            let confirmed = match self.status {
                Status::Pending => Confirmed::Pending,
                Status::Up => Confirmed::Up,
                Status::Down => Confirmed::Down,
                _ => return Err(TestCaseError::fail("it flips")),
            };
            let known = self.health.confirmed == confirmed || self.before.iter().any(|(_, was)| *was == confirmed);
            prop_assert!(known, "what is shown is what the results make of it");
            prop_assert_eq!(incident.is_some(), self.status == Status::Down);
            if let (Some(before), Some(is)) = (self.incident, incident) {
                prop_assert!(before == is || before.0 != is.0, "since when it is down does not move");
            }
        }
        self.incident = incident;
        Ok(())
    }
}

/// A result is shown after this time: it waits for others, and for the commit.
const COMMIT_MS: i64 = 500;

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

/// The law of the grid: looks every so often for a while. `at_once` is how many checks may be under way.
async fn hold(points: &[Point], at_once: usize) -> Result<(), TestCaseError> {
    let (handed, mut results) = mpsc::unbounded_channel();
    let mut running = Running::start(points, at_once, |index, one| {
        let handed = handed.clone();
        one.recorder.seam = Box::new(move |result| drop(handed.send((index, result.clone()))));
    });
    let mut seen: Vec<Seen> = points.iter().map(|_| Seen::NOTHING).collect();
    for _ in 0..400 {
        // A different distance to every slot.
        sleep(Duration::from_millis(97)).await;
        let (services, now) = (running.store.live.all(), running.clock.now());
        while let Ok((index, result)) = results.try_recv() {
            seen[index].result(&points[index], &result, now);
        }
        while let Ok(news) = running.events.try_recv() {
            if let Change::Status { service, before, now, .. } = &news.change {
                let index = services.iter().position(|one| one.service.name == service.name).unwrap();
                let told = seen[index].status(*before, *now);
                told.map_err(|error| TestCaseError::fail(format!("{error}: {service:?} is told {:?}", news.change)))?;
            }
        }
        for (service, seen) in services.iter().zip(&mut seen) {
            let held = seen.look(service, now, at_once >= points.len());
            held.map_err(|error| TestCaseError::fail(format!("{error}: {service:?} at {now}, {seen:?}")))?;
        }
    }
    prop_assert!(at_once < points.len() || running.health.figures().missed == 0);
    prop_assert!(seen.iter().all(|seen| seen.health.last_at.is_some()));
    running.trigger.fire();
    while running.loops.join_next().await.is_some() {}
    running.store.stop().await;
    Ok(())
}

fn point() -> impl Strategy<Value = Point> {
    let interval =
        prop::sample::select(vec![100, 250, 500, 1_000, 1_000, 2_000, 2_000, 3_000, 5_000, 5_000, 7_000, 10_000]);
    // Mostly a timeout as long as the interval: that is where it is close.
    let share = prop_oneof![3 => Just(100_i64), 1 => 1..100_i64];
    let retry = prop_oneof![1 => Just(100_i64), 3 => 1..100_i64];
    let act = |timeout: i64| {
        prop_oneof![
            4 => Just(Act::Hang),
            2 => Just(Act::Pass(Duration::ZERO)),
            1 => Just(Act::Fail(Duration::ZERO)),
            // Just within its deadline.
            1 => Just(Act::Pass(ms(timeout - 1))),
            1 => (0..timeout).prop_map(|after| Act::Fail(ms(after))),
        ]
    };
    (interval, share, retry, 1..4_u32, 1..4_u32).prop_flat_map(move |(interval_ms, share, retry, failure, success)| {
        let timeout_ms = (interval_ms * share / 100).max(1);
        let retry_interval_ms = (interval_ms * retry / 100).max(1);
        let cadence = CheckSchedule { interval_ms, timeout_ms, retry_interval_ms };
        let acts = prop_oneof![1 => Just(vec![Act::Hang]), 3 => prop::collection::vec(act(timeout_ms), 1..12)];
        acts.prop_map(move |acts| Point { cadence, thresholds: Thresholds { failure, success }, acts })
    })
}

fn run(future: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

proptest! {
    // A hundred services in each case.
    #![proptest_config(crate::domain::law(20))]

    #[test]
    fn no_service_flips_and_all_that_is_shown_was_told(
        points in prop::collection::vec(point(), 100),
        crowded in prop::bool::weighted(0.2),
    ) {
        let at_once = if crowded { points.len() / 2 } else { points.len() };
        run(hold(&points, at_once))?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_breaks_outside_its_probe_is_started_again() {
    let cadence = CheckSchedule { interval_ms: 1_000, timeout_ms: 500, retry_interval_ms: 500 };
    let thresholds = Thresholds { failure: 3, success: 2 };
    let point = Point { cadence, thresholds, acts: vec![Act::Pass(Duration::ZERO)] };
    let log = Log::default();
    let _subscribed = tracing::subscriber::set_default(log.clone());
    let begin = UnixMs::parse("2026-11-16").unwrap();
    let breaks = 10_000..60_000;
    let mut running = Running::start(&[point.clone(), point], 2, |index, one| {
        let breaks = breaks.clone();
        if index == 0 {
            one.recorder.seam = Box::new(move |result| {
                assert!(!breaks.contains(&result.at.since(begin)), "a seam that gave way");
            });
        }
    });
    sleep(Duration::from_secs(120)).await;
    running.trigger.fire();
    while let Some(ended) = running.loops.join_next().await {
        ended.unwrap();
    }
    let (reader, services) = (running.store.reader.clone(), running.store.live.all());
    running.store.stop().await;
    assert!(services.iter().all(|service| service.last.as_ref().unwrap().at.since(begin) > 118_000), "{services:?}");
    let window = Window::new(begin, begin.plus(120_000)).unwrap();
    let gaps = services.iter().flat_map(|service| reader.gaps(service.id, window, window.to()).unwrap());
    let gaps: Vec<_> = gaps.map(|gap| (gap.service, gap.from, gap.to)).collect();
    // The last result before was valid for 2.5 s; pauses between restarts are doubled.
    let until = gaps[0].2.unwrap();
    assert_eq!(gaps, [("s0".to_owned(), begin.plus(11_500), Some(until))]);
    assert!((60_000..=110_000).contains(&until.since(begin)), "{until}");
    let said = log.text();
    let broke: Vec<&str> = said.lines().filter(|line| line.contains("is restarted")).collect();
    assert_eq!(broke.len(), 1, "{said}");
    assert!(broke[0].contains("the loop of the service “s0” panicked and is restarted: a seam that gave way"));
    assert!(said.contains("the loop of the service “s0” runs again"), "{said}");
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = self.0.lock().unwrap();
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            *text += &format!("{field}={value:?} ");
        });
        text.push('\n');
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
