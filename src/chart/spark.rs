//! A small line of response times, with strokes where something failed.

use crate::{domain::timeline::Buckets, format};
use serde::Serialize;
use std::fmt::Write;

/// The picture's height; buckets are two units apart.
const HEIGHT: f64 = 20.0;

#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub(crate) struct Spark {
    pub(crate) width: usize,
    pub(crate) line: String,
    /// What is below the line.
    pub(crate) area: String,
    pub(crate) down: String,
    /// The same in words.
    pub(crate) said: String,
}

impl Spark {
    /// Draws the medians of `buckets`.
    pub(crate) fn new(buckets: &Buckets) -> Spark {
        let points: Vec<(Option<f64>, bool)> =
            buckets.iter().map(|(_, tally)| (tally.latency.percentile_us(0.5), tally.failures > 0)).collect();
        let medians: Vec<f64> = points.iter().filter_map(|(p50, _)| *p50).collect();
        let (low, high) = medians.iter().fold((f64::MAX, 0.0f64), |(l, h), &v| (l.min(v), h.max(v)));
        // A calm service is a calm line: what varies by less than a half is not blown up to the whole height.
        let (bottom, top) = (low * 0.5, high.max(low * 1.8));
        let mut spark = Spark { width: (points.len() * 2).saturating_sub(2).max(1), ..Spark::default() };
        if !medians.is_empty() {
            let (low, high) = (format::response_time(low), format::response_time(high));
            spark.said = if low == high { low } else { format!("{low} to {high}") };
            let _ = write!(spark.said, " in {} hours", points.len());
        }
        let failed = points.iter().filter(|(_, failed)| *failed).count();
        if failed > 0 {
            let comma = if spark.said.is_empty() { "" } else { ", " };
            let _ =
                write!(spark.said, "{comma}something failed in {}", format::counted(failed as u64, "hour", "hours"));
        }
        let mut pen_down = false;
        for (i, (p50, failed)) in points.iter().enumerate() {
            if *failed {
                let _ = write!(spark.down, "M{} 20v-20", i * 2);
            }
            pen_down = match p50 {
                Some(p50) => {
                    let y = HEIGHT - 1.0 - (HEIGHT - 2.0) * (p50 - bottom) / (top - bottom).max(1.0);
                    let x = i * 2;
                    let ends = points.get(i + 1).is_none_or(|(next, _)| next.is_none());
                    // A point between two gaps is a short stroke of its own.
                    let _ = match (pen_down, ends) {
                        (true, _) => write!(spark.line, "L{x} {y:.1}"),
                        (false, true) => write!(spark.line, "M{x} {y:.1}h1"),
                        (false, false) => write!(spark.line, "M{x} {y:.1}"),
                    };
                    let _ = match (pen_down, ends) {
                        (true, true) => write!(spark.area, "L{x} {y:.1}V20z"),
                        (true, false) => write!(spark.area, "L{x} {y:.1}"),
                        (false, true) => Ok(()),
                        (false, false) => write!(spark.area, "M{x} 20V{y:.1}"),
                    };
                    true
                }
                None => false,
            };
        }
        spark
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        time::{HOUR_MS, UnixMs},
        timeline::Tally,
        window::Window,
    };

    #[test]
    fn the_line_stops_where_nothing_was_observed() {
        let mut buckets = Buckets::new(Window::new(UnixMs(0), UnixMs(5 * HOUR_MS)).unwrap(), HOUR_MS);
        for (hour, us, failures) in [(0, 1000, 0), (1, 1000, 2), (3, 1000, 0)] {
            let mut tally = Tally { failures, ..Tally::default() };
            tally.latency.add(us);
            buckets.merge(UnixMs(hour * HOUR_MS), &tally);
        }
        let spark = Spark::new(&buckets);
        assert_eq!(spark.line.matches('M').count(), 2);
        assert_eq!(spark.area.matches('M').count(), 1, "nothing is below a single point: {}", spark.area);
        assert_eq!(spark.area.matches("V20z").count(), 1);
        assert_eq!(spark.down, "M2 20v-20");
        assert_eq!(spark.width, 8);
        assert_eq!(spark.said, "1.0\u{a0}ms in 5 hours, something failed in 1 hour");
        assert_eq!(Spark::new(&Buckets::new(buckets.window(), HOUR_MS)).said, "");
    }
}
