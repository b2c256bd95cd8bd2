//! Points in time and the sizes that history is cut into.

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeZone, Utc};
use std::fmt;

/// One second, in milliseconds.
pub const SECOND_MS: i64 = 1_000;
/// One minute, in milliseconds.
pub const MINUTE_MS: i64 = 60 * SECOND_MS;
/// One hour, in milliseconds: the size of the smaller rollup.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// One day (UTC), in milliseconds: the size of the larger rollup.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// A moment: whole milliseconds since 1970-01-01T00:00:00Z, the resolution of the history.
///
/// It prints as RFC 3339 in UTC with milliseconds, the form of the API and of the exports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// The earliest moment that the text forms can carry: 1970-01-01.
    pub const MIN: UnixMs = UnixMs(0);
    /// The latest moment that the text forms can carry: the end of the year 9999.
    pub const MAX: UnixMs = UnixMs(253_402_300_799_999);

    /// This moment, moved by `ms` milliseconds (negative: into the past).
    pub fn plus(self, ms: i64) -> UnixMs {
        UnixMs(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; negative when it is later.
    pub fn since(self, earlier: UnixMs) -> i64 {
        self.0 - earlier.0
    }

    /// The last multiple of `size_ms` that is not after this moment.
    pub fn floor(self, size_ms: i64) -> UnixMs {
        UnixMs(self.0.div_euclid(size_ms) * size_ms)
    }

    /// The first multiple of `size_ms` that is not before this moment.
    pub fn ceil(self, size_ms: i64) -> UnixMs {
        UnixMs((self.0 + size_ms - 1).div_euclid(size_ms) * size_ms)
    }

    /// Reads RFC 3339 (any offset), or a date, which means its midnight UTC. `None` for anything else and for years
    /// outside 1970 to 9999.
    pub fn parse(text: &str) -> Option<UnixMs> {
        read(text).filter(|ms| (UnixMs::MIN..=UnixMs::MAX).contains(ms))
    }

    /// Whether this is a time that [`UnixMs::parse`] refuses only because of its year.
    pub fn is_beyond(text: &str) -> bool {
        read(text).is_some() && UnixMs::parse(text).is_none()
    }

    /// The same moment as a chrono type, for calendars and formats.
    pub fn utc(self) -> DateTime<Utc> {
        Utc.timestamp_millis_opt(self.0.clamp(UnixMs::MIN.0, UnixMs::MAX.0)).single().unwrap_or_default()
    }
}

fn read(text: &str) -> Option<UnixMs> {
    let moment = match NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        Ok(date) => date.and_hms_opt(0, 0, 0)?.and_utc(),
        Err(_) => DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc),
    };
    Some(UnixMs(moment.timestamp_millis()))
}

impl From<DateTime<Utc>> for UnixMs {
    fn from(moment: DateTime<Utc>) -> UnixMs {
        UnixMs(moment.timestamp_millis())
    }
}

impl fmt::Display for UnixMs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_prints_as_rfc_3339_with_milliseconds_and_reads_back() {
        let moment = UnixMs(1_795_450_327_482);
        assert_eq!(UnixMs::parse(&moment.to_string()), Some(moment));
        assert_eq!(UnixMs(0).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_date_means_its_midnight_and_an_offset_is_honoured() {
        assert_eq!(UnixMs::parse("2026-11-16").unwrap().to_string(), "2026-11-16T00:00:00.000Z");
        assert_eq!(UnixMs::parse("2026-11-16T01:30:00+01:00").unwrap().to_string(), "2026-11-16T00:30:00.000Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "yesterday", "2026-13-01", "2026-11-16 00:00", "-0001-01-01", "1969-12-31", "2026-11-16T00:00:00"]
        {
            assert_eq!(UnixMs::parse(text), None, "{text}");
        }
    }
}
