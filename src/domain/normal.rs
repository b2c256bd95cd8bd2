//! Slower than normal: whether the latest checks of a service take longer than its checks do at this hour of the week.
//!
//! # The rule
//!
//! What is normal on a day comes from the sums of hours, which are kept anyway: those of the five weeks before the day. An
//! hour counts with the median of its passed checks; it does not where more than a quarter of its checks failed.
//!
//! - *Usual* is the median, over the weeks, of an hour of the week.
//! - *High* is the highest usual of the hour and of the two beside it: seasons do not keep to the hour, and people set
//!   their clocks. What was seen there in two weeks is not unusual either, and where the service was slower all over the
//!   last week, *high* is raised as far: a change for good is normal after about four days. One week with an outage, or
//!   one outlier, is none of the baseline.
//! - *Jitter* is how far above the median of their hour single checks lie, at the rank at which the median of as many
//!   checks as are looked at would lie seldom if nothing had changed. That is the sign test: it holds for whatever
//!   distribution, so heavy tails do not matter.
//! - *Unrest* is how much the medians of whole hours differ from what is usual, which no number of checks averages out.
//!
//! The limit is *high* with jitter and unrest on top; at least a quarter and a millisecond more. The latest checks are
//! unusual once their median (over a quarter of an hour, of nine checks at least) is above the limit, and until that of the
//! latest quarter of them is nearer to *high* than to the limit. A few slow checks never are.
//!
//! Sources: the median of a sample against a quantile is the sign test (Conover, *Practical Nonparametric Statistics*,
//! 3.4); levels, seasons and rests by medians are Tukey's median polish (*Exploratory Data Analysis*, chapter 10). The
//! numbers were chosen with `normal/simulation.rs`, which holds what they achieve.

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use super::{
    histogram::Histogram,
    time::{HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs},
    timeline::Tally,
    window::Window,
};
use std::collections::VecDeque;

/// Weeks that are looked back at.
pub const WEEKS: usize = 5;
/// Of them, so many must have the hour.
const ENOUGH_WEEKS: usize = 3;
/// Passed checks without which an hour does not count.
const ENOUGH_CHECKS: u64 = 2;
/// Hours of a week.
const SLOTS: i64 = 7 * 24;
const WEEK_MS: i64 = SLOTS * HOUR_MS;

/// The baseline of a day is made of what was settled so long before it begins: it can be made ahead, and is the same
/// whenever it is made.
pub const SETTLED_MS: i64 = 6 * HOUR_MS;

/// The checks of this time are looked at,
const LATEST_MS: i64 = 15 * MINUTE_MS;
/// but no fewer than this,
const FEWEST: usize = 9;
/// (and of the latest quarter of them no fewer than this),
const FEWEST_LATEST: usize = 5;
/// and none that begins sooner than this after the one before.
const SPACING_MS: i64 = 10 * SECOND_MS;
/// Services that are checked less often than this are not looked at.
pub const LONGEST_INTERVAL_MS: i64 = 30 * MINUTE_MS;

/// How seldom a median lies above the limit because of jitter alone.
const SELDOM: f64 = 1e-3;
/// How many times its unrest a service has to be above what is high,
const UNREST: f64 = 3.5;
/// and how many times the second highest of some weeks is above their median by chance.
const CHANCE: f64 = 1.5;
/// The least that counts: a quarter more,
const LEAST_SHARE: f64 = 1.25;
/// and so many microseconds, which may be ours.
const LEAST_US: f64 = 1_000.0;

/// In the reason of every check that is one of unusual ones: what tells it from one that was slower than a limit.
pub const WORDS: &str = "what it takes on ";

/// How many checks of a service are looked at.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sampling {
    checks: usize,
    interval_ms: i64,
    /// The share of single checks that lie below the limit of their median.
    rank: f64,
}

impl Sampling {
    /// That of a service that is checked so often; `None` where that is too seldom.
    pub fn of(interval_ms: i64) -> Option<Sampling> {
        let interval_ms = interval_ms.max(SPACING_MS);
        let checks = usize::try_from(LATEST_MS / interval_ms).unwrap_or(FEWEST).max(FEWEST);
        (interval_ms <= LONGEST_INTERVAL_MS).then(|| Sampling { checks, interval_ms, rank: rank(checks) })
    }

    /// How many checks their median is taken of,
    pub fn checks(&self) -> usize {
        self.checks
    }

    /// and of how many the median that says how slow it is now.
    pub fn newest(&self) -> usize {
        (self.checks / 4).max(FEWEST_LATEST)
    }

    /// The time within which they have to lie, in milliseconds.
    pub fn span_ms(&self) -> i64 {
        2 * self.checks as i64 * self.interval_ms
    }
}

/// The quantile of single values that the (lower) median of `checks` of them exceeds as seldom as [`SELDOM`].
fn rank(checks: usize) -> f64 {
    let needed = checks / 2 + 1;
    let (mut low, mut high) = (0.0f64, 0.5f64);
    for _ in 0..40 {
        let share = (low + high) / 2.0;
        if at_least(needed, checks, share) > SELDOM { high = share } else { low = share }
    }
    1.0 - low
}

/// How likely `needed` of `all` are met at least, each of them with a chance of `share`.
fn at_least(needed: usize, all: usize, share: f64) -> f64 {
    let mut term = (1.0 - share).powi(all as i32);
    let mut sum = 0.0;
    for met in 0..=all {
        if met >= needed {
            sum += term;
        }
        term *= (all - met) as f64 / (met + 1) as f64 * share / (1.0 - share);
    }
    sum
}

/// What is normal in one hour, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Band {
    /// The median of the hour's checks, over the weeks.
    pub usual_us: u32,
    /// The second lowest that a week had: of outliers there may be one.
    pub low_us: u32,
    /// A median of the latest checks above it is unusual.
    pub limit_us: u32,
    /// A median of the very latest ones that is not above it ends that.
    pub calm_us: u32,
    /// Weeks that have the hour.
    pub weeks: u8,
}

/// What is normal in the hours of one day (UTC).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Baseline {
    day: UnixMs,
    hours: [Option<Band>; 24],
}

impl Baseline {
    /// The hours of which the baseline of the day that begins at `day` is made.
    pub fn window(day: UnixMs) -> Option<Window> {
        // The hour before the first one of the day, five weeks ago.
        Window::new(day.plus(-(WEEKS as i64) * WEEK_MS - HOUR_MS), day.plus(-SETTLED_MS))
    }

    /// What is normal in the hour of `at`; `None` where that is another day, or too little is known.
    pub fn band(&self, at: UnixMs) -> Option<&Band> {
        let hour = at.since(self.day).div_euclid(HOUR_MS);
        self.hours.get(usize::try_from(hour).ok()?)?.as_ref()
    }

    /// The beginning of the day.
    pub fn day(&self) -> UnixMs {
        self.day
    }
}

/// One hour that counts.
struct Hour {
    at: UnixMs,
    /// The logarithm of its median, in microseconds.
    level: f64,
    latency: Histogram,
}

/// The settled hours of a service, from which baselines are made.
#[derive(Default)]
pub struct Hours(Vec<Hour>);

impl Hours {
    /// Takes the sums of the hour that starts at `at`; they come in the order of time.
    pub fn add(&mut self, at: UnixMs, sums: Tally) {
        let passed = sums.latency.count();
        if passed < ENOUGH_CHECKS || sums.failures * 4 > sums.checks {
            return;
        }
        let Some(median) = sums.latency.percentile_us(0.5) else { return };
        self.0.push(Hour { at, level: median.max(1.0).ln(), latency: sums.latency });
    }

    /// What is normal on the day that begins at `day`.
    pub fn baseline(&self, day: UnixMs, sampling: Sampling) -> Baseline {
        let mut slots: Vec<Vec<&Hour>> = (0..SLOTS).map(|_| Vec::with_capacity(WEEKS + 1)).collect();
        let known = Baseline::window(day);
        for hour in self.0.iter().filter(|hour| known.is_some_and(|known| known.contains(hour.at))) {
            slots[slot(hour.at)].push(hour);
        }
        // What is usual in each hour of the week; how far the weeks are from it, the last one first; how far their hours.
        let typical: Vec<Option<f64>> = slots.iter().map(|slot| median(slot.iter().map(|hour| hour.level))).collect();
        let mut weeks: [Vec<f64>; WEEKS + 1] = Default::default();
        for hour in slots.iter().flatten() {
            let week = day.since(hour.at).div_euclid(WEEK_MS);
            if let (Some(typical), Ok(week)) = (typical[slot(hour.at)], usize::try_from(week)) {
                weeks[week.min(WEEKS)].push(hour.level - typical);
            }
        }
        let levels: Vec<f64> = weeks.iter().map(|week| median(week.iter().copied()).unwrap_or(0.0)).collect();
        let raised = levels[0].max(0.0);
        let within = weeks.iter().zip(&levels).flat_map(|(week, level)| week.iter().map(move |rest| rest - level));
        let unrest = quantile(within.collect(), 0.8).unwrap_or(0.0).max(0.0) / 0.8416;
        let band = |hour: i64| {
            let at = day.plus(hour * HOUR_MS);
            let hours = [at, at.plus(-HOUR_MS), at.plus(HOUR_MS)];
            let around = hours.map(|at| slots[slot(at)].as_slice());
            let weeks = around[0].len();
            if weeks < ENOUGH_WEEKS {
                return None;
            }
            let usual = typical[slot(at)]?;
            let mut levels: Vec<f64> = around[0].iter().map(|hour| hour.level).collect();
            levels.sort_by(f64::total_cmp);
            let low = levels[1];
            let near = hours.iter().filter_map(|at| typical[slot(*at)]).fold(usual, f64::max);
            let twice = seen_twice(at, &around).unwrap_or(usual);
            let high = near.max(twice - CHANCE * unrest).max(usual + raised);
            let jitter = jitter(around.iter().flat_map(|hours| hours.iter().copied()), sampling.rank);
            let high = high.exp();
            let limit = (high * (jitter + UNREST * unrest).exp()).max(high * LEAST_SHARE).max(high + LEAST_US);
            let whole = |us: f64| us.round().min(f64::from(u32::MAX)) as u32;
            Some(Band {
                usual_us: whole(usual.exp()),
                low_us: whole(low.exp()),
                limit_us: whole(limit),
                calm_us: whole((high * limit).sqrt()),
                weeks: weeks as u8,
            })
        };
        Baseline { day, hours: std::array::from_fn(|hour| band(hour as i64)) }
    }
}

/// The hour of the week, of weeks that begin when the epoch did.
fn slot(at: UnixMs) -> usize {
    at.0.div_euclid(HOUR_MS).rem_euclid(SLOTS) as usize
}

/// The second highest of the weeks before the hour at `at`: of each, the highest of the hour and those beside it.
fn seen_twice(at: UnixMs, around: &[&[&Hour]]) -> Option<f64> {
    let mut highest = [f64::NEG_INFINITY; WEEKS];
    for hour in around.iter().flat_map(|hours| hours.iter()) {
        // The hours beside it are in the week of the hour itself.
        let week = (at.since(hour.at) + WEEK_MS / 2).div_euclid(WEEK_MS) - 1;
        if let Some(highest) = usize::try_from(week).ok().and_then(|week| highest.get_mut(week)) {
            *highest = highest.max(hour.level);
        }
    }
    highest.sort_by(f64::total_cmp);
    Some(highest[WEEKS - 2]).filter(|level| level.is_finite())
}

/// How far above the median of their hour single checks lie at a rank, as the logarithm of the ratio.
fn jitter<'a>(hours: impl Iterator<Item = &'a Hour>, rank: f64) -> f64 {
    /// A ratio of one.
    const ONE: f64 = 1024.0;
    let mut ratios = Histogram::default();
    for hour in hours {
        let median = hour.level.exp();
        for (us, count) in hour.latency.entries() {
            let ratio = f64::from(us) / median * ONE;
            ratios.add_entry(ratio.min(f64::from(u32::MAX)) as u32, count);
        }
    }
    // A sixty-fourth: an entry is the beginning of its bucket, a percentile the middle.
    ratios.percentile_us(rank).map_or(0.0, |ratio| (ratio * (1.0 + 1.0 / 64.0) / ONE).max(1.0).ln())
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    quantile(values.collect(), 0.5)
}

/// The quantile of some values, between the two nearest ones.
fn quantile(mut values: Vec<f64>, share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let place = share * (values.len().checked_sub(1)? as f64);
    let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}

/// The response times of the latest passed checks of a service, and whether they are unusual.
#[derive(Clone, Debug)]
pub struct Latest {
    sampling: Sampling,
    taken: VecDeque<(UnixMs, u32)>,
    /// The same, by size.
    sorted: Vec<u32>,
    is_unusual: bool,
}

/// That the latest checks are slower than normal.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Unusual {
    /// The median of the latest quarter of them, in microseconds.
    pub median_us: u32,
    /// How many times what is usual that is.
    pub times: f64,
}

impl Latest {
    /// Nothing is known yet.
    pub fn new(sampling: Sampling) -> Latest {
        Latest {
            sampling,
            taken: VecDeque::with_capacity(sampling.checks),
            sorted: Vec::with_capacity(sampling.checks),
            is_unusual: false,
        }
    }

    /// Takes the response time of a passed check in, and says whether the latest ones are unusual. `band` is what is normal
    /// when it started.
    pub fn observe(&mut self, at: UnixMs, us: u32, band: Option<&Band>) -> Option<Unusual> {
        self.take(at, us);
        let Some(band) = band else {
            self.is_unusual = false;
            return None;
        };
        let is_slow = self.is_unusual || self.median().is_some_and(|median| median > band.limit_us);
        let newest = if is_slow { self.newest_median().filter(|newest| *newest > band.calm_us) } else { None };
        self.is_unusual = newest.is_some();
        newest.map(|median_us| Unusual { median_us, times: f64::from(median_us) / f64::from(band.usual_us.max(1)) })
    }

    /// Takes in what was observed before all it knows, oldest first, and whether that was unusual: a restart changes
    /// nothing.
    pub fn resume(&mut self, before: &[(UnixMs, u32)], was_unusual: bool) {
        let mut resumed = Latest { is_unusual: was_unusual || self.is_unusual, ..Latest::new(self.sampling) };
        let known_from = self.taken.front().map_or(UnixMs::MAX, |(first, _)| *first);
        let before = before.iter().filter(|(at, _)| *at < known_from);
        before.chain(&self.taken).for_each(|(at, us)| resumed.take(*at, *us));
        *self = resumed;
    }

    fn take(&mut self, at: UnixMs, us: u32) {
        // After the clock was set back, what was seen by it before is no longer the latest.
        if self.taken.back().is_some_and(|(last, _)| last.since(at) > SPACING_MS) {
            self.taken.clear();
            self.sorted.clear();
        }
        // A quarter less: a check that follows its slot a little sooner than the one before did is one of them.
        if self.taken.back().is_some_and(|(last, _)| at.since(*last) < SPACING_MS * 3 / 4) {
            return;
        }
        let longest_ms = self.sampling.span_ms();
        let is_old = |(first, _): &(UnixMs, u32)| at.since(*first) > longest_ms;
        while self.taken.len() >= self.sampling.checks || self.taken.front().is_some_and(is_old) {
            let Some((_, old)) = self.taken.pop_front() else { break };
            let place = self.sorted.partition_point(|us| *us < old);
            self.sorted.remove(place);
        }
        self.taken.push_back((at, us));
        self.sorted.insert(self.sorted.partition_point(|other| *other < us), us);
    }

    /// The median of them all; `None` while there are too few.
    fn median(&self) -> Option<u32> {
        (self.sorted.len() >= self.sampling.checks).then(|| self.sorted[(self.sorted.len() - 1) / 2])
    }

    /// The median of the latest quarter.
    fn newest_median(&self) -> Option<u32> {
        let mut newest: Vec<u32> = self.taken.iter().rev().take(self.sampling.newest()).map(|(_, us)| *us).collect();
        let middle = newest.len().checked_sub(1)? / 2;
        Some(*newest.select_nth_unstable(middle).1)
    }

    /// Whether the latest checks are unusual.
    pub fn is_unusual(&self) -> bool {
        self.is_unusual
    }
}
