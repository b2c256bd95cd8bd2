//! The phases of checks: of one, one after the other; of many, stacked over time, to see which one grew.

use super::{
    Axis, Level, WIDE, short,
    ticks::{self, Tick},
};
use crate::{
    domain::{
        check::{CheckResult, PhaseMedians},
        window::Window,
    },
    format::{self, zone::Zone},
};
use serde::Serialize;
use std::fmt::Write;

/// What the phases are called, in the order they happen; what they leave of the whole comes last.
pub(crate) const PHASES: [&str; 5] = ["DNS", "connect", "TLS", "first byte", "the rest"];

/// The height of the stacked columns, in pixels, and the room above them.
const HEIGHT: f64 = 96.0;
const TOP: f64 = 8.0;

/// The medians of each phase, stacked in columns over time.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct PhaseChart {
    pub(crate) height: f64,
    pub(crate) bottom: f64,
    pub(crate) levels: Vec<Level>,
    /// A path a phase, in the stretched picture.
    pub(crate) paths: [String; 5],
    pub(crate) ticks: Vec<Tick>,
}

/// Their times, in microseconds, in the order of [`PHASES`].
pub(crate) fn phase_times(medians: &PhaseMedians) -> [Option<u32>; 5] {
    let p = medians.phases;
    [p.dns_us, p.connect_us, p.tls_us, p.ttfb_us, medians.rest_us]
}

impl PhaseChart {
    /// Draws the columns of a window; `None` where there is nothing to stack: no checks, or nothing but their whole.
    pub(crate) fn new(window: Window, columns: &[(Window, PhaseMedians)], zone: Zone) -> Option<PhaseChart> {
        columns.iter().find(|(_, m)| phase_times(m)[..4].iter().any(Option::is_some))?;
        let axis = Axis(window);
        let total = |m: &PhaseMedians| phase_times(m).into_iter().flatten().map(f64::from).sum::<f64>();
        let highest = columns.iter().map(|(_, m)| total(m)).fold(0.0, f64::max) / 1000.0;
        let power = 10f64.powf(highest.max(0.01).log10().floor());
        let step = [0.5, 1.0, 2.0, 5.0].into_iter().map(|n| n * power).find(|step| highest / step <= 3.0)?;
        let end = (highest / step).ceil() * step;
        let bottom = TOP + HEIGHT;
        let y = |ms: f64| bottom - HEIGHT * ms / end;
        let mut paths: [String; 5] = Default::default();
        for (column, medians) in columns {
            let left = axis.share(column.from()) * WIDE;
            let width = (axis.share(column.to()) * WIDE - left) * 0.9;
            let mut base = 0.0;
            for (path, us) in paths.iter_mut().zip(phase_times(medians)) {
                let Some(us) = us.filter(|us| *us > 0) else { continue };
                let ms = f64::from(us) / 1000.0;
                // A phase that took any time is seen.
                let height = (HEIGHT * ms / end).max(0.7);
                let (x, top, h, w) = (short(left), short(y(base) - height), short(height), short(width));
                let _ = write!(path, "M{x} {top}h{w}v{h}h-{w}z");
                base += ms;
            }
        }
        let count = (end / step).round() as i32;
        let level = |i: i32| {
            let value = f64::from(i) * step;
            Level { y: y(value).round(), label: if i == 0 { String::new() } else { format::axis_time(value) } }
        };
        Some(PhaseChart {
            height: bottom + 20.0,
            bottom,
            levels: (0..=count).map(level).collect(),
            paths,
            ticks: ticks::ticks(window, zone),
        })
    }
}

/// A bar of five parts on a picture 1000 units wide.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub(crate) struct PhaseBar {
    /// (number of the phase from 1, left edge, width)
    pub(crate) parts: Vec<(usize, String, String)>,
}

impl PhaseBar {
    /// The bar of a check; `longest_us` is as wide as the picture.
    pub(crate) fn new(check: &CheckResult, longest_us: u32) -> PhaseBar {
        let scale = 1000.0 / f64::from(longest_us.max(1));
        let p = check.phases;
        let known = [p.dns_us, p.connect_us, p.tls_us, p.ttfb_us];
        let rest = check.latency_us.map(|total| u64::from(total).saturating_sub(p.sum_us()) as u32);
        let mut left = 0.0;
        let mut parts = Vec::new();
        for (i, us) in known.into_iter().chain([rest]).enumerate() {
            let width = f64::from(us.unwrap_or(0)) * scale;
            if width >= 0.05 {
                parts.push((i + 1, short(left), short(width)));
            }
            left += width;
        }
        PhaseBar { parts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        check::{Outcome, PhaseTimes},
        time::UnixMs,
    };

    #[test]
    fn columns_are_stacked_in_the_order_the_phases_happen() {
        let window = Window::new(UnixMs(0), UnixMs(2000)).unwrap();
        let phases = PhaseTimes { dns_us: None, connect_us: Some(1000), tls_us: None, ttfb_us: Some(3000) };
        let columns = [(Window::new(UnixMs(0), UnixMs(1000)).unwrap(), PhaseMedians { phases, rest_us: Some(0) })];
        let chart = PhaseChart::new(window, &columns, Zone::UTC).unwrap();
        assert_eq!(chart.paths[0], "");
        assert_eq!(chart.paths[1], "M0 80h450v24h-450z");
        assert_eq!(chart.paths[3], "M0 8h450v72h-450z");
        let whole = PhaseMedians { rest_us: Some(9), ..PhaseMedians::default() };
        assert_eq!(PhaseChart::new(window, &[(window, whole)], Zone::UTC), None);
    }

    #[test]
    fn what_the_phases_leave_is_the_body() {
        let check = CheckResult {
            at: UnixMs(0),
            outcome: Outcome::Up,
            latency_us: Some(1000),
            phases: PhaseTimes { dns_us: None, connect_us: Some(100), tls_us: Some(400), ttfb_us: Some(300) },
            http_status: None,
            certificate_days: None,
            reason: None,
            recheck: false,
        };
        let bar = PhaseBar::new(&check, 2000);
        let part = |n: usize, x: &str, w: &str| (n, x.to_owned(), w.to_owned());
        assert_eq!(bar.parts, [part(2, "0", "50"), part(3, "50", "200"), part(4, "250", "150"), part(5, "400", "100")]);
    }
}
