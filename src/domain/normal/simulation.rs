//! A quarter of simulated time of several services: what the rule finds, how soon, and how often it is wrong.
//!
//! Services have seasons, heavy tails, unrest that lasts (minutes, days), lost packets, and outages in their past. What is
//! to be found is laid over a service some hundred times, each time on what the rule knew at that moment, so that none of
//! it is in the baseline: a slow degradation (in an hour its times double, and stay so), and a sudden one (they treble).

use super::super::time::DAY_MS;
use super::*;

const QUARTER: i64 = 13 * WEEK_MS;
/// A Thursday, the beginning of a week of the epoch.
const BEGIN: UnixMs = UnixMs(2904 * WEEK_MS);

/// SplitMix64.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.next()).ln()).sqrt() * (std::f64::consts::TAU * self.next()).cos()
    }
}

/// A service: what its times are made of.
#[derive(Clone, Copy)]
struct Model {
    name: &'static str,
    interval_ms: i64,
    base_us: f64,
    /// Deviation of the logarithm of single times.
    sigma: f64,
    /// The share of checks in the tail, which is Pareto's with α = 1.5.
    tail: f64,
    /// How many times slower it is at the day's peak,
    daily: f64,
    /// and on working days.
    weekly: f64,
    /// A job every night makes it so many times slower for an hour, which begins up to 20 minutes late.
    nightly: f64,
    /// Deviation of the logarithm of what all checks of some minutes share, and of a day.
    load: f64,
    day: f64,
    /// Growth in a week.
    growth: f64,
    /// In the middle of the quarter clocks are set back, and its seasons with them.
    clocks_change: bool,
}

const PLAIN: Model = Model {
    name: "plain",
    interval_ms: 10_000,
    base_us: 40_000.0,
    sigma: 0.25,
    tail: 0.01,
    daily: 1.0,
    weekly: 1.0,
    nightly: 1.0,
    load: 0.03,
    day: 0.02,
    growth: 1.0,
    clocks_change: false,
};

const MODELS: &[Model] = &[
    Model { name: "steady page", ..PLAIN },
    Model {
        name: "shop with day and week",
        daily: 2.0,
        weekly: 1.4,
        load: 0.06,
        day: 0.05,
        clocks_change: true,
        ..PLAIN
    },
    Model { name: "API with a heavy tail", sigma: 0.4, tail: 0.04, daily: 1.5, load: 0.08, day: 0.05, ..PLAIN },
    Model { name: "database with a nightly job", base_us: 4_000.0, nightly: 3.0, sigma: 0.2, ..PLAIN },
    Model { name: "site every minute", interval_ms: 60_000, sigma: 0.2, daily: 1.5, weekly: 1.3, ..PLAIN },
    Model {
        name: "restless site every minute",
        interval_ms: 60_000,
        sigma: 0.3,
        daily: 1.5,
        load: 0.1,
        day: 0.08,
        tail: 0.03,
        growth: 1.01,
        ..PLAIN
    },
    Model { name: "site every five minutes", interval_ms: 300_000, sigma: 0.15, daily: 1.3, ..PLAIN },
];

struct Times {
    model: Model,
    rng: Rng,
    load: f64,
    day: (i64, f64, f64),
}

impl Times {
    /// The time of the check at `at`; `None` where it fails.
    fn next(&mut self, at: UnixMs) -> Option<f64> {
        let (m, since) = (self.model, at.since(BEGIN));
        let day = since.div_euclid(DAY_MS);
        if self.day.0 != day {
            self.day = (day, self.rng.normal() * m.day, self.rng.next() * 20.0 / 60.0);
        }
        // An Ornstein-Uhlenbeck process that forgets within 20 minutes.
        let keeps = (-(m.interval_ms as f64) / (20.0 * MINUTE_MS as f64)).exp();
        self.load = self.load * keeps + self.rng.normal() * m.load * (1.0 - keeps * keeps).sqrt();
        let shifted = if m.clocks_change && since > QUARTER / 2 + 5 * WEEK_MS { at.plus(-HOUR_MS) } else { at };
        let hour = shifted.0.rem_euclid(DAY_MS) as f64 / HOUR_MS as f64;
        let weekday = shifted.0.div_euclid(DAY_MS).rem_euclid(7);
        let mut us = m.base_us * (self.load + self.day.1 + self.rng.normal() * m.sigma).exp();
        us *= 1.0 + (m.daily - 1.0) * (0.5 - 0.5 * ((hour - 2.0) / 24.0 * std::f64::consts::TAU).cos());
        // The week begins on a Thursday.
        us *= if weekday == 2 || weekday == 3 { 1.0 } else { m.weekly };
        us *= m.growth.powf(since as f64 / WEEK_MS as f64);
        if (2.0 + self.day.2..3.0 + self.day.2).contains(&hour) {
            us *= m.nightly;
        }
        if self.rng.next() < m.tail {
            us *= 2.0 * (1.0 - self.rng.next()).powf(-1.0 / 1.5).min(100.0);
        }
        // A lost packet is sent again after a second.
        us += if self.rng.next() < 0.001 { 1_000_000.0 } else { 0.0 };
        // In the past: six slow hours, a day of failures, and a slow afternoon each week at another hour.
        let week = since.div_euclid(WEEK_MS);
        let in_week = since.rem_euclid(WEEK_MS);
        if week == 1 && (30 * HOUR_MS..36 * HOUR_MS).contains(&in_week) {
            us *= 10.0;
        }
        if week == 3 && (50 * HOUR_MS..74 * HOUR_MS).contains(&in_week) && self.rng.next() < 0.5 {
            return None;
        }
        Some(us)
    }
}

/// A degradation under way.
struct Fault {
    from: UnixMs,
    is_sudden: bool,
    latest: Latest,
}

impl Fault {
    /// How many times slower the service is.
    fn times(&self, at: UnixMs) -> f64 {
        match self.is_sudden {
            true => 3.0,
            false => 1.0 + (at.since(self.from) as f64 / HOUR_MS as f64).min(1.0),
        }
    }
}

/// Minutes from the beginning of each degradation until it was seen; without end where it was not within three hours.
#[derive(Default)]
struct Seen(Vec<f64>);

impl Seen {
    fn percentile(&mut self, share: f64) -> f64 {
        self.0.sort_by(f64::total_cmp);
        self.0[((self.0.len() as f64 * share).ceil() as usize).clamp(1, self.0.len()) - 1]
    }

    fn within(&self, minutes: f64) -> f64 {
        self.0.iter().filter(|seen| **seen <= minutes).count() as f64 / self.0.len() as f64
    }
}

#[derive(Default)]
struct Score {
    /// False ones that lasted for a quarter of an hour: that is when somebody is notified.
    notices: u32,
    /// All false ones, and how long they were.
    episodes: u32,
    false_ms: i64,
    slow: Seen,
    sudden: Seen,
}

fn run(model: Model, seed: u64) -> Score {
    let mut times = Times { model, rng: Rng(seed), load: 0.0, day: (-1, 0.0, 0.0) };
    let mut dice = Rng(seed ^ 0xabcd);
    let sampling = Sampling::of(model.interval_ms).unwrap();
    let (mut hours, mut latest, mut score) = (Hours::default(), Latest::new(sampling), Score::default());
    let mut baseline = Hours::default().baseline(BEGIN, sampling);
    let (mut hour, mut sums) = (BEGIN, Tally::default());
    let mut faults: Vec<Fault> = Vec::new();
    let mut next_fault = BEGIN.plus(WEEKS as i64 * WEEK_MS + DAY_MS);
    let (mut on_since, mut off_since, mut is_open) = (None::<UnixMs>, None::<UnixMs>, false);
    let end = BEGIN.plus(WEEKS as i64 * WEEK_MS + QUARTER);
    let mut at = BEGIN;
    while at < end {
        if at.floor(HOUR_MS) != hour {
            hours.add(hour, std::mem::take(&mut sums));
            hour = at.floor(HOUR_MS);
            if hour.floor(DAY_MS) == hour {
                baseline = hours.baseline(hour, sampling);
            }
        }
        // Before there is a baseline, some of the checks will do.
        if at.since(BEGIN) < (WEEKS as i64 * WEEK_MS) - DAY_MS && at.0.rem_euclid(MINUTE_MS) >= 2 * model.interval_ms {
            at = at.plus(model.interval_ms);
            continue;
        }
        sums.checks += 1;
        let Some(us) = times.next(at) else {
            sums.failures += 1;
            at = at.plus(model.interval_ms);
            continue;
        };
        sums.latency.add(us as u32);
        let band = baseline.band(at);
        if at >= next_fault && !latest.is_unusual() {
            for is_sudden in [false, true] {
                faults.push(Fault { from: at, is_sudden, latest: latest.clone() });
            }
            next_fault = at.plus((20.0 * HOUR_MS as f64 * (0.2 + 1.6 * dice.next())) as i64);
        }
        faults.retain_mut(|fault| {
            let is_seen = fault.latest.observe(at, (us * fault.times(at)) as u32, band).is_some();
            let goes_on = !is_seen && at.since(fault.from) < 3 * HOUR_MS;
            if !goes_on {
                let minutes = if is_seen { at.since(fault.from) as f64 / MINUTE_MS as f64 } else { f64::INFINITY };
                if fault.is_sudden { &mut score.sudden } else { &mut score.slow }.0.push(minutes);
            }
            goes_on
        });
        let was = latest.is_unusual();
        let now = latest.observe(at, us as u32, band).is_some();
        if now {
            score.false_ms += model.interval_ms;
            score.episodes += u32::from(!was);
            let since = *on_since.get_or_insert(at);
            if !is_open && at.since(since) >= 15 * MINUTE_MS {
                is_open = true;
                score.notices += 1;
            }
            off_since = None;
        } else {
            on_since = None;
            // It is over when it has not been for five minutes.
            is_open &= at.since(*off_since.get_or_insert(at)) < 5 * MINUTE_MS;
        }
        at = at.plus(model.interval_ms);
    }
    score
}

fn model(name: &str) -> Model {
    *MODELS.iter().find(|model| model.name == name).unwrap()
}

/// A quarter of a service: seasons and unrest raise next to nothing, and what degrades is seen.
fn holds(name: &str, slow_p50: f64, slow_p95: f64) {
    let mut score = run(model(name), 7);
    assert!(score.notices <= 1, "{name}: {} false notices", score.notices);
    assert!(score.slow.0.len() > 80 && score.sudden.0.len() > 80, "{name}");
    let (p50, p95) = (score.slow.percentile(0.5), score.slow.percentile(0.95));
    assert!(p50 <= slow_p50 && p95 <= slow_p95, "{name}: {p50} min, {p95} min");
    assert!(score.sudden.within(60.0) > 0.95, "{name}");
}

#[test]
fn a_quarter_of_a_shop_with_seasons_and_of_a_database_with_a_nightly_job() {
    holds("shop with day and week", 40.0, 60.0);
    holds("database with a nightly job", 30.0, 60.0);
}

#[test]
fn a_quarter_of_sites_that_are_checked_every_minute_or_less_often() {
    holds("site every minute", 40.0, 60.0);
    holds("restless site every minute", 90.0, f64::INFINITY);
    holds("site every five minutes", 60.0, 90.0);
}

/// The table of the reference: `cargo test --release --lib normal -- --ignored --nocapture`.
#[test]
#[ignore = "ten quarters of every service: for the table of the reference"]
fn the_table_of_the_reference() {
    println!(
        "| service | false notices a quarter | false minutes a quarter | slow: median, p95 (min) | within 30, 60, 90 min | sudden: median, p95 |"
    );
    for model in MODELS {
        let mut all = Score::default();
        for seed in 1..=10 {
            let mut score = run(*model, seed);
            all.notices += score.notices;
            all.false_ms += score.false_ms;
            all.slow.0.append(&mut score.slow.0);
            all.sudden.0.append(&mut score.sudden.0);
        }
        println!(
            "| {} | {:.1} | {:.0} | {:.0}, {:.0} | {:.0} %, {:.0} %, {:.0} % | {:.0}, {:.0} | {}",
            model.name,
            f64::from(all.notices) / 10.0,
            all.false_ms as f64 / MINUTE_MS as f64 / 10.0,
            all.slow.percentile(0.5),
            all.slow.percentile(0.95),
            100.0 * all.slow.within(30.0),
            100.0 * all.slow.within(60.0),
            100.0 * all.slow.within(90.0),
            all.sudden.percentile(0.5),
            all.sudden.percentile(0.95),
            all.slow.0.len(),
        );
    }
}
