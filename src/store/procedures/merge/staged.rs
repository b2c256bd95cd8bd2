//! What arrives waits here for the rows to be complete: the statements on the temporary tables of a merge, and on the alerts
//! whose incidents get other numbers.

use crate::{
    domain::{incident::GapReason, time::UnixMs},
    live::ServiceId,
    store::{
        Result,
        tables::{columns, outages::derived::Written},
    },
};
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::HashMap;

/// The columns of what was recorded of an outage. Of two records that differ, their order makes the same one the first,
/// whichever of them came first.
const SAID: &str =
    "SELECT i.src, i.last_ok_at, i.started_at, i.confirmed_at, i.ended_at, i.down_ms, i.checks_failed, i.reason_id,
       i.http_status, i.latency_us, i.dns_us, i.connect_us, i.tls_us, i.ttfb_us, i.before_checks, i.before_ms
     FROM in_outage i JOIN reason r ON r.id = i.reason_id";
const ORDER: &str =
    "i.started_at DESC, i.checks_failed DESC, i.down_ms DESC, i.ended_at DESC, i.confirmed_at DESC, i.last_ok_at DESC,
       i.before_checks DESC, i.before_ms DESC, i.http_status DESC, i.latency_us DESC, i.dns_us DESC, i.connect_us DESC,
       i.tls_us DESC, i.ttfb_us DESC, r.class DESC, r.phase DESC, r.message DESC";

/// Reads a row of [`SAID`]: its number there, the outage, and its part before the first row.
fn said(row: &Row<'_>) -> rusqlite::Result<(i64, Written, i64, i64)> {
    let time =
        |column: usize| -> rusqlite::Result<Option<UnixMs>> { Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs)) };
    let (reason, http_status) = (row.get(7)?, row.get(8)?);
    let written = Written {
        last_ok_at: time(1)?,
        started_at: UnixMs(row.get(2)?),
        confirmed_at: time(3)?,
        ended_at: time(4)?,
        down_ms: row.get(5)?,
        checks_failed: row.get(6)?,
        reason,
        http_status,
        latency_us: row.get(9)?,
        phases: columns::phases(row, 10)?,
        excerpt: None,
        last_reason: reason,
        last_http_status: http_status,
        cause_changes: 0,
        changes: Vec::new(),
    };
    let before: Option<i64> = row.get(14)?;
    let before_ms: Option<i64> = row.get(15)?;
    Ok((row.get(0)?, written, before.unwrap_or(0), before_ms.unwrap_or(0)))
}

/// Adds what is known of an outage beside its figures: the beginning of the answer, and its changes of cause.
pub(in crate::store) fn complete(conn: &Connection, service: ServiceId, src: i64, outage: &mut Written) -> Result<()> {
    outage.excerpt = excerpt(conn, service, outage.started_at)?;
    let mut statement =
        conn.prepare_cached("SELECT at, reason_id, http_status, excerpt FROM in_change WHERE src = ?1 ORDER BY at")?;
    let rows = statement.query_map([src], |row| Ok((UnixMs(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?)))?;
    outage.changes = rows.collect::<rusqlite::Result<_>>()?;
    outage.cause_changes = outage.changes.len() as i64;
    if let Some((_, reason, http_status, _)) = outage.changes.last() {
        (outage.last_reason, outage.last_http_status) = (*reason, *http_status);
    }
    Ok(())
}

/// Hands `each` the outages that began before the first row, as they were recorded, the latest first, with their
/// numbers there.
pub(in crate::store) fn each_before(
    conn: &Connection,
    service: ServiceId,
    first: Option<UnixMs>,
    mut each: impl FnMut(i64, Written) -> Result<()>,
) -> Result<()> {
    let mut statement =
        conn.prepare_cached(&format!("{SAID} WHERE i.service_id = ?1 AND i.started_at < ?2 ORDER BY {ORDER}"))?;
    let mut rows = statement.query([service.0, first.map_or(i64::MAX, |first| first.0)])?;
    while let Some(row) = rows.next()? {
        let (src, outage, ..) = said(row)?;
        each(src, outage)?;
    }
    Ok(())
}

/// The gaps that were over before the first row, as they were recorded.
pub(in crate::store) fn gaps_until(
    conn: &Connection,
    service: ServiceId,
    first: Option<UnixMs>,
) -> Result<Vec<(UnixMs, UnixMs)>> {
    let gaps = conn
        .prepare_cached(
            "SELECT from_at, max(to_at) FROM in_gap WHERE service_id = ?1 AND to_at <= ?2 GROUP BY from_at",
        )?
        .query_map([service.0, first.map_or(i64::MAX, |first| first.0)], |row| {
            Ok((UnixMs(row.get(0)?), UnixMs(row.get(1)?)))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(gaps)
}

/// The outage that was under way at the first row, as it was recorded by the history whose rows begin there.
pub(in crate::store) fn under_way(conn: &Connection, service: ServiceId, first: UnixMs) -> Result<Option<Written>> {
    let sql = format!(
        "{SAID} WHERE i.service_id = ?1 AND i.started_at < ?2 AND i.seen_from = ?2
           AND (i.ended_at IS NULL OR i.ended_at >= ?2) ORDER BY {ORDER} LIMIT 1"
    );
    let found = conn.prepare_cached(&sql)?.query_row([service.0, first.0], said).optional()?;
    let Some((src, mut outage, before, before_ms)) = found else { return Ok(None) };
    complete(conn, service, src, &mut outage)?;
    (outage.checks_failed, outage.down_ms, outage.ended_at) = (before, before_ms, None);
    Ok(Some(outage))
}

/// The beginning of the answer that a check got, as it was recorded.
pub(in crate::store) fn excerpt(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<Option<String>> {
    let sql = "SELECT excerpt FROM in_excerpt WHERE service_id = ?1 AND at = ?2";
    Ok(conn.prepare_cached(sql)?.query_row([service.0, at.0], |row| row.get(0)).optional()?)
}

/// The last passed check before an outage, where it is older than every row.
pub(in crate::store) fn last_ok_before_rows(
    conn: &Connection,
    service: ServiceId,
    at: UnixMs,
    first: UnixMs,
) -> Result<Option<UnixMs>> {
    let last: Option<i64> = conn
        .prepare_cached(
            "SELECT max(last_ok_at) FROM in_outage WHERE service_id = ?1 AND started_at = ?2 AND last_ok_at < ?3",
        )?
        .query_row([service.0, at.0, first.0], |row| row.get(0))?;
    Ok(last.map(UnixMs))
}

/// Why nothing was observed: the reasons recorded of just this gap (`true`), and of those that it shares time with,
/// most first. Of what lay in maintenance no reason is recorded.
pub(in crate::store) fn said_of(
    conn: &Connection,
    service: ServiceId,
    from: UnixMs,
    to: UnixMs,
) -> Result<Vec<(bool, GapReason)>> {
    let rank = |why: &GapReason| GapReason::ALL.iter().position(|one| one == why);
    let mut said = conn
        .prepare_cached("SELECT from_at, to_at, why FROM in_gap WHERE service_id = ?1 AND from_at < ?3 AND to_at > ?2")?
        .query_map([service.0, from.0, to.0], |row| {
            let (start, end): (i64, i64) = (row.get(0)?, row.get(1)?);
            let exact = (start, end) == (from.0, to.0);
            let why = GapReason::parse(&row.get::<_, String>(2)?);
            Ok(why.map(|why| ((!exact, start.max(from.0) - end.min(to.0), rank(&why)), why)))
        })?
        .filter_map(rusqlite::Result::transpose)
        .collect::<rusqlite::Result<Vec<_>>>()?;
    said.sort_by_key(|(order, _)| *order);
    Ok(said.into_iter().map(|((other, ..), why)| (!other, why)).collect())
}

/// Notes which outage may have which numbers: those that it had in the histories that it came from. Of two that began
/// together it is the one that ended as it did there.
pub(in crate::store) fn claim(conn: &Connection, service: ServiceId) -> Result<()> {
    let mut statement = conn.prepare_cached(
        "INSERT OR IGNORE INTO claim
         SELECT coalesce(
             (SELECT o.id FROM outage o WHERE o.service_id = ?1 AND o.started_at <= i.started_at
                AND (o.ended_at IS NULL OR o.ended_at > i.started_at)
                ORDER BY o.started_at DESC, o.ended_at IS i.ended_at DESC, o.down_ms IS i.down_ms DESC,
                  o.ended_at DESC, o.down_ms DESC LIMIT 1),
             (SELECT o.id FROM outage o WHERE o.service_id = ?1 AND o.started_at > i.started_at
                AND (i.ended_at IS NULL OR o.started_at < i.ended_at) ORDER BY o.started_at LIMIT 1),
             0), i.id, i.file
         FROM in_outage i WHERE i.service_id = ?1",
    )?;
    statement.execute([service.0])?;
    Ok(())
}

/// The highest number that an outage has or had.
pub(in crate::store) fn highest_number(conn: &Connection) -> Result<i64> {
    Ok(conn.query_row(
        "SELECT max(coalesce((SELECT max(claimed) FROM claim), 0), coalesce((SELECT max(id) FROM outage), 0))",
        [],
        |row| row.get(0),
    )?)
}

/// The numbers that each outage may have, the smallest first.
pub(in crate::store) fn claims(conn: &Connection) -> Result<HashMap<i64, Vec<i64>>> {
    let mut claimed: HashMap<i64, Vec<i64>> = HashMap::new();
    let mut pairs = conn.prepare("SELECT outage_id, claimed FROM claim ORDER BY outage_id, claimed")?;
    let mut rows = pairs.query([])?;
    while let Some(row) = rows.next()? {
        claimed.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    Ok(claimed)
}

/// The outages of this history's own: the number that each has now, and the one that it had.
pub(in crate::store) fn own_claims(conn: &Connection) -> Result<Vec<(i64, i64)>> {
    let mut statement = conn.prepare("SELECT outage_id, claimed FROM claim WHERE file = 0")?;
    let pairs = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(pairs.collect::<rusqlite::Result<_>>()?)
}

/// The alerts, with the numbers of their outages.
pub(in crate::store) fn events(conn: &Connection) -> Result<Vec<(i64, i64)>> {
    let mut statement = conn.prepare("SELECT id, outage_id FROM outbox")?;
    let events = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(events.collect::<rusqlite::Result<_>>()?)
}

/// An alert is about the outage of this number.
pub(in crate::store) fn move_event(conn: &Connection, event: i64, outage: i64) -> Result<()> {
    conn.prepare_cached("UPDATE outbox SET outage_id = ?2 WHERE id = ?1")?.execute([event, outage])?;
    Ok(())
}

/// An alert is about nothing.
pub(in crate::store) fn drop_event(conn: &Connection, event: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([event])?;
    Ok(())
}
