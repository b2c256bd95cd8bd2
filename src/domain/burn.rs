//! Burn rates: how fast the error budget of an objective is being spent.
//!
//! The rules are those of Google's SRE workbook (chapter 5, alerts by multiple windows and burn rates): the long window says
//! that it matters, the short one that it goes on.

use super::{
    time::{DAY_MS, HOUR_MS, MINUTE_MS},
    uptime::Budget,
};

/// The window of an error budget, in milliseconds.
pub const BUDGET_MS: i64 = 30 * DAY_MS;

/// When spending is too fast.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BurnRule {
    /// Its word in the ids of events.
    pub word: &'static str,
    /// The burn rate from which on it is met, in both windows.
    pub factor: f64,
    pub long_ms: i64,
    pub short_ms: i64,
    /// It can wait for the morning.
    pub is_slow: bool,
}

/// The rules, the most urgent first: 2 % of the budget in an hour, 5 % in six, 10 % in three days.
pub const BURN_RULES: [BurnRule; 3] = [
    BurnRule { word: "fast", factor: 14.4, long_ms: HOUR_MS, short_ms: 5 * MINUTE_MS, is_slow: false },
    BurnRule { word: "slow", factor: 6.0, long_ms: 6 * HOUR_MS, short_ms: 30 * MINUTE_MS, is_slow: false },
    BurnRule { word: "creeping", factor: 1.0, long_ms: 3 * DAY_MS, short_ms: 6 * HOUR_MS, is_slow: true },
];

/// The longest of the short windows, in milliseconds: after so long without downtime no rule is met.
pub const LONGEST_SHORT_MS: i64 = 6 * HOUR_MS;

/// The burn rate of a window with so much confirmed downtime, for an objective in per cent: at 1 the budget lasts exactly
/// as long as its window.
pub fn burn_rate(objective: f64, window_ms: i64, down_ms: i64) -> f64 {
    Budget::new(objective, window_ms, down_ms).burn_rate
}

impl BurnRule {
    /// The rule of this word.
    pub fn named(word: &str) -> Option<&'static BurnRule> {
        BURN_RULES.iter().find(|rule| rule.word == word)
    }

    /// Whether it goes on in the short window, for this much downtime in it.
    pub fn goes_on(&self, objective: f64, short_down_ms: i64) -> bool {
        burn_rate(objective, self.short_ms, short_down_ms) >= self.factor
    }

    /// Whether it matters in the long window. Until it does not any more, what began is not over.
    pub fn matters(&self, objective: f64, long_down_ms: i64) -> bool {
        burn_rate(objective, self.long_ms, long_down_ms) >= self.factor
    }
}

impl Budget {
    /// How long what is left lasts where it is spent at this burn rate, in milliseconds; `None`: nothing is left, or nothing
    /// is spent.
    pub fn lasts_ms(&self, window_ms: i64, burn_rate: f64) -> Option<i64> {
        let left = self.left_ms();
        (left > 0 && burn_rate > 0.0 && self.total_ms > 0)
            .then(|| (left as f64 * window_ms as f64 / (self.total_ms as f64 * burn_rate)) as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rules_are_those_of_the_workbook() {
        // Its table for 99.9 %: 2 % of 30 days' budget in an hour, 5 % in six, 10 % in three days.
        let budget = Budget::new(99.9, BUDGET_MS, 0);
        for (rule, share) in BURN_RULES.iter().zip([0.02, 0.05, 0.10]) {
            let down = (budget.total_ms as f64 * share) as i64;
            let rate = burn_rate(99.9, rule.long_ms, down);
            assert!((rate - rule.factor).abs() < 1e-3, "{}: {rate}", rule.word);
            assert_eq!(rule.long_ms, 12 * rule.short_ms, "the short window is a twelfth of the long one");
        }
    }

    #[test]
    fn an_outage_is_noticed_within_a_minute_and_a_short_one_is_nobodys_business() {
        let [fast, ..] = BURN_RULES;
        // 99.9 %, down for as long as this.
        assert!(!fast.matters(99.9, 51_000) && fast.matters(99.9, 52_000));
        assert!(fast.goes_on(99.9, 52_000));
        // 90 %: an hour of downtime is less than 14.4 times too fast.
        assert!(!fast.matters(90.0, HOUR_MS));
    }

    #[test]
    fn a_budget_that_is_spent_does_not_last() {
        let budget = Budget::new(99.9, BUDGET_MS, 1_296_000);
        assert_eq!(budget.lasts_ms(BUDGET_MS, 1.0), Some(15 * DAY_MS));
        assert_eq!(budget.lasts_ms(BUDGET_MS, 14.4), Some(90_000_000));
        assert_eq!(budget.lasts_ms(BUDGET_MS, 0.0), None);
        assert_eq!(Budget::new(99.9, BUDGET_MS, 2_592_000).lasts_ms(BUDGET_MS, 1.0), None);
    }

    proptest! {
        #[test]
        fn more_downtime_and_a_higher_objective_never_burn_less(
            objective in 50.0..99.99_f64, higher in 0.0..0.009_f64, down in 0..DAY_MS, more in 0..DAY_MS, rule in 0..3_usize,
        ) {
            let rule = BURN_RULES[rule];
            let rate = burn_rate(objective, rule.long_ms, down);
            prop_assert!(burn_rate(objective, rule.long_ms, down + more) >= rate);
            prop_assert!(burn_rate(objective + higher, rule.long_ms, down) >= rate);
            prop_assert!(!rule.matters(objective, down) || rule.matters(objective, down + more));
        }

        #[test]
        fn what_is_spent_at_a_burn_rate_for_as_long_as_the_budget_lasts_is_the_budget(
            objective in 50.0..99.9_f64, spent in 0.0..0.99_f64, rate in 0.01..1000.0_f64,
        ) {
            let total = Budget::new(objective, BUDGET_MS, 0).total_ms;
            let budget = Budget::new(objective, BUDGET_MS, (total as f64 * spent) as i64);
            if let Some(lasts) = budget.lasts_ms(BUDGET_MS, rate) {
                let more = lasts as f64 * rate * (100.0 - objective) / 100.0;
                prop_assert!((more - budget.left_ms() as f64).abs() <= 1.0 + rate, "{more} {}", budget.left_ms());
            }
        }

        #[test]
        fn a_service_that_is_down_all_the_time_burns_as_fast_as_can_be(objective in 50.0..99.99_f64, rule in 0..3_usize) {
            let rule = BURN_RULES[rule];
            let most = 100.0 / (100.0 - objective);
            prop_assert!((burn_rate(objective, rule.long_ms, rule.long_ms) - most).abs() < most * 1e-6 + 1e-6);
            prop_assert_eq!(rule.matters(objective, rule.long_ms), rule.goes_on(objective, rule.short_ms));
        }
    }
}
