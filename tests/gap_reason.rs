//! Why nothing was observed, where that is not plain.

use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        check::{CheckResult, Outcome, PhaseTimes},
        incident::GapReason,
        service::{Cadence, Kind, Service, Thresholds},
        time::UnixMs,
        window::Window,
    },
    store::{Configured, Keep, Record, Store, Watched},
};
use std::{path::Path, sync::Arc};

/// One run of the monitor that starts at `start` and has these checks, all in seconds.
async fn run(path: &Path, start: i64, checks: &[i64]) {
    let service = Service {
        name: "web".into(),
        group: None,
        description: None,
        kind: Kind::Http,
        target: "http://web:3000/".into(),
        critical: true,
        enabled: true,
        cadence: Cadence { interval_ms: 10_000, timeout_ms: 5_000, retry_interval_ms: 2_000 },
        thresholds: Thresholds { failure: 3, success: 2 },
        degraded_after_ms: None,
        objective: None,
    };
    let watched =
        Watched { configured: Configured { service: service.clone(), renamed_from: None }, settings: Arc::default() };
    let keep = Keep { checks: None, hours: None, days: None };
    let clock = Clock::pinned(second(start));
    let store = Store::open(path, vec![watched], Vec::new(), Vec::new(), keep, clock).unwrap();
    let mut health = store.positions[0].health;
    for &check in checks {
        let at = second(check);
        let changes = health.observe(
            service.thresholds,
            at,
            Outcome::Up,
            &healthcheck_dashboard::domain::maintenance::Overlay::NONE,
        );
        store.writer.record(Record {
            service: store.positions[0].id,
            result: CheckResult {
                at,
                outcome: Outcome::Up,
                latency_us: Some(1_000),
                phases: PhaseTimes::default(),
                http_status: None,
                certificate_days: None,
                reason: None,
                recheck: false,
            },
            excerpt: None,
            certificate_expires_at: None,
            changes,
            confirmed: health.confirmed,
        });
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
