//! Flapping: whether the checks of a service pass and fail by turns so often that each change is no news.
//!
//! The rule is Icinga's: of the last 20 checks, those that ended otherwise than the one before them count, the oldest with a
//! weight of 0.8 and each later one with 0.02 more. A service flaps while their sum is above 30 % of 20, and until it is
//! below 25 %.

/// Checks that are looked back at.
pub const CHECKS: u32 = 20;
/// A service begins to flap above this, in per cent,
const HIGH: f64 = 30.0;
/// and ceases to below this.
const LOW: f64 = 25.0;

/// The latest changes of a service between passed and failed checks. Small: it is copied with the state of the service.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Flapping {
    /// Whether each of the last checks ended otherwise than the one before it; the latest is the lowest bit.
    changes: u32,
    /// Whether the last check passed; `None` before the first.
    passed: Option<bool>,
    is_on: bool,
}

impl Flapping {
    /// Takes the next judged check in.
    #[must_use]
    pub fn observe(self, passed: bool) -> Flapping {
        let is_change = self.passed.is_some_and(|before| before != passed);
        let changes = (self.changes << 1 | u32::from(is_change)) & ((1 << CHECKS) - 1);
        let next = Flapping { changes, passed: Some(passed), is_on: self.is_on };
        let percent = next.percent();
        Flapping { is_on: if self.is_on { percent >= LOW } else { percent > HIGH }, ..next }
    }

    /// Whether the service flaps.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// The weighted share of the last checks that ended otherwise than the one before, in per cent.
    pub fn percent(&self) -> f64 {
        let weight = |age: u32| 0.8 + 0.02 * f64::from(CHECKS - 1 - age);
        let sum: f64 = (0..CHECKS).filter(|age| self.changes >> age & 1 == 1).map(weight).sum();
        100.0 * sum / f64::from(CHECKS)
    }

    /// How many of the last checks ended otherwise than the one before.
    pub fn changes(&self) -> u32 {
        self.changes.count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(letters: &str) -> Flapping {
        letters.chars().fold(Flapping::default(), |flapping, letter| flapping.observe(letter == '.'))
    }

    /// The published algorithm, written down from its description: a list of the last 20 changes, oldest first.
    fn naive(checks: &[bool]) -> (f64, bool) {
        let (mut list, mut is_on) = ([0.0; 20], false);
        let mut percent = 0.0;
        for pair in checks.windows(2) {
            list.rotate_left(1);
            list[19] = if pair[0] == pair[1] { 0.0 } else { 1.0 };
            percent =
                100.0 * list.iter().enumerate().map(|(i, change)| change * (0.8 + 0.02 * i as f64)).sum::<f64>() / 20.0;
            is_on = if is_on { percent >= 25.0 } else { percent > 30.0 };
        }
        (percent, is_on)
    }

    #[test]
    fn a_service_that_changes_at_every_check_flaps_from_the_sixth_change_on() {
        // 1.18 + 1.16 + … : five changes are 28.5 %, six are 33.9 %.
        assert!(!after(".x.x.x").is_on());
        let six = after(".x.x.x.");
        assert!(six.is_on() && six.changes() == 6);
        assert!((six.percent() - 33.9).abs() < 1e-9, "{}", six.percent());
    }

    #[test]
    fn an_outage_is_no_flapping() {
        assert!(!after("..........xxxxxxxxxx..........").is_on());
        assert!(!after("x..x..........xxxx......").is_on());
    }

    #[test]
    fn it_ceases_when_the_changes_are_old() {
        let flapping = after(".x.x.x.x.x");
        assert!(flapping.is_on());
        let steady = (1..=40).find(|n| !after(&format!(".x.x.x.x.x{}", "x".repeat(*n))).is_on());
        // Six old changes are 25.5 %, five are 21 %.
        assert_eq!(steady, Some(15));
    }

    proptest! {
        #[test]
        fn it_says_what_the_published_algorithm_says(checks in prop::collection::vec(prop::bool::weighted(0.6), 1..120)) {
            let ours = checks.iter().fold(Flapping::default(), |flapping, passed| flapping.observe(*passed));
            let (percent, is_on) = naive(&checks);
            prop_assert!((ours.percent() - percent).abs() < 1e-9);
            // On the edge itself rounding decides.
            if (percent - 25.0).abs() > 1e-9 && (percent - 30.0).abs() > 1e-9 {
                prop_assert_eq!(ours.is_on(), is_on);
            }
        }

        #[test]
        fn twenty_checks_of_one_outcome_end_it(checks in prop::collection::vec(any::<bool>(), 0..100), last: bool) {
            let flapping = checks.iter().chain([last; 21].iter()).fold(Flapping::default(), |f, passed| f.observe(*passed));
            prop_assert!(!flapping.is_on() && flapping.changes() == 0);
        }
    }
}
