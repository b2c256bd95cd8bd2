//! The loops, the store and the board together, on the test's clock, over a grid of settings and of services that hang.

use super::{Common, Pulse, Witnesses, service_loop::ServiceLoop, watch::Watch};
use crate::{
    board::{self, News, ServiceNow, What},
    clock::Clock,
    domain::{
        check::{CheckResult, Outcome},
        health::{Confirmed, Health},
        maintenance::Overlay,
        service::{Cadence, Kind, Service, Thresholds},
        status::Status,
        time::UnixMs,
    },
    probe::{Probe, script::Act},
    shutdown::{self, Trigger},
    store::{Configured, Keep, Store, Watched},
};
use proptest::prelude::*;
use std::{
    collections::VecDeque,
    sync::Arc,
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
    pub(super) cadence: Cadence,
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
        objective: None,
    }
}

/// The loops of some services and what they fill, until it is dropped.
pub(super) struct Running {
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) pulse: Arc<Pulse>,
    pub(super) events: broadcast::Receiver<Arc<News>>,
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
        let watched = services.iter().cloned().map(|service| Watched {
            configured: Configured { service, renamed_from: None },
            settings: Arc::default(),
        });
        let path = folder.path().join("history.db");
        let store =
            Store::open(&path, watched.collect(), Vec::new(), Vec::new(), Keep::FOREVER, clock.clone()).unwrap();
        let events = store.board.listen(None).coming.unwrap();
        let (trigger, token) = shutdown::channel();
        let pulse = Arc::new(Pulse::default());
        let common = Arc::new(Common {
            clock: clock.clone(),
            writer: store.writer.clone(),
            slots: Arc::new(Semaphore::new(at_once)),
            witnesses: Witnesses::new(Vec::new()),
            watch: Watch::new(&clock),
            pulse: pulse.clone(),
        });
        let mut loops = JoinSet::new();
        let begin = Instant::now();
        for (index, (service, point)) in services.into_iter().zip(points).enumerate() {
            let (probe, position) = (Probe::scripted(point.acts.clone()), store.positions[index].clone());
            let mut one = ServiceLoop::new(service, probe, position, common.clone());
            prepare(index, &mut one);
            loops.spawn(one.run(begin, begin, token.clone()));
        }
        tokio::spawn(board::keep_up(store.board.clone(), token));
        Running { store, clock, pulse, events, trigger, loops, _folder: folder }
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

    /// A change of the status is told.
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
        one.seam = Box::new(move |result| drop(handed.send((index, result.clone()))));
    });
    let mut seen: Vec<Seen> = points.iter().map(|_| Seen::NOTHING).collect();
    for _ in 0..400 {
        // A different distance to every slot.
        sleep(Duration::from_millis(97)).await;
        let (services, now) = (running.store.board.all(), running.clock.now());
        while let Ok((index, result)) = results.try_recv() {
            seen[index].result(&points[index], &result, now);
        }
        while let Ok(news) = running.events.try_recv() {
            if let What::Status { service, before, now, .. } = &news.what {
                let index = services.iter().position(|one| one.service.name == service.name).unwrap();
                let told = seen[index].status(*before, *now);
                told.map_err(|error| TestCaseError::fail(format!("{error}: {service:?} is told {:?}", news.what)))?;
            }
        }
        for (service, seen) in services.iter().zip(&mut seen) {
            let held = seen.look(service, now, at_once >= points.len());
            held.map_err(|error| TestCaseError::fail(format!("{error}: {service:?} at {now}, {seen:?}")))?;
        }
    }
    prop_assert!(at_once < points.len() || running.pulse.figures().missed == 0);
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
        let cadence = Cadence { interval_ms, timeout_ms, retry_interval_ms };
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
