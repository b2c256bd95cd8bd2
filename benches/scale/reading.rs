//! What the pages ask of a large history, at rest and while results are written.

use crate::{
    feed,
    made::{self, INTERVAL_MS, Phases},
    table::{Table, Times},
};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        time::{DAY_MS, MINUTE_MS, UnixMs},
        window::Window,
    },
    history::cached_stats::{StatsCache, WINDOWS_MS},
    history::{figures, overview},
    live::ServiceId,
    store::{OutageFilter, Reader, RetentionPolicy, Store},
};
use std::{path::Path, sync::Arc, time::Instant};

const SERVICES: usize = 100;

/// Makes the history where there is none; the moment of its last result.
pub(crate) fn make(path: &Path, days: i64) -> anyhow::Result<UnixMs> {
    if !path.exists() {
        let (begun, now) = (Instant::now(), Clock::system().now());
        let made = made::make(path, "service", SERVICES, days * DAY_MS / INTERVAL_MS, Phases::Loopback, now)?;
        let (seconds, bytes) = (begun.elapsed().as_secs_f64(), std::fs::metadata(path)?.len());
        println!(
            "{made} check results made in {seconds:.0} s, {:.1} bytes each with all that follows from them",
            bytes as f64 / made as f64
        );
    }
    let reader = Reader::open(path)?;
    let ids = ids(&reader)?;
    let day = |id: ServiceId, to: UnixMs| reader.checks(id, Window::ending(to, 400 * DAY_MS), None, None, 1);
    let last = day(ids[0], Clock::system().now())?.first().map(|check| check.at);
    last.ok_or_else(|| anyhow::anyhow!("{} has no results", path.display()))
}

fn ids(reader: &Reader) -> anyhow::Result<Vec<ServiceId>> {
    Ok(reader.services()?.iter().filter(|s| s.name.starts_with("service ")).map(|s| s.id).collect())
}

pub(crate) async fn measure(path: &Path, end: UnixMs, table: &mut Table) -> anyhow::Result<()> {
    let reader = Reader::open(path)?;
    ask(&reader, end, "", 1.0, table)?;
    drop(reader);
    let clock = Clock::system();
    let mut all: Vec<_> = (0..SERVICES).map(|n| made::watched("service", n)).collect();
    all.extend(feed::watched());
    let keep = RetentionPolicy::FOREVER;
    let store = Store::open(path, all, Vec::new(), Routing::default(), keep, clock.clone())?;
    let (writer, start) = (store.writer.clone(), clock.now());
    let mut walkers = feed::walkers(store.resume_points.iter().skip(SERVICES).cloned());
    // Longer than the questions take; it ends with them.
    let feeding = tokio::spawn(async move { feed::run(&mut walkers, Some(&writer), start, 0, 600).await });
    let before = (store.writer.figures().committed, Instant::now());
    let reader = store.reader.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let mut table = Table::default();
        ask(&reader, end, ", 1,000 results/s being written", 2.0, &mut table).map(|()| table)
    });
    table.append(asked.await??);
    feeding.abort();
    let rate = (store.writer.figures().committed - before.0) as f64 / before.1.elapsed().as_secs_f64();
    table.note("results committed meanwhile", &format!("{rate:.0} a second"));
    store.stop().await;
    Ok(())
}

/// Asks everything, of all services in turn, each once before it counts. Targets are times `factor`.
fn ask(reader: &Reader, now: UnixMs, when: &str, factor: f64, table: &mut Table) -> anyhow::Result<()> {
    let ids = ids(reader)?;
    let of = |run: usize| ids[run % ids.len()];
    let mut times =
        |what: &str, target: f64, warm: usize, runs, question: &mut dyn FnMut(usize) -> anyhow::Result<()>| {
            for run in 0..warm {
                question(run)?;
            }
            table.times(&format!("{what}{when}"), target * factor, &Times::of(runs, question)?);
            anyhow::Ok(())
        };
    for days in [7, 30, 90] {
        // Not at a whole hour: the edges come from the rows.
        let window = Window::ending(now, days * DAY_MS);
        times(&format!("{days}-day uptime of one service"), 3.0, ids.len(), 1000, &mut |run| {
            figures::uptime(reader, of(run), window, now)?;
            Ok(())
        })?;
    }
    times("100 services × 4 windows, from the database", 30.0, 1, 50, &mut |_| {
        ids.iter().try_for_each(|&id| overview::of(reader, id, &WINDOWS_MS, 90, now).map(drop))?;
        Ok(())
    })?;
    let cache = Arc::new(StatsCache::default());
    times("the same, from memory", 1.0, 1, 1000, &mut |_| {
        cache.list(reader, &ids, now)?;
        Ok(())
    })?;
    times("7-day chart, 300 buckets", 15.0, ids.len(), 200, &mut |run| {
        figures::buckets(reader, of(run), Window::ending(now, 7 * DAY_MS), 300, now)?;
        Ok(())
    })?;
    times("90-day chart, 300 buckets", 5.0, ids.len(), 500, &mut |run| {
        figures::buckets(reader, of(run), Window::ending(now, 90 * DAY_MS), 300, now)?;
        Ok(())
    })?;
    times("checks around a moment", 3.0, ids.len(), 500, &mut |run| {
        let moment = now.plus(-((run % 100) as i64) * DAY_MS);
        reader.checks(of(run), Window::ending(moment, 15 * MINUTE_MS), None, None, 100)?;
        Ok(())
    })?;
    times("incident log, 50 incidents", 2.0, 10, 500, &mut |_| {
        reader.outages(&OutageFilter::default(), None, 50)?;
        Ok(())
    })?;
    times("incident log of one service", 2.0, ids.len(), 500, &mut |run| {
        reader.outages(&OutageFilter { service: Some(of(run)), ..OutageFilter::default() }, None, 50)?;
        Ok(())
    })
}
