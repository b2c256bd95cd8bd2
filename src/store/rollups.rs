//! Sums of whole hours and days: a function of the rows, kept because it answers faster and outlives them.
//!
//! An hour is settled once a judged result lies at or after its end: then every result in it has a successor, and
//! every doubt in it is known. `service.rolled_until` says up to where hours are settled and written.

use super::{Result, StoreError, results};
use crate::{
    board::ServiceId,
    domain::{
        histogram::Histogram,
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::{Buckets, Observation, Tally},
        window::Window,
    },
};
use rusqlite::{Connection, params};

const COLUMNS: &str = "start, up_ms, degraded_ms, down_ms, unknown_ms, doubt_up_ms, doubt_down_ms, checks, failures, min_us, max_us, latency";

/// Which size of rollup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Size {
    Hour,
    Day,
}

impl Size {
    pub(super) fn table(self) -> &'static str {
        match self {
            Size::Hour => "rollup_hour",
            Size::Day => "rollup_day",
        }
    }
}

/// Notes the hour of a service's first result: from it on hours are settled.
pub(super) fn begin(conn: &Connection, service: ServiceId, hour: UnixMs) -> Result<()> {
    conn.prepare_cached("UPDATE service SET rolled_until = ?2 WHERE id = ?1")?.execute([service.0, hour.0])?;
    Ok(())
}

/// Writes the hours from `from` to `until` (both whole hours) from the rows, and the days that end in that time.
pub(super) fn settle(conn: &Connection, service: ServiceId, from: UnixMs, until: UnixMs) -> Result<()> {
    let Some(window) = Window::new(from, until) else { return Ok(()) };
    for (hour, tally) in recompute(conn, service, window)?.iter() {
        write(conn, Size::Hour, service, hour.from(), tally)?;
    }
    let days = Window::new(from.floor(DAY_MS), until.floor(DAY_MS));
    if let Some(days) = days {
        let mut sums = Buckets::new(days, DAY_MS);
        each(conn, Size::Hour, service, days, |start, tally| sums.merge(start, &tally))?;
        for (day, tally) in sums.iter() {
            write(conn, Size::Day, service, day.from(), tally)?;
        }
    }
    begin(conn, service, until)
}

/// The hours of a window as the rows say.
pub(super) fn recompute(conn: &Connection, service: ServiceId, window: Window) -> Result<Buckets> {
    let mut rows: Vec<Observation> = Vec::new();
    results::walk(conn, service, window, |row| rows.push(row))?;
    Ok(Buckets::new(window, HOUR_MS).fill(window, rows, window.to()))
}

/// An hour or day of which nothing is known has no row.
fn write(conn: &Connection, size: Size, service: ServiceId, start: UnixMs, tally: &Tally) -> Result<()> {
    if *tally == Tally::default() {
        return Ok(());
    }
    let table = size.table();
    conn.prepare_cached(&format!(
        "INSERT OR REPLACE INTO {table} (service_id, {COLUMNS}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)"
    ))?
    .execute(params![
        service.0,
        start.0,
        tally.up_ms,
        tally.degraded_ms,
        tally.down_ms,
        tally.unknown_ms,
        tally.doubt_up_ms,
        tally.doubt_down_ms,
        tally.checks as i64,
        tally.failures as i64,
        tally.min_us,
        tally.max_us,
        tally.latency.to_bytes(),
    ])?;
    Ok(())
}

/// Writes one rollup in the place of what stands there; none where nothing is known.
pub(super) fn replace(conn: &Connection, size: Size, service: ServiceId, start: UnixMs, tally: &Tally) -> Result<()> {
    let table = size.table();
    conn.prepare_cached(&format!("DELETE FROM {table} WHERE service_id = ?1 AND start = ?2"))?
        .execute([service.0, start.0])?;
    write(conn, size, service, start, tally)
}

/// Hands `each` the rollups whose start lies in the window.
pub(super) fn each(
    conn: &Connection,
    size: Size,
    service: ServiceId,
    window: Window,
    mut each: impl FnMut(UnixMs, Tally),
) -> Result<()> {
    read(conn, size, service, window, |start, tally| match tally {
        Some(tally) => {
            each(start, tally);
            Ok(())
        }
        None => Err(StoreError::Content(format!("a sum that is none, in {} at {start}", size.table()))),
    })
}

/// Hands `each` the rollups whose start lies in the window; `None` where one cannot be read.
pub(super) fn read(
    conn: &Connection,
    size: Size,
    service: ServiceId,
    window: Window,
    mut each: impl FnMut(UnixMs, Option<Tally>) -> Result<()>,
) -> Result<()> {
    let table = size.table();
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM {table} WHERE service_id = ?1 AND start >= ?2 AND start < ?3 ORDER BY start"
    ))?;
    let mut rows = statement.query([service.0, window.from().0, window.to().0])?;
    while let Some(row) = rows.next()? {
        let start = UnixMs(row.get(0)?);
        let bytes = row.get_ref(11)?.as_blob().map_err(|e| StoreError::Content(e.to_string()))?;
        let counts = (u64::try_from(row.get::<_, i64>(7)?), u64::try_from(row.get::<_, i64>(8)?));
        let (Some(latency), (Ok(checks), Ok(failures))) = (Histogram::from_bytes(bytes), counts) else {
            each(start, None)?;
            continue;
        };
        let tally = Tally {
            up_ms: row.get(1)?,
            degraded_ms: row.get(2)?,
            down_ms: row.get(3)?,
            unknown_ms: row.get(4)?,
            doubt_up_ms: row.get(5)?,
            doubt_down_ms: row.get(6)?,
            checks,
            failures,
            min_us: row.get(9)?,
            max_us: row.get(10)?,
            latency,
        };
        each(start, Some(tally))?;
    }
    Ok(())
}
