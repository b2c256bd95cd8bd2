//! What is normal in each hour, as the outline of a band over the times that were measured.

use super::{Axis, WIDE, short};
use crate::domain::{normal::Band, window::Window};
use std::fmt::Write;

/// A path in the stretched picture, an hour a step; `y` has the heights of microseconds. Hours that are not known interrupt
/// it.
pub(super) fn outline(bands: &[(Window, Band)], axis: Axis, y: &dyn Fn(f64) -> f64) -> String {
    let mut path = String::new();
    let x = |at| short(axis.share(at) * WIDE);
    for run in bands.chunk_by(|one, next| one.0.to() == next.0.from()) {
        let high = |band: &Band| short(y(f64::from(band.limit_us)));
        let low = |band: &Band| short(y(f64::from(band.low_us)));
        let Some((first, band)) = run.first() else { continue };
        let _ = write!(path, "M{} {}", x(first.from()), high(band));
        for (window, band) in run {
            let _ = write!(path, "V{}H{}", high(band), x(window.to()));
        }
        for (window, band) in run.iter().rev() {
            let _ = write!(path, "V{}H{}", low(band), x(window.from()));
        }
        path.push('Z');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::UnixMs;

    #[test]
    fn each_run_of_hours_has_an_outline_of_its_own() {
        let window = |from, to| Window::new(UnixMs(from), UnixMs(to)).unwrap();
        let band = |low_us, limit_us| Band { usual_us: low_us, low_us, limit_us, calm_us: limit_us, weeks: 5 };
        let bands = [(window(0, 10), band(1, 5)), (window(10, 20), band(2, 6)), (window(50, 100), band(1, 5))];
        let path = outline(&bands, Axis(window(0, 100)), &|us| 100.0 - us);
        assert_eq!(path, "M0 95V95H100V94H200V98H100V99H0ZM500 95V95H1000V99H500Z");
    }
}
