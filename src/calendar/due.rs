//! When something is due that comes again: the beginnings of windows, without their lengths.

use super::{MARGIN_MS, Recurrence};
use crate::domain::{
    time::{DAY_MS, HOUR_MS, SECOND_MS, UnixMs},
    window::Window,
};
use chrono::{NaiveDateTime, Offset, TimeZone};

impl Recurrence {
    /// The longest time between the beginnings of two windows, in milliseconds, as clocks show it, and a day more at most
    /// where they come often on some days only; `None` when there are no two within some years.
    pub fn longest_ms(&self) -> Option<i64> {
        let begin = NaiveDateTime::default() + chrono::TimeDelta::days(365);
        let times: Vec<NaiveDateTime> = self.shown_from(begin).take(1_500).collect();
        let between = times.windows(2).map(|pair| (pair[1] - pair[0]).num_milliseconds());
        // So many may be only a few days: a month that is left out lies after them.
        let first_of = |day: i64| {
            let day = begin + chrono::TimeDelta::days(day);
            self.shown_from(day).next().map(|first| (first - day).num_milliseconds())
        };
        let whole_days = (1..=2 * 366).filter_map(first_of).filter(|wait| *wait >= 2 * DAY_MS);
        between.chain(whole_days).max()
    }

    /// The first beginning of a window after `at`; `None` where there is none within ten years.
    pub fn next_after(&self, at: UnixMs) -> Option<UnixMs> {
        let (mut from, mut step) = (at.plus(1), HOUR_MS);
        while from.since(at) < 10 * 366 * DAY_MS {
            let asked = Window::new(from, from.plus(step))?;
            let first = self.begun_within(asked).into_iter().find(|begin| *begin > at);
            if first.is_some() {
                return first;
            }
            (from, step) = (asked.to(), (2 * step).min(366 * DAY_MS));
        }
        None
    }

    /// The beginnings in a stretch of time. Where no clock is set around it, its local times are those of its ends.
    fn begun_within(&self, asked: Window) -> Vec<UnixMs> {
        let offset = |at: UnixMs| self.zone.offset_from_utc_datetime(&at.utc().naive_utc()).fix();
        let (before, after) = (asked.from().plus(-MARGIN_MS), asked.to().plus(MARGIN_MS));
        if asked.length_ms() > DAY_MS || offset(before) != offset(asked.from()) || offset(before) != offset(after) {
            let begun = |w: &Window| w.from() >= asked.from() && w.from() < asked.to();
            return self.windows(asked).iter().filter(|w| begun(w)).map(Window::from).collect();
        }
        let shown = |at: UnixMs| at.utc().with_timezone(&self.zone).naive_local();
        // A whole second: an expression knows nothing smaller.
        let first = shown(asked.from().floor(SECOND_MS));
        let within = |begin: &UnixMs| *begin >= asked.from() && *begin < asked.to();
        let times = self.shown_from(first).take_while(|local| *local < shown(asked.to()));
        times.flat_map(|local| self.moments(local)).filter(within).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::MINUTE_MS;
    use proptest::prelude::*;

    fn recurring(expression: &str, zone: &str) -> Recurrence {
        Recurrence::new(expression, 1, zone.parse().unwrap()).unwrap()
    }

    #[test]
    fn the_longest_wait_is_known_also_of_what_comes_often_on_some_days_only() {
        for (expression, longest) in [
            ("0 3 * * *", DAY_MS),
            ("*/5 * * * *", 5 * MINUTE_MS),
            ("0 3 * * MON-FRI", 3 * DAY_MS),
            ("0 3 1 * *", 31 * DAY_MS),
            ("0 9-17 * * *", 16 * HOUR_MS),
        ] {
            assert_eq!(recurring(expression, "UTC").longest_ms(), Some(longest), "{expression}");
        }
        let first_week = recurring("* * 1-7 * *", "UTC").longest_ms().unwrap();
        assert!((24 * DAY_MS..=25 * DAY_MS).contains(&first_week), "{first_week}");
    }

    proptest! {
        #![proptest_config(crate::domain::law(200))]

        #[test]
        fn the_next_one_is_the_first_of_those_that_come(
            expression in prop::sample::select(vec![
                "0 3 * * *", "30 2 * * *", "*/7 * * * *", "15 * * * *", "0 2,4 * * SUN", "0 0 29 2 *", "59 23 31 * *",
            ]),
            zone in prop::sample::select(vec!["Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]),
            // Around the changes of the clocks, too.
            day in prop_oneof![15_000i64..22_000, 20_540i64..20_543, 20_750i64..20_753],
            ms in 0i64..DAY_MS,
        ) {
            let (recurrence, now) = (recurring(expression, zone), UnixMs(day * DAY_MS + ms));
            let next = recurrence.next_after(now).unwrap();
            let until = Window::new(now.plus(1), next.plus(1)).unwrap();
            let begun: Vec<UnixMs> = recurrence.windows(until).iter().map(Window::from).filter(|at| *at > now).collect();
            prop_assert_eq!(begun, vec![next]);
        }
    }
}
