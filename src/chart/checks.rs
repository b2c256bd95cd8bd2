//! One mark a check, at the time it took, on a logarithmic scale: dots passed, crosses failed.

use super::{
    Axis, Level, Stretch, hundredths, ordinary,
    ticks::{self, Tick},
};
use crate::{
    domain::{
        check::{CheckResult, Outcome},
        incident::{Gap, Outage},
        maintenance::Overlay,
        normal::Band,
        time::UnixMs,
        window::Window,
    },
    format::{self, zone::Zone},
};
use serde::Serialize;

/// From the top of the chart to its scale: room for flags.
const TOP: f64 = 22.0;

#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct CheckChart {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Height of the whole, and where the scale begins and ends.
    pub(crate) height: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) levels: Vec<Level>,
    pub(crate) outages: Vec<Stretch>,
    pub(crate) gaps: Vec<Stretch>,
    pub(crate) maintenance: Vec<Stretch>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) flags: Vec<Flag>,
    pub(crate) ticks: Vec<Tick>,
    /// The outline of what is normal, in the stretched picture.
    pub(crate) normal: String,
    /// The least and the most of the scale, in milliseconds.
    #[serde(skip)]
    decades: (f64, f64),
}

/// One check.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Mark {
    pub(crate) x: String,
    pub(crate) y: String,
    /// `up`, `degraded`, `down` or `unknown`.
    pub(crate) outcome: &'static str,
    pub(crate) at: i64,
}

/// A word over a moment.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Flag {
    pub(crate) x: String,
    pub(crate) text: String,
    /// `down` or `up`.
    pub(crate) kind: &'static str,
    /// Ends at the moment instead of beginning there.
    pub(crate) end: bool,
}

impl CheckChart {
    /// Draws checks (in any order) that lie in `window`, over the outages, gaps and maintenance that reach into it. `scale` is the
    /// height of the scale in pixels.
    #[expect(clippy::too_many_arguments, reason = "what is drawn, and on what")]
    pub(crate) fn new(
        window: Window,
        checks: &[CheckResult],
        outages: &[Outage],
        gaps: &[Gap],
        maintenance: &Overlay,
        zone: Zone,
        now: UnixMs,
        scale: f64,
    ) -> CheckChart {
        let axis = Axis(window);
        let (low, high) = decades(checks);
        let bottom = TOP + scale;
        let y = |ms: f64| height((low, high), bottom, scale, ms);
        let powers = (high.log10() - low.log10()).round() as i32;
        let levels = (0..=powers)
            .map(|i| {
                let value = low * 10f64.powi(i);
                let label = if i == powers { String::new() } else { format::axis_time(value) };
                Level { y: y(value).round(), label }
            })
            .collect();
        let mut marks: Vec<Mark> = checks
            .iter()
            .filter(|check| window.contains(check.at))
            .map(|check| Mark {
                x: axis.percent(check.at),
                y: hundredths(y(f64::from(check.latency_us.unwrap_or(0)) / 1000.0).round()),
                outcome: check.outcome.as_str(),
                at: check.at.0,
            })
            .collect();
        marks.sort_by_key(|mark| mark.at);
        let shown: Vec<&Outage> = outages.iter().filter(|o| o.started_at < window.to()).collect();
        let mut flags = Vec::new();
        for outage in shown.iter().filter(|o| window.contains(o.started_at)) {
            let share = axis.share(outage.started_at);
            let over = outage.ended_at.filter(|end| window.contains(*end));
            // Where there is no room between the two, each is on its own side, on a phone too.
            let near = over.is_some_and(|end| axis.share(end) - share < 0.25) && share > 0.2;
            flags.push(Flag {
                x: axis.percent(outage.started_at),
                text: "began".into(),
                kind: "down",
                end: share > 0.9 || near,
            });
            if let Some(end) = over
                && (near || axis.share(end) - share >= 0.25)
            {
                let text = "well again".to_owned();
                flags.push(Flag { x: axis.percent(end), text, kind: "up", end: axis.share(end) > 0.9 });
            }
        }
        // Where many outages are, the words would cover each other: the marks say it alone.
        if flags.len() > 4 {
            flags.clear();
        }
        let stretches = |o: &&Outage| axis.stretch(o.started_at, o.ended_at.unwrap_or(now));
        CheckChart {
            from: window.from().0,
            to: window.to().0,
            height: bottom + 20.0,
            top: TOP,
            bottom,
            levels,
            outages: shown.iter().filter_map(stretches).collect(),
            gaps: gaps.iter().filter_map(|g| axis.stretch(g.from, g.to.unwrap_or(now))).collect(),
            maintenance: maintenance.inside(window).filter_map(|w| axis.stretch(w.from(), w.to())).collect(),
            marks,
            flags,
            ticks: ticks::ticks(window, zone),
            normal: String::new(),
            decades: (low, high),
        }
    }

    /// Draws what is normal in hours of the window, too.
    pub(crate) fn with_normal(mut self, bands: &[(Window, Band)]) -> CheckChart {
        if let Some(window) = Window::new(UnixMs(self.from), UnixMs(self.to)) {
            let y = |us: f64| height(self.decades, self.bottom, self.bottom - self.top, us / 1000.0);
            self.normal = ordinary::outline(bands, Axis(window), &y);
        }
        self
    }
}

/// Where a time lies on the logarithmic scale, which ends at `bottom` and is `scale` pixels high.
fn height((low, high): (f64, f64), bottom: f64, scale: f64, ms: f64) -> f64 {
    let share = (ms.max(low).log10() - low.log10()) / (high.log10() - low.log10());
    bottom - scale * share.clamp(0.0, 1.0)
}

/// The powers of ten, in milliseconds, that hold the response times: two at least.
fn decades(checks: &[CheckResult]) -> (f64, f64) {
    let times = || {
        checks
            .iter()
            .filter(|c| c.outcome != Outcome::Unknown)
            .filter_map(|c| c.latency_us)
            .map(|us| (f64::from(us) / 1000.0).max(0.01))
    };
    let low = times().fold(f64::MAX, f64::min);
    let high = times().fold(0.0, f64::max);
    if high == 0.0 {
        return (1.0, 1000.0);
    }
    let low = 10f64.powf(low.log10().floor());
    let high = 10f64.powf((high * 1.05).log10().ceil());
    (low, high.max(low * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::check::PhaseTimes;

    fn check(at: i64, latency_us: u32, outcome: Outcome) -> CheckResult {
        CheckResult {
            at: UnixMs(at),
            outcome,
            latency_us: Some(latency_us),
            phases: PhaseTimes::default(),
            http_status: None,
            certificate_days: None,
            reason: None,
            recheck: false,
        }
    }

    #[test]
    fn every_check_is_one_mark_inside_the_scale() {
        let window = Window::new(UnixMs(0), UnixMs(10_000)).unwrap();
        let checks =
            [check(9_000, 5_000_000, Outcome::Down), check(0, 300, Outcome::Up), check(10_000, 300, Outcome::Up)];
        let chart = CheckChart::new(window, &checks, &[], &[], &Overlay::NONE, Zone::UTC, UnixMs(10_000), 100.0);
        let marks: Vec<_> = chart.marks.iter().map(|m| (m.at, m.x.as_str(), m.outcome)).collect();
        assert_eq!(marks, [(0, "0%", "up"), (9_000, "90%", "down")]);
        for mark in &chart.marks {
            let y: f64 = mark.y.parse().unwrap();
            assert!((chart.top..=chart.bottom).contains(&y), "{y}");
        }
        let labels: Vec<String> = chart.levels.iter().map(|l| l.label.replace('\u{a0}', " ")).collect();
        assert_eq!(labels, ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", ""]);
    }
}
