use super::super::time::DAY_MS;
use super::*;
use proptest::prelude::*;

const DAY: UnixMs = UnixMs(20_000 * DAY_MS);
const EVERY_MINUTE: i64 = MINUTE_MS;

/// The baseline of a service whose hours took what `median_us` says of each, with little jitter.
fn baseline(median_us: impl Fn(UnixMs) -> Option<u32>) -> Baseline {
    let mut hours = Hours::default();
    let mut at = DAY.plus(-6 * WEEK_MS);
    while at < DAY {
        let mut sums = Tally { checks: 60, ..Tally::default() };
        match median_us(at) {
            Some(us) => (0..60).for_each(|n| sums.latency.add(us + us * (n % 10) / 100)),
            None => sums.failures = 60,
        }
        hours.add(at, sums);
        at = at.plus(HOUR_MS);
    }
    hours.baseline(DAY, Sampling::of(EVERY_MINUTE).unwrap())
}

fn noon(baseline: &Baseline) -> Band {
    *baseline.band(DAY.plus(12 * HOUR_MS)).unwrap()
}

fn days_ago(at: UnixMs) -> i64 {
    DAY.since(at).div_euclid(DAY_MS)
}

/// Which of some times, one a minute, are found unusual.
fn found(band: Band, times: impl IntoIterator<Item = u32>) -> Vec<bool> {
    let mut latest = Latest::new(Sampling::of(EVERY_MINUTE).unwrap());
    let minute = |n: usize| DAY.plus(n as i64 * MINUTE_MS);
    times.into_iter().enumerate().map(|(n, us)| latest.observe(minute(n), us, Some(&band)).is_some()).collect()
}

#[test]
fn a_clock_that_is_set_back_does_not_make_it_stay_unusual() {
    let band = noon(&baseline(|_| Some(100_000)));
    let mut latest = Latest::new(Sampling::of(EVERY_MINUTE).unwrap());
    let mut said = |n: i64, us: u32| latest.observe(DAY.plus(n * MINUTE_MS), us, Some(&band)).is_some();
    let slow: Vec<bool> = (300..360).map(|n| said(n, 900_000)).collect();
    assert_eq!(slow.last(), Some(&true));
    let calm: Vec<bool> = (0..60).map(|n| said(n, 100_000)).collect();
    assert_eq!(calm.last(), Some(&false));
}

#[test]
fn a_steady_service_may_be_a_quarter_slower() {
    let band = noon(&baseline(|_| Some(40_000)));
    assert!((40_000..44_000).contains(&band.usual_us), "{band:?}");
    assert!(band.limit_us > band.usual_us * 5 / 4 - 500 && band.limit_us < band.usual_us * 3 / 2, "{band:?}");
    assert_eq!(band.weeks, 5);
}

#[test]
fn it_is_silent_until_it_has_seen_the_hour_in_three_weeks() {
    let since = |days: i64| move |at: UnixMs| (days_ago(at) < days).then_some(40_000);
    assert_eq!(baseline(since(14)).band(DAY.plus(12 * HOUR_MS)), None);
    assert_eq!(noon(&baseline(since(21))).weeks, 3);
    assert_eq!(baseline(since(35)).band(DAY.plus(DAY_MS)), None, "of another day it says nothing");
}

#[test]
fn a_bad_week_is_none_of_the_baseline_and_what_was_seen_in_two_weeks_is_not_unusual() {
    let calm = noon(&baseline(|_| Some(40_000)));
    let slow_for = |weeks: &'static [i64]| {
        noon(&baseline(move |at| {
            let slow = weeks.contains(&(days_ago(at) / 7)) && days_ago(at) % 7 == 6;
            Some(if slow { 400_000 } else { 40_000 })
        }))
    };
    assert_eq!(slow_for(&[2]).limit_us, calm.limit_us);
    assert_eq!(slow_for(&[2]).usual_us, calm.usual_us);
    assert!(slow_for(&[2, 4]).limit_us > 400_000);
    // Hours in which checks failed say nothing of how long they take.
    let band = noon(&baseline(|at| (days_ago(at) / 7 != 1).then_some(40_000)));
    assert_eq!((band.limit_us, band.weeks), (calm.limit_us, 4));
}

#[test]
fn seasons_are_normal_also_by_an_hour_early_or_late() {
    let nightly = |at: UnixMs| Some(if at.0.rem_euclid(DAY_MS) / HOUR_MS == 3 { 120_000 } else { 40_000 });
    let baseline = baseline(nightly);
    let limit = |hour: i64| baseline.band(DAY.plus(hour * HOUR_MS)).unwrap().limit_us;
    assert!((1..6).map(limit).map(|limit| limit > 120_000).eq([false, true, true, true, false]));
}

#[test]
fn a_change_for_good_is_normal_after_about_four_days() {
    let twice_for = |days: i64| move |at: UnixMs| Some(if days_ago(at) < days { 80_000 } else { 40_000 });
    assert!(noon(&baseline(twice_for(3))).limit_us < 60_000);
    let after = noon(&baseline(twice_for(4)));
    assert!((80_000..130_000).contains(&after.limit_us), "{after:?}");
    assert!(after.usual_us < 44_000, "what it took in past weeks is still what it took");
}

#[test]
fn it_is_seen_after_half_of_the_checks_and_over_soon_after_it_is() {
    let band = noon(&baseline(|_| Some(40_000)));
    let times = [vec![41_000; 30], vec![120_000; 20], vec![41_000; 20]].concat();
    let found = found(band, times);
    let begun = found.iter().position(|is| *is).unwrap();
    let over = (begun..).find(|n| !found[*n]).unwrap();
    assert_eq!((begun, over), (37, 52));
    assert!(!found[over..].contains(&true), "it does not come back");
}

#[test]
fn a_service_that_is_checked_seldom_is_looked_at_longer_and_one_that_hardly_is_not_at_all() {
    let checks = |interval_ms| Sampling::of(interval_ms).map(|sampling| sampling.checks());
    assert_eq!(checks(1_000), Some(90));
    assert_eq!(checks(10_000), Some(90));
    assert_eq!(checks(MINUTE_MS), Some(15));
    assert_eq!(checks(5 * MINUTE_MS), Some(9));
    assert_eq!(checks(HOUR_MS), None);
}

proptest! {
    #![proptest_config(crate::domain::law(64))]

    #[test]
    fn fewer_than_half_of_slow_checks_are_never_unusual(slow in prop::collection::vec(any::<bool>(), 100)) {
        let band = noon(&baseline(|_| Some(40_000)));
        let times: Vec<u32> = slow.iter().map(|slow| if *slow { 5_000_000 } else { 41_000 }).collect();
        for (n, is_found) in found(band, times).into_iter().enumerate() {
            let latest = &slow[(n + 1).saturating_sub(15)..=n];
            let are_slow = latest.iter().filter(|slow| **slow).count();
            // What began ends by the latest five of them.
            let newest = slow[(n + 1).saturating_sub(5)..=n].iter().filter(|slow| **slow).count();
            prop_assert!(!is_found || newest > 2);
            prop_assert!(is_found || are_slow < 8 || newest < 3 || n < 14);
        }
    }

    #[test]
    fn the_window_is_the_latest_checks_whatever_came_before(
        times in prop::collection::vec(1_000..1_000_000u32, 15..60),
    ) {
        let mut latest = Latest::new(Sampling::of(EVERY_MINUTE).unwrap());
        for (n, us) in times.iter().enumerate() {
            latest.observe(DAY.plus(n as i64 * MINUTE_MS), *us, None);
        }
        let mut naive = times[times.len() - 15..].to_vec();
        naive.sort_unstable();
        prop_assert_eq!(latest.median(), Some(naive[7]));
    }

    #[test]
    fn a_slower_past_never_lowers_the_limit(slower in 40_000..400_000u32, week in 0..5i64) {
        let before = noon(&baseline(|_| Some(40_000)));
        let after = noon(&baseline(|at| Some(if days_ago(at) / 7 == week { slower } else { 40_000 })));
        prop_assert!(after.limit_us >= before.limit_us);
    }

    #[test]
    fn the_rank_is_as_seldom_exceeded_as_it_says(checks in 9..90usize) {
        let rank = rank(checks);
        prop_assert!((0.5..1.0).contains(&rank));
        prop_assert!(at_least(checks / 2 + 1, checks, 1.0 - rank) <= SELDOM);
        prop_assert!(at_least(checks / 2 + 1, checks, 1.0 - rank + 0.001) > SELDOM);
    }
}
