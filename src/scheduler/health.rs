//! Signs of life and figures of the scheduler.

use crate::clock::{Clock, Readings};
use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Signs of life and figures of the scheduler, for `/livez` and `/metrics`.
#[derive(Default, Debug)]
pub struct SchedulerHealth {
    /// When the watch last beat, on its clock's monotonic reading, in milliseconds.
    beat_ms: AtomicI64,
    pub(super) started: AtomicU64,
    pub(super) missed: AtomicU64,
    lag_us: AtomicU64,
    lag_max_us: AtomicU64,
}

/// Figures of the scheduler since its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SchedulerFigures {
    /// Checks started.
    pub started: u64,
    /// Checks that would have started more than an interval late, and were recorded as `unknown` instead.
    pub missed: u64,
    /// Time between the slots and the starts of checks, all together, in microseconds.
    pub lag_us: u64,
    /// The longest of them.
    pub lag_max_us: u64,
}

/// Without a beat for this long the scheduler makes no progress.
const STALLED_AFTER_MS: i64 = 30_000;

impl SchedulerHealth {
    /// Notes that the watch has beaten.
    pub(super) fn beat(&self, now: Readings) {
        self.beat_ms.store(now.monotonic_ms, Relaxed);
    }

    /// Whether the scheduler makes progress.
    pub fn beats(&self, clock: &Clock) -> bool {
        clock.readings().monotonic_ms - self.beat_ms.load(Relaxed) < STALLED_AFTER_MS
    }

    /// The figures.
    pub fn figures(&self) -> SchedulerFigures {
        SchedulerFigures {
            started: self.started.load(Relaxed),
            missed: self.missed.load(Relaxed),
            lag_us: self.lag_us.load(Relaxed),
            lag_max_us: self.lag_max_us.load(Relaxed),
        }
    }

    pub(super) fn note_lag(&self, lag: Duration) {
        let us = u64::try_from(lag.as_micros()).unwrap_or(u64::MAX);
        self.lag_us.fetch_add(us, Relaxed);
        self.lag_max_us.fetch_max(us, Relaxed);
    }
}
