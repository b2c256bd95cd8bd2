//! For what time a check result is valid, and how that time adds up.
//!
//! A result is valid from its own start to the next result's start, but at most for its validity. What no result covers
//! is a gap. Maintenance lies over all of it: what it covers is maintenance and nothing else. Every figure about a
//! stretch of time (uptime, a chart's bucket, a rollup) is a [`Tally`] made here.

use super::{check::Outcome, histogram::Histogram, maintenance::Overlay, time::UnixMs, window::Window};

/// What the arithmetic needs to know of a stored check result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Observation {
    pub at: UnixMs,
    pub outcome: Outcome,
    /// The longest time it is valid for, in milliseconds, with the settings in force when it was made.
    pub validity_ms: i64,
    pub latency_us: Option<u32>,
}

/// A stretch of time and what is known about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    pub from: UnixMs,
    pub to: UnixMs,
    pub says: ObservationState,
}

impl Piece {
    /// What is left of it where maintenance lies over it, in order. A failure says nothing about the time in it, and
    /// nothing about the time behind it.
    pub fn outside(self, maintenance: &Overlay) -> impl Iterator<Item = Piece> {
        let failure =
            matches!(self.says, ObservationState::Observed(Outcome::Down) | ObservationState::Doubt { passed: false });
        let failed_until = failed_until(self.from, self.to, maintenance);
        let parts = Window::new(self.from, self.to).into_iter().flat_map(|whole| maintenance.outside(whole));
        parts.filter_map(move |part| {
            let says = match self.says {
                says if !failure || part.from() < failed_until => says,
                ObservationState::Observed(_) => ObservationState::Observed(Outcome::Unknown),
                ObservationState::Doubt { .. } => return None,
            };
            Some(Piece { from: part.from(), to: part.to(), says })
        })
    }
}

/// What a [`Piece`] says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObservationState {
    /// A result covers this time.
    Observed(Outcome),
    /// In this time, which a result covers, the state changed unseen: the next judged result is the opposite.
    /// `passed` is the outcome of the covering result.
    Doubt { passed: bool },
}

/// Walks the results of one service in the order of time and says what each stretch of it was.
#[derive(Default)]
pub struct Walk {
    last: Option<Observation>,
    /// The time that the last judged result is valid for, once its end is known, and whether the result passed.
    judged: Option<(UnixMs, UnixMs, bool)>,
}

impl Walk {
    /// Takes the next result, which is later than the one before; gives the pieces that are settled by it.
    pub fn observe(&mut self, next: Observation) -> impl Iterator<Item = Piece> + use<> {
        let spoken = self.last.map(|last| self.settle(last, next.at));
        let doubt = next.outcome.passed().and_then(|passed| {
            let (from, to, before) = self.judged.take()?;
            (before != passed).then_some(Piece { from, to, says: ObservationState::Doubt { passed: before } })
        });
        self.last = Some(next);
        spoken.into_iter().chain(doubt)
    }

    /// What the last result covers, up to `now`: there is no later one.
    pub fn finish(mut self, now: UnixMs) -> Option<Piece> {
        let last = self.last?;
        Some(self.settle(last, now.max(last.at)))
    }

    fn settle(&mut self, last: Observation, until: UnixMs) -> Piece {
        let to = until.min(last.at.plus(last.validity_ms));
        if let Some(passed) = last.outcome.passed() {
            self.judged = Some((last.at, to, passed));
        }
        Piece { from: last.at, to, says: ObservationState::Observed(last.outcome) }
    }
}

/// The sums of a stretch of time. All times are milliseconds; they never overlap.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    pub up_ms: i64,
    pub degraded_ms: i64,
    pub down_ms: i64,
    pub unknown_ms: i64,
    /// Maintenance, whatever its results. Not among the stored sums: it follows from the overlay.
    pub maintenance_ms: i64,
    /// The part of `up_ms + degraded_ms` that lies before a change for the worse that nobody saw.
    pub doubt_up_ms: i64,
    /// The part of `down_ms` that lies before a change for the better that nobody saw.
    pub doubt_down_ms: i64,
    /// Check results outside maintenance, whatever their outcome.
    pub checks: u64,
    /// Failed check results outside maintenance.
    pub failures: u64,
    /// Response times of passed checks outside maintenance.
    pub latency: Histogram,
    /// The fastest and the slowest passed check, in microseconds.
    pub min_us: Option<u32>,
    pub max_us: Option<u32>,
}

impl Tally {
    /// Time outside maintenance that a result covers.
    pub fn spoken_ms(&self) -> i64 {
        self.up_ms + self.degraded_ms + self.down_ms + self.unknown_ms
    }

    /// What is left of a stretch of `length_ms`: time outside maintenance that no result covers.
    pub fn gap_ms(&self, length_ms: i64) -> i64 {
        length_ms - self.spoken_ms() - self.maintenance_ms
    }

    fn add(&mut self, ms: i64, says: ObservationState) {
        match says {
            ObservationState::Observed(Outcome::Up) => self.up_ms += ms,
            ObservationState::Observed(Outcome::Degraded) => self.degraded_ms += ms,
            ObservationState::Observed(Outcome::Down) => self.down_ms += ms,
            ObservationState::Observed(Outcome::Unknown) => self.unknown_ms += ms,
            ObservationState::Doubt { passed: true } => self.doubt_up_ms += ms,
            ObservationState::Doubt { passed: false } => self.doubt_down_ms += ms,
        }
    }

    fn count(&mut self, check: &Observation) {
        self.checks += 1;
        match check.outcome.passed() {
            Some(false) => self.failures += 1,
            Some(true) => {
                if let Some(us) = check.latency_us {
                    self.latency.add(us);
                    self.min_us = Some(self.min_us.map_or(us, |m| m.min(us)));
                    self.max_us = Some(self.max_us.map_or(us, |m| m.max(us)));
                }
            }
            None => {}
        }
    }

    /// Adds the sums of another stretch of time.
    pub fn merge(&mut self, other: &Tally) {
        self.up_ms += other.up_ms;
        self.degraded_ms += other.degraded_ms;
        self.down_ms += other.down_ms;
        self.unknown_ms += other.unknown_ms;
        self.maintenance_ms += other.maintenance_ms;
        self.doubt_up_ms += other.doubt_up_ms;
        self.doubt_down_ms += other.doubt_down_ms;
        self.checks += other.checks;
        self.failures += other.failures;
        self.latency.merge(&other.latency);
        self.min_us = [self.min_us, other.min_us].into_iter().flatten().min();
        self.max_us = [self.max_us, other.max_us].into_iter().flatten().max();
    }
}

impl Tally {
    /// What is left when the sums of a part of this stretch are taken away. Response times are left out: sums do not
    /// show the slowest of the rest.
    pub fn without(self, part: &Tally) -> Tally {
        Tally {
            up_ms: self.up_ms - part.up_ms,
            degraded_ms: self.degraded_ms - part.degraded_ms,
            down_ms: self.down_ms - part.down_ms,
            unknown_ms: self.unknown_ms - part.unknown_ms,
            doubt_up_ms: self.doubt_up_ms - part.doubt_up_ms,
            doubt_down_ms: self.doubt_down_ms - part.doubt_down_ms,
            checks: self.checks.saturating_sub(part.checks),
            failures: self.failures.saturating_sub(part.failures),
            ..Tally::default()
        }
    }
}

/// A window cut into buckets of equal size (the last may be shorter), each with its sums.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Buckets {
    window: Window,
    size_ms: i64,
    tallies: Vec<Tally>,
}

impl Buckets {
    /// Empty buckets of `size_ms` (at least 1) over `window`.
    pub fn new(window: Window, size_ms: i64) -> Buckets {
        let size_ms = size_ms.max(1);
        let count = (window.length_ms() + size_ms - 1) / size_ms;
        Buckets { window, size_ms, tallies: vec![Tally::default(); count as usize] }
    }

    /// Sums up the results of one service outside maintenance, as far as `part` of the window goes.
    ///
    /// `results` come in the order of time and reach beyond `part` as far as they bear on it: back to the last one
    /// before it and the last judged one before it, on to the first judged one at or after its end; a failed one in
    /// maintenance is not judged. `maintenance` is known as far as they reach. `now` is the moment up to which the last
    /// result is valid when nothing follows it.
    pub fn fill(
        mut self,
        part: Window,
        results: impl IntoIterator<Item = Observation>,
        maintenance: &Overlay,
        now: UnixMs,
    ) -> Buckets {
        let Some(part) = self.window.clip(part.from(), part.to()) else { return self };
        let mut walk = Walk::default();
        for mut result in results {
            result.outcome = maintenance.judged(result.at, result.outcome);
            for piece in walk.observe(result) {
                self.add(part, maintenance, piece);
            }
            if part.contains(result.at) && !maintenance.contains(result.at) {
                let at = self.index(result.at);
                self.tallies[at].count(&result);
            }
        }
        if let Some(piece) = walk.finish(now) {
            self.add(part, maintenance, piece);
        }
        self
    }

    /// Adds the time that is maintenance to all buckets: [`Buckets::fill`] and the sums made before leave it out.
    pub fn lay(mut self, maintenance: &Overlay) -> Buckets {
        for window in maintenance.inside(self.window) {
            self.each_bucket(window, |tally, ms| tally.maintenance_ms += ms);
        }
        self
    }

    fn index(&self, at: UnixMs) -> usize {
        (at.since(self.window.from()) / self.size_ms) as usize
    }

    fn add(&mut self, part: Window, maintenance: &Overlay, piece: Piece) {
        for piece in piece.outside(maintenance) {
            if let Some(part) = part.clip(piece.from, piece.to) {
                self.each_bucket(part, |tally, ms| tally.add(ms, piece.says));
            }
        }
    }

    /// Hands each bucket that shares time with `part` over, with how much.
    fn each_bucket(&mut self, part: Window, mut each: impl FnMut(&mut Tally, i64)) {
        let mut from = part.from();
        while from < part.to() {
            let index = self.index(from);
            let to = part.to().min(self.window.from().plus((index as i64 + 1) * self.size_ms));
            each(&mut self.tallies[index], to.since(from));
            from = to;
        }
    }

    /// Adds sums that were made before to the bucket in which `from` lies; outside the window they are dropped.
    pub fn merge(&mut self, from: UnixMs, tally: &Tally) {
        if self.window.contains(from) {
            let index = self.index(from);
            self.tallies[index].merge(tally);
        }
    }

    /// Each bucket with its own window, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Window, &Tally)> {
        self.tallies.iter().enumerate().filter_map(|(i, tally)| {
            let from = self.window.from().plus(i as i64 * self.size_ms);
            Some((self.window.clip(from, from.plus(self.size_ms))?, tally))
        })
    }

    /// The sum of all buckets.
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        self.tallies.iter().for_each(|t| total.merge(t));
        total
    }

    /// The size of a bucket in milliseconds.
    pub fn size_ms(&self) -> i64 {
        self.size_ms
    }

    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }
}

/// The sums of one window. See [`Buckets::fill`] for what `results` have to hold.
pub fn tally(
    window: Window,
    results: impl IntoIterator<Item = Observation>,
    maintenance: &Overlay,
    now: UnixMs,
) -> Tally {
    Buckets::new(window, window.length_ms()).fill(window, results, maintenance, now).lay(maintenance).total()
}

/// The downtime that each failed result causes: its time and its milliseconds, where there are any, up to the last
/// result. `results` come in the order of time. An outage's `down_ms` is the sum of those of its checks.
pub fn downtime(
    results: impl IntoIterator<Item = Observation>,
    maintenance: &Overlay,
) -> impl Iterator<Item = (UnixMs, i64)> {
    let mut walk = Walk::default();
    results.into_iter().filter_map(move |mut result| {
        result.outcome = maintenance.judged(result.at, result.outcome);
        let piece = walk.observe(result).find(|piece| piece.says == ObservationState::Observed(Outcome::Down))?;
        Some((piece.from, failed_until(piece.from, piece.to, maintenance).since(piece.from)))
    })
}

/// Until when a failed result, made at `at` and valid until `to`, counts as downtime: a failure says nothing about
/// the time in maintenance, and nothing about the time behind it.
pub fn failed_until(at: UnixMs, to: UnixMs, maintenance: &Overlay) -> UnixMs {
    match maintenance.contains(at) {
        true => at,
        false => maintenance.first_start(at, to).unwrap_or(to),
    }
}
