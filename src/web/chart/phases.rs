//! The phases of one check, one after the other.

use super::short;
use crate::domain::check::CheckResult;
use serde::Serialize;

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
