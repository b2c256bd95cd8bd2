//! Numbers in words. A number and its unit are joined by a no-break space, thousands by a narrow one.

pub(crate) mod markdown;
pub mod zone;

use crate::domain::check::{Class, Reason};
pub(crate) use crate::domain::sanitize::one_line as clipped;

const NBSP: char = '\u{a0}';

/// A duration in its two largest units: "4 min 12 s", "4.1 s", "350 ms". Negative ones count as none.
pub(crate) fn duration(ms: i64) -> String {
    in_units(ms, 2)
}

/// A duration for a narrow column: the largest unit alone from an hour on.
pub(crate) fn duration_short(ms: i64) -> String {
    in_units(ms, if ms < 3_600_000 { 2 } else { 1 })
}

fn in_units(ms: i64, parts: usize) -> String {
    let ms = ms.max(0);
    if ms < 10_000 {
        return match ms {
            _ if ms % 1000 == 0 => format!("{}{NBSP}s", ms / 1000),
            _ if ms >= 1000 => format!("{}.{}{NBSP}s", ms / 1000, ms % 1000 / 100),
            _ => format!("{ms}{NBSP}ms"),
        };
    }
    let mut rest = ms / 1000;
    let mut words = Vec::new();
    let mut looked = 0;
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)] {
        let count = rest / size;
        rest %= size;
        if count > 0 || looked > 0 {
            looked += 1;
            if count > 0 {
                words.push(format!("{count}{NBSP}{unit}"));
            }
        }
        if looked == parts {
            break;
        }
    }
    words.join(" ")
}

/// A duration for machines, as the `datetime` of a `<time>`: ISO 8601, to the second.
pub(crate) fn duration_iso(ms: i64) -> String {
    format!("PT{}S", ms.max(0) / 1000)
}

/// A percentage with `places` decimals, rounded down, or "no data".
pub(crate) fn percent(value: Option<f64>, places: usize) -> String {
    match value {
        None => "no data".to_owned(),
        Some(value) if value >= 100.0 => format!("100{NBSP}%"),
        Some(value) => {
            let factor = 10f64.powi(places as i32);
            format!("{:.places$}{NBSP}%", (value * factor + 1e-6).floor() / factor)
        }
    }
}

/// A response time in microseconds: "38 µs", "0.8 ms", "31 ms", "1 212 ms".
pub(crate) fn response_time(us: f64) -> String {
    let ms = us / 1000.0;
    if us < 99.5 {
        // "0.0 ms" would read as if nothing had been measured.
        format!("{us:.0}{NBSP}µs")
    } else if ms < 9.95 {
        format!("{ms:.1}{NBSP}ms")
    } else {
        format!("{}{NBSP}ms", count(ms.round() as u64))
    }
}

/// A response time on an axis: "100 ms", "1 s".
pub(crate) fn axis_time(ms: f64) -> String {
    if ms >= 1000.0 { format!("{}{NBSP}s", trimmed(ms / 1000.0)) } else { format!("{}{NBSP}ms", trimmed(ms)) }
}

/// A number with no more decimals than it needs, three at most.
pub(crate) fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A whole number with a narrow space between thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// "1 incident", "3 incidents", "no incidents".
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    match number {
        0 => format!("no {many}"),
        1 => format!("1 {one}"),
        _ => format!("{} {many}", count(number)),
    }
}

/// "a, b and 3 more": these, and how many others there are; where there are none, as [`listed`].
pub(crate) fn listed_with<T: AsRef<str>>(names: &[T], more: usize) -> String {
    let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { listed(&names) }
}

/// "a", "a and b", "a, b and c".
pub(crate) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A reason in a few words, for a heading.
pub(crate) fn short_reason(reason: &Reason, http_status: Option<u16>) -> String {
    match (reason.class, http_status) {
        (Class::HttpStatus, Some(status)) => format!("HTTP{NBSP}{status}"),
        _ => clipped(&reason.message, 90),
    }
}

/// `text` without the characters that no XML document can hold, however they are escaped: one of them makes the whole
/// document unreadable.
pub(crate) fn fit_for_xml(text: &str) -> String {
    let fit = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(fit).collect()
}

/// A number of bytes in the unit that reads best.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..10_000_000 => format!("{} KB", bytes / 1000),
        10_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: String) -> String {
        text.replace([NBSP, '\u{202f}'], " ")
    }

    #[test]
    fn a_duration_is_said_in_its_two_largest_units() {
        for (ms, said) in [
            (0, "0 s"),
            (350, "350 ms"),
            (4_000, "4 s"),
            (4_180, "4.1 s"),
            (59_999, "59 s"),
            (252_000, "4 min 12 s"),
            (3_600_000, "1 h"),
            (3_605_000, "1 h"),
            (5_280_000, "1 h 28 min"),
            (90_061_000, "1 d 1 h"),
            (-5, "0 s"),
        ] {
            assert_eq!(plain(duration(ms)), said, "{ms}");
        }
        assert_eq!(plain(duration_short(5_280_000)), "1 h");
        assert_eq!(plain(duration_short(252_000)), "4 min 12 s");
    }

    #[test]
    fn a_percentage_is_never_rounded_up() {
        assert_eq!(plain(percent(Some(99.9999), 3)), "99.999 %");
        assert_eq!(plain(percent(Some(99.9502), 4)), "99.9502 %");
        assert_eq!(plain(percent(Some(100.0), 4)), "100 %");
        assert_eq!(plain(percent(Some(0.0), 3)), "0.000 %");
        assert_eq!(percent(None, 4), "no data");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(plain(count(1_234_567)), "1 234 567");
        assert_eq!(count(999), "999");
        assert_eq!(plain(response_time(1_212_400.0)), "1 212 ms");
        assert_eq!(plain(response_time(840.0)), "0.8 ms");
        assert_eq!(plain(response_time(99.6)), "0.1 ms");
        assert_eq!(plain(response_time(38.4)), "38 µs");
    }
}
