//! The reader's time zone: what pages say times in.

use crate::{
    calendar,
    domain::time::{DAY_MS, UnixMs},
};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime};
use chrono_tz::Tz;
use serde::Serialize;

/// A zone of the IANA database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Zone(Tz);

/// A moment as a page says it: for machines and for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Moment {
    /// RFC 3339 in UTC, with milliseconds.
    pub(crate) iso: String,
    pub(crate) text: String,
    pub(crate) ms: i64,
}

/// Whether it is of the years 1970 to 9999.
fn is_within(at: &UnixMs) -> bool {
    (UnixMs::MIN..=UnixMs::MAX).contains(at)
}

impl Zone {
    pub(crate) const UTC: Zone = Zone(Tz::UTC);

    /// The zone of this name, such as `Europe/Berlin`.
    pub fn parse(name: &str) -> Option<Zone> {
        name.parse().ok().map(Zone)
    }

    pub(crate) fn name(self) -> &'static str {
        self.0.name()
    }

    pub(crate) fn local(self, at: UnixMs) -> DateTime<Tz> {
        at.utc().with_timezone(&self.0)
    }

    fn say(self, at: UnixMs, format: &str) -> String {
        self.local(at).format(format).to_string()
    }

    /// "14:32:12"
    pub(crate) fn clock(self, at: UnixMs) -> String {
        self.say(at, "%H:%M:%S")
    }

    /// "Tuesday, 17 November"; with the year when it is not `now`'s.
    pub(crate) fn long_day(self, at: UnixMs, now: UnixMs) -> String {
        let other_year = self.local(at).year() != self.local(now).year();
        self.say(at, if other_year { "%A, %-d %B %Y" } else { "%A, %-d %B" })
    }

    /// "17 November"; with the year when it is not `now`'s.
    pub(crate) fn date_said(self, at: UnixMs, now: UnixMs) -> String {
        let other_year = self.local(at).year() != self.local(now).year();
        self.say(at, if other_year { "%-d %B %Y" } else { "%-d %B" })
    }

    /// "Tue 17 Nov"; with the year when it is not `now`'s.
    pub(crate) fn day(self, at: UnixMs, now: UnixMs) -> String {
        let other_year = self.local(at).year() != self.local(now).year();
        self.say(at, if other_year { "%a %-d %b %Y" } else { "%a %-d %b" })
    }

    /// The calendar day that `at` lies in.
    pub(crate) fn date(self, at: UnixMs) -> NaiveDate {
        self.local(at).date_naive()
    }

    /// A moment as "14:32:12", with its day in front when that is not today.
    pub(crate) fn moment(self, at: UnixMs, now: UnixMs) -> Moment {
        self.say_moment(at, now, "%H:%M:%S", false)
    }

    /// The same with milliseconds, for where they matter.
    pub(crate) fn exact(self, at: UnixMs, now: UnixMs) -> Moment {
        self.say_moment(at, now, "%H:%M:%S%.3f", false)
    }

    /// A moment with its day in front, always.
    pub(crate) fn dated(self, at: UnixMs, now: UnixMs) -> Moment {
        self.say_moment(at, now, "%H:%M:%S", true)
    }

    /// A moment as its time of day alone, where the day is shown beside it.
    pub(crate) fn time_of_day(self, at: UnixMs) -> Moment {
        Moment { iso: at.to_string(), text: self.say(at, "%H:%M:%S%.3f"), ms: at.0 }
    }

    fn say_moment(self, at: UnixMs, now: UnixMs, format: &str, with_day: bool) -> Moment {
        let time = self.say(at, format);
        let same_day = self.date(at) == self.date(now);
        let text = if same_day && !with_day { time } else { format!("{}, {time}", self.day(at, now)) };
        Moment { iso: at.to_string(), text, ms: at.0 }
    }

    /// What a `datetime-local` field shows and sends back.
    pub(crate) fn field(self, at: UnixMs) -> String {
        self.say(at, "%Y-%m-%dT%H:%M")
    }

    /// The same to the second, for a field that takes seconds.
    pub(crate) fn field_to_the_second(self, at: UnixMs) -> String {
        self.say(at, "%Y-%m-%dT%H:%M:%S")
    }

    /// Reads RFC 3339, or a date or date and time of this zone. `None` for anything else and for years outside 1970 to
    /// 9999.
    pub fn read(self, text: &str) -> Option<UnixMs> {
        self.read_of_any_year(text).filter(is_within)
    }

    /// Whether this is a time that [`Zone::read`] refuses only because of its year.
    pub fn is_beyond(self, text: &str) -> bool {
        UnixMs::is_beyond(text) || self.read_of_any_year(text).is_some_and(|at| !is_within(&at))
    }

    fn read_of_any_year(self, text: &str) -> Option<UnixMs> {
        if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            return self.unchecked(date.and_time(NaiveTime::MIN));
        }
        let local = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f"]
            .into_iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
        match local {
            Some(local) => self.unchecked(local),
            None => UnixMs::parse(text),
        }
    }

    /// The moment at which clocks here show `local`: the first one where they show it twice, the moment that they jump to
    /// where they never do.
    pub(crate) fn at(self, local: NaiveDateTime) -> Option<UnixMs> {
        self.unchecked(local).filter(is_within)
    }

    fn unchecked(self, local: NaiveDateTime) -> Option<UnixMs> {
        calendar::moment(self.0, local)
    }

    /// The midnights (the beginnings of days here) in `[from, to]`.
    pub(crate) fn midnights(self, from: UnixMs, to: UnixMs) -> Vec<UnixMs> {
        let mut date = self.date(from);
        let mut found = Vec::new();
        // A day is at least 23 hours long: the number of rounds is bounded.
        for _ in 0..=(to.since(from) / (DAY_MS - 3_600_000) + 3).max(0) {
            if let Some(at) = self.at(date.and_time(NaiveTime::MIN))
                && at >= from
                && at <= to
                // A day that a zone left out begins where the next one does.
                && found.last() != Some(&at)
            {
                found.push(at);
            }
            date = date.succ_opt().unwrap_or(date);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMs {
        UnixMs::parse(text).unwrap()
    }

    #[test]
    fn a_moment_of_today_goes_without_its_day() {
        let (zone, now) = (Zone::parse("Europe/Berlin").unwrap(), at("2026-11-23T14:36:24Z"));
        assert_eq!(zone.moment(at("2026-11-23T14:32:12.118Z"), now).text, "15:32:12");
        assert_eq!(zone.exact(at("2026-11-17T03:12:07.482Z"), now).text, "Tue 17 Nov, 04:12:07.482");
        assert_eq!(zone.moment(at("2025-11-17T03:12:07Z"), now).text, "Mon 17 Nov 2025, 04:12:07");
    }

    #[test]
    fn local_times_are_right_across_daylight_saving() {
        let zone = Zone::parse("Europe/Berlin").unwrap();
        assert_eq!(zone.read("2026-10-25T02:30"), Some(at("2026-10-25T00:30:00Z")), "shown twice: the first");
        assert_eq!(zone.read("2026-03-29T02:30"), Some(at("2026-03-29T01:00:00Z")), "never shown: at the jump");
        assert_eq!(zone.read("2026-11-20T03:00:00Z"), Some(at("2026-11-20T03:00:00Z")));
        assert_eq!(zone.read("2026-11-20"), Some(at("2026-11-19T23:00:00Z")));
        let midnights = zone.midnights(at("2026-10-24T10:00:00Z"), at("2026-10-27T10:00:00Z"));
        assert_eq!(midnights, [at("2026-10-24T22:00:00Z"), at("2026-10-25T23:00:00Z"), at("2026-10-26T23:00:00Z")]);
    }

    #[test]
    fn a_day_begins_where_its_clocks_first_show_it() {
        for (zone, day, begins, hours) in [
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z", 23.0),
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", 25.0),
            ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30:00Z", 23.5),
            ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", 24.5),
            // Midnight is left out, and is shown twice.
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", 23.0),
            ("America/Havana", "2026-11-01", "2026-11-01T04:00:00Z", 25.0),
            // The whole day is left out.
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", 0.0),
            ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00Z", 24.0),
        ] {
            let zone = Zone::parse(zone).unwrap();
            let begin = zone.read(day).unwrap();
            assert_eq!(begin, at(begins), "{day}");
            let next = NaiveDate::parse_from_str(day, "%Y-%m-%d").unwrap().succ_opt().unwrap();
            let end = zone.read(&next.to_string()).unwrap();
            assert_eq!(end.since(begin) as f64 / 3_600_000.0, hours, "{day}");
        }
        let apia = Zone::parse("Pacific/Apia").unwrap();
        let midnights = apia.midnights(at("2011-12-29T00:00:00Z"), at("2011-12-31T23:00:00Z"));
        assert_eq!(midnights, [at("2011-12-29T10:00:00Z"), at("2011-12-30T10:00:00Z"), at("2011-12-31T10:00:00Z")]);
    }

    #[test]
    fn what_is_no_zone_or_no_time_is_refused() {
        assert_eq!(Zone::parse("Europe/Atlantis"), None);
        for text in ["", "yesterday", "2026-13-01", "2026-11-20T25:00"] {
            assert_eq!(Zone::UTC.read(text), None, "{text}");
        }
    }
}
