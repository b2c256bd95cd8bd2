//! A row of hours: what failed when, and how badly.

use super::{Axis, Stretch, WIDE, short};
use crate::{
    domain::{
        time::{MINUTE_MS, UnixMs},
        timeline::{Buckets, Tally},
        window::Window,
    },
    format::zone::Zone,
};
use serde::Serialize;
use std::fmt::Write;

/// The height of a row, in pixels.
const HEIGHT: f64 = 21.0;

/// The hours of one service, a path a state.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub(crate) struct HourRow {
    pub(crate) up: String,
    pub(crate) degraded: String,
    pub(crate) down: String,
    pub(crate) gaps: Vec<Stretch>,
    pub(crate) maintenance: Vec<Stretch>,
}

/// What an hour is drawn as: a kind, and how high.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Cell {
    Up,
    Degraded,
    /// In three heights: under a minute, under a quarter of an hour, longer.
    Down(f64),
    Gap,
    /// Nothing else, or hardly anything else.
    Maintenance,
}

fn cell(window: Window, sums: &Tally) -> Cell {
    match () {
        () if sums.down_ms > 15 * MINUTE_MS => Cell::Down(19.0),
        () if sums.down_ms > MINUTE_MS => Cell::Down(13.0),
        () if sums.down_ms > 0 => Cell::Down(7.0),
        () if sums.gap_ms(window.length_ms()) * 2 > window.length_ms() => Cell::Gap,
        () if sums.spoken_ms() * 2 < window.length_ms() && sums.maintenance_ms > 0 => Cell::Maintenance,
        () if sums.degraded_ms > 5 * MINUTE_MS => Cell::Degraded,
        () => Cell::Up,
    }
}

impl HourRow {
    /// Draws the hours of `buckets` on the axis of `window`.
    pub(crate) fn new(window: Window, buckets: &Buckets) -> HourRow {
        let axis = Axis(window);
        let mut row = HourRow::default();
        let cells: Vec<(Window, Cell)> = buckets.iter().map(|(hour, sums)| (hour, cell(hour, sums))).collect();
        // Neighbours of one kind are one shape: a calm week is a single stroke.
        for run in cells.chunk_by(|a, b| a.1 == b.1) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let (from, to) = (first.0.from(), last.0.to());
            let (path, height) = match first.1 {
                Cell::Up => (&mut row.up, 3.0),
                Cell::Degraded => (&mut row.degraded, 9.0),
                Cell::Down(height) => (&mut row.down, height),
                Cell::Gap => {
                    row.gaps.extend(axis.stretch(from, to));
                    continue;
                }
                Cell::Maintenance => {
                    row.maintenance.extend(axis.stretch(from, to));
                    continue;
                }
            };
            let left = axis.share(from) * WIDE;
            let width = short((axis.share(to) * WIDE - left).max(1.0));
            let top = short(HEIGHT - 3.0 - height);
            let _ = write!(path, "M{} {top}h{width}v{}h-{width}z", short(left), short(height));
        }
        row
    }
}

/// How many failed at once, by the hour.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub(crate) struct TogetherRow {
    pub(crate) path: String,
}

impl TogetherRow {
    /// Draws how many of the services failed in each hour, on the axis of `window`.
    pub(crate) fn new<'a>(window: Window, services: impl Iterator<Item = &'a Buckets>) -> TogetherRow {
        let mut counts: std::collections::BTreeMap<UnixMs, (Window, u32)> = Default::default();
        for buckets in services {
            for (hour, _) in buckets.iter().filter(|(_, sums)| sums.down_ms > 0) {
                counts.entry(hour.from()).or_insert((hour, 0)).1 += 1;
            }
        }
        let most = counts.values().map(|(_, n)| *n).max().unwrap_or(1);
        let axis = Axis(window);
        let mut path = String::new();
        for (hour, count) in counts.values() {
            let left = axis.share(hour.from()) * WIDE;
            let width = short((axis.share(hour.to()) * WIDE - left).max(1.0));
            let height = 28.0 * f64::from(*count) / f64::from(most.max(4));
            let _ = write!(path, "M{} 30h{width}v-{1}h-{width}z", short(left), short(height));
        }
        TogetherRow { path }
    }
}

/// The days of a window: where each begins, and its name.
pub(crate) fn day_labels(window: Window, zone: Zone) -> Vec<(String, String)> {
    let days = zone.midnights(window.from(), window.to().plus(-1));
    let every = days.len() / 12 + 1;
    let format = if days.len() > 12 { "%-d %b" } else { "%a %-d" };
    let axis = Axis(window);
    days.into_iter().step_by(every).map(|day| (axis.percent(day), zone.local(day).format(format).to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::HOUR_MS;

    #[test]
    fn a_calm_stretch_is_one_shape_and_a_failure_stands_out() {
        let window = Window::new(UnixMs(0), UnixMs(4 * HOUR_MS)).unwrap();
        let mut buckets = Buckets::new(window, HOUR_MS);
        for (hour, down_ms) in [(0, 0), (1, 0), (2, 1000)] {
            let sums = Tally { up_ms: HOUR_MS - down_ms, down_ms, ..Tally::default() };
            buckets.merge(UnixMs(hour * HOUR_MS), &sums);
        }
        let row = HourRow::new(window, &buckets);
        assert_eq!(row.up, "M0 15h500v3h-500z");
        assert_eq!(row.down, "M500 11h250v7h-250z");
        assert_eq!(row.gaps, [Stretch { x: "75%".into(), width: "25%".into() }]);
        let together = TogetherRow::new(window, [&buckets, &buckets].into_iter());
        assert_eq!(together.path, "M500 30h250v-14h-250z");
    }
}
