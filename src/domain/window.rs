//! Half-open windows of time, and the words that name them.

use super::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs};

/// The time from `from` up to but not including `to`. Never empty: `from < to`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    from: UnixMs,
    to: UnixMs,
}

impl Window {
    /// The window `[from, to)`, or `None` when it would end before (or where) it begins.
    pub fn new(from: UnixMs, to: UnixMs) -> Option<Window> {
        (from < to).then_some(Window { from, to })
    }

    /// The `length_ms` milliseconds that end at `to`; at least one.
    pub fn ending(to: UnixMs, length_ms: i64) -> Window {
        Window { from: to.plus(-length_ms.max(1)), to }
    }

    /// Its first moment.
    pub fn from(&self) -> UnixMs {
        self.from
    }

    /// The first moment after it.
    pub fn to(&self) -> UnixMs {
        self.to
    }

    /// Its length in milliseconds, at least 1.
    pub fn length_ms(&self) -> i64 {
        self.to.since(self.from)
    }

    /// Whether `at` lies inside.
    pub fn contains(&self, at: UnixMs) -> bool {
        self.from <= at && at < self.to
    }

    /// What `[from, to)` and this window share.
    pub fn clip(&self, from: UnixMs, to: UnixMs) -> Option<Window> {
        Window::new(from.max(self.from), to.min(self.to))
    }
}

/// The longest duration that is read: 100 years, in milliseconds.
pub const LONGEST_MS: i64 = 36_525 * DAY_MS;

/// How a duration is written, for those who wrote it otherwise.
pub const DURATION: &str = "numbers with units (s, m, h, d or w), such as 90s, 24h, 1h 30m or 7d";

/// What durations there are, for those who wrote one beyond.
pub const DURATIONS: &str = "from 1s to 36525d (100 years)";

/// Reads a duration such as `90s`, `5m`, `1h 30m`, `7d` or `2w`, in milliseconds: whole numbers with their units
/// (`s`, `m` or `min`, `h`, `d`, `w`), whose sum is from a second to 100 years. Wherever a duration is text, this is how.
pub fn parse_duration(text: &str) -> Option<i64> {
    read_duration(text).flatten()
}

/// Whether this is a duration that [`parse_duration`] refuses only because it is nothing or too long.
pub fn is_duration_beyond(text: &str) -> bool {
    read_duration(text) == Some(None)
}

/// `None` for what is no duration, `Some(None)` for one that is out of range.
fn read_duration(text: &str) -> Option<Option<i64>> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut sum = Some(0_i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let count: Option<i64> = rest[..digits].parse().ok();
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "s" => SECOND_MS,
            "m" | "min" => MINUTE_MS,
            "h" => HOUR_MS,
            "d" => DAY_MS,
            "w" => 7 * DAY_MS,
            _ => return None,
        };
        sum = sum.zip(count).and_then(|(sum, count)| sum.checked_add(count.checked_mul(unit)?));
        rest = rest[letters..].trim_start();
    }
    Some(sum.filter(|sum| (SECOND_MS..=LONGEST_MS).contains(sum)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_numbers_and_units() {
        for (text, ms) in [
            ("45s", 45_000),
            ("90m", 90 * MINUTE_MS),
            ("1h 30m", 90 * MINUTE_MS),
            ("1h30min", 90 * MINUTE_MS),
            (" 2 h ", 2 * HOUR_MS),
            ("36h", 36 * HOUR_MS),
            ("1d", DAY_MS),
            ("2w", 14 * DAY_MS),
            ("36525d", LONGEST_MS),
        ] {
            assert_eq!(parse_duration(text), Some(ms), "{text}");
        }
        for text in ["", " ", "90", "h", "-1h", "+1h", "1.5h", "7日", "1y", "1h 30", "1 h m"] {
            assert_eq!((parse_duration(text), is_duration_beyond(text)), (None, false), "{text}");
        }
        for text in ["0m", "0s 0d", "36526d", "36525d 1s", "99999999999999999999d", "9223372036854775807w"] {
            assert_eq!((parse_duration(text), is_duration_beyond(text)), (None, true), "{text}");
        }
    }

    #[test]
    fn a_window_is_half_open_and_never_empty() {
        let w = Window::new(UnixMs(10), UnixMs(20)).unwrap();
        assert!(w.contains(UnixMs(10)) && !w.contains(UnixMs(20)));
        assert_eq!(Window::new(UnixMs(20), UnixMs(20)), None);
        assert_eq!(w.clip(UnixMs(15), UnixMs(30)), Window::new(UnixMs(15), UnixMs(20)));
        assert_eq!(w.clip(UnixMs(20), UnixMs(30)), None);
    }
}
