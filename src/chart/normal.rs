//! One check against what is usual: a band, its middle, and a mark, on one logarithmic axis.

use super::{Stretch, percent};
use crate::domain::check::Usual;
use serde::Serialize;

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct NormalBar {
    pub(crate) band: Stretch,
    pub(crate) median: String,
    /// Where this check lies.
    pub(crate) mark: Option<String>,
}

/// The axis that several bars share, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormalAxis {
    low: f64,
    high: f64,
}

impl NormalAxis {
    /// An axis that holds all of these times.
    pub(crate) fn new(times_us: impl Iterator<Item = u32>) -> NormalAxis {
        let (mut low, mut high) = (f64::MAX, 1.0f64);
        for us in times_us.filter(|us| *us > 0).map(f64::from) {
            (low, high) = (low.min(us), high.max(us));
        }
        let low = if low == f64::MAX { 1.0 } else { 10f64.powf(low.log10().floor()) };
        NormalAxis { low, high: 10f64.powf((high * 1.05).log10().ceil()).max(low * 10.0) }
    }

    fn x(self, us: u32) -> f64 {
        let us = f64::from(us).clamp(self.low, self.high);
        (us.log10() - self.low.log10()) / (self.high.log10() - self.low.log10())
    }

    /// The bar of one phase.
    pub(crate) fn bar(self, usual: &Usual, this_us: Option<u32>) -> NormalBar {
        let (left, right) = (self.x(usual.p5_us), self.x(usual.p95_us));
        NormalBar {
            band: Stretch { x: percent(left), width: percent((right - left).max(0.005)) },
            median: percent(self.x(usual.p50_us)),
            mark: this_us.map(|us| percent(self.x(us))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_holds_what_is_usual_and_what_is_not() {
        let usual = Usual { p5_us: 100, p50_us: 1_000, p95_us: 10_000 };
        let axis = NormalAxis::new([100, 90_000].into_iter());
        let bar = axis.bar(&usual, Some(90_000));
        assert_eq!(bar.band, Stretch { x: "0%".into(), width: "66.67%".into() });
        assert_eq!(bar.median, "33.33%");
        assert_eq!(bar.mark.as_deref(), Some("98.47%"));
    }
}
