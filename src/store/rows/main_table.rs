//! The table `check_result`: rows sorted by service and time.

use super::{
    row::{Row, columns},
    usage::Usage,
    walk::{Columns, Direction, Outcomes, Walk},
};
use crate::{
    domain::{
        check::{Outcome, PhaseTimes},
        time::UnixMs,
    },
    live::ServiceId,
    store::Result,
};
use rusqlite::{Connection, params};
use std::ops::ControlFlow;

/// The columns that a walk needs, in the order of [`read`].
pub(super) fn needed(need: Columns) -> &'static str {
    match need {
        Columns::Outcome => "at, outcome",
        Columns::Latency => "at, outcome, latency_us",
        Columns::Phases => "at, outcome, latency_us, dns_us, connect_us, tls_us, ttfb_us",
        Columns::Everything => {
            "at, outcome, latency_us, dns_us, connect_us, tls_us, ttfb_us, recheck, http_status, certificate_days, reason_id"
        }
    }
}

/// The condition on the outcome of a walk, with its set as `?4`.
pub(super) fn condition(outcomes: Outcomes) -> &'static str {
    if outcomes == Outcomes::ALL { "AND ?4" } else { "AND (?4 >> outcome) & 1" }
}

/// Hands `each` the rows that a statement finds for a walk.
pub(super) fn run(
    conn: &Connection,
    sql: &str,
    walk: Walk,
    each: &mut impl FnMut(Row) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([walk.service.0, walk.from, walk.to, i64::from(walk.outcomes.0)])?;
    while let Some(row) = rows.next()? {
        if each(read(row, walk.need)?)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn read(row: &rusqlite::Row<'_>, need: Columns) -> rusqlite::Result<Row> {
    let outcome = row.get(1)?;
    let mut found = Row {
        at: UnixMs(row.get(0)?),
        outcome: Outcome::from_code(outcome).ok_or(rusqlite::Error::IntegralValueOutOfRange(1, outcome))?,
        recheck: false,
        latency_us: None,
        phases: PhaseTimes::default(),
        http_status: None,
        certificate_days: None,
        reason: None,
    };
    if need >= Columns::Latency {
        found.latency_us = row.get(2)?;
    }
    if need >= Columns::Phases {
        found.phases =
            PhaseTimes { dns_us: row.get(3)?, connect_us: row.get(4)?, tls_us: row.get(5)?, ttfb_us: row.get(6)? };
    }
    if need >= Columns::Everything {
        found.recheck = row.get(7)?;
        found.http_status = row.get(8)?;
        found.certificate_days = row.get(9)?;
        found.reason = row.get(10)?;
    }
    Ok(found)
}

fn sql(walk: Walk, order: &str) -> String {
    let (columns, condition) = (needed(walk.need), condition(walk.outcomes));
    format!(
        "SELECT {columns} FROM check_result WHERE service_id = ?1 AND at BETWEEN ?2 AND ?3 {condition} ORDER BY at {order}"
    )
}

/// Hands `each` the rows of a walk.
pub(super) fn walk(
    conn: &Connection,
    walk: Walk,
    direction: Direction,
    each: &mut impl FnMut(Row) -> Result<ControlFlow<()>>,
) -> Result<ControlFlow<()>> {
    let order = match direction {
        Direction::Forward => "ASC",
        Direction::Backward => "DESC",
    };
    run(conn, &sql(walk, order), walk, each)
}

/// The time of the first row that a walk comes by.
pub(super) fn first_at(conn: &Connection, walk_over: Walk, direction: Direction) -> Result<Option<UnixMs>> {
    let mut found = None;
    let _one = walk(conn, walk_over, direction, &mut |row| {
        found = Some(row.at);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

pub(super) fn count(conn: &Connection, walk: Walk) -> Result<u64> {
    let condition = condition(walk.outcomes);
    let sql = format!("SELECT count(*) FROM check_result WHERE service_id = ?1 AND at BETWEEN ?2 AND ?3 {condition}");
    let arguments = [walk.service.0, walk.from, walk.to, i64::from(walk.outcomes.0)];
    let count: i64 = conn.prepare_cached(&sql)?.query_row(arguments, |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Writes one row into a day that is not sealed. `false` when there is one of that time already.
pub(in crate::store) fn insert(conn: &Connection, service: ServiceId, row: &Row) -> Result<bool> {
    let sql = concat!(
        "INSERT INTO check_result (",
        columns!(),
        ") VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12) ON CONFLICT DO NOTHING"
    );
    let inserted = conn.prepare_cached(sql)?.execute(row.values(service))?;
    Ok(inserted == 1)
}

/// Writes one row in the place of the one of that time, of a day that is not sealed.
pub(in crate::store) fn replace(conn: &Connection, service: ServiceId, row: &Row) -> Result<()> {
    conn.prepare_cached("DELETE FROM check_result WHERE service_id = ?1 AND at = ?2")?
        .execute([service.0, row.at.0])?;
    insert(conn, service, row)?;
    Ok(())
}

/// Deletes the rows of a stretch of time, both ends included.
pub(super) fn delete_between(conn: &Connection, service: ServiceId, first: UnixMs, last: UnixMs) -> Result<()> {
    conn.prepare_cached("DELETE FROM check_result WHERE service_id = ?1 AND at BETWEEN ?2 AND ?3")?
        .execute([service.0, first.0, last.0])?;
    Ok(())
}

/// The rows of before a moment, without what they take.
pub(super) fn before(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Usage> {
    let sql = "SELECT count(*), min(at), max(at) FROM check_result WHERE service_id = ?1 AND at < ?2";
    Ok(conn.prepare_cached(sql)?.query_row([service.0, before.0], Usage::read)?)
}

/// Deletes the oldest rows of a service that began before a moment, at most `at_once`; how many.
pub(super) fn delete_oldest(conn: &Connection, service: ServiceId, before: UnixMs, at_once: usize) -> Result<usize> {
    let sql = "DELETE FROM check_result WHERE service_id = ?1 AND at IN
       (SELECT at FROM check_result WHERE service_id = ?1 AND at < ?2 ORDER BY at LIMIT ?3)";
    Ok(conn.prepare_cached(sql)?.execute(params![service.0, before.0, at_once as i64])?)
}
