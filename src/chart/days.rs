//! A row of days: height is severity. A calm day is a low mark, a bad day a high one.

use super::Axis;
use crate::{
    domain::{
        time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs},
        timeline::{Buckets, Tally},
        window::Window,
    },
    format::zone::Zone,
};
use chrono::Datelike;
use serde::Serialize;
use std::fmt::Write;

/// The picture's height; a day is four units wide, of which one is a gap.
const HEIGHT: f64 = 20.0;
const DAY: usize = 4;

/// One path a state.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub(crate) struct Days {
    pub(crate) width: usize,
    pub(crate) up: String,
    pub(crate) degraded: String,
    pub(crate) down: String,
    pub(crate) unknown: String,
    /// Nothing but maintenance.
    pub(crate) maintenance: String,
    /// Not watched at all.
    pub(crate) none: String,
}

/// What a day is drawn as.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Cell {
    Up,
    Degraded,
    /// With its height.
    Down(f64),
    Unknown,
    Maintenance,
    None,
}

impl Cell {
    /// The worse, the greater.
    fn severity(self) -> f64 {
        match self {
            Cell::None => 0.0,
            Cell::Up => 1.0,
            Cell::Maintenance => 2.0,
            Cell::Unknown => 3.0,
            Cell::Degraded => 4.0,
            Cell::Down(height) => 4.0 + height,
        }
    }
}

fn cell(day: Window, tally: &Tally) -> Cell {
    let gap_ms = tally.gap_ms(day.length_ms());
    if tally.down_ms > 0 || tally.failures > 0 {
        // Nine units for a second, the whole height for some hours.
        let seconds = (tally.down_ms as f64 / 1000.0).max(1.0);
        return Cell::Down((9.0 + 2.75 * seconds.log10()).min(HEIGHT));
    }
    match () {
        () if tally.spoken_ms() == 0 && tally.maintenance_ms > 0 => Cell::Maintenance,
        () if tally.spoken_ms() == 0 => Cell::None,
        () if gap_ms > 2 * HOUR_MS => Cell::Unknown,
        () if tally.degraded_ms > 5 * MINUTE_MS => Cell::Degraded,
        () if tally.unknown_ms > 5 * MINUTE_MS => Cell::Unknown,
        () => Cell::Up,
    }
}

impl Days {
    /// Draws the days of `buckets`.
    pub(crate) fn new(buckets: &Buckets) -> Days {
        Days::worst(std::iter::once(buckets))
    }

    /// Draws of each day what was worst among several.
    pub(crate) fn worst<'a>(all: impl Iterator<Item = &'a Buckets>) -> Days {
        let mut cells: Vec<Cell> = Vec::new();
        for buckets in all {
            for (i, (day, tally)) in buckets.iter().enumerate() {
                let cell = cell(day, tally);
                match cells.get_mut(i) {
                    Some(worst) if worst.severity() < cell.severity() => *worst = cell,
                    Some(_) => {}
                    None => cells.push(cell),
                }
            }
        }
        let bars = |height: &dyn Fn(Cell) -> Option<f64>| {
            let mut path = String::new();
            for (i, &cell) in cells.iter().enumerate() {
                if let Some(height) = height(cell) {
                    let _ = write!(path, "M{}.5 20v-{height:.0}", i * DAY + 1);
                }
            }
            path
        };
        // Runs of calm are one dashed line each: a year of them costs no more than a day.
        let line = |kind: Cell, y: usize| {
            let mut path = String::new();
            let mut at = 0;
            for run in cells.chunk_by(|a, b| (*a == kind) == (*b == kind)) {
                if run[0] == kind {
                    let _ = write!(path, "M{} {y}h{}", at * DAY, run.len() * DAY - 1);
                }
                at += run.len();
            }
            path
        };
        Days {
            width: cells.len() * DAY - usize::from(!cells.is_empty()),
            up: line(Cell::Up, 17),
            none: line(Cell::None, 19),
            degraded: bars(&|cell| (cell == Cell::Degraded).then_some(10.0)),
            unknown: bars(&|cell| (cell == Cell::Unknown).then_some(6.0)),
            maintenance: bars(&|cell| (cell == Cell::Maintenance).then_some(6.0)),
            down: bars(&|cell| match cell {
                Cell::Down(height) => Some(height),
                _ => None,
            }),
        }
    }
}

/// The months that begin in a row of days that ends with today: position in per cent, and name.
pub(crate) fn month_labels(days: i64, now: UnixMs) -> Vec<(String, String)> {
    let to = now.floor(DAY_MS).plus(DAY_MS);
    let axis = Axis(Window::ending(to, days * DAY_MS));
    (0..days)
        .map(|i| to.plus(-(days - i) * DAY_MS))
        .filter(|day| Zone::UTC.local(*day).day() == 1 && axis.share(*day) < 0.88)
        .map(|day| (axis.percent(day), Zone::UTC.local(day).format("%b").to_string()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(change: impl FnOnce(&mut Tally)) -> Tally {
        let mut tally = Tally { up_ms: DAY_MS, checks: 8640, ..Tally::default() };
        change(&mut tally);
        tally
    }

    #[test]
    fn a_second_of_downtime_stands_up_from_a_calm_row() {
        let mut buckets = Buckets::new(Window::new(UnixMs(0), UnixMs(5 * DAY_MS)).unwrap(), DAY_MS);
        let tallies = [
            Tally::default(),
            day(|_| {}),
            day(|t| (t.up_ms, t.down_ms, t.failures) = (DAY_MS - 1000, 1000, 1)),
            day(|t| (t.up_ms, t.down_ms, t.failures) = (DAY_MS / 2, DAY_MS / 2, 9)),
            day(|t| t.up_ms = DAY_MS / 2),
        ];
        for (i, tally) in tallies.iter().enumerate() {
            buckets.merge(UnixMs(i as i64 * DAY_MS), tally);
        }
        let days = Days::new(&buckets);
        assert_eq!(days.none, "M0 19h3");
        assert_eq!(days.up, "M4 17h3");
        assert_eq!(days.down, "M9.5 20v-9M13.5 20v-20");
        assert_eq!(days.unknown, "M17.5 20v-6");
        assert_eq!(days.width, 19);
    }

    #[test]
    fn of_several_the_worst_of_each_day_is_drawn() {
        let week = |tallies: [Tally; 3]| {
            let mut buckets = Buckets::new(Window::new(UnixMs(0), UnixMs(3 * DAY_MS)).unwrap(), DAY_MS);
            (0..).zip(&tallies).for_each(|(i, tally)| buckets.merge(UnixMs(i * DAY_MS), tally));
            buckets
        };
        let failed = || day(|t| (t.up_ms, t.down_ms, t.failures) = (DAY_MS - 1000, 1000, 1));
        let slow = || day(|t| (t.up_ms, t.degraded_ms) = (DAY_MS / 2, DAY_MS / 2));
        let all = [week([Tally::default(), failed(), day(|_| {})]), week([day(|_| {}), slow(), slow()])];
        let days = Days::worst(all.iter());
        assert_eq!(
            (days.up.as_str(), days.down.as_str(), days.degraded.as_str()),
            ("M0 17h3", "M5.5 20v-9", "M9.5 20v-10")
        );
    }

    #[test]
    fn months_are_named_where_they_begin() {
        let labels = month_labels(90, UnixMs::parse("2026-11-23T14:00:00Z").unwrap());
        let names: Vec<&str> = labels.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["Sep", "Oct", "Nov"]);
    }
}
