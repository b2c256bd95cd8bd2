//! Ten thousand services that write a thousand results a second through the product's own writer.

use crate::made::{self, INTERVAL_MS, Phases, Walker};
use healthcheck_dashboard::{
    domain::time::UnixMs,
    store::{ResumePoint, Writer},
};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

pub(crate) const SERVICES: usize = 10_000;
pub(crate) const NAME: &str = "load";
const TICK: Duration = Duration::from_millis(10);

/// In the order in which they are checked.
pub(crate) fn walkers(positions: impl Iterator<Item = ResumePoint>) -> Vec<Walker> {
    let mut walkers: Vec<_> = positions.enumerate().map(|(n, p)| Walker::new(p.id, n, Phases::Loopback)).collect();
    walkers.sort_by_key(Walker::offset_ms);
    walkers
}

/// Records results for so many seconds at the pace of the services, from this round on; how many. Without a writer they
/// are only made, at the same pace: what the feeding costs.
pub(crate) async fn run(
    walkers: &mut [Walker],
    writer: Option<&Writer>,
    start: UnixMs,
    first_round: i64,
    seconds: u64,
) -> u64 {
    let total = SERVICES as u64 * 1000 / INTERVAL_MS as u64 * seconds;
    let mut made = 0u64;
    let begun = Instant::now();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while made < total {
        ticks.tick().await;
        let due = (begun.elapsed().as_secs_f64() * SERVICES as f64 * 1000.0 / INTERVAL_MS as f64) as u64;
        while made < due.min(total) {
            let (round, n) = ((made / SERVICES as u64) as i64, (made % SERVICES as u64) as usize);
            let record = walkers[n].check(start, first_round + round);
            match writer {
                Some(writer) => writer.record(record),
                None => drop(std::hint::black_box(Box::new(record))),
            }
            made += 1;
        }
    }
    made
}

/// The services, to be watched.
pub(crate) fn watched() -> Vec<healthcheck_dashboard::store::WatchedService> {
    (0..SERVICES).map(|n| made::watched(NAME, n)).collect()
}
