//! Charts as pure geometry: numbers in, positions and paths out. Templates and the style sheet define what they look
//! like; nothing here reads the clock or the history.
//!
//! Horizontal positions are per cent of the chart's width, so that a chart fits a phone and a wall without a script;
//! vertical ones are pixels. Lines and bands live in an inner picture that is stretched, 1000 units wide.

mod bounds;
mod checks;
mod days;
mod flags;
mod history;
mod matrix;
mod normal;
mod notes;
mod onset;
mod ordinary;
mod phases;
mod spark;
mod ticks;
mod travel;

pub(crate) use bounds::BoundsScale;
pub(crate) use checks::CheckChart;
pub(crate) use days::{Days, month_labels};
pub(crate) use history::HistoryChart;
pub(crate) use matrix::{HourRow, TogetherRow, day_labels};
pub(crate) use normal::{NormalAxis, NormalBar};
pub(crate) use notes::{Note, NoteMark};
pub(crate) use onset::OnsetChart;
pub(crate) use phases::{PHASES, PhaseBar, PhaseChart, phase_times};
pub(crate) use spark::Spark;
pub(crate) use travel::TravelChart;

use crate::{
    domain::{
        incident::{Gap, Outage},
        maintenance::Overlay,
        normal::Band,
        time::UnixMs,
        timeline::Buckets,
        window::Window,
    },
    format::zone::Zone,
};
use serde::Serialize;

/// The width of the inner, stretched picture.
const WIDE: f64 = 1000.0;

/// Maps moments to horizontal positions.
#[derive(Clone, Copy, Debug)]
struct Axis(Window);

impl Axis {
    /// 0 at the window's beginning, 1 at its end; moments outside are moved to its edges.
    fn share(self, at: UnixMs) -> f64 {
        let ms = at.clamp(self.0.from(), self.0.to()).since(self.0.from());
        ms as f64 / self.0.length_ms() as f64
    }

    fn percent(self, at: UnixMs) -> String {
        percent(self.share(at))
    }

    /// A position in the inner picture.
    fn wide(self, at: UnixMs) -> String {
        short(self.share(at) * WIDE)
    }

    /// A stretch of time as left edge and width; `None` where it lies outside.
    fn stretch(self, from: UnixMs, to: UnixMs) -> Option<Stretch> {
        let part = self.0.clip(from, to)?;
        let (left, right) = (self.share(part.from()), self.share(part.to()));
        Some(Stretch { x: percent(left), width: percent(right - left) })
    }
}

/// A stretch of time on an axis, in per cent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Stretch {
    pub(crate) x: String,
    pub(crate) width: String,
}

/// A stretch of time in which something is the case, and what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Said {
    pub(crate) x: String,
    pub(crate) width: String,
    pub(crate) text: String,
}

impl Said {
    /// Those that reach into the window.
    pub(crate) fn lay(window: Window, spans: Vec<(Window, String)>) -> Vec<Said> {
        let lay = |(span, text): (Window, String)| {
            let Stretch { x, width } = Axis(window).stretch(span.from(), span.to())?;
            Some(Said { x, width, text })
        };
        spans.into_iter().filter_map(lay).collect()
    }
}

/// A horizontal line and its meaning.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Level {
    pub(crate) y: f64,
    pub(crate) label: String,
}

/// What a chart of a history shows.
#[derive(Debug)]
pub(crate) struct History<'a> {
    pub(crate) buckets: &'a Buckets,
    /// Those that overlap the window, incidents and blips.
    pub(crate) outages: &'a [Outage],
    pub(crate) gaps: &'a [Gap],
    pub(crate) maintenance: &'a Overlay,
    /// What is normal in hours of the window.
    pub(crate) normal: &'a [(Window, Band)],
    /// The first result ever: before it nothing was watched.
    pub(crate) watched_from: Option<UnixMs>,
    pub(crate) now: UnixMs,
    /// `now` is a moment of the past.
    pub(crate) past: bool,
    pub(crate) zone: Zone,
}

/// A share as per cent, with two decimals at most.
fn percent(share: f64) -> String {
    format!("{}%", hundredths(share * 100.0))
}

/// A coordinate with one decimal at most.
fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

fn hundredths(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_short_and_stay_inside() {
        let axis = Axis(Window::new(UnixMs(1000), UnixMs(4000)).unwrap());
        assert_eq!(axis.percent(UnixMs(2000)), "33.33%");
        assert_eq!(axis.percent(UnixMs(0)), "0%");
        assert_eq!(axis.percent(UnixMs(9000)), "100%");
        assert_eq!(axis.stretch(UnixMs(0), UnixMs(2500)), Some(Stretch { x: "0%".into(), width: "50%".into() }));
        assert_eq!(axis.stretch(UnixMs(5000), UnixMs(6000)), None);
        assert_eq!((short(-0.04), short(3.0), short(2.25)), ("0".into(), "3".into(), "2.2".into()));
    }
}
