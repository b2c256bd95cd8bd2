//! What sealing old days saves, what it costs, and what is asked of sealed days then.

use crate::{
    made::{self, INTERVAL_MS, Phases},
    remove,
    table::{Table, Times, cpu_ms},
};
use healthcheck_dashboard::{
    clock::Clock,
    domain::{
        time::{DAY_MS, MINUTE_MS, UnixMs},
        window::Window,
    },
    history::figures,
    store::{MaintenanceTasks, Reader, RetentionPolicy, Retiring},
};
use rustix::time::ClockId;
use std::path::Path;

const SERVICES: usize = 10;

pub(crate) fn measure(folder: &Path, table: &mut Table) -> anyhow::Result<()> {
    let now = Clock::system().now();
    for (what, phases, days, target) in [
        ("with two phases (HTTP)", Phases::Loopback, 30, 10.0),
        ("with four phases (HTTPS by name)", Phases::All, 30, 10.0),
        ("with four phases over the internet", Phases::Far, 30, 10.0),
        ("without phases (a command)", Phases::None, 365, 3.0),
    ] {
        let path = folder.join("sealed.db");
        remove(&path)?;
        let made = made::make(&path, "service", SERVICES, days * DAY_MS / INTERVAL_MS, phases, now)?;
        let before = std::fs::metadata(&path)?.len();
        let begun = cpu_ms(ClockId::ProcessCPUTime);
        let mut upkeep = MaintenanceTasks::open(&path)?;
        let mut retiring = Retiring::default();
        while upkeep.retire(
            &mut retiring,
            RetentionPolicy { rows: Some(1), ..RetentionPolicy::FOREVER },
            now.plus(2 * DAY_MS),
        )? {}
        let cost = (cpu_ms(ClockId::ProcessCPUTime) - begun) * 1e3 / made as f64;
        while upkeep.compact_some()? {}
        drop(upkeep);
        let after = std::fs::metadata(&path)?.len();
        let sealed = bytes_each(&path)?;
        table.figure(&format!("a sealed check, {what}"), target, sealed, "bytes");
        let all = format!("{:.1} bytes, {:.1} before", after as f64 / made as f64, before as f64 / made as f64);
        table.note("the same, with sums, incidents and the open day", &all);
        table.note("to seal it", &format!("{cost:.2} µs of CPU"));
        if days == 365 {
            let year = after as f64 * 100.0 / SERVICES as f64 / 1e9;
            table.figure("a year of 100 services, from one of 10", 1.0, year, "GB");
        } else {
            ask(&path, now, what, table)?;
        }
        remove(&path)?;
    }
    Ok(())
}

/// What a check takes in the table of sealed days and its index.
fn bytes_each(path: &Path) -> anyhow::Result<f64> {
    let conn = rusqlite::Connection::open(path)?;
    let sql = "SELECT (SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%sealed%') * 1.0 / (SELECT sum(results) FROM sealed_day)";
    Ok(conn.query_row(sql, [], |row| row.get(0))?)
}

fn ask(path: &Path, now: UnixMs, what: &str, table: &mut Table) -> anyhow::Result<()> {
    let reader = Reader::open(path)?;
    let ids: Vec<_> = reader.services()?.iter().map(|service| service.id).collect();
    let of = |run: usize| ids[run % ids.len()];
    // Not at a whole hour, and without the open day.
    let end = now.plus(-2 * DAY_MS);
    let chart = Times::of(100, |run| {
        Ok(figures::buckets(&reader, of(run), Window::ending(end, 7 * DAY_MS), 300, now).map(drop)?)
    })?;
    table.times(&format!("7-day chart of sealed days, {what}"), 15.0, &chart);
    let uptime =
        Times::of(200, |run| Ok(figures::uptime(&reader, of(run), Window::ending(end, 7 * DAY_MS), now).map(drop)?))?;
    table.times(&format!("7-day uptime, {what}"), 3.0, &uptime);
    let checks = Times::of(200, |run| {
        let moment = end.plus(-((run % 20) as i64) * DAY_MS);
        Ok(reader.checks(of(run), Window::ending(moment, 15 * MINUTE_MS), None, None, 100).map(drop)?)
    })?;
    table.times(&format!("checks around a moment, {what}"), 3.0, &checks);
    Ok(())
}
