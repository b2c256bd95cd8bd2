//! Since when a service is up: a start finds it again without reading the whole history.

use crate::support::history::{KEEP, bare_result, record, service, watched};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        check::Outcome,
        maintenance::Overlay,
        service::{CheckSchedule, Service},
        time::{DAY_MS, HOUR_MS, UnixMs},
    },
    store::Store,
};
use std::path::Path;

fn open(path: &Path, now: UnixMs) -> Store {
    let cadence = CheckSchedule { interval_ms: HOUR_MS, timeout_ms: 5_000, retry_interval_ms: 2_000 };
    let watched = watched(Service { cadence, ..service("web") });
    Store::open(path, vec![watched], Vec::new(), Routing::default(), KEEP, Clock::pinned(now)).unwrap()
}

/// Four days of a check every hour, with these of them slow; since when it is up, as the run itself and the next one
/// know it. `late_ms` is how long after the full hour it is checked.
async fn known(slow: &[i64], late_ms: i64) -> (UnixMs, UnixMs) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    let begin = UnixMs::parse("2026-11-16").unwrap();
    let store = open(&path, begin);
    let mut health = store.resume_points[0].health;
    for hour in 0..4 * 24 {
        let at = begin.plus(hour * HOUR_MS + late_ms);
        let outcome = if slow.contains(&hour) { Outcome::Degraded } else { Outcome::Up };
        let changes = health.observe(service("web").thresholds, at, outcome, &Overlay::NONE);
        let result = bare_result(at, outcome, 900_000);
        store.writer.record(record(store.resume_points[0].id, result, changes, health.confirmed));
    }
    let live = store.live.clone();
    store.stop().await;
    let before = live.get("web").unwrap().since.unwrap();
    let next = open(&path, begin.plus(4 * DAY_MS));
    let after = next.live.get("web").unwrap().since.unwrap();
    next.stop().await;
    (before, after)
}

#[tokio::test(start_paused = true)]
async fn a_start_knows_since_when_a_service_is_up() {
    let hour = |n: i64, late_ms: i64| UnixMs::parse("2026-11-16").unwrap().plus(n * HOUR_MS + late_ms);
    let last_ms = HOUR_MS - 1;
    for (slow, late_ms, since) in [
        (vec![], 0, hour(0, 0)),
        (vec![5, 6, 7], 0, hour(8, 0)),
        (vec![5, 90], 0, hour(91, 0)),
        (vec![47], 0, hour(48, 0)),
        // It speaks for one millisecond of its own day, and for an hour of the next.
        (vec![47], last_ms, hour(48, last_ms)),
        (vec![71], last_ms, hour(72, last_ms)),
    ] {
        assert_eq!(known(&slow, late_ms).await, (since, since), "slow in the hours {slow:?}, {late_ms} ms late");
    }
}
