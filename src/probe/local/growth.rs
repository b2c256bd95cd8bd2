//! How fast a file grows, from one check to the next. It begins anew with the program.

use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// What `max_growth` is about.
const HOUR: Duration = Duration::from_secs(3600);
/// How far the moments are apart that are remembered, at least.
const STEP: Duration = Duration::from_secs(60);

/// What was seen of a file.
#[derive(Debug)]
pub(super) struct Growth {
    file: u64,
    bytes: u64,
    /// All that was added, over all files that took its place.
    added: u64,
    grown_at: Instant,
    /// How much had been added at moments of the last hour.
    moments: VecDeque<(Instant, u64)>,
}

/// What is known with a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Grown {
    /// For how long it has not grown.
    pub(super) idle: Duration,
    /// By how many bytes it grew within an hour.
    pub(super) in_an_hour: u64,
}

impl Growth {
    /// The first look, at the file of this number.
    pub(super) fn new(now: Instant, file: u64, bytes: u64) -> Growth {
        Growth { file, bytes, added: 0, grown_at: now, moments: VecDeque::from([(now, 0)]) }
    }

    /// One more.
    pub(super) fn see(&mut self, now: Instant, file: u64, bytes: u64) -> Grown {
        // Another file in its place, or one that was emptied: all that is in it is new.
        let is_new = file != self.file || bytes < self.bytes;
        self.added += if is_new { bytes } else { bytes - self.bytes };
        if is_new || bytes > self.bytes {
            self.grown_at = now;
        }
        (self.file, self.bytes) = (file, bytes);
        while self.moments.front().is_some_and(|(at, _)| now.duration_since(*at) > HOUR) {
            self.moments.pop_front();
        }
        let in_an_hour = self.added - self.moments.front().map_or(self.added, |(_, added)| *added);
        if self.moments.back().is_none_or(|(at, _)| now.duration_since(*at) >= STEP) {
            self.moments.push_back((now, self.added));
        }
        Grown { idle: now.duration_since(self.grown_at), in_an_hour }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(60 * n)
    }

    #[test]
    fn a_file_that_stays_as_it_is_is_idle_and_one_that_grows_is_not() {
        let start = Instant::now();
        let mut growth = Growth::new(start, 1, 100);
        for (at, file, bytes, idle, in_an_hour) in [
            (10, 1, 100, 10, 0),
            (20, 1, 150, 0, 50),
            (50, 1, 150, 30, 50),
            (70, 1, 150, 50, 50),
            (90, 1, 150, 70, 0),
            // Emptied, and written to again; then another file is in its place.
            (100, 1, 30, 0, 30),
            (110, 2, 200, 0, 230),
        ] {
            let grown = growth.see(start + minutes(at), file, bytes);
            assert_eq!(grown, Grown { idle: minutes(idle), in_an_hour }, "after {at} minutes");
        }
    }

    proptest! {
        /// However often it is looked at, what is remembered is bounded, and never more than what was written.
        #[test]
        fn an_hour_is_never_more_than_all(steps in proptest::collection::vec((0..900_u64, 0..50_u64), 1..300)) {
            let (mut now, mut bytes) = (Instant::now(), 0);
            let mut growth = Growth::new(now, 1, bytes);
            for (seconds, more) in steps {
                now += Duration::from_secs(seconds);
                bytes += more;
                let grown = growth.see(now, 1, bytes);
                prop_assert!(grown.in_an_hour <= bytes);
                prop_assert!(growth.moments.len() <= 62);
            }
        }
    }
}
