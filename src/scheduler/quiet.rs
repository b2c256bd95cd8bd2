//! A month in which nothing is wrong, but for what is ordinary on a network: answers that take longer by day than by night, now
//! and then much longer, and one packet in a thousand that is lost, most of them together. Nobody is to hear of it.

use super::grid::{Point, Running};
use crate::{
    domain::{
        check::Outcome,
        flapping::Flapping,
        health::Health,
        maintenance::Overlay,
        service::{CheckSchedule, Thresholds},
        status::Status,
        time::UnixMs,
        window::Window,
    },
    live::Change,
    probe::script::Act,
};
use std::time::Duration;
use tokio::time::sleep;

/// What stands in `[checks]` by default.
const TIMEOUT_MS: f64 = 5_000.0;
const RETRY_MS: i64 = 2_000;
const THRESHOLDS: Thresholds = Thresholds { failure: 3, success: 2 };

const DAY_MS: i64 = 86_400_000;
const MONTH_MS: i64 = 30 * DAY_MS;

/// Numbers between 0 and 1 that are the same in every run (SplitMix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn comes(&mut self, probability: f64) -> bool {
        self.next() < probability
    }
}

/// A way to a service.
struct Line {
    chance: Chance,
    /// Whether one packet in twenty is lost just now.
    is_congested: bool,
    sent: u64,
    lost: u64,
}

impl Line {
    fn new(seed: u64) -> Line {
        Line { chance: Chance(seed), is_congested: false, sent: 0, lost: 0 }
    }

    /// How long a packet of a connection takes to arrive that is sent again after `again`, twice that, and so on.
    fn packet(&mut self, trip: f64, again: f64) -> f64 {
        let (mut time, mut again) = (trip, again);
        loop {
            self.sent += 1;
            if !self.chance.comes(if self.is_congested { 0.05 } else { 0.000_25 }) {
                return time;
            }
            self.lost += 1;
            time += again;
            again *= 2.0;
        }
    }

    /// How long a check takes at this time, in milliseconds: a connection, a question over TLS, an answer.
    fn check(&mut self, at: i64) -> f64 {
        // A check in a hundred and thirty begins to find the line congested, and every other one after it does as well.
        self.is_congested = self.chance.comes(if self.is_congested { 0.5 } else { 0.007_6 });
        let by_day = 1.0 - 0.5 * ((at % DAY_MS) as f64 / DAY_MS as f64 * std::f64::consts::TAU).cos();
        // Mostly near the middle, one in a thousand ten times as long.
        let jitter = 0.8 + 0.1 / (self.chance.next() + 0.01);
        let trip = 20.0 * by_day * jitter;
        let connect: f64 = (0..2).map(|_| self.packet(trip / 2.0, 1_000.0)).sum();
        let rest: f64 = (0..8).map(|_| self.packet(trip / 2.0, 200.0 + trip)).sum();
        connect + rest + 30.0 * by_day * jitter
    }

    fn act(&mut self, at: i64) -> Act {
        let took = self.check(at);
        if took < TIMEOUT_MS { Act::Pass(Duration::from_micros((took * 1000.0) as u64)) } else { Act::Hang }
    }
}

/// The state machine alone: twenty services, every ten seconds.
#[test]
fn a_quiet_month_of_twenty_services_has_no_incident_and_none_that_flaps() {
    let (mut failed, mut sent, mut lost) = (0, 0, 0);
    for seed in 0..20 {
        let (mut line, mut health, mut flapping) = (Line::new(seed), Health::NEW, Flapping::default());
        let (mut slot, mut at) = (0, 0);
        while slot < MONTH_MS {
            let passes = line.act(at) != Act::Hang;
            let outcome = if passes { Outcome::Up } else { Outcome::Down };
            let changes = health.observe(THRESHOLDS, UnixMs(at), outcome, &Overlay::NONE);
            flapping = flapping.observe(passes);
            assert!(!changes.confirmed && !flapping.is_on(), "service {seed} at {at}");
            failed += i64::from(!passes);
            let recheck = at + if passes { RETRY_MS } else { TIMEOUT_MS as i64 };
            if at >= slot {
                slot += 10_000;
            }
            at = if health.rechecking() { recheck.min(slot) } else { slot };
        }
        (sent, lost) = (sent + line.sent, lost + line.lost);
    }
    let share = lost as f64 / sent as f64;
    assert!((0.000_9..0.001_1).contains(&share), "one in a thousand is lost: {share}");
    assert!(failed > 0, "it was not so quiet that nothing failed: {failed}");
}

/// The loops, the store and the live state as well: a quarter of a day, as this is much dearer.
#[tokio::test(start_paused = true)]
async fn a_quiet_morning_is_shown_as_up_from_its_first_check_to_its_last() {
    const SERVICES: u64 = 20;
    const EVERY_MS: i64 = 10_000;
    const LASTS_MS: i64 = DAY_MS / 4;
    let cadence = CheckSchedule { interval_ms: EVERY_MS, timeout_ms: TIMEOUT_MS as i64, retry_interval_ms: RETRY_MS };
    let point = |seed| {
        let mut line = Line::new(1_000 + seed);
        let acts = (0..LASTS_MS / EVERY_MS).map(|n| line.act(n * EVERY_MS)).collect();
        Point { cadence, thresholds: THRESHOLDS, acts }
    };
    let mut points: Vec<Point> = (0..SERVICES).map(point).collect();
    // So few checks are so lucky that none may fail: one does.
    points[0].acts[100] = Act::Hang;
    let mut running = Running::start(&points, points.len(), |_, _| {});
    let begin = running.clock.now();
    let mut told = Vec::new();
    while running.clock.now() < begin.plus(LASTS_MS) {
        sleep(Duration::from_secs(600)).await;
        while let Ok(news) = running.events.try_recv() {
            match &news.change {
                Change::Status { before: Status::Pending, now: Status::Up, .. } | Change::Check { .. } => {}
                other => told.push(format!("{other:?}")),
            }
        }
        assert!(running.store.live.all().iter().all(|one| !one.flapping.is_on()));
    }
    assert_eq!(told, Vec::<String>::new());
    assert_eq!(running.health.figures().missed, 0);
    running.trigger.fire();
    while running.loops.join_next().await.is_some() {}
    let (reader, services) = (running.store.reader.clone(), running.store.live.all());
    running.store.stop().await;
    let whole = Window::new(begin, begin.plus(LASTS_MS)).unwrap();
    for service in services {
        assert_eq!(reader.gaps(service.id, whole, whole.to()).unwrap(), Vec::new());
    }
}
