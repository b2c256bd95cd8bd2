//! The monitor's watch over itself: it beats, and it compares the clocks to notice sleep and clock steps.

use crate::{
    clock::{Clock, Readings},
    domain::incident::GapReason,
    store::{Interruption, Writer},
};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Clocks that differ by less than this have only been slewed or read at different moments.
const TOLERANCE_MS: i64 = 1_500;

/// Clocks that nobody compared for longer than this were not compared because the process stood still.
const STALLED_MS: i64 = 10_000;

/// The clocks as they were when they were last compared.
#[derive(Debug)]
pub(crate) struct Watch {
    last: Mutex<Readings>,
    absences: watch::Sender<Absences>,
}

/// What kept us from hearing what came, so often in this run.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Absences {
    /// The machine slept, or the process stood still.
    pub(super) deaf: u64,
    /// The wall clock was set,
    pub(super) steps: u64,
    /// all together by so much, in milliseconds.
    pub(super) set_by_ms: i64,
}

impl Watch {
    pub(super) fn new(clock: &Clock) -> Watch {
        Watch { last: Mutex::new(clock.readings()), absences: watch::Sender::default() }
    }

    /// Changes when something kept us from hearing what came.
    pub(super) fn absences(&self) -> watch::Receiver<Absences> {
        self.absences.subscribe()
    }

    /// Compares the clocks with the last time and records what happened to them. The caller does this before it hands
    /// over a result: the reason of a gap before that result has to be known by then.
    pub(super) fn look(&self, clock: &Clock, writer: &Writer) -> Readings {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock.readings();
        let before = std::mem::replace(&mut *last, now);
        if now.monotonic_ms - before.monotonic_ms > STALLED_MS {
            self.absences.send_modify(|absences| absences.deaf += 1);
        }
        if let Some(interruption) = between(before, now) {
            let set_by_ms = now.wall.since(before.wall) - (now.boot_ms - before.boot_ms);
            self.absences.send_modify(|absences| match interruption.why {
                GapReason::Suspended => absences.deaf += 1,
                _ => {
                    absences.steps += 1;
                    absences.set_by_ms += set_by_ms;
                }
            });
            let seconds = (now.wall.since(before.wall) - (now.monotonic_ms - before.monotonic_ms)) / 1000;
            match interruption.why {
                GapReason::Suspended => {
                    tracing::warn!(seconds, "the machine was suspended; that time was not observed")
                }
                _ => tracing::warn!(seconds, "the system clock was changed"),
            }
            writer.interrupted(interruption);
        }
        now
    }
}

/// What the clocks say happened between two beats.
fn between(before: Readings, now: Readings) -> Option<Interruption> {
    let wall = now.wall.since(before.wall);
    let boot = now.boot_ms - before.boot_ms;
    let monotonic = now.monotonic_ms - before.monotonic_ms;
    let why = if boot - monotonic > TOLERANCE_MS {
        GapReason::Suspended
    } else if (wall - boot).abs() > TOLERANCE_MS {
        GapReason::ClockStep
    } else {
        return None;
    };
    let (from, to) = (before.wall.min(now.wall), before.wall.max(now.wall));
    Some(Interruption { from, to, why, results: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UnixMs;

    #[test]
    fn sleep_and_clock_steps_are_told_apart() {
        let before = Readings { wall: UnixMs(1_000_000), monotonic_ms: 5_000, boot_ms: 5_000 };
        let after = |wall, monotonic, boot| {
            let now = Readings {
                wall: before.wall.plus(wall),
                monotonic_ms: before.monotonic_ms + monotonic,
                boot_ms: before.boot_ms + boot,
            };
            between(before, now).map(|i| i.why)
        };
        assert_eq!(after(1_000, 1_000, 1_000), None);
        assert_eq!(after(61_000, 1_000, 61_000), Some(GapReason::Suspended));
        assert_eq!(after(3_601_000, 1_000, 1_000), Some(GapReason::ClockStep));
        assert_eq!(after(-3_599_000, 1_000, 1_000), Some(GapReason::ClockStep));
        // A machine that was merely busy is late by all its clocks.
        assert_eq!(after(20_000, 20_000, 20_000), None);
    }
}
