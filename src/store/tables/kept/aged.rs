//! What retention deletes row by row, table by table: what is older than a moment.

use crate::{
    domain::time::{DAY_MS, UnixMs},
    live::ServiceId,
    store::{
        Result,
        disk::size,
        rows::Usage,
        tables::{circumstances, receipts},
    },
};
use rusqlite::{Connection, params};

/// How much longer than alerts it is kept what was announced.
const ANNOUNCED_DAYS: i64 = 400;

/// Something that retention deletes: the table, its key, when a row begins, and which rows of a service are older than a
/// moment.
#[derive(PartialEq, Eq, Debug)]
pub(in crate::store) struct Aged {
    table: &'static str,
    key: &'static str,
    begin: &'static str,
    /// With the moment as `?2`.
    condition: &'static str,
    /// Rows deleted in one transaction.
    at_once: usize,
}

pub(in crate::store) const HOURS: Aged =
    Aged { table: "rollup_hour", key: "start", begin: "start", condition: "start < ?2", at_once: 720 };
pub(in crate::store) const DAYS: Aged =
    Aged { table: "rollup_day", key: "start", begin: "start", condition: "start < ?2", at_once: 720 };
/// One that reaches into what is kept stays.
pub(in crate::store) const GAPS: Aged =
    Aged { table: "gap", key: "from_at", begin: "from_at", condition: "to_at < ?2", at_once: 720 };
/// Each takes its changes of cause and its alerts with it, which have to be looked for.
pub(in crate::store) const OUTAGES: Aged =
    Aged { table: "outage", key: "id", begin: "started_at", condition: "ended_at < ?2", at_once: 50 };

/// Deletes the oldest of a service; how many.
pub(in crate::store) fn delete(conn: &Connection, aged: &Aged, service: ServiceId, before: UnixMs) -> Result<usize> {
    let Aged { table, key, condition, at_once, .. } = aged;
    let sql = format!(
        "DELETE FROM {table} WHERE service_id = ?1 AND {key} IN
           (SELECT {key} FROM {table} WHERE service_id = ?1 AND {condition} ORDER BY {key} LIMIT {at_once})"
    );
    Ok(conn.prepare_cached(&sql)?.execute(params![service.0, before.0])?)
}

/// What there is of it.
pub(in crate::store) fn usage(conn: &Connection, aged: &Aged, service: ServiceId, before: UnixMs) -> Result<Usage> {
    let Aged { table, begin, condition, .. } = aged;
    let sql = format!("SELECT count(*), min({begin}), max({begin}) FROM {table} WHERE service_id = ?1 AND {condition}");
    let mut usage = conn.prepare_cached(&sql)?.query_row([service.0, before.0], Usage::read)?;
    if usage.results > 0 {
        usage.bytes = usage.results * size::row_bytes(conn, table, service)?;
    }
    Ok(usage)
}

/// Deletes the alerts that were settled before a moment; how many.
pub(in crate::store) fn delete_alerts(conn: &Connection, before: UnixMs) -> Result<usize> {
    let mut deleted = 0;
    for table in ["outbox", "announcement"] {
        let sql = format!("DELETE FROM {table} WHERE settled_at < ?1");
        deleted += conn.prepare_cached(&sql)?.execute([before.0])?;
    }
    receipts::delete(conn, before)?;
    circumstances::delete(conn)?;
    // What was announced must not be announced again while it lasts: nothing that is lasts so long.
    conn.prepare_cached("DELETE FROM announced WHERE at < ?1")?.execute([before.plus(-ANNOUNCED_DAYS * DAY_MS).0])?;
    Ok(deleted)
}

/// How many alerts were settled before a moment.
pub(in crate::store) fn alerts(conn: &Connection, before: UnixMs) -> Result<u64> {
    let sql = "SELECT (SELECT count(*) FROM outbox WHERE settled_at < ?1)
                 + (SELECT count(*) FROM announcement WHERE settled_at < ?1)";
    let count: i64 = conn.query_row(sql, [before.0], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}
