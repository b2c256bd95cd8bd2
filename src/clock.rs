//! What time it is: the only place that may ask.

use crate::domain::time::UnixMs;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tokio::time::Instant;

/// Gives the wall-clock time to whoever must stamp something.
///
/// A test pins the clock to a moment and moves it with `tokio::time::advance`, so that timers and timestamps can never
/// drift apart; it can also set the wall clock forward and back, as an administrator would.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Pinned {
        /// Wall time, in milliseconds, at `since`.
        epoch_ms: Arc<AtomicI64>,
        /// Milliseconds slept, which the monotonic clock did not count.
        slept_ms: Arc<AtomicI64>,
        since: Instant,
    },
}

/// The three clocks, read together. Only their differences mean something, but for `wall`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readings {
    pub wall: UnixMs,
    /// Stops while the machine sleeps; cannot be set.
    pub monotonic_ms: i64,
    /// Goes on while the machine sleeps; cannot be set.
    pub boot_ms: i64,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that reads `epoch` now and follows the runtime's (pausable) timer.
    pub fn pinned(epoch: UnixMs) -> Clock {
        Clock(Source::Pinned {
            epoch_ms: Arc::new(AtomicI64::new(epoch.0)),
            slept_ms: Arc::default(),
            since: Instant::now(),
        })
    }

    /// Sets a pinned wall clock forward or (negative) back, as an administrator would.
    pub fn step(&self, ms: i64) {
        if let Source::Pinned { epoch_ms, .. } = &self.0 {
            epoch_ms.fetch_add(ms, Ordering::Relaxed);
        }
    }

    /// Lets a pinned clock's machine sleep.
    pub fn sleep_machine(&self, ms: i64) {
        if let Source::Pinned { slept_ms, .. } = &self.0 {
            self.step(ms);
            slept_ms.fetch_add(ms, Ordering::Relaxed);
        }
    }

    /// The current time.
    #[expect(clippy::disallowed_methods, reason = "the one allowed caller")]
    pub fn now(&self) -> UnixMs {
        match &self.0 {
            Source::System => chrono::Utc::now().into(),
            Source::Pinned { epoch_ms, since, .. } => {
                UnixMs(epoch_ms.load(Ordering::Relaxed)).plus(since.elapsed().as_millis() as i64)
            }
        }
    }

    /// All three clocks.
    pub fn readings(&self) -> Readings {
        let wall = self.now();
        match &self.0 {
            Source::System => {
                let ms = |id| {
                    let t = rustix::time::clock_gettime(id);
                    t.tv_sec * 1_000 + t.tv_nsec / 1_000_000
                };
                Readings {
                    wall,
                    monotonic_ms: ms(rustix::time::ClockId::Monotonic),
                    boot_ms: ms(rustix::time::ClockId::Boottime),
                }
            }
            Source::Pinned { slept_ms, since, .. } => {
                let monotonic_ms = since.elapsed().as_millis() as i64;
                Readings { wall, monotonic_ms, boot_ms: monotonic_ms + slept_ms.load(Ordering::Relaxed) }
            }
        }
    }
}
