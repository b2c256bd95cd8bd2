//! Check results: their rows, and the walks over them.

use super::{
    Result,
    maintenance::{self, Which},
};
use crate::{
    board::ServiceId,
    domain::{
        check::{CheckResult, Class, Outcome, Phase, PhaseTimes, Reason},
        maintenance::Overlay,
        time::UnixMs,
        timeline::Observation,
        window::Window,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// The columns of a check result, in the order of [`read`]; needs `check_result c LEFT JOIN reason r`.
pub(super) const COLUMNS: &str = "c.at, c.outcome, c.recheck, c.latency_us, c.dns_us, c.connect_us, c.tls_us, c.ttfb_us, \
     c.http_status, c.certificate_days, r.class, r.phase, r.message";

/// Reads a row of [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<CheckResult> {
    Ok(CheckResult {
        at: UnixMs(row.get(0)?),
        outcome: outcome(row, 1)?,
        recheck: row.get(2)?,
        latency_us: row.get(3)?,
        phases: phases(row, 4)?,
        http_status: row.get(8)?,
        certificate_days: row.get(9)?,
        reason: reason(row, 10)?,
    })
}

pub(super) fn outcome(row: &Row<'_>, column: usize) -> rusqlite::Result<Outcome> {
    let code = row.get(column)?;
    Outcome::from_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, code))
}

pub(super) fn phases(row: &Row<'_>, first: usize) -> rusqlite::Result<PhaseTimes> {
    Ok(PhaseTimes {
        dns_us: row.get(first)?,
        connect_us: row.get(first + 1)?,
        tls_us: row.get(first + 2)?,
        ttfb_us: row.get(first + 3)?,
    })
}

/// Reads class, phase and message from three columns; `None` where there is no reason.
pub(super) fn reason(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Reason>> {
    let Some(class) = row.get_ref(first)?.as_str_or_null()? else { return Ok(None) };
    // A word of a newer version must not make the row unreadable.
    let class = Class::parse(class).unwrap_or(Class::Protocol);
    let phase = row.get_ref(first + 1)?.as_str_or_null()?.and_then(Phase::parse);
    Ok(Some(Reason { class, phase, message: row.get(first + 2)? }))
}

/// Writes one result. `false` when there is one of that time already.
pub(super) fn insert(conn: &Connection, service: ServiceId, result: &CheckResult, reason: Option<i64>) -> Result<bool> {
    let phases = &result.phases;
    let inserted = conn
        .prepare_cached(
            "INSERT INTO check_result VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            service.0,
            result.at.0,
            result.outcome.code(),
            result.recheck,
            result.latency_us,
            phases.dns_us,
            phases.connect_us,
            phases.tls_us,
            phases.ttfb_us,
            result.http_status,
            result.certificate_days,
            reason,
        ])?;
    Ok(inserted == 1)
}

/// Writes one result in the place of the one of that time.
pub(super) fn replace(conn: &Connection, service: ServiceId, result: &CheckResult, reason: Option<i64>) -> Result<()> {
    conn.prepare_cached("DELETE FROM check_result WHERE service_id = ?1 AND at = ?2")?
        .execute([service.0, result.at.0])?;
    insert(conn, service, result, reason)?;
    Ok(())
}

/// The number of a reason, which is written where it is new.
pub(super) fn reason_id(conn: &Connection, reason: &Reason) -> Result<i64> {
    let key = params![reason.class.as_str(), reason.phase.map_or("", Phase::as_str), reason.message];
    let found = conn
        .prepare_cached("SELECT id FROM reason WHERE class = ?1 AND phase = ?2 AND message = ?3")?
        .query_row(key, |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    conn.prepare_cached("INSERT INTO reason (class, phase, message) VALUES (?1, ?2, ?3)")?.execute(key)?;
    Ok(conn.last_insert_rowid())
}

/// How long results speak, by the settings of their time.
#[derive(Clone, Debug)]
pub(super) struct Validities(Vec<(UnixMs, i64)>);

impl Validities {
    pub(super) fn of(conn: &Connection, service: ServiceId) -> Result<Validities> {
        let mut statement = conn.prepare_cached(
            "SELECT since, 2 * interval_ms + timeout_ms FROM setting WHERE service_id = ?1 ORDER BY since",
        )?;
        let rows = statement.query_map([service.0], |row| Ok((UnixMs(row.get(0)?), row.get(1)?)))?;
        Ok(Validities(rows.collect::<rusqlite::Result<_>>()?))
    }

    /// The validity in force at `at`, in milliseconds. Before the first setting the first holds.
    pub(super) fn at(&self, at: UnixMs) -> i64 {
        let later = self.0.partition_point(|&(since, _)| since <= at);
        self.0.get(later.saturating_sub(1)).map_or(0, |&(_, ms)| ms)
    }
}

/// The last judged result before a moment: its time and outcome. One that failed in maintenance is not judged.
pub(super) fn last_judged(
    conn: &Connection,
    service: ServiceId,
    before: UnixMs,
    which: Which,
) -> Result<Option<(UnixMs, Outcome)>> {
    let mut statement = conn.prepare_cached(
        "SELECT at, outcome FROM check_result WHERE service_id = ?1 AND at < ?2 AND (outcome < 2 OR (outcome = 2 AND at < ?3))
         ORDER BY at DESC LIMIT 1",
    )?;
    let mut failed_before = before;
    loop {
        let found = statement
            .query_row(params![service.0, before.0, failed_before.0], |row| Ok((UnixMs(row.get(0)?), outcome(row, 1)?)))
            .optional()?;
        match found {
            Some((at, Outcome::Down)) => match maintenance::at(conn, service, at, which)? {
                Some(window) => failed_before = window.from(),
                None => return Ok(found),
            },
            found => return Ok(found),
        }
    }
}

/// The last result before a moment.
pub(super) fn newest(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<CheckResult>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM check_result c LEFT JOIN reason r ON r.id = c.reason_id
         WHERE c.service_id = ?1 AND c.at < ?2 ORDER BY c.at DESC LIMIT 1"
    );
    Ok(conn.prepare_cached(&sql)?.query_row([service.0, before.0], read).optional()?)
}

/// The last passed result before a moment, in maintenance or not.
pub(super) fn last_passed(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<UnixMs>> {
    let sql = "SELECT at FROM check_result WHERE service_id = ?1 AND at < ?2 AND outcome < 2 ORDER BY at DESC LIMIT 1";
    let at: Option<i64> = conn.prepare_cached(sql)?.query_row([service.0, before.0], |row| row.get(0)).optional()?;
    Ok(at.map(UnixMs))
}

/// The last failed result before a moment that was not made in announced maintenance.
pub(super) fn last_failed(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<UnixMs>> {
    last_failed_since(conn, service, UnixMs(i64::MIN), before)
}

fn last_failed_since(conn: &Connection, service: ServiceId, from: UnixMs, before: UnixMs) -> Result<Option<UnixMs>> {
    let mut statement = conn.prepare_cached(
        "SELECT at FROM check_result WHERE service_id = ?1 AND at >= ?3 AND at < ?2 AND outcome = 2
         ORDER BY at DESC LIMIT 1",
    )?;
    let mut before = before;
    loop {
        let found = statement.query_row([service.0, before.0, from.0], |row| Ok(UnixMs(row.get(0)?))).optional()?;
        let Some(at) = found else { return Ok(None) };
        match maintenance::at(conn, service, at, Which::Announced)? {
            Some(window) => before = window.from(),
            None => return Ok(found),
        }
    }
}

/// The last judged result before a moment that was not degraded.
pub(super) fn last_not_degraded(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<UnixMs>> {
    let sql = "SELECT at FROM check_result WHERE service_id = ?1 AND at < ?2 AND outcome = 0 ORDER BY at DESC LIMIT 1";
    let up: Option<i64> = conn.prepare_cached(sql)?.query_row([service.0, before.0], |row| row.get(0)).optional()?;
    let up = up.map(UnixMs);
    Ok(up.max(last_failed_since(conn, service, up.unwrap_or(UnixMs(i64::MIN)), before)?))
}

/// The last degraded result from `from` on and before `to`.
pub(super) fn last_degraded(conn: &Connection, service: ServiceId, from: UnixMs, to: UnixMs) -> Result<Option<UnixMs>> {
    let at: Option<i64> = conn
        .prepare_cached(
            "SELECT at FROM check_result WHERE service_id = ?1 AND at >= ?2 AND at < ?3 AND outcome = 1
             ORDER BY at DESC LIMIT 1",
        )?
        .query_row([service.0, from.0, to.0], |row| row.get(0))
        .optional()?;
    Ok(at.map(UnixMs))
}

/// The first judged result at or after a moment.
pub(super) fn next_judged(conn: &Connection, service: ServiceId, from: UnixMs, which: Which) -> Result<Option<UnixMs>> {
    let mut statement = conn.prepare_cached(
        "SELECT at, outcome FROM check_result WHERE service_id = ?1 AND at >= ?2 AND (outcome < 2 OR (outcome = 2 AND at >= ?3))
         ORDER BY at LIMIT 1",
    )?;
    let mut failed_from = from;
    loop {
        let found = statement
            .query_row(params![service.0, from.0, failed_from.0], |row| Ok((UnixMs(row.get(0)?), outcome(row, 1)?)))
            .optional()?;
        match found {
            Some((at, Outcome::Down)) => match maintenance::at(conn, service, at, which)? {
                Some(window) => failed_from = window.to(),
                None => return Ok(Some(at)),
            },
            found => return Ok(found.map(|(at, _)| at)),
        }
    }
}

/// The results of a window with the one before it and the one after it, in the order of time.
pub(super) fn neighbours(conn: &Connection, service: ServiceId, window: Window) -> Result<Vec<Observation>> {
    let edge = |sql: &str, at: UnixMs| -> Result<Option<i64>> {
        Ok(conn.prepare_cached(sql)?.query_row([service.0, at.0], |row| row.get(0))?)
    };
    let first = edge("SELECT max(at) FROM check_result WHERE service_id = ?1 AND at < ?2", window.from())?;
    let last = edge("SELECT min(at) FROM check_result WHERE service_id = ?1 AND at >= ?2", window.to())?;
    let mut seen = Vec::new();
    let validities = Validities::of(conn, service)?;
    between(conn, &validities, service, first.unwrap_or(window.from().0), last.unwrap_or(i64::MAX), |row| {
        seen.push(row)
    })?;
    Ok(seen)
}

/// Hands `each` what bears on a window: the results in it, the last one before it, and the following ones up to the first
/// judged one at or after its end, in the order of time. Gives the maintenance as far as they reach.
pub(super) fn walk(
    conn: &Connection,
    service: ServiceId,
    window: Window,
    each: impl FnMut(Observation),
) -> Result<Overlay> {
    walk_with(conn, &Validities::of(conn, service)?, service, window, each)
}

/// [`walk`] for who knows already how long the results speak.
pub(super) fn walk_with(
    conn: &Connection,
    validities: &Validities,
    service: ServiceId,
    window: Window,
    each: impl FnMut(Observation),
) -> Result<Overlay> {
    let first: Option<i64> = conn
        .prepare_cached("SELECT max(at) FROM check_result WHERE service_id = ?1 AND at < ?2")?
        .query_row([service.0, window.from().0], |row| row.get(0))?;
    let first = first.unwrap_or(window.from().0);
    let last = next_judged(conn, service, window.to(), Which::All)?.map_or(i64::MAX, |at| at.0);
    between(conn, validities, service, first, last, each)?;
    match Window::new(UnixMs(first), UnixMs(last).plus(1)) {
        Some(reach) => maintenance::overlay(conn, service, reach, Which::All),
        None => Ok(Overlay::NONE),
    }
}

/// Hands `each` the results from `first` to `last`, both included, in the order of time.
pub(super) fn between(
    conn: &Connection,
    validities: &Validities,
    service: ServiceId,
    first: i64,
    last: i64,
    mut each: impl FnMut(Observation),
) -> Result<()> {
    let mut statement = conn.prepare_cached(
        "SELECT at, outcome, CASE WHEN outcome < 2 THEN latency_us END FROM check_result
         WHERE service_id = ?1 AND at BETWEEN ?2 AND ?3 ORDER BY at",
    )?;
    let mut rows = statement.query(params![service.0, first, last])?;
    while let Some(row) = rows.next()? {
        let at = UnixMs(row.get(0)?);
        each(Observation { at, outcome: outcome(row, 1)?, validity_ms: validities.at(at), latency_us: row.get(2)? });
    }
    Ok(())
}
