//! When the next check of a service is due.

use std::time::Duration;
use tokio::time::Instant;

/// A service's slots, and which of them comes next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    interval: Duration,
    retry: Duration,
    /// The first slot that no check has served.
    slot: Instant,
}

impl Pace {
    pub(super) fn new(interval: Duration, retry: Duration, slot: Instant) -> Pace {
        Pace { interval, retry, slot }
    }

    /// After a check that ran from `started` to `ended`: when the next one is due, and whether it is a recheck.
    ///
    /// A slot that passes during a check is served when the check has ended, though not sooner than the retry interval
    /// after its start: a service whose checks all end with a timeout as long as the interval keeps its pace. Of several
    /// such slots only the last is served: no burst follows a check that took longer than it may.
    pub(super) fn next(&mut self, started: Instant, ended: Instant, rechecking: bool) -> (Instant, bool) {
        while self.slot <= started {
            self.slot += self.interval;
        }
        while self.slot + self.interval <= ended {
            self.slot += self.interval;
        }
        let retry = (started + self.retry).max(ended);
        if self.slot <= ended { (retry, false) } else { self.before_the_slot(retry, rechecking) }
    }

    fn before_the_slot(&self, retry: Instant, rechecking: bool) -> (Instant, bool) {
        if rechecking && retry < self.slot { (retry, true) } else { (self.slot, false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_check_that_ends_with_its_deadline_keeps_its_pace() {
        let begin = Instant::now();
        let mut pace = Pace::new(5000 * MS, 2000 * MS, begin);
        let mut started = begin;
        for n in 1..10_000 {
            // The timer is late by two milliseconds each time.
            let (due, recheck) = pace.next(started, started + 5002 * MS, true);
            assert_eq!((due, recheck), (started + 5002 * MS, false), "{n}");
            started = due;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_check_that_took_many_slots_one_follows_at_once_and_the_next_in_its_slot() {
        let begin = Instant::now();
        let mut pace = Pace::new(1000 * MS, 500 * MS, begin);
        assert_eq!(pace.next(begin, begin + 4100 * MS, false), (begin + 4100 * MS, false));
        assert_eq!(pace.next(begin + 4100 * MS, begin + 4101 * MS, false), (begin + 5000 * MS, false));
    }

    proptest! {
        #![proptest_config(crate::domain::law(4_000))]

        #[test]
        fn no_slot_is_skipped_and_no_check_comes_too_soon(
            interval in 1_u32..120_000,
            retry in 0.0..=1.0_f64,
            checks in proptest::collection::vec((0.0..=1.0_f64, any::<bool>()), 1..40),
            late_by in 0_u32..3,
        ) {
            let begin = Instant::now();
            let (interval_ms, retry) = (interval, MS * ((f64::from(interval) * retry) as u32).max(1));
            let interval = MS * interval_ms;
            let mut pace = Pace::new(interval, retry, begin);
            let mut started = begin;
            for (took, rechecking) in checks {
                let took = MS * ((f64::from(interval_ms) * took) as u32);
                let ended = started + took + MS * late_by;
                let (due, recheck) = pace.next(started, ended, rechecking);
                prop_assert!(due >= ended);
                prop_assert!(!recheck || rechecking);
                // The slots between two starts: the one that the second serves, and no other.
                prop_assert!(due.duration_since(started) <= interval.max(retry).max(took) + MS * late_by);
                prop_assert!(took < interval || due == ended.max(started + retry), "at once");
                started = due;
            }
        }
    }
}
