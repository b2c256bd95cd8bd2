//! Moments that come again by the clocks of a zone: those of reports and drills.

use super::moment;
use crate::domain::time::UnixMs;
use chrono::{Datelike, Days, NaiveDate, NaiveTime, Weekday};
use chrono_tz::Tz;

/// On which days.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Every {
    Day,
    Week(Weekday),
    /// On this day of the month, from 1 to 31; in a shorter month on its last day.
    Month(u32),
}

impl Every {
    /// The last of its days that is not after this one.
    fn last(self, date: NaiveDate) -> Option<NaiveDate> {
        match self {
            Every::Day => Some(date),
            Every::Week(day) => {
                let since = (7 + date.weekday().num_days_from_monday() - day.num_days_from_monday()) % 7;
                date.checked_sub_days(Days::new(u64::from(since)))
            }
            Every::Month(day) => {
                let first = date.with_day(1)?;
                let of_month = |first: NaiveDate| first.with_day(day.min(u32::from(first.num_days_in_month())));
                match of_month(first)? {
                    of_this if of_this <= date => Some(of_this),
                    _ => of_month(first.checked_sub_months(chrono::Months::new(1))?),
                }
            }
        }
    }
}

/// Moments at a time of day. Where clocks skip that time the moment is that of the jump, and where they show it twice
/// the first one: each of the days has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moments {
    pub every: Every,
    pub time: NaiveTime,
    pub zone: Tz,
}

/// What lies between two moments, and when what came before it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch {
    pub before: UnixMs,
    pub from: UnixMs,
    pub to: UnixMs,
}

impl Moments {
    /// The last moment that is not after `at`. `None` only at the very beginning of the calendar.
    pub fn last(&self, at: UnixMs) -> Option<UnixMs> {
        // Clocks that were set back may show the day before although a day has begun.
        let mut date = at.utc().with_timezone(&self.zone).date_naive().succ_opt()?;
        loop {
            date = self.every.last(date)?;
            match moment(self.zone, date.and_time(self.time)) {
                Some(found) if found <= at => return Some(found),
                _ => date = date.pred_opt()?,
            }
        }
    }

    /// The last stretch that is over.
    pub fn last_stretch(&self, at: UnixMs) -> Option<Stretch> {
        let to = self.last(at)?;
        let from = self.last(to.plus(-1))?;
        Some(Stretch { before: self.last(from.plus(-1))?, from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::{DAY_MS, HOUR_MS};
    use proptest::prelude::*;

    fn at(text: &str) -> UnixMs {
        UnixMs::parse(text).unwrap()
    }

    fn moments(every: Every, time: &str, zone: Tz) -> Moments {
        Moments { every, time: NaiveTime::parse_from_str(time, "%H:%M").unwrap(), zone }
    }

    #[test]
    fn a_moment_comes_once_by_the_clocks_of_the_zone() {
        let monday = Every::Week(Weekday::Mon);
        let berlin = Tz::Europe__Berlin;
        for (every, time, zone, now, last, hours) in [
            (monday, "08:00", Tz::UTC, "2026-11-30T07:59:59Z", "2026-11-23T08:00:00Z", 168),
            (monday, "08:00", Tz::UTC, "2026-11-30T08:00:00Z", "2026-11-30T08:00:00Z", 168),
            // The week in which clocks go forward, and the one in which they go back.
            (monday, "08:00", berlin, "2026-03-30T06:00:00Z", "2026-03-30T06:00:00Z", 167),
            (monday, "08:00", berlin, "2026-10-26T06:59:59Z", "2026-10-19T06:00:00Z", 168),
            (monday, "08:00", berlin, "2026-10-26T07:00:00Z", "2026-10-26T07:00:00Z", 169),
            // A time that clocks skip, and one that they show twice.
            (Every::Day, "02:30", berlin, "2026-03-29T12:00:00Z", "2026-03-29T01:00:00Z", 23),
            (Every::Day, "02:30", berlin, "2026-10-25T00:30:00Z", "2026-10-25T00:30:00Z", 24),
            (Every::Day, "02:30", berlin, "2026-10-25T01:45:00Z", "2026-10-25T00:30:00Z", 24),
            (Every::Day, "02:30", berlin, "2026-10-26T02:00:00Z", "2026-10-26T01:30:00Z", 25),
            // A leap day, a month without one, and months that are shorter.
            (Every::Day, "08:00", Tz::UTC, "2028-03-01T07:00:00Z", "2028-02-29T08:00:00Z", 24),
            (Every::Month(1), "08:00", Tz::UTC, "2028-03-01T08:00:00Z", "2028-03-01T08:00:00Z", 29 * 24),
            (Every::Month(29), "08:00", Tz::UTC, "2028-02-29T09:00:00Z", "2028-02-29T08:00:00Z", 31 * 24),
            (Every::Month(29), "08:00", Tz::UTC, "2027-03-01T09:00:00Z", "2027-02-28T08:00:00Z", 30 * 24),
            (Every::Month(31), "08:00", Tz::UTC, "2026-12-01T00:00:00Z", "2026-11-30T08:00:00Z", 30 * 24),
            (Every::Month(31), "08:00", Tz::UTC, "2026-11-30T07:00:00Z", "2026-10-31T08:00:00Z", 31 * 24),
            (Every::Month(15), "00:00", Tz::UTC, "2027-01-14T00:00:00Z", "2026-12-15T00:00:00Z", 30 * 24),
            // Apia left out the 30th.
            (Every::Day, "08:00", Tz::Pacific__Apia, "2011-12-30T18:00:00Z", "2011-12-30T18:00:00Z", 8),
        ] {
            let moments = moments(every, time, zone);
            let stretch = moments.last_stretch(at(now)).unwrap();
            assert_eq!((moments.last(at(now)), stretch.to), (Some(at(last)), at(last)), "{moments:?} {now}");
            assert_eq!(stretch.to.since(stretch.from) / HOUR_MS, hours, "{moments:?} {now}");
        }
    }

    fn every() -> impl Strategy<Value = Every> {
        prop_oneof![
            Just(Every::Day),
            (0u8..7).prop_map(|day| Every::Week(Weekday::try_from(day).unwrap())),
            (1u32..=31).prop_map(Every::Month),
        ]
    }

    /// Whether a day is one of them, as a person reads a calendar.
    fn is_one(every: Every, date: NaiveDate) -> bool {
        match every {
            Every::Day => true,
            Every::Week(day) => date.weekday() == day,
            Every::Month(day) => date.day() == day || date.day() < day && date.succ_opt().unwrap().day() == 1,
        }
    }

    proptest! {
        #![proptest_config(crate::domain::law(200))]

        /// Every day that is one of them has its moment, and nothing else is one.
        #[test]
        fn the_last_moment_is_the_last_of_all(
            every in every(), minute in 0u32..1440, days in 12_000i64..24_000, ms in 0i64..DAY_MS,
            zone in prop::sample::select(vec![
                Tz::Europe__Berlin, Tz::America__Havana, Tz::America__Sao_Paulo, Tz::Australia__Lord_Howe,
                Tz::Pacific__Apia, Tz::Africa__Casablanca, Tz::UTC,
            ]),
        ) {
            let time = NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap();
            let moments = Moments { every, time, zone };
            let now = UnixMs(days * DAY_MS + ms);
            let today = now.utc().date_naive();
            let mut all: Vec<UnixMs> = (-70i64..=3)
                .map(|days| today + chrono::TimeDelta::days(days))
                .filter(|date| is_one(every, *date))
                .filter_map(|date| moment(zone, date.and_time(time)))
                .filter(|found| *found <= now)
                .collect();
            all.dedup();
            let stretch = moments.last_stretch(now).unwrap();
            let naive = all.iter().rev().copied();
            prop_assert_eq!(
                naive.take(2).collect::<Vec<_>>(), vec![stretch.to, stretch.from], "{:?} {}", moments, now
            );
            prop_assert!(stretch.before < stretch.from && stretch.from < stretch.to);
            // It stays the last one until the next.
            prop_assert_eq!(moments.last(stretch.to), Some(stretch.to));
        }
    }
}
