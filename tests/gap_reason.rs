//! Why nothing was observed, where that is not plain.

use crate::support::history::{self, KEEP, bare_result, record, watched};
use healthcheck_dashboard::{
    clock::Clock,
    domain::{check::Outcome, incident::GapReason, maintenance::Overlay, time::UnixMs, window::Window},
    store::Store,
};
use std::path::Path;

/// One run of the monitor that starts at `start` and has these checks, all in seconds.
async fn run(path: &Path, start: i64, checks: &[i64]) {
    let service = history::service("web");
    let clock = Clock::pinned(second(start));
    let store = Store::open(path, vec![watched(service.clone())], Vec::new(), Vec::new(), KEEP, clock).unwrap();
    let mut health = store.positions[0].health;
    for &check in checks {
        let result = bare_result(second(check), Outcome::Up, 1_000);
        let changes = health.observe(service.thresholds, result.at, result.outcome, &Overlay::NONE);
        store.writer.record(record(store.positions[0].id, result, changes, health.confirmed));
    }
    store.stop().await;
}

fn second(n: i64) -> UnixMs {
    UnixMs::parse("2026-11-16").unwrap().plus(n * 1_000)
}

async fn gaps(runs: &[(i64, &[i64])]) -> Vec<(UnixMs, Option<UnixMs>, GapReason)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.db");
    for (start, checks) in runs {
        run(&path, *start, checks).await;
    }
    let reader = healthcheck_dashboard::store::Reader::open(&path).unwrap();
    let (id, last) = (reader.service("web").unwrap().unwrap().id, runs.last().unwrap().1.last().unwrap());
    let window = Window::new(second(0), second(*last)).unwrap();
    let gaps = reader.gaps(id, window, second(*last)).unwrap();
    gaps.into_iter().map(|gap| (gap.from, gap.to, gap.why)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_gap_across_a_restart_is_there_because_the_monitor_was_off() {
    // The first result speaks until second 25. The next run is there before that or after it; its check comes after it.
    for start in [20, 25, 26, 30] {
        let off = vec![(second(25), Some(second(31)), GapReason::Off)];
        assert_eq!(gaps(&[(0, &[0]), (start, &[31])]).await, off, "started again at second {start}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_gap_within_a_run_is_there_because_it_stalled() {
    let stalled = vec![(second(32), Some(second(60)), GapReason::Stalled)];
    assert_eq!(gaps(&[(0, &[0]), (5, &[7, 60])]).await, stalled);
}
