//! How fast results are written, and how much room one takes: fills a history through the writer, as a monitor would.
//!
//! ```text
//! cargo bench --bench history -- [FILE [SERVICES [CHECKS_OF_EACH]]]
//! ```
//!
//! FILE is kept, and is where `benches/export` goes on; without it, a temporary one is used. The history ends now, has a
//! check of every service every 10 s, four phases each, and outages, blips and slow spells among them.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::settings::effective::EffectiveSettings;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        check::{CheckResult, Class, Outcome, Phase, PhaseTimes, Reason},
        maintenance::Overlay,
        service::{CheckSchedule, Kind, Service, Thresholds},
        time::UnixMs,
    },
    store::{Configured, Record, RetentionPolicy, Store, WatchedService},
};
use std::{path::PathBuf, time::Duration};

const INTERVAL_MS: i64 = 10_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // `cargo bench` says --bench, too.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let folder = tempfile::tempdir()?;
    let path = arguments.next().map_or(folder.path().join("history.db"), PathBuf::from);
    let services: usize = arguments.next().map_or(Ok(100), |n| n.parse())?;
    let checks: i64 = arguments.next().map_or(Ok(10_000), |n| n.parse())?;

    let watched = (0..services).map(|n| WatchedService {
        configured: Configured { service: service(n), renamed_from: None, depends_on: Vec::new() },
        settings: EffectiveSettings::default(),
    });
    let forever = RetentionPolicy::FOREVER;
    let clock = Clock::system();
    let store = Store::open(&path, watched.collect(), Vec::new(), Routing::default(), forever, clock.clone())?;
    let empty = size(&path)?;
    let begun = tokio::time::Instant::now();
    let start = clock.now().plus(-checks * INTERVAL_MS);
    let mut health: Vec<_> = store.resume_points.iter().map(|position| (position.id, position.health)).collect();
    for round in 0..checks {
        for (n, (id, health)) in health.iter_mut().enumerate() {
            let at = start.plus(round * INTERVAL_MS + n as i64 * INTERVAL_MS / services as i64);
            let result = result(n as u64, round as u64, at);
            let changes = health.observe(THRESHOLDS, at, result.outcome, &Overlay::NONE);
            let confirmed = health.confirmed;
            store.writer.record(Record {
                service: *id,
                result,
                excerpt: None,
                certificate_expires_at: None,
                changes,
                confirmed,
            });
        }
        while store.writer.figures().waiting > 20_000 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    store.stop().await;
    let (seconds, total) = (begun.elapsed().as_secs_f64(), checks as f64 * services as f64);
    println!(
        "{total} results of {services} services in {seconds:.1} s: {:.0} results/s, {:.1} bytes each",
        total / seconds,
        (size(&path)? - empty) as f64 / total
    );
    Ok(())
}

/// The file alone: what the write-ahead log holds is not there twice for long.
fn size(path: &PathBuf) -> std::io::Result<u64> {
    Ok(std::fs::metadata(path)?.len())
}

const THRESHOLDS: Thresholds = Thresholds { failure: 3, success: 2 };

fn service(n: usize) -> Service {
    Service {
        name: format!("service {n:04}"),
        group: Some(format!("group {}", n % 7)),
        description: None,
        kind: Kind::Http,
        target: format!("http://127.0.0.1:9/{n}").into(),
        critical: true,
        enabled: true,
        cadence: CheckSchedule { interval_ms: INTERVAL_MS, timeout_ms: 5_000, retry_interval_ms: 2_000 },
        thresholds: THRESHOLDS,
        degraded_after_ms: None,
        is_degraded_when_unusual: false,
        at_most: None,
        objective: None,
    }
}

/// The same in every run: what it says depends on the service and the round alone.
fn result(n: u64, round: u64, at: UnixMs) -> CheckResult {
    let mut noise = (n << 32 | round).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    noise ^= noise >> 29;
    let us = 1_000 + (noise % 30_000) as u32;
    // Every service is down for 5 checks in 5000, fails once in 700, and every other one is slow now and then.
    let (outcome, reason) = match (round + 37 * n) % 5000 {
        0..5 => (Outcome::Down, Some((Class::Connect, "connection refused by 127.0.0.1:9"))),
        other if other % 700 == 699 => (Outcome::Down, Some((Class::Timeout, "no answer within 5 s"))),
        other if n.is_multiple_of(2) && other % 900 < 10 => {
            (Outcome::Degraded, Some((Class::Slow, "slower than 800 ms")))
        }
        _ => (Outcome::Up, None),
    };
    let failed = outcome == Outcome::Down;
    CheckResult {
        at,
        outcome,
        latency_us: Some(us),
        phases: PhaseTimes {
            dns_us: Some(us / 10),
            connect_us: Some(us / 5),
            tls_us: (!failed).then_some(us / 3),
            ttfb_us: (!failed).then_some(us / 4),
        },
        http_status: (!failed).then_some(200),
        certificate_days: None,
        reason: reason.map(|(class, message)| Reason {
            class,
            phase: failed.then_some(Phase::Connect),
            message: message.to_owned(),
        }),
        recheck: false,
    }
}
