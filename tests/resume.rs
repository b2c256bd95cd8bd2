//! A restart is no transition: whatever a service has lived through, the next run knows of it what the run before knew,
//! and goes on as that would have gone on.

use crate::support::history::{History, result, service};
use healthcheck_dashboard::{
    domain::{
        check::Outcome,
        health::{Confirmed, Health},
        maintenance::Overlay,
        service::{CheckSchedule, Service, Thresholds},
        status::{STALE_GRACE_MS, Status},
        time::{HOUR_MS, MINUTE_MS, UnixMs},
    },
    live::ServiceNow,
};
use proptest::prelude::*;

const BEGIN: &str = "2026-11-16T00:00:00Z";

/// What is known of a service, less the parts that cannot differ.
fn known(now: &ServiceNow) -> impl PartialEq + std::fmt::Debug + use<> {
    (now.confirmed, now.since, now.last.clone(), now.judged, now.outage.as_deref().cloned(), now.certificate_expires_at)
}

/// From one check to the next, and what it said.
fn life() -> impl Strategy<Value = Vec<(i64, char)>> {
    let step = prop_oneof![10 => 1..=20_000i64, 4 => MINUTE_MS..=20 * MINUTE_MS, 1 => HOUR_MS..=50 * HOUR_MS];
    let letter = prop_oneof![5 => Just('.'), 2 => Just('~'), 5 => Just('x'), 2 => Just('?')];
    prop::collection::vec((step, letter), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 300, ..crate::support::law(60, "tests/proptest-regressions/resume.txt") })]

    #[test]
    fn the_next_run_knows_what_the_run_before_knew(
        life in life(), stops in prop::collection::vec(0..60usize, 1..4), failure in 1..=3u32, success in 1..=3u32,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let web = Service { thresholds: Thresholds { failure, success }, ..service("web") };
            let mut history = History::new(BEGIN, vec![web.clone()]);
            // One that never stops is the measure.
            let mut health = Health::NEW;
            let mut at = UnixMs::parse(BEGIN).unwrap();
            for (i, (step, letter)) in life.into_iter().enumerate() {
                at = at.plus(step);
                history.at(at);
                let result = result(letter, at);
                let outcome: Outcome = result.outcome;
                health.observe(web.thresholds, at, outcome, &Overlay::NONE);
                history.check("web", result);
                if stops.contains(&i) {
                    history.committed().await;
                    let before = known(&history.store.live.get("web").unwrap());
                    history = history.restart(vec![web.clone()]).await;
                    let after = history.store.live.get("web").unwrap();
                    prop_assert_eq!(before, known(&after), "after check {} ({})", i, letter);
                    let mut resumed = history.store.resume_points[0].health;
                    // How far beyond the threshold a confirmed run is makes no difference any more.
                    if let (Some(a), Some(b)) = (&mut resumed.failing, &health.failing)
                        && a.in_a_row >= failure && b.in_a_row >= failure
                    {
                        a.in_a_row = b.in_a_row;
                    }
                    // Nor does when it last passed, while it is down: a pass will come before the next outage.
                    if health.confirmed == Confirmed::Down {
                        resumed.last_ok_at = health.last_ok_at;
                    }
                    prop_assert_eq!(resumed, health, "after check {} ({})", i, letter);
                }
            }
            history.store.stop().await;
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_checked_more_often_since_a_restart_is_not_stale_until_its_first_check() {
    let every = |interval_ms: i64| {
        let usual = service("web");
        Service { cadence: CheckSchedule { interval_ms, ..usual.cadence }, ..usual }
    };
    let begin = UnixMs::parse(BEGIN).unwrap();
    let mut history = History::new(BEGIN, vec![every(10 * MINUTE_MS)]);
    history.check("web", result('.', begin));
    history.at(begin.plus(5 * MINUTE_MS));
    history.committed().await;
    let mut history = history.restart(vec![every(10_000)]).await;
    let status = |history: &History, at: UnixMs| history.store.live.get("web").unwrap().status(at);
    // It speaks for two of its own intervals and the time of a check, whatever the interval is now.
    let speaks_until = begin.plus(20 * MINUTE_MS + 5_000);
    assert_eq!(status(&history, begin.plus(5 * MINUTE_MS)), Status::Up);
    assert_eq!(status(&history, speaks_until.plus(STALE_GRACE_MS - 1)), Status::Up);
    assert_eq!(status(&history, speaks_until.plus(STALE_GRACE_MS)), Status::Unknown);
    let stale_since = history.store.live.get("web").unwrap().status_since(speaks_until.plus(MINUTE_MS));
    assert_eq!(stale_since, Some(speaks_until));
    // The first one that is made now speaks for as long as is set now; one that could not be judged changes nothing.
    let now = begin.plus(6 * MINUTE_MS);
    history.at(now);
    history.check("web", result('?', now));
    history.committed().await;
    assert_eq!(status(&history, now.plus(MINUTE_MS)), Status::Up);
    history.check("web", result('.', now.plus(10_000)));
    history.committed().await;
    assert_eq!(status(&history, now.plus(10_000 + 25_000 + STALE_GRACE_MS - 1)), Status::Up);
    assert_eq!(status(&history, now.plus(10_000 + 25_000 + STALE_GRACE_MS)), Status::Unknown);
    // The past says the same.
    let then = history.get(&format!("/health?at={}", begin.plus(5 * MINUTE_MS))).await;
    assert_eq!(then.ok()["status"], "healthy");
}
