//! When maintenance is: windows that happen once, and windows that come again by a cron expression in a time zone.
//!
//! An expression means the local time of its zone, a duration means elapsed time. Where clocks are set
//! forward, a window whose beginning they never show begins at the moment they jump; where they are set back, one whose
//! beginning they show twice begins the first time. So a nightly window comes every night, and once. Only an expression
//! for every hour means the hours themselves: those that are left out bring no window, and those that come twice bring
//! two.

mod due;
pub mod moments;

use crate::domain::{
    maintenance::Overlay,
    time::{DAY_MS, SECOND_MS, UnixMs},
    window::Window,
};
use chrono::{DateTime, LocalResult, NaiveDateTime, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use std::sync::{Arc, Mutex, PoisonError};

/// The longest window, in milliseconds: 31 days.
pub const LONGEST_MS: i64 = 31 * DAY_MS;

/// Clocks are never set by more than this, with room to spare.
const MARGIN_MS: i64 = 26 * 3_600_000;

/// Windows that come again by the clock on the wall.
#[derive(Clone, Debug)]
pub struct Recurrence {
    cron: Cron,
    /// The hour field is `*`.
    every_hour: bool,
    /// How long each window is, in milliseconds, at least 1.
    duration_ms: i64,
    zone: Tz,
}

impl Recurrence {
    /// Reads a cron expression of five fields (minute, hour, day of the month, month, day of the week), or `@daily` and
    /// its like.
    ///
    /// # Errors
    /// What is wrong with the expression, in words.
    pub fn new(expression: &str, duration_ms: i64, zone: Tz) -> Result<Recurrence, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(expression).map_err(|error| in_words(&error.to_string()))?;
        let every_hour = (0..24).all(|hour| cron.pattern.hour_match(hour).unwrap_or(false));
        Ok(Recurrence { cron, every_hour, duration_ms: duration_ms.max(1), zone })
    }

    /// The shortest time between the beginnings of two windows, in milliseconds, as clocks show it; `None` when there are
    /// no two.
    pub fn period_ms(&self) -> Option<i64> {
        // Any year will do that is followed by a leap year within reach.
        let begin = NaiveDateTime::default() + chrono::TimeDelta::days(365);
        let until = begin + chrono::TimeDelta::days(9 * 366);
        let mut times = self.shown_from(begin).take_while(|at| *at < until).take(1_500);
        let mut last = times.next()?;
        let mut least: Option<i64> = None;
        for next in times {
            let period = (next - last).num_milliseconds();
            least = Some(least.map_or(period, |least| least.min(period)));
            last = next;
        }
        least
    }

    /// Whether it ever comes.
    pub fn comes(&self) -> bool {
        self.shown_from(NaiveDateTime::default()).next().is_some()
    }

    /// The times that clocks show when a window begins, from `from` on.
    fn shown_from(&self, from: NaiveDateTime) -> impl Iterator<Item = NaiveDateTime> + '_ {
        // The expression is evaluated on local time taken as UTC, which has no clock changes.
        let mut next = Some((from.and_utc(), true));
        std::iter::from_fn(move || {
            let (at, inclusive) = next.take()?;
            let found: DateTime<Utc> = self.cron.find_next_occurrence(&at, inclusive).ok()?;
            next = Some((found, false));
            Some(found.naive_utc())
        })
    }

    /// When clocks show `local`, as moments at which a window begins.
    fn moments(&self, local: NaiveDateTime) -> Vec<UnixMs> {
        let ms = |at: DateTime<Tz>| UnixMs(at.timestamp_millis());
        match self.zone.from_local_datetime(&local) {
            LocalResult::Single(at) => vec![ms(at)],
            LocalResult::Ambiguous(first, second) if self.every_hour => vec![ms(first), ms(second)],
            LocalResult::Ambiguous(first, _) => vec![ms(first)],
            LocalResult::None if self.every_hour => Vec::new(),
            LocalResult::None => jump(self.zone, local).into_iter().collect(),
        }
    }

    fn windows(&self, asked: Window) -> Vec<Window> {
        let shown = |at: UnixMs| at.utc().with_timezone(&self.zone).naive_local();
        // A whole second: an expression knows nothing smaller.
        let from = asked.from().plus(-self.duration_ms - MARGIN_MS).floor(SECOND_MS).max(UnixMs::MIN);
        let until = shown(asked.to().plus(MARGIN_MS));
        let mut found: Vec<Window> = self
            .shown_from(shown(from))
            .take_while(|local| *local < until)
            .flat_map(|local| self.moments(local))
            .filter_map(|begin| Window::new(begin, begin.plus(self.duration_ms)))
            .filter(|w| asked.clip(w.from(), w.to()).is_some())
            .collect();
        found.sort_by_key(Window::from);
        found.dedup();
        found
    }
}

/// The moment at which the clocks of a zone jump over `local`.
fn jump(zone: Tz, local: NaiveDateTime) -> Option<UnixMs> {
    Some(UnixMs(GapInfo::new(&local, &zone)?.end?.timestamp_millis()))
}

/// The moment at which the clocks of a zone show `local`: the first one where they show it twice, the moment of the jump
/// where they never do.
pub fn moment(zone: Tz, local: NaiveDateTime) -> Option<UnixMs> {
    match zone.from_local_datetime(&local).earliest() {
        Some(at) => Some(UnixMs(at.timestamp_millis())),
        None => jump(zone, local),
    }
}

/// What the library says, as this program says it.
fn in_words(error: &str) -> String {
    let said = error.split_once(": ").map_or(error, |(_, said)| said);
    let mut letters = said.trim_end_matches('.').chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// When windows are.
#[derive(Clone, Debug)]
pub enum When {
    Once(Window),
    Recurring(Box<Recurrence>),
}

/// A rule of the configuration, with the windows of the day that was queried last.
#[derive(Debug)]
pub struct Rule {
    when: When,
    asked: Mutex<Option<(Window, Arc<[Window]>)>>,
}

impl Rule {
    pub fn new(when: When) -> Rule {
        Rule { when, asked: Mutex::default() }
    }

    /// The windows that share time with `asked`, whole, in the order of their beginnings.
    pub fn windows(&self, asked: Window) -> Vec<Window> {
        let overlap = |w: &Window| asked.clip(w.from(), w.to()).is_some();
        match &self.when {
            When::Once(window) => Some(*window).filter(overlap).into_iter().collect(),
            When::Recurring(recurrence) if asked.length_ms() > DAY_MS => recurrence.windows(asked),
            When::Recurring(recurrence) => {
                let mut cache = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                let known = cache.as_ref().filter(|(w, _)| w.from() <= asked.from() && asked.to() <= w.to());
                let windows = match known {
                    Some((_, windows)) => windows.clone(),
                    None => {
                        let from = asked.from().floor(DAY_MS);
                        let around = Window::new(from, from.plus(2 * DAY_MS + 1)).unwrap_or(asked);
                        let windows: Arc<[Window]> = recurrence.windows(around).into();
                        *cache = Some((around, windows.clone()));
                        windows
                    }
                };
                windows.iter().copied().filter(overlap).collect()
            }
        }
    }
}

/// Maintenance that the configuration announces.
#[derive(Clone, Debug)]
pub struct Planned {
    pub rule: Arc<Rule>,
    /// The names of the services that it is for; `None`: all.
    pub services: Option<Vec<String>>,
    pub reason: String,
}

/// The maintenance of one service during one run of the monitor. Its answers do not depend on who queries it, and when:
/// what had been noted when the run began, and from then on what the rules say.
#[derive(Default, Debug)]
pub struct Timetable {
    /// From the configuration, noted in the history.
    noted: Overlay,
    /// Marked by hand.
    marked: Overlay,
    /// From when on the rules apply.
    since: UnixMs,
    rules: Vec<Arc<Rule>>,
}

impl Timetable {
    pub fn new(noted: Overlay, marked: Overlay, since: UnixMs, rules: Vec<Arc<Rule>>) -> Timetable {
        Timetable { noted, marked, since, rules }
    }

    /// What was announced: the maintenance in which the state machine is paused. The stretches that share time with
    /// `asked`.
    pub fn announced(&self, asked: Window) -> Overlay {
        let noted = self.noted.touching(asked);
        let Some(ahead) = Window::new(asked.from().max(self.since), asked.to()).filter(|_| !self.rules.is_empty())
        else {
            return Overlay::new(noted);
        };
        let clipped = |w: Window| Window::new(w.from().max(self.since), w.to());
        let ruled = self.rules.iter().flat_map(|rule| rule.windows(ahead)).filter_map(clipped);
        Overlay::new(noted.chain(ruled))
    }

    /// All maintenance: what figures leave out.
    pub fn all(&self, asked: Window) -> Overlay {
        let announced = self.announced(asked);
        Overlay::new(announced.windows().iter().copied().chain(self.marked.touching(asked)))
    }

    /// Whether `at` is announced maintenance.
    pub fn contains(&self, at: UnixMs) -> bool {
        Window::new(at, at.plus(1)).is_some_and(|now| self.announced(now).contains(at))
    }

    /// The first moment after `at` at which announced maintenance may begin or end. Nothing happens before it; that
    /// something happens then is certain only within a day.
    pub fn next_boundary(&self, at: UnixMs) -> UnixMs {
        if self.noted.windows().is_empty() && self.rules.is_empty() {
            return UnixMs::MAX;
        }
        let until = at.plus(DAY_MS);
        let ahead = Window::new(at, until).map_or(Overlay::NONE, |ahead| self.announced(ahead));
        let boundaries = ahead.windows().iter().flat_map(|window| [window.from(), window.to()]);
        boundaries.filter(|boundary| *boundary > at).min().unwrap_or(until)
    }

    /// The announced maintenance that `at` lies in: windows that touch are one, up to a number of them.
    pub fn at(&self, at: UnixMs) -> Option<Window> {
        let whole = |at: UnixMs| self.announced(Window::new(at, at.plus(1))?).at(at);
        let mut found = whole(at)?;
        for _ in 0..64 {
            let (before, after) = (whole(found.from().plus(-1)), whole(found.to()));
            if before.is_none() && after.is_none() {
                break;
            }
            let (from, to) = (before.map_or(found.from(), |w| w.from()), after.map_or(found.to(), |w| w.to()));
            found = Window::new(from, to)?;
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::{HOUR_MS, MINUTE_MS};
    use chrono::NaiveTime;
    use proptest::prelude::*;

    fn at(text: &str) -> UnixMs {
        UnixMs::parse(text).unwrap()
    }

    fn recurring(expression: &str, duration_ms: i64, zone: &str) -> Recurrence {
        Recurrence::new(expression, duration_ms, zone.parse().unwrap()).unwrap()
    }

    fn starts(expression: &str, zone: &str, from: &str, to: &str) -> Vec<String> {
        let asked = Window::new(at(from), at(to)).unwrap();
        let windows = recurring(expression, 1, zone).windows(asked);
        windows.iter().map(|w| w.from().to_string().replace(":00.000Z", "Z")).collect()
    }

    #[test]
    fn a_nightly_window_comes_every_night_and_once() {
        // Clocks in Berlin: 2:00 -> 3:00 on 29 March, 3:00 -> 2:00 on 25 October 2026.
        assert_eq!(
            starts("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
            ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"],
            "never shown: at the jump"
        );
        assert_eq!(
            starts("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z"),
            ["2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"],
            "shown twice: the first"
        );
        // Two windows a night are as good as one.
        assert_eq!(
            starts("0 2,4 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"),
            ["2026-03-29T01:00Z", "2026-03-29T02:00Z", "2026-03-30T00:00Z"][..2]
        );
        // Lord Howe moves its clocks by half an hour: 2:00 -> 2:30 on 4 October, 2:00 -> 1:30 on 5 April 2026.
        assert_eq!(
            starts("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", "2026-10-03T18:00:00Z"),
            ["2026-10-03T15:30Z"]
        );
        assert_eq!(
            starts("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-04T18:00:00Z"),
            ["2026-04-04T14:45Z"]
        );
    }

    /// Neither an hour off for half a year, nor twice or never in the weeks in which clocks are set.
    #[test]
    fn a_weekly_window_comes_at_its_hour_all_year_and_once_a_week() {
        for zone in ["Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu"]
        {
            let tz: Tz = zone.parse().unwrap();
            for (hour, minute) in [(0, 0), (1, 30), (2, 0), (2, 30), (3, 0), (23, 59)] {
                let cron = format!("{minute} {hour} * * SUN");
                let year = Window::new(at("2018-01-03T00:00:00Z"), at("2018-12-26T00:00:00Z")).unwrap();
                let begins: Vec<DateTime<Tz>> =
                    recurring(&cron, 1, zone).windows(year).iter().map(|w| w.from().utc().with_timezone(&tz)).collect();
                assert_eq!(begins.len(), 51, "{zone} {cron}");
                let moved: Vec<_> = begins
                    .iter()
                    .filter(|begin| begin.time() != NaiveTime::from_hms_opt(hour, minute, 0).unwrap())
                    .collect();
                // Only a time that is left out, on the one day on which it is.
                assert!(moved.len() <= 1, "{zone} {cron}: {moved:?}");
                for begin in moved {
                    let due = begin.date_naive().and_hms_opt(hour, minute, 0).unwrap();
                    assert_eq!(tz.from_local_datetime(&due), LocalResult::None, "{zone} {cron}: {begin}");
                }
            }
        }
    }

    #[test]
    fn every_hour_means_the_hours_themselves() {
        assert_eq!(
            starts("15 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z"),
            ["2026-03-29T00:15Z", "2026-03-29T01:15Z", "2026-03-29T02:15Z"]
        );
        assert_eq!(
            starts("15 * * * *", "America/New_York", "2026-11-01T05:00:00Z", "2026-11-01T08:00:00Z"),
            ["2026-11-01T05:15Z", "2026-11-01T06:15Z", "2026-11-01T07:15Z"]
        );
    }

    #[test]
    fn a_window_is_as_long_as_it_says_whatever_clocks_do() {
        let night = recurring("0 1 * * *", 4 * HOUR_MS, "America/New_York");
        let asked = Window::new(at("2026-03-08T06:00:00Z"), at("2026-03-08T07:00:00Z")).unwrap();
        let windows = night.windows(asked);
        assert_eq!(windows, [Window::new(at("2026-03-08T06:00:00Z"), at("2026-03-08T10:00:00Z")).unwrap()]);
    }

    #[test]
    fn what_is_no_expression_is_refused_in_words() {
        for wrong in ["", "* * * *", "61 * * * *", "0 0 2 * * *", "every night", "0 25 * * *"] {
            let said = Recurrence::new(wrong, 1, Tz::UTC).unwrap_err();
            assert!(said.len() > 5 && !said.ends_with('.'), "{wrong}: {said}");
        }
        assert!(!recurring("0 0 30 2 *", 1, "UTC").comes());
        assert_eq!(recurring("0 2 * * *", 1, "Europe/Berlin").period_ms(), Some(DAY_MS));
        assert_eq!(recurring("*/20 2 * * *", 1, "Europe/Berlin").period_ms(), Some(20 * MINUTE_MS));
        assert_eq!(recurring("0 3 29 2 *", 1, "UTC").period_ms(), Some(1461 * DAY_MS));
    }

    #[test]
    fn a_timetable_goes_on_from_what_was_noted_with_what_is_ruled() {
        let rule = Arc::new(Rule::new(When::Recurring(Box::new(recurring("0 * * * *", 10 * MINUTE_MS, "UTC")))));
        let w = |from, to| Window::new(UnixMs(from * MINUTE_MS), UnixMs(to * MINUTE_MS)).unwrap();
        let noted = Overlay::new([w(60, 65), w(125, 130)]);
        let table = Timetable::new(noted, Overlay::new([w(30, 40)]), UnixMs(126 * MINUTE_MS), vec![rule]);
        assert_eq!(table.announced(w(0, 200)).windows(), [w(60, 65), w(125, 130), w(180, 190)]);
        assert_eq!(table.all(w(0, 100)).windows(), [w(30, 40), w(60, 65)]);
        assert_eq!(table.at(UnixMs(128 * MINUTE_MS)), Some(w(125, 130)));
        assert_eq!(table.at(UnixMs(185 * MINUTE_MS)), Some(w(180, 190)));
        assert_eq!(table.at(UnixMs(35 * MINUTE_MS)), None);
    }

    fn zones() -> impl Strategy<Value = Tz> {
        prop::sample::select(vec![
            Tz::Europe__Berlin,
            Tz::America__New_York,
            Tz::Australia__Lord_Howe,
            Tz::Pacific__Apia,
            Tz::Africa__Casablanca,
            Tz::UTC,
        ])
    }

    proptest! {
        #![proptest_config(crate::domain::law(60))]

        /// Day by day: each day on the calendar of the zone has its window, at the moment that its clocks first show the
        /// time, or jump over it. Pacific/Apia left a whole day out in 2011.
        #[test]
        fn each_day_of_a_zone_has_its_window(
            zone in zones(), hour in 0u32..24, minute in 0u32..60, duration_min in 1i64..1440,
            year in 2010i32..2037, start in 0i64..330,
        ) {
            let cron = Recurrence::new(&format!("{minute} {hour} * * *"), duration_min * MINUTE_MS, zone).unwrap();
            let first = chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap() + chrono::TimeDelta::days(start);
            let from = UnixMs(first.and_hms_opt(0, 0, 0).unwrap().and_utc().timestamp_millis());
            let asked = Window::new(from, from.plus(40 * DAY_MS)).unwrap();
            // The naive reference asks the clock on the wall minute by minute.
            let shown = |at: UnixMs| at.utc().with_timezone(&zone).naive_local();
            let mut expected: Vec<UnixMs> = Vec::new();
            let before = asked.from().plus(-duration_min * MINUTE_MS - 2 * DAY_MS);
            let mut last = shown(before.plus(-MINUTE_MS));
            // The latest time that clocks have shown: what they show below it, they show again.
            let mut highest = last;
            let mut at = before;
            while at < asked.to() {
                let now = shown(at);
                let mut day = last.date();
                while day <= now.date() {
                    let due = day.and_hms_opt(hour, minute, 0).unwrap();
                    if highest < due && due <= now {
                        expected.push(at);
                    }
                    day = day.succ_opt().unwrap();
                }
                highest = highest.max(now);
                last = now;
                at = at.plus(MINUTE_MS);
            }
            expected.dedup();
            expected.retain(|at| asked.clip(*at, at.plus(duration_min * MINUTE_MS)).is_some());
            let windows = cron.windows(asked);
            prop_assert_eq!(windows.iter().map(Window::from).collect::<Vec<_>>(), expected);
            prop_assert!(windows.iter().all(|w| w.length_ms() == duration_min * MINUTE_MS));
        }

        /// A window that is queried in pieces gives the same as one query.
        #[test]
        fn a_rule_answers_the_same_however_it_is_asked(
            zone in zones(), expression in prop::sample::select(vec!["30 2 * * *", "*/20 * * * *", "0 1,2,3 * * 0", "@daily"]),
            duration_min in 1i64..600, pieces in prop::collection::vec(1i64..30 * HOUR_MS, 1..20), start in 0i64..365,
        ) {
            let recurrence = Recurrence::new(expression, duration_min * MINUTE_MS, zone).unwrap();
            let rule = Rule::new(When::Recurring(Box::new(recurrence.clone())));
            let mut from = at("2026-01-01T00:00:00Z").plus(start * DAY_MS);
            for piece in pieces {
                let asked = Window::new(from, from.plus(piece)).unwrap();
                prop_assert_eq!(rule.windows(asked), recurrence.windows(asked));
                from = from.plus(piece - HOUR_MS / 2).max(UnixMs(0));
            }
        }
    }

    #[test]
    fn between_two_boundaries_maintenance_neither_begins_nor_ends() {
        let begin = at("2026-11-16T00:00:00Z");
        let minutes =
            |from: i64, to: i64| Window::new(begin.plus(from * MINUTE_MS), begin.plus(to * MINUTE_MS)).unwrap();
        let rule = |when| Arc::new(Rule::new(when));
        let nightly = Recurrence::new("30 2 * * *", 7 * MINUTE_MS, "Europe/Berlin".parse().unwrap()).unwrap();
        let noted = Overlay::new([minutes(-10, 5), minutes(40, 41)]);
        let rules = vec![rule(When::Recurring(Box::new(nightly))), rule(When::Once(minutes(41, 3000)))];
        let timetable = Timetable::new(noted, Overlay::NONE, begin, rules);
        let (mut boundary, mut found) = (begin.plus(-MINUTE_MS), Vec::new());
        for minute in -1..6 * 24 * 60 {
            let now = begin.plus(minute * MINUTE_MS);
            let before = now.plus(-MINUTE_MS);
            if timetable.contains(now) != timetable.contains(before) {
                assert_eq!(boundary, now);
                found.push(minute);
            }
            if now >= boundary {
                boundary = timetable.next_boundary(now);
                assert!(boundary > now);
            }
        }
        assert_eq!(found, [5, 40, 3000, 4410, 4417, 5850, 5857, 7290, 7297]);
        assert_eq!(Timetable::default().next_boundary(begin), UnixMs::MAX);
    }
}
