//! Uptime and what belongs to it, from the sums of a window.

use super::{time::UnixMs, timeline::Tally, window::Window};

/// What the figures need to know of an outage that overlaps the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutageTimes {
    pub started_at: UnixMs,
    /// When the threshold was met; `None`: a blip, or not settled yet.
    pub confirmed_at: Option<UnixMs>,
    /// `None` while it lasts.
    pub ended_at: Option<UnixMs>,
}

impl OutageTimes {
    /// What was known of them at a moment: neither a confirmation nor an end that came later.
    pub fn known_at(self, at: UnixMs) -> OutageTimes {
        let known = |moment: Option<UnixMs>| moment.filter(|moment| *moment <= at);
        OutageTimes { confirmed_at: known(self.confirmed_at), ended_at: known(self.ended_at), ..self }
    }
}

/// The figures of one service over one window. Percentages are 0 to 100, rounded down at four decimals.
#[derive(Clone, PartialEq, Debug)]
pub struct Uptime {
    pub window: Window,
    /// (up + degraded) ÷ (up + degraded + down). `None` when nothing was observed.
    pub uptime: Option<f64>,
    /// Uptime if every unseen change had come at once.
    pub worst: Option<f64>,
    /// Uptime if every unseen change had come at the last moment.
    pub best: Option<f64>,
    /// (up + degraded + down) ÷ the window without maintenance. `None` when all of it was maintenance.
    pub coverage: Option<f64>,
    pub up_ms: i64,
    pub degraded_ms: i64,
    pub down_ms: i64,
    pub unknown_ms: i64,
    pub maintenance_ms: i64,
    pub gap_ms: i64,
    pub checks: u64,
    pub failures: u64,
    pub incidents: u64,
    /// The incidents that are over: those of which `mttr_ms` is the mean.
    pub resolved: u64,
    pub blips: u64,
    /// Mean duration of the resolved incidents, in milliseconds.
    pub mttr_ms: Option<i64>,
    /// Observed up time ÷ incidents, in milliseconds; `None` without an incident.
    pub mtbf_ms: Option<i64>,
    /// Mean of confirmed − started, in milliseconds.
    pub mttd_ms: Option<i64>,
    /// Response times of passed checks, in milliseconds.
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

/// The error budget of an objective: the time in which a service may be down.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Budget {
    /// (1 − objective) × window, in milliseconds.
    pub total_ms: i64,
    /// Confirmed downtime in the window, in milliseconds.
    pub spent_ms: i64,
    /// Spent share of the window ÷ (1 − objective): 1 spends the budget exactly.
    pub burn_rate: f64,
}

impl Budget {
    /// The budget of `objective` per cent (above 0, below 100) over a window with so much confirmed downtime.
    pub fn new(objective: f64, window_ms: i64, confirmed_down_ms: i64) -> Budget {
        let allowed = (100.0 - objective) / 100.0;
        let total = window_ms as f64 * allowed;
        Budget {
            total_ms: total.round() as i64,
            spent_ms: confirmed_down_ms,
            burn_rate: if total > 0.0 { confirmed_down_ms as f64 / total } else { f64::INFINITY },
        }
    }

    /// What is left, in milliseconds; negative when it is overspent.
    pub fn left_ms(&self) -> i64 {
        self.total_ms - self.spent_ms
    }
}

/// A share as a percentage, rounded down at four decimals; `None` of nothing.
pub fn percent(part: i64, whole: i64) -> Option<f64> {
    if whole <= 0 {
        return None;
    }
    let ten_thousandths = i128::from(part.clamp(0, whole)) * 1_000_000 / i128::from(whole);
    Some(ten_thousandths as f64 / 10_000.0)
}

/// Microseconds as milliseconds with at most three decimals.
pub fn us_to_ms(us: f64) -> f64 {
    us.round() / 1_000.0
}

impl Uptime {
    /// The figures of `window`, of which `tally` holds the sums; `outages` are those that overlap it.
    pub fn new(window: Window, tally: &Tally, outages: impl IntoIterator<Item = OutageTimes>) -> Uptime {
        let good = tally.up_ms + tally.degraded_ms;
        let judged = good + tally.down_ms;
        let (mut incidents, mut blips) = (0, 0);
        let (mut repaired, mut repair_ms, mut detect_ms) = (0, 0, 0);
        for outage in outages {
            match (outage.confirmed_at, outage.ended_at) {
                (Some(confirmed), ended) => {
                    incidents += 1;
                    detect_ms += confirmed.since(outage.started_at);
                    if let Some(ended) = ended {
                        repaired += 1;
                        repair_ms += ended.since(outage.started_at);
                    }
                }
                (None, Some(_)) => blips += 1,
                // Failing right now, and not confirmed: neither an incident nor a blip yet.
                (None, None) => {}
            }
        }
        let mean = |sum: i64, count: i64| (count > 0).then(|| sum / count);
        let percentile = |p| tally.latency.percentile_us(p).map(us_to_ms);
        Uptime {
            window,
            uptime: percent(good, judged),
            worst: percent(good - tally.doubt_up_ms, judged),
            best: percent(good + tally.doubt_down_ms, judged),
            coverage: percent(judged, window.length_ms() - tally.maintenance_ms),
            up_ms: tally.up_ms,
            degraded_ms: tally.degraded_ms,
            down_ms: tally.down_ms,
            unknown_ms: tally.unknown_ms,
            maintenance_ms: tally.maintenance_ms,
            gap_ms: tally.gap_ms(window.length_ms()),
            checks: tally.checks,
            failures: tally.failures,
            incidents: incidents as u64,
            resolved: repaired as u64,
            blips,
            mttr_ms: mean(repair_ms, repaired),
            mtbf_ms: mean(good, incidents),
            mttd_ms: mean(detect_ms, incidents),
            p50_ms: percentile(0.50),
            p95_ms: percentile(0.95),
            p99_ms: percentile(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_rounded_down_so_that_a_hundred_means_that_nothing_failed() {
        assert_eq!(percent(999_999_999, 1_000_000_000), Some(99.9999));
        assert_eq!(percent(7, 7), Some(100.0));
        assert_eq!(percent(0, 7), Some(0.0));
        assert_eq!(percent(2, 3), Some(66.6666));
    }

    #[test]
    fn nothing_observed_is_neither_nought_nor_a_hundred() {
        let window = Window::new(UnixMs(0), UnixMs(1000)).unwrap();
        let u = Uptime::new(window, &Tally::default(), []);
        assert_eq!((u.uptime, u.worst, u.best, u.coverage, u.gap_ms), (None, None, None, Some(0.0), 1000));
    }

    #[test]
    fn a_budget_is_what_an_objective_leaves() {
        let month = 30 * 86_400_000;
        let budget = Budget::new(99.9, month, 1_296_000);
        assert_eq!((budget.total_ms, budget.left_ms()), (2_592_000, 1_296_000));
        assert!((budget.burn_rate - 0.5).abs() < 1e-9);
        assert_eq!(Budget::new(99.9, month, 3_000_000).left_ms(), -408_000);
    }
}
