//! How arguments are read.

use crate::domain::{
    time::UnixMs,
    window::{DURATION, DURATIONS, is_duration_beyond, parse_duration},
};

/// Reads a duration that an argument says, in milliseconds.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    parse_duration(text).ok_or_else(|| match is_duration_beyond(text) {
        true => format!("out of range: {DURATIONS}"),
        false => DURATION.to_owned(),
    })
}

/// Reads a time that an argument says.
pub(super) fn moment(text: &str) -> Result<UnixMs, &'static str> {
    UnixMs::parse(text).ok_or_else(|| match UnixMs::is_beyond(text) {
        true => "out of range: from 1970 to the end of 9999, in UTC",
        false => "an RFC 3339 time such as 2026-11-20T03:00:00Z, or a date",
    })
}
