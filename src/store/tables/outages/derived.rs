//! Outages as they follow from the rows: read to be compared with a replay, written by its result. Reasons are numbers.

use super::next_id;
use crate::{
    domain::{
        check::PhaseTimes,
        replay::{ReplayedOutage, Why},
        time::UnixMs,
    },
    live::ServiceId,
    store::{Result, tables::columns},
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;

/// An outage as it is stored.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct StoredOutage {
    pub(crate) id: i64,
    pub(crate) last_ok_at: Option<UnixMs>,
    pub(crate) started_at: UnixMs,
    pub(crate) confirmed_at: Option<UnixMs>,
    pub(crate) ended_at: Option<UnixMs>,
    pub(crate) down_ms: i64,
    pub(crate) checks_failed: i64,
    pub(crate) why: Why,
    pub(crate) latency_us: Option<u32>,
    pub(crate) phases: PhaseTimes,
    pub(crate) last_why: Why,
    pub(crate) cause_changes: i64,
}

/// The outages of a service by their start.
pub(in crate::store) fn all(conn: &Connection, service: ServiceId) -> Result<BTreeMap<UnixMs, Vec<StoredOutage>>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, last_ok_at, started_at, confirmed_at, ended_at, down_ms, checks_failed, reason_id, http_status,
           latency_us, dns_us, connect_us, tls_us, ttfb_us, last_reason_id, last_http_status, cause_changes
         FROM outage WHERE service_id = ?1 ORDER BY started_at, id",
    )?;
    let mut rows = statement.query([service.0])?;
    let mut all: BTreeMap<UnixMs, Vec<StoredOutage>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let time =
            |column: usize| -> rusqlite::Result<Option<UnixMs>> { Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs)) };
        let outage = StoredOutage {
            id: row.get(0)?,
            last_ok_at: time(1)?,
            started_at: UnixMs(row.get(2)?),
            confirmed_at: time(3)?,
            ended_at: time(4)?,
            down_ms: row.get(5)?,
            checks_failed: row.get(6)?,
            why: Why { reason: row.get(7)?, http_status: row.get(8)? },
            latency_us: row.get(9)?,
            phases: columns::phases(row, 10)?,
            last_why: Why { reason: row.get(14)?, http_status: row.get(15)? },
            cause_changes: row.get(16)?,
        };
        all.entry(outage.started_at).or_default().push(outage);
    }
    Ok(all)
}

/// The changes of cause of an outage, by time.
pub(in crate::store) fn changes(conn: &Connection, outage: i64) -> Result<Vec<(UnixMs, Why)>> {
    let sql = "SELECT at, reason_id, http_status FROM cause_change WHERE outage_id = ?1 ORDER BY at";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement
        .query_map([outage], |row| Ok((UnixMs(row.get(0)?), Why { reason: row.get(1)?, http_status: row.get(2)? })))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Deletes an outage.
pub(in crate::store) fn delete(conn: &Connection, id: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM outage WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Ends an outage.
pub(in crate::store) fn end(conn: &Connection, id: i64, ended_at: UnixMs) -> Result<()> {
    conn.prepare_cached("UPDATE outage SET ended_at = ?2 WHERE id = ?1")?.execute([id, ended_at.0])?;
    Ok(())
}

/// Writes an outage in the place of the one with this number, or as a new one. The beginnings of answers are in no row:
/// where one is kept with an outage it stays.
pub(in crate::store) fn write(
    conn: &Connection,
    service: ServiceId,
    id: Option<i64>,
    outage: &ReplayedOutage,
) -> Result<()> {
    let id = match id {
        Some(id) => id,
        None => next_id(conn)?,
    };
    let (first, time) = (&outage.first, |at: Option<UnixMs>| at.map(|t| t.0));
    let phases = &first.phases;
    conn.prepare_cached(
        "INSERT INTO outage (id, service_id, last_ok_at, started_at, confirmed_at, ended_at, down_ms, checks_failed,
           reason_id, http_status, latency_us, dns_us, connect_us, tls_us, ttfb_us, last_reason_id, last_http_status,
           cause_changes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
         ON CONFLICT (id) DO UPDATE SET last_ok_at = ?3, started_at = ?4, confirmed_at = ?5, ended_at = ?6, down_ms = ?7,
           checks_failed = ?8, reason_id = ?9, http_status = ?10, latency_us = ?11, dns_us = ?12, connect_us = ?13,
           tls_us = ?14, ttfb_us = ?15, last_reason_id = ?16, last_http_status = ?17, cause_changes = ?18",
    )?
    .execute(params![
        id,
        service.0,
        time(outage.last_ok_at),
        first.at.0,
        time(outage.confirmed_at),
        time(outage.ended_at),
        outage.down_ms,
        outage.checks_failed as i64,
        outage.why.reason,
        outage.why.http_status,
        first.latency_us,
        phases.dns_us,
        phases.connect_us,
        phases.tls_us,
        phases.ttfb_us,
        outage.last_why.reason,
        outage.last_why.http_status,
        outage.cause_changes as i64,
    ])?;
    let mut statement = conn.prepare_cached("SELECT at FROM cause_change WHERE outage_id = ?1")?;
    let stored = statement.query_map([id], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    for at in stored.into_iter().filter(|&at| !outage.changes.iter().any(|(change, _)| change.0 == at)) {
        conn.prepare_cached("DELETE FROM cause_change WHERE outage_id = ?1 AND at = ?2")?.execute([id, at])?;
    }
    for (at, why) in &outage.changes {
        conn.prepare_cached(
            "INSERT INTO cause_change (outage_id, at, reason_id, http_status) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (outage_id, at) DO UPDATE SET reason_id = ?3, http_status = ?4",
        )?
        .execute(params![id, at.0, why.reason, why.http_status])?;
    }
    Ok(())
}

/// An outage as a merge writes it: with the beginnings of answers.
#[derive(Clone, Debug)]
pub(in crate::store) struct Written {
    pub(in crate::store) last_ok_at: Option<UnixMs>,
    pub(in crate::store) started_at: UnixMs,
    pub(in crate::store) confirmed_at: Option<UnixMs>,
    pub(in crate::store) ended_at: Option<UnixMs>,
    pub(in crate::store) down_ms: i64,
    pub(in crate::store) checks_failed: i64,
    pub(in crate::store) reason: i64,
    pub(in crate::store) http_status: Option<u16>,
    pub(in crate::store) latency_us: Option<u32>,
    pub(in crate::store) phases: PhaseTimes,
    pub(in crate::store) excerpt: Option<String>,
    pub(in crate::store) last_reason: i64,
    pub(in crate::store) last_http_status: Option<u16>,
    pub(in crate::store) cause_changes: i64,
    pub(in crate::store) changes: Vec<Change>,
}

/// A change of cause: when, reason, HTTP status, and the beginning of the answer.
pub(in crate::store) type Change = (UnixMs, i64, Option<u16>, Option<String>);

/// Writes an outage under a number below zero.
pub(in crate::store) fn write_unnumbered(conn: &Connection, service: ServiceId, outage: &Written) -> Result<()> {
    let id: i64 = conn
        .prepare_cached("SELECT min(coalesce((SELECT min(id) FROM outage), 0), 0) - 1")?
        .query_row([], |row| row.get(0))?;
    let phases = &outage.phases;
    conn.prepare_cached(
        "INSERT INTO outage (id, service_id, last_ok_at, started_at, confirmed_at, ended_at, down_ms, checks_failed, reason_id,
           http_status, latency_us, dns_us, connect_us, tls_us, ttfb_us, excerpt, last_reason_id, last_http_status, cause_changes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
    )?
    .execute(params![
        id,
        service.0,
        outage.last_ok_at.map(|t| t.0),
        outage.started_at.0,
        outage.confirmed_at.map(|t| t.0),
        outage.ended_at.map(|t| t.0),
        outage.down_ms,
        outage.checks_failed,
        outage.reason,
        outage.http_status,
        outage.latency_us,
        phases.dns_us,
        phases.connect_us,
        phases.tls_us,
        phases.ttfb_us,
        outage.excerpt,
        outage.last_reason,
        outage.last_http_status,
        outage.cause_changes
    ])?;
    let mut statement = conn.prepare_cached("INSERT INTO cause_change VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (at, reason, http_status, excerpt) in &outage.changes {
        statement.execute(params![id, at.0, reason, http_status, excerpt])?;
    }
    Ok(())
}

/// Deletes the outages of a service with their changes of cause.
pub(in crate::store) fn clear(conn: &Connection, service: ServiceId) -> Result<()> {
    conn.prepare_cached("DELETE FROM cause_change WHERE outage_id IN (SELECT id FROM outage WHERE service_id = ?1)")?
        .execute([service.0])?;
    conn.prepare_cached("DELETE FROM outage WHERE service_id = ?1")?.execute([service.0])?;
    Ok(())
}

/// The numbers of all outages, incidents before blips, the later ones first. Of two that began together, the order
/// follows from what they are.
pub(in crate::store) fn numbers(conn: &Connection) -> Result<Vec<i64>> {
    let mut statement = conn.prepare(
        "SELECT o.id FROM outage o JOIN service s ON s.id = o.service_id
         ORDER BY o.confirmed_at IS NULL, o.started_at DESC, s.name DESC, o.ended_at DESC, o.down_ms DESC,
           o.checks_failed DESC, o.latency_us DESC",
    )?;
    let numbers = statement.query_map([], |row| row.get(0))?;
    Ok(numbers.collect::<rusqlite::Result<_>>()?)
}

/// Gives an outage another number.
pub(in crate::store) fn renumber(conn: &Connection, from: i64, to: i64) -> Result<()> {
    for sql in
        ["UPDATE outage SET id = ?2 WHERE id = ?1", "UPDATE cause_change SET outage_id = ?2 WHERE outage_id = ?1"]
    {
        conn.prepare_cached(sql)?.execute([from, to])?;
    }
    Ok(())
}

/// Whether an outage is an incident; `None` where there is none of this number.
pub(in crate::store) fn is_incident(conn: &Connection, id: i64) -> Result<Option<bool>> {
    let sql = "SELECT confirmed_at IS NOT NULL FROM outage WHERE id = ?1";
    Ok(conn.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?)
}
