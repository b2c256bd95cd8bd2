//! Failures that never come in a row: a service most of whose checks pass, and too few.

use super::check::{CheckResult, Class, Outcome, Reason};
use std::{collections::VecDeque, fmt};

/// At most so many of the last checks may fail.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AtMost {
    /// Of each hundred, above 0 and below 100.
    pub percent: f64,
    /// How many checks are looked at, 10 to 10,000.
    pub of: u32,
}

/// As the configuration writes it.
impl fmt::Display for AtMost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} % of {}", self.percent, self.of)
    }
}

impl AtMost {
    /// The least and the largest number of checks that may be looked at.
    pub const BOUNDS: [u32; 2] = [10, 10_000];

    /// How many may fail.
    pub fn allowed(self) -> u32 {
        (self.percent * f64::from(self.of) / 100.0 + 1e-9).floor() as u32
    }
}

/// The last checks of a service, and which of them failed.
///
/// What counts is a check at its own time: those that follow a failure at once look at the same failure again. An incident
/// is notified separately: once one is confirmed, what was before it counts no more, and its own failed checks do not count.
#[derive(Debug)]
pub struct Rolling {
    rule: AtMost,
    failed: VecDeque<bool>,
    count: u32,
    latest: Option<Class>,
}

impl Rolling {
    /// Nothing is known yet.
    pub fn new(rule: AtMost) -> Rolling {
        Rolling { rule, failed: VecDeque::new(), count: 0, latest: None }
    }

    /// What it looks at.
    pub fn rule(&self) -> AtMost {
        self.rule
    }

    /// An incident is confirmed.
    pub fn forget(&mut self) {
        *self = Rolling::new(self.rule);
    }

    /// Takes in a result outside maintenance, and why it is not up.
    pub fn observe(&mut self, outcome: Outcome, recheck: bool, class: Option<Class>) {
        let Some(passed) = outcome.passed().filter(|_| !recheck) else { return };
        if self.failed.len() >= self.rule.of as usize {
            self.count -= u32::from(self.failed.pop_front() == Some(true));
        }
        self.failed.push_back(!passed);
        if !passed {
            self.count += 1;
            self.latest = class;
        }
    }

    /// Makes a result that passed `degraded` where too many failed before it.
    pub fn judge(&self, result: &mut CheckResult) {
        if result.outcome == Outcome::Up && self.count > self.rule.allowed() {
            let message = format!(
                "{} of the last {} checks failed, at most {} may",
                self.count,
                self.rule.of,
                self.rule.allowed()
            );
            // Whoever filters by class means what the checks fail by.
            let class = self.latest.unwrap_or(Class::Content);
            (result.outcome, result.reason) = (Outcome::Degraded, Some(Reason { class, phase: None, message }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{check::PhaseTimes, time::UnixMs};
    use proptest::prelude::*;

    fn observe(rolling: &mut Rolling, passed: bool, recheck: bool) {
        let (outcome, class) = if passed { (Outcome::Up, None) } else { (Outcome::Down, Some(Class::HttpStatus)) };
        rolling.observe(outcome, recheck, class);
    }

    /// The next check that passes.
    fn next(rolling: &Rolling) -> CheckResult {
        let mut next = CheckResult {
            at: UnixMs(0),
            outcome: Outcome::Up,
            latency_us: None,
            phases: PhaseTimes::default(),
            http_status: None,
            certificate_days: None,
            reason: None,
            recheck: false,
        };
        rolling.judge(&mut next);
        next
    }

    fn is_degraded(rolling: &Rolling) -> bool {
        next(rolling).outcome == Outcome::Degraded
    }

    #[test]
    fn one_failure_too_many_is_one_until_it_is_old() {
        let rule = AtMost { percent: 5.0, of: 20 };
        let mut rolling = Rolling::new(rule);
        observe(&mut rolling, false, false);
        assert!(!is_degraded(&rolling), "one of twenty may fail");
        observe(&mut rolling, true, true);
        observe(&mut rolling, false, false);
        let reason = next(&rolling).reason.unwrap();
        assert_eq!(reason.message, "2 of the last 20 checks failed, at most 1 may");
        assert_eq!(reason.class, Class::HttpStatus);
        for _ in 0..18 {
            observe(&mut rolling, true, false);
        }
        assert!(is_degraded(&rolling));
        observe(&mut rolling, true, false);
        assert!(!is_degraded(&rolling));
    }

    #[test]
    fn an_incident_is_no_second_reason() {
        let mut rolling = Rolling::new(AtMost { percent: 10.0, of: 10 });
        observe(&mut rolling, false, false);
        observe(&mut rolling, false, true);
        assert!(!is_degraded(&rolling), "one failure was looked at again");
        observe(&mut rolling, false, false);
        assert!(is_degraded(&rolling));
        rolling.forget();
        assert!(!is_degraded(&rolling));
    }

    #[test]
    fn a_share_is_a_number_of_checks() {
        assert_eq!(AtMost { percent: 5.0, of: 200 }.allowed(), 10);
        assert_eq!(AtMost { percent: 0.1, of: 1000 }.allowed(), 1, "not 0 for a sum that is a little less than 1");
        assert_eq!(AtMost { percent: 7.0, of: 100 }.allowed(), 7);
    }

    proptest! {
        #![proptest_config(crate::domain::law(200))]
        #[test]
        fn it_is_the_share_of_the_last_checks(passed in prop::collection::vec(any::<bool>(), 0..200), of in 10u32..50) {
            let rule = AtMost { percent: 30.0, of };
            let mut rolling = Rolling::new(rule);
            passed.iter().for_each(|passed| observe(&mut rolling, *passed, false));
            let failed = passed.iter().rev().take(of as usize).filter(|passed| !**passed).count();
            prop_assert_eq!(is_degraded(&rolling), failed as f64 > (f64::from(of) * 0.3 + 1e-9).floor());
        }
    }
}
