//! What one result of ten thousand services costs: CPU time in the store, and bytes that reach the disk.

use crate::{
    feed,
    made::{self, INTERVAL_MS, Phases},
    remove,
    table::{Table, cpu_ms},
};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    clock::Clock,
    domain::time::{HOUR_MS, MINUTE_MS},
    store::{RetentionPolicy, Store},
};
use rustix::time::ClockId;
use std::path::Path;

/// Checks of each service that are there before: a leaf page of its own for each, as after some days.
const ROUNDS_BEFORE: i64 = 200;
/// Checks of each service that come before it is measured, as fast as they are taken: what lies in the tail moves on by
/// then as it does for ever after.
const ROUNDS_TO_FILL: i64 = 45;
const SECONDS: u64 = 60;
/// For so long the feeding alone is measured.
const SECONDS_OF_FEEDING: u64 = 20;

pub(crate) async fn measure(folder: &Path, table: &mut Table) -> anyhow::Result<()> {
    let path = folder.join("writing.db");
    remove(&path)?;
    // In the middle of an hour: settling one is measured where a history is made.
    let start = Clock::system().now().plus(-2 * HOUR_MS).floor(HOUR_MS).plus(5 * MINUTE_MS);
    let end = start.plus(ROUNDS_BEFORE * INTERVAL_MS);
    made::make(&path, feed::NAME, feed::SERVICES, ROUNDS_BEFORE, Phases::Loopback, end)?;
    let keep = RetentionPolicy::FOREVER;
    let store = Store::open(&path, feed::watched(), Vec::new(), Routing::default(), keep, Clock::system())?;
    let mut walkers = feed::walkers(store.resume_points.iter().cloned());
    let cpu = cpu_ms(ClockId::ProcessCPUTime);
    let fed = feed::run(&mut walkers, None, start, ROUNDS_BEFORE, SECONDS_OF_FEEDING).await as f64;
    let feeding_us = (cpu_ms(ClockId::ProcessCPUTime) - cpu) * 1e3 / fed;
    let mut walkers = feed::walkers(store.resume_points.iter().cloned());
    for round in ROUNDS_BEFORE..ROUNDS_BEFORE + ROUNDS_TO_FILL {
        walkers.iter_mut().for_each(|walker| store.writer.record(walker.check(start, round)));
        while store.writer.figures().waiting > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    let (cpu, written, before) = (cpu_ms(ClockId::ProcessCPUTime), written()?, store.writer.figures());
    let first = ROUNDS_BEFORE + ROUNDS_TO_FILL;
    let made = feed::run(&mut walkers, Some(&store.writer), start, first, SECONDS).await as f64;
    while store.writer.figures().waiting > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let after = store.writer.figures();
    let cpu_us = (cpu_ms(ClockId::ProcessCPUTime) - cpu) * 1e3 / made - feeding_us;
    let bytes = (self::written()? - written) as f64 / made;
    table.figure("10,000 services, 1,000 results/s: CPU in the store, a result", 20.0, cpu_us, "µs");
    table.note("the same: the feeding, which is not counted", &format!("{feeding_us:.1} µs"));
    table.figure("the same: written to the disk, a result", 1.0, bytes / 1000.0, "kB");
    let commits = after.commits - before.commits;
    table.note("the same: results a commit", &format!("{:.0}", made / commits as f64));
    anyhow::ensure!(after.dropped == 0, "{} results were dropped", after.dropped);
    store.stop().await;
    remove(&path)?;
    Ok(())
}

/// Bytes that this process has sent towards the disk.
fn written() -> anyhow::Result<u64> {
    let io = std::fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.unwrap_or_default().trim().parse()?)
}
