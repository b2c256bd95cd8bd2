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

/// Reads a length such as `24h`, `7d` or `2w`: whole hours, days or weeks, up to 100 years. The length in milliseconds.
pub fn parse_length(text: &str) -> Option<i64> {
    let (count, size) = length(text)?;
    let count: i64 = count.parse().ok()?;
    count.checked_mul(size).filter(|ms| (1..=36_525 * DAY_MS).contains(ms))
}

/// Whether this is a length that [`parse_length`] refuses only because it is nothing or longer than 100 years.
pub fn is_length_beyond(text: &str) -> bool {
    length(text).is_some() && parse_length(text).is_none()
}

/// A number, of any length, and what it counts.
fn length(text: &str) -> Option<(&str, i64)> {
    let unit = text.chars().last()?;
    let count = text.strip_suffix(unit).filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))?;
    let size = match unit {
        'h' => HOUR_MS,
        'd' => DAY_MS,
        'w' => 7 * DAY_MS,
        _ => return None,
    };
    Some((count, size))
}

/// Reads a duration such as `45s`, `5m`, `1h 30m` or `2d`: whole numbers with their units, above zero. In milliseconds.
pub fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text.trim();
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "s" => SECOND_MS,
            "m" | "min" => MINUTE_MS,
            "h" => HOUR_MS,
            "d" => DAY_MS,
            _ => return None,
        };
        sum = sum.checked_add(count.checked_mul(unit)?)?;
        rest = rest[letters..].trim_start();
    }
    (sum > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_a_number_of_hours_days_or_weeks() {
        assert_eq!(parse_length("24h"), Some(DAY_MS));
        assert_eq!(parse_length("7d"), Some(7 * DAY_MS));
        assert_eq!(parse_length("2w"), Some(14 * DAY_MS));
        for text in ["", "d", "7", "7m", "0d", "-1d", "+1d", "1.5d", "99999999999999999999d", "40000d", "7 d", "7日"] {
            assert_eq!(parse_length(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_numbers_and_units() {
        for (text, ms) in [
            ("90m", Some(90 * MINUTE_MS)),
            ("1h 30m", Some(90 * MINUTE_MS)),
            ("1h30min", Some(90 * MINUTE_MS)),
            ("2 h", Some(2 * HOUR_MS)),
            ("1d", Some(DAY_MS)),
            ("45s", Some(45_000)),
            ("0m", None),
            ("90", None),
            ("h", None),
            ("-1h", None),
            ("1.5h", None),
            ("99999999999999999d", None),
            ("1w", None),
        ] {
            assert_eq!(parse_duration(text), ms, "{text}");
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
