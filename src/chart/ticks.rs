//! Where a time axis is labelled: at round times of the reader's zone.

use super::Axis;
use crate::{
    domain::{
        time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs},
        window::Window,
    },
    format::zone::Zone,
};
use chrono::{Datelike, Duration, NaiveDate, NaiveTime};
use serde::Serialize;

/// A labelled moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Tick {
    pub(crate) x: String,
    pub(crate) label: String,
    /// Where the label begins too near the right edge to be read.
    pub(crate) at_edge: bool,
    /// Where it does on a narrow screen.
    pub(crate) late: bool,
    /// May be left out on a narrow screen.
    pub(crate) minor: bool,
}

/// The longest time between labels that still gives at least five or so.
const STEPS_MS: [i64; 14] = [
    SECOND_MS,
    5 * SECOND_MS,
    15 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    3 * HOUR_MS,
    6 * HOUR_MS,
    12 * HOUR_MS,
];

/// The labels of a window, ten at most.
pub(super) fn ticks(window: Window, zone: Zone) -> Vec<Tick> {
    let length = window.length_ms();
    let labelled: Vec<(UnixMs, String)> = if length > 75 * DAY_MS {
        months(window, zone, length)
    } else if length > 3 * DAY_MS {
        let days = (length / DAY_MS / 9 + 1) as usize;
        let label = |at: UnixMs| zone.local(at).format(if days > 1 { "%-d %b" } else { "%a %-d" }).to_string();
        zone.midnights(window.from(), window.to()).into_iter().step_by(days).map(|at| (at, label(at))).collect()
    } else {
        times(window, zone, length)
    };
    let axis = Axis(window);
    let mut before = -1.0;
    let mut wide_before = -1.0;
    labelled
        .into_iter()
        .enumerate()
        .map(|(i, (at, label))| {
            let share = axis.share(at);
            let at_edge = share > 0.94;
            // A label that ends where it would begin must not cover the one before it.
            let crowded = at_edge && share - before < 0.14;
            before = share;
            let label = if crowded { String::new() } else { label };
            // Every other one is left out on a narrow screen, and one that would end where another ends.
            let late = share > 0.84;
            let minor = i % 2 == 1 || late && share - wide_before < 0.32;
            if !minor {
                wide_before = share;
            }
            Tick { x: axis.percent(at), label, at_edge, late, minor }
        })
        .collect()
}

fn times(window: Window, zone: Zone, length: i64) -> Vec<(UnixMs, String)> {
    let step = STEPS_MS.into_iter().find(|step| length / step <= 10).unwrap_or(12 * HOUR_MS);
    let format = if step < MINUTE_MS { "%H:%M:%S" } else { "%H:%M" };
    let mut found = Vec::new();
    let mut date = zone.date(window.from());
    let last = zone.date(window.to());
    while date <= last {
        let midnight = date.and_time(NaiveTime::MIN);
        // Only the part of the day that is in the window is walked.
        let skipped = zone.at(midnight).map_or(0, |at| (window.from().since(at) - 2 * HOUR_MS).max(0) / step);
        for i in skipped..DAY_MS / step {
            let Some(at) = zone.at(midnight + Duration::milliseconds(i * step)) else { continue };
            if at > window.to() {
                break;
            }
            if at >= window.from() && found.last().is_none_or(|(before, _)| *before < at) {
                let local = zone.local(at);
                let label = if local.time() == NaiveTime::MIN { "%a %-d" } else { format };
                found.push((at, local.format(label).to_string()));
            }
        }
        let Some(next) = date.succ_opt() else { break };
        date = next;
    }
    found
}

fn months(window: Window, zone: Zone, length: i64) -> Vec<(UnixMs, String)> {
    let every = (length / DAY_MS / 30 / 10 + 1) as u32;
    let first = zone.date(window.from());
    let (mut year, mut month) = (first.year(), first.month());
    let mut found = Vec::new();
    loop {
        let at = NaiveDate::from_ymd_opt(year, month, 1).and_then(|d| zone.at(d.and_time(NaiveTime::MIN)));
        let Some(at) = at.filter(|at| *at <= window.to()) else { return found };
        let whole_years = month == 1 && year.unsigned_abs().is_multiple_of(every.div_ceil(12));
        if at >= window.from() && if every > 12 { whole_years } else { (month - 1).is_multiple_of(every) } {
            let label = if month == 1 { "%Y" } else { "%b" };
            found.push((at, zone.local(at).format(label).to_string()));
        }
        (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: &str, to: &str, zone: &str) -> Vec<String> {
        let window = Window::new(UnixMs::parse(from).unwrap(), UnixMs::parse(to).unwrap()).unwrap();
        ticks(window, Zone::parse(zone).unwrap()).into_iter().map(|t| t.label).collect()
    }

    #[test]
    fn labels_stand_at_round_times_of_the_readers_zone() {
        assert_eq!(
            labels("2026-11-22T14:36:00Z", "2026-11-23T14:36:00Z", "UTC"),
            ["15:00", "18:00", "21:00", "Mon 23", "03:00", "06:00", "09:00", "12:00"]
        );
        assert_eq!(
            labels("2026-11-16T14:36:00Z", "2026-11-23T14:36:00Z", "Europe/Berlin"),
            ["Tue 17", "Wed 18", "Thu 19", "Fri 20", "Sat 21", "Sun 22", "Mon 23"]
        );
        assert_eq!(labels("2026-08-25T00:00:00Z", "2026-11-23T00:00:00Z", "UTC"), ["Sep", "Oct", "Nov"]);
        assert_eq!(labels("2026-11-23T14:30:00Z", "2026-11-23T14:30:20Z", "UTC")[1], "14:30:05");
    }

    #[test]
    fn an_hour_that_happens_twice_is_labelled_once() {
        let found = labels("2026-10-24T22:00:00Z", "2026-10-25T06:45:00Z", "Europe/Berlin");
        assert_eq!(found, ["Sun 25", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00", "07:00"]);
    }

    #[test]
    fn no_window_has_many_labels() {
        for length in [1, 1000, 60_000, 3_600_000, DAY_MS, 3 * DAY_MS, 40 * DAY_MS, 400 * DAY_MS, 36_525 * DAY_MS] {
            let window = Window::ending(UnixMs(1_795_444_584_310), length);
            let count = ticks(window, Zone::UTC).len();
            assert!(count <= 14, "{length}: {count}");
        }
    }
}
