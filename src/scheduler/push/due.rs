//! When the next report of a service is due: an interval after the one before, or when an expression says.
//!
//! A report that could not be heard (the monitor was off, the machine slept) is not held against the service. How long to
//! wait then follows from what is known: a service that reports every so often, and was last heard `silent` ago, reports
//! again within `silent`, and within its interval.

use crate::{
    clock::Readings,
    domain::time::{HOUR_MS, SECOND_MS, UnixMs},
    probe::push::Cron,
};
use std::time::Duration;
use tokio::time::Instant;

/// How far the clocks of two machines may be apart: a report that comes so much too early is the one that is due.
const TOLERANCE_MS: i64 = 10 * SECOND_MS;
/// A clock that is set back by more than this shows times again that count again.
const SET_BACK_MS: i64 = 3 * HOUR_MS;

/// What time it is, on all clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) instant: Instant,
    pub(super) clocks: Readings,
}

/// What the history knows of the last report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    pub(super) at: UnixMs,
    /// It is one that did not come.
    pub(super) was_missed: bool,
}

/// When a report is due.
#[derive(Debug)]
pub(super) struct Due {
    interval: Duration,
    grace: Duration,
    cron: Option<Box<Cron>>,
    tolerance_ms: i64,
    /// `None` until the first report.
    next: Option<Next>,
    /// The last one did not come: for the next one there is no grace.
    was_missed: bool,
    heard: Option<Now>,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    /// By the clock that cannot be set.
    In(Instant),
    /// By the clock on the wall.
    At(UnixMs),
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.max(0).unsigned_abs())
}

/// How long a report is waited for, from the moment on at which we hear again. Both in milliseconds.
fn after_silence(silent_ms: i64, interval_ms: i64) -> i64 {
    let silent_ms = silent_ms.max(0);
    (interval_ms - silent_ms).max(silent_ms.min(interval_ms))
}

impl Due {
    /// `longest_run` is how long a run may be under way whose end is still to come.
    pub(super) fn resume(
        interval_ms: i64,
        grace_ms: i64,
        cron: Option<Box<Cron>>,
        longest_run: Duration,
        last: Option<Last>,
        now: Now,
    ) -> Due {
        let period_ms = cron.as_ref().and_then(|cron| cron.moments.period_ms()).unwrap_or(i64::MAX);
        let mut due = Due {
            interval: ms(interval_ms),
            grace: ms(grace_ms),
            cron,
            tolerance_ms: TOLERANCE_MS.min(period_ms / 10),
            next: None,
            was_missed: false,
            heard: None,
        };
        let Some(last) = last else { return due };
        due.was_missed = last.was_missed;
        due.next = match due.cron {
            // What was due before we were here may have come.
            Some(_) => due.after(last.at.min(now.clocks.wall).plus(due.tolerance_ms).max(now.clocks.wall.plus(-1))),
            None if last.was_missed => Some(Next::In(now.instant + due.interval)),
            None => {
                let wait = ms(after_silence(now.clocks.wall.since(last.at), interval_ms));
                Some(Next::In(now.instant + wait.max(longest_run.saturating_sub(due.grace))))
            }
        };
        due
    }

    /// A report has come.
    pub(super) fn reported(&mut self, now: Now) {
        self.heard = Some(now);
        self.was_missed = false;
        self.next = match self.cron {
            Some(_) => self.after(now.clocks.wall.plus(self.tolerance_ms)),
            None => Some(Next::In(now.instant + self.interval)),
        };
    }

    /// Something that was due otherwise did not come.
    pub(super) fn missed_a_run(&mut self, now: Now) {
        self.was_missed = true;
        self.next = match self.cron {
            Some(_) => self.after(now.clocks.wall),
            None => Some(Next::In(now.instant + self.interval)),
        };
    }

    /// We could not hear for a while. `longest_run` is as in [`Due::resume`].
    pub(super) fn was_deaf(&mut self, now: Now, longest_run: Duration) {
        let silent_ms = self.heard.map_or(i64::MAX, |heard| now.clocks.boot_ms - heard.clocks.boot_ms);
        match self.next {
            Some(Next::In(due)) if !self.was_missed => {
                let wait = ms(after_silence(silent_ms, self.interval.as_millis() as i64));
                self.next = Some(Next::In(due.max(now.instant + wait.max(longest_run.saturating_sub(self.grace)))));
            }
            Some(Next::At(due)) if due < now.clocks.wall => self.next = self.after(now.clocks.wall.plus(-1)),
            _ => {}
        }
    }

    /// The wall clock was set by so many milliseconds.
    pub(super) fn was_set(&mut self, now: Now, by_ms: i64) {
        let Some(Next::At(due)) = self.next else { return };
        let (wall, before) = (now.clocks.wall, now.clocks.wall.plus(-by_ms));
        // It was due in the time that never was, or that time took its grace: it may have come, or still come.
        let skipped = by_ms > 0 && due < wall && (due >= before || self.late_by(due, now).is_zero());
        if skipped || by_ms < -SET_BACK_MS {
            self.next = self.after(wall.plus(-1));
        }
    }

    /// When it has to have come.
    pub(super) fn deadline(&self, now: Now) -> Option<Instant> {
        match self.next? {
            Next::In(due) if self.was_missed => Some(due),
            Next::In(due) => Some(due + self.grace),
            Next::At(due) => Some(now.instant + ms(due.since(now.clocks.wall)) + self.late_by(due, now)),
        }
    }

    /// When it was due, if it should have come by now. The next one is waited for then.
    pub(super) fn missed(&mut self, now: Now) -> Option<UnixMs> {
        if self.deadline(now)? > now.instant {
            return None;
        }
        let due = match self.next? {
            Next::In(due) => {
                self.next = Some(Next::In(now.instant + self.interval));
                now.clocks.wall.plus(-(now.instant.saturating_duration_since(due).as_millis() as i64))
            }
            Next::At(due) => {
                self.next = self.after(due);
                due
            }
        };
        self.was_missed = true;
        Some(due)
    }

    /// What is left of the grace of something due at this time.
    fn late_by(&self, due: UnixMs, now: Now) -> Duration {
        self.grace.saturating_sub(ms(now.clocks.wall.since(due)))
    }

    fn after(&self, at: UnixMs) -> Option<Next> {
        self.cron.as_ref().and_then(|cron| cron.moments.next_after(at)).map(Next::At)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{calendar::Recurrence, domain::time::MINUTE_MS};
    use chrono_tz::Tz;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static BEGIN: LazyLock<(Instant, UnixMs)> =
        LazyLock::new(|| (Instant::now(), UnixMs::parse("2026-01-01T00:00:00Z").unwrap()));

    fn at(text: &str) -> UnixMs {
        UnixMs::parse(text).unwrap()
    }

    /// A moment, by clocks that nobody sets.
    fn now(wall: UnixMs) -> Now {
        let past_ms = wall.since(BEGIN.1);
        let clocks = Readings { wall, monotonic_ms: past_ms, boot_ms: past_ms };
        Now { instant: BEGIN.0 + ms(past_ms), clocks }
    }

    /// Due every night by the clocks of Berlin, with an hour of grace; heard at `heard`.
    fn nightly(expression: &str, heard: &str) -> Due {
        let zone = Tz::Europe__Berlin;
        let moments = Recurrence::new(expression, 1, zone).unwrap();
        let cron = Box::new(Cron { moments, expression: expression.to_owned(), zone });
        let mut due = Due::resume(24 * HOUR_MS, HOUR_MS, Some(cron), Duration::ZERO, None, now(at(heard)));
        due.reported(now(at(heard)));
        due
    }

    #[test]
    fn a_nightly_report_is_due_once_a_night_when_clocks_are_set_too() {
        for (heard, nights) in [
            ("2026-03-28T01:40:00Z", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
            ("2026-10-24T00:40:00Z", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        ] {
            let mut due = nightly("30 2 * * *", heard);
            for night in nights.map(at) {
                let deadline = night.plus(HOUR_MS);
                assert_eq!(due.deadline(now(night.plus(-MINUTE_MS))), Some(now(deadline).instant));
                assert_eq!(due.missed(now(deadline.plus(-1))), None);
                assert_eq!(due.missed(now(deadline)), Some(night));
            }
        }
    }

    #[test]
    fn a_clock_that_is_set_excuses_what_it_skipped_and_nothing_else() {
        // Set forward, over the time at which it was due; and so that nothing is left of its grace.
        for (before, by_ms) in [("2026-06-02T00:20:00Z", 30 * MINUTE_MS), ("2026-06-02T00:35:00Z", 2 * HOUR_MS)] {
            let mut due = nightly("30 2 * * *", "2026-06-01T00:40:00Z");
            let after = now(at(before).plus(by_ms));
            due.was_set(after, by_ms);
            assert_eq!(due.missed(now(at("2026-06-02T23:00:00Z"))), None);
            assert_eq!(due.missed(now(at("2026-06-03T01:30:00Z"))), Some(at("2026-06-03T00:30:00Z")));
        }
        // Corrected by some seconds while it was late, or an hour before.
        for (after, by_ms) in [("2026-06-02T00:45:00Z", 5_000), ("2026-06-01T23:00:00Z", -HOUR_MS)] {
            let mut due = nightly("30 2 * * *", "2026-06-01T00:40:00Z");
            due.was_set(now(at(after)), by_ms);
            assert_eq!(due.missed(now(at("2026-06-02T01:30:00Z"))), Some(at("2026-06-02T00:30:00Z")));
        }
        // It had been a year ahead.
        let mut due = nightly("30 2 * * *", "2027-06-01T00:40:00Z");
        due.was_set(now(at("2026-06-01T12:00:00Z")), -365 * 24 * HOUR_MS);
        assert_eq!(due.missed(now(at("2026-06-02T01:30:00Z"))), Some(at("2026-06-02T00:30:00Z")));
    }

    #[test]
    fn what_was_due_while_we_were_away_is_let_go() {
        let zone = Tz::UTC;
        let last = |text: &str| Some(Last { at: at(text), was_missed: false });
        let resume = |cron: Option<&str>, heard: &str, back: &str| {
            let cron = cron.map(|expression| {
                let moments = Recurrence::new(expression, 1, zone).unwrap();
                Box::new(Cron { moments, expression: expression.to_owned(), zone })
            });
            let back = now(at(back));
            let due = Due::resume(24 * HOUR_MS, HOUR_MS, cron, Duration::ZERO, last(heard), back);
            due.deadline(back).map(|deadline| BEGIN.1.plus((deadline - BEGIN.0).as_millis() as i64))
        };
        let daily = Some("0 3 * * *");
        for (cron, heard, back, deadline) in [
            (daily, "2026-06-01T03:10:00Z", "2026-06-02T02:59:00Z", "2026-06-02T04:00:00Z"),
            (daily, "2026-06-01T03:10:00Z", "2026-06-02T03:00:01Z", "2026-06-03T04:00:00Z"),
            // From a time when the clock was wrong.
            (daily, "2027-06-01T03:10:00Z", "2026-06-02T02:59:00Z", "2026-06-02T04:00:00Z"),
            // It is still due a day after it was heard; and where that has passed, within a day.
            (None, "2026-06-01T12:00:00Z", "2026-06-01T13:00:00Z", "2026-06-02T13:00:00Z"),
            (None, "2026-06-01T12:00:00Z", "2026-06-02T06:00:00Z", "2026-06-03T01:00:00Z"),
            (None, "2026-06-01T12:00:00Z", "2026-06-09T06:00:00Z", "2026-06-10T07:00:00Z"),
        ] {
            assert_eq!(resume(cron, heard, back), Some(at(deadline)), "{cron:?} {heard} {back}");
        }
    }

    proptest! {
        #![proptest_config(crate::domain::law(2_000))]

        /// Whatever was lost while we could not hear, a service that reports regularly is heard before it is late.
        #[test]
        fn what_could_not_be_heard_makes_no_regular_service_late(
            interval in 1i64..100_000, share in 1i64..=100, silent in 0i64..300_000,
        ) {
            // It reports every so often: within its interval.
            let period = (interval * share / 100).max(1);
            // Heard last at 0, and then not until `silent`, because we could not.
            let next = (1..).map(|n| n * period).find(|at| *at >= silent).unwrap();
            prop_assert!(next - silent <= after_silence(silent, interval));
        }

        /// And nothing is waited for longer than needed.
        #[test]
        fn the_wait_is_at_most_an_interval(interval in 1i64..100_000, silent in -1_000i64..300_000) {
            let wait = after_silence(silent, interval);
            prop_assert!(wait <= interval && wait >= interval / 2);
        }
    }
}
