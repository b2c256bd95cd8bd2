//! Uptime between its bounds, on a scale that shows the doubt.

use super::percent;
use crate::format;
use serde::Serialize;

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct BoundsScale {
    pub(crate) worst: String,
    pub(crate) best: String,
    pub(crate) at: String,
    pub(crate) low: String,
    pub(crate) high: String,
}

impl BoundsScale {
    /// The scale of three percentages (0 to 100), `worst` ≤ `uptime` ≤ `best`; `None` where there is no doubt to show.
    pub(crate) fn new(worst: f64, uptime: f64, best: f64) -> Option<BoundsScale> {
        let spread = best - worst;
        if spread <= 0.0 {
            return None;
        }
        // A step of 1, 2 or 5 times a power of ten, so that the labels are round.
        let power = 10f64.powf(spread.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= spread / 2.0)?;
        let low = ((worst / step).floor() * step).max(0.0);
        let high = ((best / step).ceil() * step).min(100.0);
        let places = (-step.log10().floor()).max(0.0) as usize;
        let x = |value: f64| percent((value - low) / (high - low));
        let label = |value: f64| format::percent(Some(value + 1e-9), places.min(4));
        Some(BoundsScale { worst: x(worst), best: x(best), at: x(uptime), low: label(low), high: label(high) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_holds_the_bounds_between_round_labels() {
        let scale = BoundsScale::new(99.8204, 99.8271, 99.8295).unwrap();
        assert_eq!(
            (scale.low.replace('\u{a0}', " "), scale.high.replace('\u{a0}', " ")),
            ("99.820 %".into(), "99.830 %".into())
        );
        assert_eq!(BoundsScale::new(100.0, 100.0, 100.0), None);
        assert_eq!(BoundsScale::new(0.0, 40.0, 100.0).unwrap().worst, "0%");
    }
}
