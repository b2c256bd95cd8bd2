//! Sums of whole hours and days: a function of the rows and of the maintenance over them, kept because it answers
//! faster and outlives them.
//!
//! An hour is settled once a judged result lies at or after its end: then every result in it has a successor, and
//! every doubt in it is known. `service.rolled_until` records up to where hours are settled and written.

use super::{
    kept::{self, RetainedFrom},
    maintenance::Which,
    results,
    services::StoredService,
    settings::Settings,
};
use crate::{
    domain::{
        histogram::Histogram,
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::{Buckets, Observation, Tally},
        window::Window,
    },
    live::ServiceId,
    store::{Result, StoreError, rows::Walk},
};
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// What every reader of a sum needs of it, and all there is.
macro_rules! times {
    () => {
        "start, up_ms, degraded_ms, down_ms, unknown_ms, doubt_up_ms, doubt_down_ms, checks, failures"
    };
}
macro_rules! columns {
    () => {
        concat!(times!(), ", min_us, max_us, latency")
    };
}
const COLUMNS: &str = columns!();

/// Which size of rollup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    Hour,
    Day,
}

impl Size {
    pub(in crate::store) fn table(self) -> &'static str {
        match self {
            Size::Hour => "rollup_hour",
            Size::Day => "rollup_day",
        }
    }
}

/// Notes the hour of a service's first result: from it on hours are settled.
pub(in crate::store) fn begin(conn: &Connection, service: ServiceId, hour: UnixMs) -> Result<()> {
    note_settled(conn, service, Some(hour))
}

/// Notes up to where hours are settled.
pub(in crate::store) fn note_settled(conn: &Connection, service: ServiceId, until: Option<UnixMs>) -> Result<()> {
    let sql = "UPDATE service SET rolled_until = ?2 WHERE id = ?1";
    conn.prepare_cached(sql)?.execute(params![service.0, until.map(|t| t.0)])?;
    Ok(())
}

/// Writes the hours from `from` to `until` (both whole hours) from the rows, and the days that end in that time.
pub(in crate::store) fn settle(conn: &Connection, service: ServiceId, from: UnixMs, until: UnixMs) -> Result<()> {
    let Some(window) = Window::new(from, until) else { return Ok(()) };
    for (hour, tally) in recompute(conn, service, window)?.iter() {
        write(conn, Size::Hour, service, hour.from(), tally)?;
    }
    if let Some(days) = Window::new(from.floor(DAY_MS), until.floor(DAY_MS)) {
        sum_days(conn, service, days)?;
    }
    begin(conn, service, until)
}

/// Removes what no export would contain: the sums that follow from the rows, and hours that are not kept any more.
pub(in crate::store) fn forget(conn: &Connection, service: ServiceId, kept: RetainedFrom) -> Result<()> {
    for size in [Size::Hour, Size::Day] {
        let table = size.table();
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE service_id = ?1 AND start >= ?2"))?
            .execute([service.0, kept.rows_from.map_or(i64::MIN, |from| from.0)])?;
    }
    forget_hours(conn, service, kept)
}

fn forget_hours(conn: &Connection, service: ServiceId, kept: RetainedFrom) -> Result<()> {
    conn.prepare_cached("DELETE FROM rollup_hour WHERE service_id = ?1 AND start < ?2")?
        .execute([service.0, kept.hours_from.map_or(i64::MIN, |from| from.0)])?;
    Ok(())
}

/// Makes all sums of a service anew from its rows. A sum that is there and knows of more stays: its rows are gone.
pub(in crate::store) fn rebuild(conn: &Connection, service: ServiceId, kept: RetainedFrom) -> Result<()> {
    let first = Walk::over(service).first_at(conn)?.map(|at| at.0);
    let judged = results::last_judged(conn, service, UnixMs(i64::MAX), Which::All)?.map(|(at, _)| at.0);
    let summed: Option<i64> = conn.query_row(
        "SELECT max(t) FROM (SELECT max(start) + ?2 AS t FROM rollup_hour WHERE service_id = ?1
           UNION ALL SELECT max(start) + ?3 FROM rollup_day WHERE service_id = ?1)",
        params![service.0, HOUR_MS, DAY_MS],
        |row| row.get(0),
    )?;
    let until = [first, judged].into_iter().flatten().map(|at| UnixMs(at).floor(HOUR_MS)).max();
    let Some(rolled) = until.max(summed.map(UnixMs)) else { return Ok(()) };
    begin(conn, service, rolled)?;
    let (Some(first), Some(until)) = (first.map(|at| UnixMs(at).floor(HOUR_MS)), until) else { return Ok(()) };
    let mut from = first;
    while from < until {
        let to = from.floor(DAY_MS).plus(DAY_MS).min(until);
        let Some(window) = Window::new(from, to) else { break };
        for (hour, tally) in recompute(conn, service, window)?.iter() {
            raise(conn, Size::Hour, service, hour.from(), tally)?;
        }
        from = to;
    }
    if let Some(days) = Window::new(first.floor(DAY_MS), rolled.floor(DAY_MS)) {
        let mut sum: Option<(UnixMs, Tally)> = None;
        let mut sums = Vec::new();
        each(conn, Size::Hour, service, days, Latency::Read, |start, tally| {
            let day = start.floor(DAY_MS);
            match &mut sum {
                Some((at, sum)) if *at == day => sum.merge(&tally),
                _ => sums.extend(sum.replace((day, tally))),
            }
        })?;
        sums.extend(sum);
        for (day, tally) in sums {
            raise(conn, Size::Day, service, day, &tally)?;
        }
    }
    forget_hours(conn, service, kept)
}

/// Writes a sum unless the one that is there knows of more.
pub(in crate::store) fn raise(
    conn: &Connection,
    size: Size,
    service: ServiceId,
    start: UnixMs,
    tally: &Tally,
) -> Result<()> {
    let mut known = None;
    if let Some(one) = Window::new(start, start.plus(1)) {
        each(conn, size, service, one, Latency::Read, |_, tally| known = Some(tally))?;
    }
    match known {
        Some(known) if weight(tally) <= weight(&known) => Ok(()),
        _ => write(conn, size, service, start, tally),
    }
}

/// Orders the sums that two histories have of one hour or day.
fn weight(t: &Tally) -> impl Ord + use<> {
    let times = [t.up_ms, t.degraded_ms, t.down_ms, t.unknown_ms, t.doubt_up_ms, t.doubt_down_ms];
    (t.checks, t.spoken_ms(), t.failures, times, t.min_us, t.max_us, t.latency.to_bytes())
}

/// The hours of a window, computed from the rows.
pub(in crate::store) fn recompute(conn: &Connection, service: ServiceId, window: Window) -> Result<Buckets> {
    let mut rows: Vec<Observation> = Vec::new();
    let maintenance = results::walk(conn, service, window, |row| rows.push(row))?;
    Ok(Buckets::new(window, HOUR_MS).fill(window, rows, &maintenance, window.to()))
}

/// Makes the sums anew on which a window of maintenance bears, after it was laid or lifted.
///
/// What settles an hour is a judged result at or after its end, and a failed one in maintenance is not judged: the
/// change can take that away from the latest hours, or give it to them.
pub(in crate::store) fn overlaid(conn: &Connection, service: &StoredService, window: Window) -> Result<()> {
    let Some(settled) = service.rolled_until else { return Ok(()) };
    let id = service.id;
    let first = Walk::over(id).first_at(conn)?;
    let Some(first) = first else { return Ok(()) };
    // Where results have been retired, what the results before the first one were is not known any more.
    let retired = kept::may_have_gone(service, kept::of(conn, id)?, Some(first));
    let first = if retired { first.ceil(HOUR_MS) } else { first.floor(HOUR_MS) };
    let judged = results::last_judged(conn, id, UnixMs(i64::MAX), Which::All)?;
    let until = judged.map_or(first, |(at, _)| at.floor(HOUR_MS)).max(first);
    let Some(around) = hours_around(conn, id, window)? else { return Ok(()) };
    let (from, to) = (around.from().max(first).min(settled), around.to().max(settled).min(until));
    let forget = |size: Size, from: UnixMs, to: UnixMs| {
        let sql = format!("DELETE FROM {} WHERE service_id = ?1 AND start >= ?2 AND start < ?3", size.table());
        conn.prepare_cached(&sql)?.execute([id.0, from.0, to.0])
    };
    // A day's worth at a time: the results of a year do not all have to be in memory.
    let mut hours = from;
    while hours < to {
        let end = hours.plus(DAY_MS).floor(DAY_MS).min(to);
        forget(Size::Hour, hours, end)?;
        if let Some(part) = Window::new(hours, end) {
            for (hour, tally) in recompute(conn, id, part)?.iter() {
                write(conn, Size::Hour, id, hour.from(), tally)?;
            }
        }
        hours = end;
    }
    forget(Size::Hour, until, UnixMs(i64::MAX))?;
    let (from, to) = (from.floor(DAY_MS), to.ceil(DAY_MS).min(until.floor(DAY_MS)));
    forget(Size::Day, from, to)?;
    forget(Size::Day, until.floor(DAY_MS), UnixMs(i64::MAX))?;
    if let Some(days) = Window::new(from, to) {
        sum_days(conn, id, days)?;
    }
    begin(conn, id, until)
}

/// Writes whole days as the sums of their hours.
fn sum_days(conn: &Connection, service: ServiceId, days: Window) -> Result<()> {
    let mut sums = Buckets::new(days, DAY_MS);
    each(conn, Size::Hour, service, days, Latency::Read, |start, tally| sums.merge(start, &tally))?;
    for (day, tally) in sums.iter() {
        write(conn, Size::Day, service, day.from(), tally)?;
    }
    Ok(())
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

/// The last settled hour that began before a moment and in which a degraded result is valid, outside maintenance.
pub(in crate::store) fn last_degraded(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<UnixMs>> {
    let start: Option<i64> = conn
        .prepare_cached("SELECT max(start) FROM rollup_hour WHERE service_id = ?1 AND start < ?2 AND degraded_ms > 0")?
        .query_row([service.0, before.0], |row| row.get(0))?;
    Ok(start.map(UnixMs))
}

/// The time that hour sums from a moment on cover, and the results that they have counted.
pub(in crate::store) fn summed(conn: &Connection, service: ServiceId, from: UnixMs) -> Result<Option<(Window, u64)>> {
    let (begin, end, checks): (Option<i64>, Option<i64>, i64) = conn
        .prepare_cached(
            "SELECT min(start), max(start) + ?3, coalesce(sum(checks), 0) FROM rollup_hour
             WHERE service_id = ?1 AND start >= ?2",
        )?
        .query_row(params![service.0, from.0, HOUR_MS], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let hours = begin.zip(end).and_then(|(begin, end)| Window::new(UnixMs(begin), UnixMs(end)));
    Ok(hours.map(|hours| (hours, checks.unsigned_abs())))
}

/// The start of the oldest sum of a service.
pub(in crate::store) fn first(conn: &Connection, size: Size, service: ServiceId) -> Result<Option<UnixMs>> {
    let sql = match size {
        Size::Hour => "SELECT min(start) FROM rollup_hour WHERE service_id = ?1",
        Size::Day => "SELECT min(start) FROM rollup_day WHERE service_id = ?1",
    };
    let first: Option<i64> = conn.prepare_cached(sql)?.query_row([service.0], |row| row.get(0))?;
    Ok(first.map(UnixMs))
}

/// The start of the first sum, of an hour or a day, from a moment on.
pub(in crate::store) fn next(conn: &Connection, service: ServiceId, from: UnixMs) -> Result<Option<UnixMs>> {
    let first: Option<i64> = conn
        .prepare_cached(
            "SELECT min(start) FROM (
               SELECT min(start) AS start FROM rollup_hour WHERE service_id = ?1 AND start >= ?2
               UNION ALL SELECT min(start) FROM rollup_day WHERE service_id = ?1 AND start >= ?2)",
        )?
        .query_row([service.0, from.0], |row| row.get(0))?;
    Ok(first.map(UnixMs))
}

/// Whether response times are wanted: to read their histograms is most of the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Latency {
    Read,
    Skip,
}

/// Hands `each` the rollups whose start lies in the window.
pub(in crate::store) fn each(
    conn: &Connection,
    size: Size,
    service: ServiceId,
    window: Window,
    latency: Latency,
    mut each: impl FnMut(UnixMs, Tally),
) -> Result<()> {
    macro_rules! sql {
        ($columns:ident, $table:literal) => {
            concat!(
                "SELECT ",
                $columns!(),
                " FROM ",
                $table,
                " WHERE service_id = ?1 AND start >= ?2 AND start < ?3 ORDER BY start"
            )
        };
    }
    let mut statement = conn.prepare_cached(match (size, latency) {
        (Size::Hour, Latency::Read) => sql!(columns, "rollup_hour"),
        (Size::Hour, Latency::Skip) => sql!(times, "rollup_hour"),
        (Size::Day, Latency::Read) => sql!(columns, "rollup_day"),
        (Size::Day, Latency::Skip) => sql!(times, "rollup_day"),
    })?;
    let mut rows = statement.query([service.0, window.from().0, window.to().0])?;
    while let Some(row) = rows.next()? {
        let start = UnixMs(row.get(0)?);
        let mut tally = Tally {
            up_ms: row.get(1)?,
            degraded_ms: row.get(2)?,
            down_ms: row.get(3)?,
            unknown_ms: row.get(4)?,
            doubt_up_ms: row.get(5)?,
            doubt_down_ms: row.get(6)?,
            checks: row.get::<_, i64>(7)?.unsigned_abs(),
            failures: row.get::<_, i64>(8)?.unsigned_abs(),
            // Maintenance is not a matter of results: it comes from the overlay.
            ..Tally::default()
        };
        if latency == Latency::Read {
            (tally.min_us, tally.max_us) = (row.get(9)?, row.get(10)?);
            let bytes = row.get_ref(11)?.as_blob().map_err(|e| StoreError::Content(e.to_string()))?;
            tally.latency = Histogram::from_bytes(bytes).ok_or_else(|| {
                StoreError::Content(format!("a histogram that is none, in {} at {start}", size.table()))
            })?;
        }
        each(start, tally);
    }
    Ok(())
}

/// What is stored of the window, for comparing; `None` where a rollup cannot be read.
pub(in crate::store) fn stored(
    conn: &Connection,
    size: Size,
    service: ServiceId,
    window: Window,
) -> Result<BTreeMap<UnixMs, Option<Tally>>> {
    let table = size.table();
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM {table} WHERE service_id = ?1 AND start >= ?2 AND start < ?3 ORDER BY start"
    ))?;
    let mut rows = statement.query([service.0, window.from().0, window.to().0])?;
    let mut stored = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(11)?;
        let latency = Histogram::from_bytes(&bytes).filter(|latency| latency.to_bytes() == bytes);
        let (checks, failures) = (u64::try_from(row.get::<_, i64>(7)?), u64::try_from(row.get::<_, i64>(8)?));
        let tally = match (latency, checks, failures) {
            (Some(latency), Ok(checks), Ok(failures)) => Some(Tally {
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
                maintenance_ms: 0,
            }),
            _ => None,
        };
        stored.insert(UnixMs(row.get(0)?), tally);
    }
    Ok(stored)
}

/// Writes one rollup in the place of the stored one; none where nothing is known.
pub(in crate::store) fn replace(
    conn: &Connection,
    size: Size,
    service: ServiceId,
    start: UnixMs,
    tally: &Tally,
) -> Result<()> {
    let table = size.table();
    conn.prepare_cached(&format!("DELETE FROM {table} WHERE service_id = ?1 AND start = ?2"))?
        .execute([service.0, start.0])?;
    write(conn, size, service, start, tally)
}

/// The hours whose sums a window of maintenance bears on: its own, those before it as far as a result is valid into it
/// or was in doubt until it, and those that the last result in it is still valid in.
fn hours_around(conn: &Connection, service: ServiceId, window: Window) -> Result<Option<Window>> {
    let before = results::last_judged(conn, service, window.from(), Which::All)?.map_or(window.from(), |(at, _)| at);
    let speaks = match Walk::over(service).before(window.to()).last_at(conn)? {
        Some(at) => at.plus(Settings::of(conn, service)?.validity_ms(at)),
        None => window.to(),
    };
    Ok(Window::new(before.min(window.from()).floor(HOUR_MS), speaks.max(window.to()).ceil(HOUR_MS)))
}
