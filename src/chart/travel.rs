//! Where in the past there is something to see: a stroke for each incident, on the axis of the slider.

use super::{
    Axis, WIDE, short,
    ticks::{self, Tick},
};
use crate::{
    domain::{time::UnixMs, window::Window},
    format::zone::Zone,
};
use serde::Serialize;
use std::fmt::Write;

#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct TravelChart {
    /// Strokes in a stretched picture 10 units high.
    pub(crate) marks: String,
    pub(crate) ticks: Vec<Tick>,
}

impl TravelChart {
    /// Draws moments, in their order, those outside the window left out.
    pub(crate) fn new(window: Window, moments: impl IntoIterator<Item = UnixMs>, zone: Zone) -> TravelChart {
        let axis = Axis(window);
        let mut marks = String::new();
        let mut last = f64::MIN;
        for at in moments.into_iter().filter(|at| window.contains(*at)) {
            let x = axis.share(at) * WIDE;
            // Strokes that would fall on each other are one.
            if x - last >= 1.0 {
                let _ = write!(marks, "M{} 0v10", short(x));
                last = x;
            }
        }
        TravelChart { marks, ticks: ticks::ticks(window, zone) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_that_fall_together_are_one_stroke_and_those_outside_are_none() {
        let window = Window::new(UnixMs(1_000_000), UnixMs(2_000_000)).unwrap();
        let at = [999_999, 1_000_000, 1_000_900, 1_001_000, 1_500_000, 2_000_000].map(UnixMs);
        assert_eq!(TravelChart::new(window, at, Zone::UTC).marks, "M0 0v10M1 0v10M500 0v10");
    }
}
