//! Outages in the history: incidents, blips, and what changed while they lasted.

pub(in crate::store) mod derived;

use super::columns;
use crate::{
    domain::{
        check::{CheckResult, Class, Reason},
        incident::{CAUSE_CHANGES_KEPT, Cause, CauseChange, Noted, Outage, OutageState, TOGETHER_MS},
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    store::Result,
};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter, types::Value};
use std::collections::HashMap;

/// Whether an outage has no end and its service is not checked any more: it is paused, or has left the configuration.
macro_rules! left_open {
    () => {
        "(o.ended_at IS NULL AND NOT coalesce((SELECT enabled FROM setting WHERE service_id = o.service_id ORDER BY since DESC LIMIT 1), 1))"
    };
}

/// The condition of [`left_open`], of an outage `o`.
pub(in crate::store) const LEFT_OPEN: &str = left_open!();

const SELECT: &str = concat!(
    "SELECT o.id, s.name, o.last_ok_at, o.started_at, o.confirmed_at, o.ended_at, o.down_ms, o.checks_failed,
       o.http_status, o.latency_us, o.dns_us, o.connect_us, o.tls_us, o.ttfb_us, o.excerpt, r.class, r.phase, r.message,
       n.note, n.noted_at, ",
    left_open!(),
    " FROM outage o JOIN service s ON s.id = o.service_id JOIN reason r ON r.id = o.reason_id
      LEFT JOIN incident_note n ON n.service_id = o.service_id AND n.started_at = o.started_at"
);

/// The end of an outage, where it has one; `None`: there is no outage of this number.
pub(in crate::store) fn end(conn: &Connection, id: i64) -> Result<Option<Option<UnixMs>>> {
    let end = conn
        .prepare_cached("SELECT ended_at FROM outage WHERE id = ?1")?
        .query_row([id], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    Ok(end.map(|end| end.map(UnixMs)))
}

/// How many outages of a service began at a moment or after it.
pub(in crate::store) fn begun_since(conn: &Connection, service: ServiceId, from: UnixMs) -> Result<i64> {
    let sql = "SELECT count(*) FROM outage WHERE service_id = ?1 AND started_at >= ?2";
    Ok(conn.prepare_cached(sql)?.query_row([service.0, from.0], |row| row.get(0))?)
}

/// Whether an outage of a service, confirmed or not, was open at a moment.
pub(in crate::store) fn was_open(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<bool> {
    // The last one that began: outages of one service do not overlap.
    let sql = "SELECT ended_at IS NULL OR ended_at > ?2 FROM outage
               WHERE service_id = ?1 AND started_at <= ?2 ORDER BY started_at DESC LIMIT 1";
    let open = conn.prepare_cached(sql)?.query_row([service.0, at.0], |row| row.get(0)).optional()?;
    Ok(open.unwrap_or(false))
}

/// Which outages a query selects.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct OutageFilter {
    pub service: Option<ServiceId>,
    /// Those that overlap it.
    pub window: Option<Window>,
    pub kind: OutageKind,
    /// Only those in this state.
    pub state: Option<OutageState>,
    /// Only those whose first failed check failed in this way.
    pub class: Option<Class>,
    pub lasted: Option<Lasted>,
}

/// How long outages lasted, both ends included; one that lasts is as long as it is at `now`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lasted {
    /// In milliseconds, as `max_ms`.
    pub min_ms: Option<i64>,
    pub max_ms: Option<i64>,
    pub now: UnixMs,
}

/// Which kinds of outages.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum OutageKind {
    #[default]
    Incidents,
    Blips,
    /// Blips, and what is failing right now unconfirmed.
    Unconfirmed,
    /// Incidents, blips and what is failing right now unconfirmed.
    All,
}

/// Where a page of outages ended: those that started before it, or at it with a smaller id, follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    pub started_at: UnixMs,
    pub id: i64,
}

impl Cursor {
    /// Reads what its `Display` wrote.
    pub fn parse(text: &str) -> Option<Cursor> {
        let (started_at, id) = text.split_once('-')?;
        Some(Cursor { started_at: UnixMs(started_at.parse().ok()?), id: id.parse().ok()? })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.started_at.0, self.id)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Outage> {
    let time =
        |column: usize| -> rusqlite::Result<Option<UnixMs>> { Ok(row.get::<_, Option<i64>>(column)?.map(UnixMs)) };
    Ok(Outage {
        id: row.get(0)?,
        service: row.get(1)?,
        last_ok_at: time(2)?,
        started_at: UnixMs(row.get(3)?),
        confirmed_at: time(4)?,
        ended_at: time(5)?,
        down_ms: row.get(6)?,
        checks_failed: row.get::<_, i64>(7)?.unsigned_abs(),
        cause: Cause {
            http_status: row.get(8)?,
            latency_us: row.get(9)?,
            phases: columns::phases(row, 10)?,
            excerpt: row.get(14)?,
            reason: required_reason(row, 15)?,
        },
        note: match (row.get::<_, Option<String>>(18)?, time(19)?) {
            (Some(text), Some(at)) => Some(Noted { text, at }),
            _ => None,
        },
        left_open: row.get(20)?,
    })
}

/// A failed check always has a reason; one that an import left out reads as an empty one.
fn required_reason(row: &Row<'_>, first: usize) -> rusqlite::Result<Reason> {
    Ok(columns::reason(row, first)?.unwrap_or(Reason { class: Class::Protocol, phase: None, message: String::new() }))
}

/// Outages, newest first, at most `limit`, after `cursor` where that is given.
pub(in crate::store) fn list(
    conn: &Connection,
    filter: &OutageFilter,
    cursor: Option<Cursor>,
    limit: u32,
) -> Result<Vec<Outage>> {
    let mut sql = format!("{SELECT} WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    let mut and = |text: &str, parameters: Vec<Value>| {
        sql.push_str(" AND ");
        sql.push_str(text);
        values.extend(parameters);
    };
    if let Some(service) = filter.service {
        and("o.service_id = ?", vec![service.0.into()]);
    }
    if let Some(window) = filter.window {
        let ends = vec![window.to().0.into(), window.from().0.into()];
        and("o.started_at < ? AND (o.ended_at IS NULL OR o.ended_at > ?)", ends);
    }
    match filter.kind {
        OutageKind::Incidents => and("o.confirmed_at IS NOT NULL", vec![]),
        OutageKind::Blips => and("o.confirmed_at IS NULL AND o.ended_at IS NOT NULL", vec![]),
        OutageKind::Unconfirmed => and("o.confirmed_at IS NULL", vec![]),
        OutageKind::All => {}
    }
    match filter.state {
        Some(OutageState::Open) => and(concat!("o.ended_at IS NULL AND NOT ", left_open!()), vec![]),
        Some(OutageState::LeftOpen) => and(left_open!(), vec![]),
        Some(OutageState::Resolved) => and("o.ended_at IS NOT NULL", vec![]),
        None => {}
    }
    if let Some(class) = filter.class {
        and("r.class = ?", vec![class.as_str().to_owned().into()]);
    }
    if let Some(Lasted { min_ms, max_ms, now }) = filter.lasted {
        // As `Outage::duration_ms` has it.
        const LENGTH: &str = concat!(
            "(CASE WHEN o.ended_at IS NOT NULL THEN o.ended_at - o.started_at WHEN ",
            left_open!(),
            " THEN o.down_ms ELSE max(? - o.started_at, 0) END)"
        );
        for (compares, limit) in [(">=", min_ms), ("<=", max_ms)] {
            if let Some(limit) = limit {
                and(&format!("{LENGTH} {compares} ?"), vec![now.0.into(), limit.into()]);
            }
        }
    }
    if let Some(cursor) = cursor {
        and("(o.started_at, o.id) < (?, ?)", vec![cursor.started_at.0.into(), cursor.id.into()]);
    }
    sql.push_str(" ORDER BY o.started_at DESC, o.id DESC LIMIT ?");
    values.push(Value::Integer(limit.into()));
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// One outage.
pub(in crate::store) fn get(conn: &Connection, id: i64) -> Result<Option<Outage>> {
    Ok(conn.prepare_cached(&format!("{SELECT} WHERE o.id = ?1"))?.query_row([id], read).optional()?)
}

/// The outages of the events that wait for a channel, up to this one, by number.
pub(in crate::store) fn of_waiting(conn: &Connection, channel: &str, until: i64) -> Result<HashMap<i64, Outage>> {
    let waiting = "SELECT outage_id FROM outbox WHERE channel = ?1 AND settled_at IS NULL AND id <= ?2";
    let mut statement = conn.prepare_cached(&format!("{SELECT} WHERE o.id IN ({waiting})"))?;
    let rows = statement.query_map(params![channel, until], read)?;
    Ok(rows.map(|outage| outage.map(|outage| (outage.id, outage))).collect::<rusqlite::Result<_>>()?)
}

/// The outage of a service that has not ended.
pub(in crate::store) fn open(conn: &Connection, service: ServiceId) -> Result<Option<Outage>> {
    let sql = format!("{SELECT} WHERE o.service_id = ?1 AND o.ended_at IS NULL");
    Ok(conn.prepare_cached(&sql)?.query_row([service.0], read).optional()?)
}

/// The last outage of a service that began before a moment.
pub(in crate::store) fn last_before(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<Outage>> {
    let sql = format!("{SELECT} WHERE o.service_id = ?1 AND o.started_at < ?2 ORDER BY o.started_at DESC LIMIT 1");
    Ok(conn.prepare_cached(&sql)?.query_row([service.0, before.0], read).optional()?)
}

/// When the last incident of a service ended that ended before a moment.
pub(in crate::store) fn last_end(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<UnixMs>> {
    let end: Option<i64> = conn
        .prepare_cached(
            "SELECT max(ended_at) FROM outage WHERE service_id = ?1 AND started_at < ?2 AND ended_at < ?2
             AND confirmed_at IS NOT NULL",
        )?
        .query_row([service.0, before.0], |row| row.get(0))?;
    Ok(end.map(UnixMs))
}

/// Each change of cause of an outage, oldest first.
pub(in crate::store) fn cause_changes(conn: &Connection, outage: i64) -> Result<Vec<CauseChange>> {
    let mut statement = conn.prepare_cached(
        "SELECT c.at, c.http_status, c.excerpt, r.class, r.phase, r.message
         FROM cause_change c JOIN reason r ON r.id = c.reason_id WHERE c.outage_id = ?1 ORDER BY c.at",
    )?;
    let rows = statement.query_map([outage], |row| {
        Ok(CauseChange {
            at: UnixMs(row.get(0)?),
            http_status: row.get(1)?,
            excerpt: row.get(2)?,
            reason: required_reason(row, 3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Outages of other services that were failing within the first minute of this one, and had begun no earlier than a
/// minute before it: what failed with it, by start.
pub(in crate::store) fn failed_with(conn: &Connection, outage: &Outage) -> Result<Vec<Outage>> {
    let start = outage.started_at;
    let mut statement = conn.prepare_cached(&format!(
        "{SELECT} WHERE o.started_at BETWEEN ?1 AND ?2 AND (o.ended_at IS NULL OR o.ended_at > ?3) AND s.name <> ?4
         ORDER BY o.started_at, s.name LIMIT 200"
    ))?;
    let rows = statement
        .query_map(params![start.plus(-TOGETHER_MS).0, start.plus(TOGETHER_MS - 1).0, start.0, outage.service], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The numbers of the incidents of the same service before and after one.
pub(in crate::store) fn neighbours(conn: &Connection, outage: &Outage) -> Result<(Option<i64>, Option<i64>)> {
    let one = |sql: &str| -> Result<Option<i64>> {
        let found = conn.prepare_cached(sql)?.query_row(params![outage.service, outage.started_at.0], |row| row.get(0));
        Ok(found.optional()?)
    };
    Ok((
        one("SELECT o.id FROM outage o JOIN service s ON s.id = o.service_id
             WHERE s.name = ?1 AND o.started_at < ?2 AND o.confirmed_at IS NOT NULL
             ORDER BY o.started_at DESC LIMIT 1")?,
        one("SELECT o.id FROM outage o JOIN service s ON s.id = o.service_id
             WHERE s.name = ?1 AND o.started_at > ?2 AND o.confirmed_at IS NOT NULL
             ORDER BY o.started_at LIMIT 1")?,
    ))
}

/// When the incidents that began in the window were confirmed, in the order of time.
pub(in crate::store) fn confirmations(conn: &Connection, window: Window) -> Result<Vec<UnixMs>> {
    let mut statement = conn.prepare_cached(
        "SELECT confirmed_at FROM outage
         WHERE started_at >= ?1 AND started_at < ?2 AND confirmed_at IS NOT NULL ORDER BY confirmed_at",
    )?;
    let rows = statement.query_map([window.from().0, window.to().0], |row| Ok(UnixMs(row.get(0)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// When the checks of a window started whose answer is kept, in order.
pub(in crate::store) fn excerpt_times(conn: &Connection, service: ServiceId, window: Window) -> Result<Vec<UnixMs>> {
    let mut statement = conn.prepare_cached(
        "SELECT started_at AS at FROM outage WHERE service_id = ?1 AND excerpt IS NOT NULL
           AND started_at >= ?2 AND started_at < ?3
         UNION SELECT c.at FROM outage o JOIN cause_change c ON c.outage_id = o.id
           WHERE o.service_id = ?1 AND c.excerpt IS NOT NULL AND c.at >= ?2 AND c.at < ?3
         ORDER BY at",
    )?;
    let rows = statement.query_map([service.0, window.from().0, window.to().0], |row| row.get(0).map(UnixMs))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The beginning of the answer that a check got, where it is kept.
pub(in crate::store) fn excerpt(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<Option<String>> {
    let text = conn
        .prepare_cached(
            "SELECT excerpt FROM outage WHERE service_id = ?1 AND started_at = ?2 AND excerpt IS NOT NULL
             UNION ALL SELECT c.excerpt FROM outage o JOIN cause_change c ON c.outage_id = o.id
               WHERE o.service_id = ?1 AND c.at = ?2 AND c.excerpt IS NOT NULL AND o.started_at <= ?2
             LIMIT 1",
        )?
        .query_row([service.0, at.0], |row| row.get(0))
        .optional()?;
    Ok(text)
}

/// The number of the outage of a service that a moment lies in.
pub(in crate::store) fn id_at(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<Option<i64>> {
    let sql =
        "SELECT id FROM outage WHERE service_id = ?1 AND started_at <= ?2 AND (ended_at IS NULL OR ended_at > ?2)";
    Ok(conn.prepare_cached(sql)?.query_row([service.0, at.0], |row| row.get(0)).optional()?)
}

/// Adds to the downtime of an outage, or takes from it.
pub(in crate::store) fn add_downtime(conn: &Connection, id: i64, ms: i64) -> Result<()> {
    let sql = "UPDATE outage SET down_ms = down_ms + ?2 WHERE id = ?1 AND ?2 <> 0";
    conn.prepare_cached(sql)?.execute([id, ms])?;
    Ok(())
}

/// How many incidents and how many blips a service had.
pub(in crate::store) fn counts(conn: &Connection, service: ServiceId) -> Result<(u64, u64)> {
    let (incidents, blips): (i64, i64) = conn
        .prepare_cached(
            "SELECT count(confirmed_at), count(*) FILTER (WHERE confirmed_at IS NULL AND ended_at IS NOT NULL)
             FROM outage WHERE service_id = ?1",
        )?
        .query_row([service.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((incidents.unsigned_abs(), blips.unsigned_abs()))
}

/// Writes the beginning of an outage, under the number that it has.
pub(in crate::store) fn begin(conn: &Connection, service: ServiceId, outage: &Outage, reason: i64) -> Result<()> {
    let Cause { http_status, latency_us, phases, excerpt, .. } = &outage.cause;
    conn.prepare_cached(
        "INSERT INTO outage (id, service_id, last_ok_at, started_at, down_ms, checks_failed, reason_id, http_status,
           latency_us, dns_us, connect_us, tls_us, ttfb_us, excerpt, last_reason_id, last_http_status)
         VALUES (?12, ?1, ?2, ?3, 0, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?4, ?5)",
    )?
    .execute(params![
        service.0,
        outage.last_ok_at.map(|t| t.0),
        outage.started_at.0,
        reason,
        http_status,
        latency_us,
        phases.dns_us,
        phases.connect_us,
        phases.tls_us,
        phases.ttfb_us,
        excerpt,
        outage.id,
    ])?;
    Ok(())
}

/// The number of the next outage. None is ever given twice, whatever has been deleted: they are in links and alerts.
pub(in crate::store) fn next_id(conn: &Connection) -> Result<i64> {
    let last: i64 = conn
        .prepare_cached(
            "SELECT max(coalesce((SELECT max(id) FROM outage), 0),
               coalesce((SELECT CAST(value AS INTEGER) FROM fact WHERE name = 'last_outage'), 0))",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(last + 1)
}

/// Notes that a number is taken, though no outage has it.
pub(in crate::store) fn take_id(conn: &Connection, number: i64) -> Result<()> {
    if number >= next_id(conn)? {
        conn.prepare_cached("INSERT INTO fact VALUES ('last_outage', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1")?
            .execute([number.to_string()])?;
    }
    Ok(())
}

/// To be called before outages are deleted: notes the highest number that was ever given.
pub(in crate::store) fn note_last_id(conn: &Connection) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO fact VALUES ('last_outage', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1 WHERE value <> ?1",
    )?
    .execute([(next_id(conn)? - 1).to_string()])?;
    Ok(())
}

/// Writes the state of an outage.
pub(in crate::store) fn update(conn: &Connection, outage: &Outage) -> Result<()> {
    conn.prepare_cached(
        "UPDATE outage SET down_ms = ?2, checks_failed = ?3, confirmed_at = ?4, ended_at = ?5 WHERE id = ?1",
    )?
    .execute(params![
        outage.id,
        outage.down_ms,
        outage.checks_failed as i64,
        outage.confirmed_at.map(|t| t.0),
        outage.ended_at.map(|t| t.0),
    ])?;
    Ok(())
}

/// Records that a failed check of an outage has another cause than the one before it, if it has.
pub(in crate::store) fn note_cause(
    conn: &Connection,
    outage: i64,
    check: &CheckResult,
    reason: i64,
    excerpt: Option<&str>,
) -> Result<()> {
    let changed = conn
        .prepare_cached(
            "UPDATE outage SET last_reason_id = ?2, last_http_status = ?3, cause_changes = cause_changes + 1
             WHERE id = ?1 AND (last_reason_id <> ?2 OR last_http_status IS NOT ?3) RETURNING cause_changes",
        )?
        .query_row(params![outage, reason, check.http_status], |row| row.get::<_, i64>(0))
        .optional()?;
    if changed.is_some_and(|count| count.unsigned_abs() <= CAUSE_CHANGES_KEPT) {
        conn.prepare_cached("INSERT INTO cause_change VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
            outage,
            check.at.0,
            reason,
            check.http_status,
            excerpt
        ])?;
    }
    Ok(())
}
