//! Makes anew what follows from the rows of a service: outages, gaps, sums. Rows are the truth; only where there are
//! none any more, what was said of that time is believed.

use super::{
    Result, life,
    maintenance::{self, Which},
    results, retention, rollups,
};
use crate::{
    board::ServiceId,
    domain::{
        check::{Outcome, PhaseTimes},
        health::{Confirmed, Failing, Health},
        incident::GapReason,
        maintenance::Overlay,
        service::Thresholds,
        time::UnixMs,
        timeline::failed_until,
        window::Window,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{HashMap, HashSet};

/// Changes of cause kept of one outage, as live.
const CAUSE_CHANGES_KEPT: i64 = 500;

/// An outage as it is written: reasons are numbers.
#[derive(Clone, Debug)]
struct Written {
    last_ok_at: Option<UnixMs>,
    started_at: UnixMs,
    confirmed_at: Option<UnixMs>,
    ended_at: Option<UnixMs>,
    down_ms: i64,
    checks_failed: i64,
    reason: i64,
    http_status: Option<u16>,
    latency_us: Option<u32>,
    phases: PhaseTimes,
    excerpt: Option<String>,
    last_reason: i64,
    last_http_status: Option<u16>,
    cause_changes: i64,
    changes: Vec<Change>,
}

type Change = (UnixMs, i64, Option<u16>, Option<String>);

/// Makes the outages, gaps and sums of one service anew. The outages have no numbers yet that could be shown: see
/// [`number`].
pub(super) fn service(conn: &Connection, service: ServiceId) -> Result<()> {
    let first: Option<i64> = conn
        .prepare_cached("SELECT min(at) FROM check_result WHERE service_id = ?1")?
        .query_row([service.0], |row| row.get(0))?;
    let first = first.map(UnixMs);
    conn.prepare_cached("DELETE FROM cause_change WHERE outage_id IN (SELECT id FROM outage WHERE service_id = ?1)")?
        .execute([service.0])?;
    conn.prepare_cached("DELETE FROM outage WHERE service_id = ?1")?.execute([service.0])?;
    conn.prepare_cached("DELETE FROM gap WHERE service_id = ?1")?.execute([service.0])?;
    believed(conn, service, first)?;
    if let Some(first) = first {
        tell(conn, service, first)?;
    }
    rollups::rebuild(conn, service, retention::kept(conn, service)?)?;
    claims(conn, service)
}

/// The columns of what was said of an outage, in an order that makes of two that differ the same one the first,
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
        phases: results::phases(row, 10)?,
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
fn complete(conn: &Connection, service: ServiceId, src: i64, outage: &mut Written) -> Result<()> {
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

/// Writes what was over before the first row, as it was said.
fn believed(conn: &Connection, service: ServiceId, first: Option<UnixMs>) -> Result<()> {
    let mut statement =
        conn.prepare_cached(&format!("{SAID} WHERE i.service_id = ?1 AND i.started_at < ?2 ORDER BY {ORDER}"))?;
    let mut rows = statement.query([service.0, first.map_or(i64::MAX, |first| first.0)])?;
    // From the latest on: of those that last (where there is no row at all) only the latest one can.
    let mut newer: Option<UnixMs> = None;
    while let Some(row) = rows.next()? {
        let (src, mut outage, ..) = said(row)?;
        let is_over = match (first, outage.ended_at) {
            (Some(first), Some(end)) => end < first,
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (None, None) => newer.is_none(),
        };
        if is_over && newer != Some(outage.started_at) {
            newer = Some(outage.started_at);
            complete(conn, service, src, &mut outage)?;
            write(conn, service, &outage)?;
        }
    }
    let gap = conn
        .prepare_cached(
            "SELECT from_at, max(to_at) FROM in_gap WHERE service_id = ?1 AND to_at <= ?2 GROUP BY from_at",
        )?
        .query_map([service.0, first.map_or(i64::MAX, |first| first.0)], |row| {
            Ok((UnixMs(row.get(0)?), UnixMs(row.get(1)?)))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (from, to) in gap {
        life::note_gap(conn, service, from, to, why(conn, service, from, from, to)?)?;
    }
    Ok(())
}

/// The outage that was under way at the first row, as the history said whose rows begin there.
fn under_way(conn: &Connection, service: ServiceId, first: UnixMs) -> Result<Option<Written>> {
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

/// What the arithmetic needs of the settings: since when, how long a result speaks, and what the thresholds are.
struct Settings(Vec<(UnixMs, i64, Thresholds)>);

impl Settings {
    fn of(conn: &Connection, service: ServiceId) -> Result<Settings> {
        let all = super::departure::settings(conn, service)?;
        let each = all.iter().map(|s| {
            let thresholds = Thresholds { failure: s.failure_threshold, success: s.success_threshold };
            (s.since, 2 * s.interval_ms + s.timeout_ms, thresholds)
        });
        Ok(Settings(each.collect()))
    }

    /// Those in force at `at`; before the first the first hold.
    fn at(&self, at: UnixMs) -> (i64, Thresholds) {
        let later = self.0.partition_point(|&(since, ..)| since <= at);
        let none = (0, Thresholds { failure: 1, success: 1 });
        self.0.get(later.saturating_sub(1)).map_or(none, |&(_, validity_ms, thresholds)| (validity_ms, thresholds))
    }
}

/// Runs the rows through the state machine, and writes the outages and gaps that come of it.
fn tell(conn: &Connection, service: ServiceId, first: UnixMs) -> Result<()> {
    let settings = Settings::of(conn, service)?;
    let ever = Window::new(first, UnixMs::MAX);
    let overlay = |which| ever.map_or(Ok(Overlay::NONE), |ever| maintenance::overlay(conn, service, ever, which));
    let (announced, all) = (overlay(Which::Announced)?, overlay(Which::All)?);
    let mut open = under_way(conn, service, first)?;
    let mut health = match &mut open {
        None => Health::NEW,
        Some(outage) => {
            let (_, thresholds) = settings.at(first);
            let failing = Failing { started_at: outage.started_at, in_a_row: outage.checks_failed as u32 };
            // What was confirmed by a row that is there is confirmed by it again.
            let is_confirmed = outage.confirmed_at.is_some_and(|at| at < first)
                || (outage.confirmed_at.is_some() && failing.in_a_row >= thresholds.failure);
            let confirmed = match (is_confirmed, outage.last_ok_at) {
                (true, _) => Confirmed::Down,
                (false, Some(_)) => Confirmed::Up,
                (false, None) => Confirmed::Pending,
            };
            if !is_confirmed {
                outage.confirmed_at = None;
            }
            Health { confirmed, last_ok_at: outage.last_ok_at, failing: Some(failing), ..Health::NEW }
        }
    };
    let mut last: Option<(UnixMs, Outcome, i64)> = None;
    let mut statement = conn.prepare_cached(
        "SELECT at, outcome, latency_us, dns_us, connect_us, tls_us, ttfb_us, http_status, reason_id
         FROM check_result WHERE service_id = ?1 ORDER BY at",
    )?;
    let mut rows = statement.query([service.0])?;
    while let Some(row) = rows.next()? {
        let at = UnixMs(row.get(0)?);
        let outcome = results::outcome(row, 1)?;
        let (validity_ms, thresholds) = settings.at(at);
        if let Some((last_at, last_outcome, validity_ms)) = last {
            let silent_from = last_at.plus(validity_ms);
            if last_outcome == Outcome::Down
                && let Some(outage) = &mut open
            {
                outage.down_ms += failed_until(last_at, at.min(silent_from), &all).since(last_at);
            }
            if silent_from < at {
                life::note_gap(conn, service, silent_from, at, why(conn, service, last_at, silent_from, at)?)?;
            }
        }
        let changes = health.observe(thresholds, at, outcome, &announced);
        if let Some(ended_at) = changes.broken_off
            && let Some(outage) = open.take_if(|outage| outage.confirmed_at.is_none())
        {
            write(conn, service, &Written { ended_at: Some(ended_at), ..outage })?;
        }
        if let Some(began) = changes.began {
            let reason = reason(conn, row)?;
            let http_status = row.get(7)?;
            open = Some(Written {
                last_ok_at: match began.last_ok_at {
                    None => last_ok_before_rows(conn, service, at, first)?,
                    known => known,
                },
                started_at: at,
                confirmed_at: None,
                ended_at: None,
                down_ms: 0,
                checks_failed: 0,
                reason,
                http_status,
                latency_us: row.get(2)?,
                phases: results::phases(row, 3)?,
                excerpt: excerpt(conn, service, at)?,
                last_reason: reason,
                last_http_status: http_status,
                cause_changes: 0,
                changes: Vec::new(),
            });
        }
        if let Some(outage) = &mut open {
            if announced.judged(at, outcome) == Outcome::Down {
                outage.checks_failed += 1;
                let (reason, http_status) = (reason(conn, row)?, row.get(7)?);
                if (reason, http_status) != (outage.last_reason, outage.last_http_status) {
                    (outage.last_reason, outage.last_http_status) = (reason, http_status);
                    outage.cause_changes += 1;
                    if outage.cause_changes <= CAUSE_CHANGES_KEPT {
                        outage.changes.push((at, reason, http_status, excerpt(conn, service, at)?));
                    }
                }
            }
            if changes.confirmed {
                let latency_us: Option<u32> = row.get(2)?;
                outage.confirmed_at = Some(at.plus(i64::from(latency_us.unwrap_or(0)).div_euclid(1000)));
            }
            if changes.ended.is_some() {
                outage.ended_at = changes.ended;
                write(conn, service, outage)?;
                open = None;
            }
        }
        last = Some((at, outcome, validity_ms));
    }
    if let Some(outage) = &open {
        write(conn, service, outage)?;
    }
    Ok(())
}

/// The number of the reason in a row of [`tell`]. A failed check always has one.
fn reason(conn: &Connection, row: &Row<'_>) -> Result<i64> {
    use crate::domain::check::{Class, Reason};
    match row.get::<_, Option<i64>>(8)? {
        Some(id) => Ok(id),
        None => results::reason_id(conn, &Reason { class: Class::Protocol, phase: None, message: String::new() }),
    }
}

fn excerpt(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<Option<String>> {
    let sql = "SELECT excerpt FROM in_excerpt WHERE service_id = ?1 AND at = ?2";
    Ok(conn.prepare_cached(sql)?.query_row([service.0, at.0], |row| row.get(0)).optional()?)
}

/// The last passed check before an outage, where it is older than every row.
fn last_ok_before_rows(conn: &Connection, service: ServiceId, at: UnixMs, first: UnixMs) -> Result<Option<UnixMs>> {
    let last: Option<i64> = conn
        .prepare_cached(
            "SELECT max(last_ok_at) FROM in_outage WHERE service_id = ?1 AND started_at = ?2 AND last_ok_at < ?3",
        )?
        .query_row([service.0, at.0, first.0], |row| row.get(0))?;
    Ok(last.map(UnixMs))
}

/// Why nothing was observed: what was said of just this gap, or of those that it shares most time with; else what
/// interrupted the monitor, or that it was off. `last_at` is the last result before it. Of what lay in maintenance nothing
/// is said.
fn why(conn: &Connection, service: ServiceId, last_at: UnixMs, from: UnixMs, to: UnixMs) -> Result<GapReason> {
    let rank = |why: &GapReason| GapReason::ALL.iter().position(|one| one == why);
    let longest = |found: Vec<(i64, i64, String)>| {
        let each = found.into_iter().filter_map(|(start, end, why)| {
            let exact = (start, end) == (from.0, to.0);
            Some((exact, end.min(to.0) - start.max(from.0), GapReason::parse(&why)?))
        });
        each.max_by_key(|(exact, overlap, why)| (*exact, *overlap, std::cmp::Reverse(rank(why)))).map(|(.., why)| why)
    };
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let said = conn
        .prepare_cached("SELECT from_at, to_at, why FROM in_gap WHERE service_id = ?1 AND from_at < ?3 AND to_at > ?2")?
        .query_map([service.0, from.0, to.0], read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    if let Some(why) = longest(said) {
        return Ok(why);
    }
    let enabled: Option<bool> = conn
        .prepare_cached(
            "SELECT enabled FROM setting WHERE service_id = ?1 AND since <= ?2 ORDER BY since DESC LIMIT 1",
        )?
        .query_row([service.0, from.0], |row| row.get(0))
        .optional()?;
    if enabled == Some(false) {
        return Ok(GapReason::Paused);
    }
    let began = |after: UnixMs| -> Result<bool> {
        Ok(conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM run WHERE started_at > ?1 AND started_at <= ?2)")?
            .query_row([after.0, to.0], |row| row.get(0))?)
    };
    if began(from)? {
        return Ok(GapReason::Off);
    }
    let interrupted = conn
        .prepare_cached("SELECT from_at, to_at, why FROM interruption WHERE from_at < ?2 AND to_at > ?1")?
        .query_map([from.0, to.0], read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(match longest(interrupted) {
        Some(why) => why,
        // Where a run began while the last result of the run before it still spoke.
        None if began(last_at)? => GapReason::Off,
        None => GapReason::Stalled,
    })
}

/// Writes an outage under a number below zero.
fn write(conn: &Connection, service: ServiceId, outage: &Written) -> Result<()> {
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

/// Notes which outage may have which numbers: those that it had in the histories that it came from.
fn claims(conn: &Connection, service: ServiceId) -> Result<()> {
    let mut statement = conn.prepare_cached(
        "INSERT OR IGNORE INTO claim
         SELECT coalesce(
             (SELECT o.id FROM outage o WHERE o.service_id = ?1 AND o.started_at <= i.started_at
                AND (o.ended_at IS NULL OR o.ended_at > i.started_at) ORDER BY o.started_at DESC LIMIT 1),
             (SELECT o.id FROM outage o WHERE o.service_id = ?1 AND o.started_at > i.started_at
                AND (i.ended_at IS NULL OR o.started_at < i.ended_at) ORDER BY o.started_at LIMIT 1),
             0), i.id, i.file
         FROM in_outage i WHERE i.service_id = ?1",
    )?;
    statement.execute([service.0])?;
    Ok(())
}

/// Gives every outage its number: the smallest of those it had that is still free, and where none is, a new one. The
/// later outage is asked first, incidents before blips: the numbers that people have lately been told of are those that
/// stay. Gives how many incidents have lost the number that they had here.
pub(super) fn number(conn: &Connection) -> Result<u64> {
    let highest: i64 = conn.query_row(
        "SELECT max(coalesce((SELECT max(claimed) FROM claim), 0), coalesce((SELECT max(id) FROM outage), 0))",
        [],
        |row| row.get(0),
    )?;
    let mut claimed: HashMap<i64, Vec<i64>> = HashMap::new();
    let mut pairs = conn.prepare("SELECT outage_id, claimed FROM claim ORDER BY outage_id, claimed")?;
    let mut rows = pairs.query([])?;
    while let Some(row) = rows.next()? {
        claimed.entry(row.get(0)?).or_default().push(row.get(1)?);
    }
    let mut taken = HashSet::new();
    let mut moves: Vec<(i64, i64)> = Vec::new();
    let mut without = Vec::new();
    let mut outages = conn.prepare(
        "SELECT o.id FROM outage o JOIN service s ON s.id = o.service_id
         ORDER BY o.confirmed_at IS NULL, o.started_at DESC, s.name DESC",
    )?;
    let mut rows = outages.query([])?;
    while let Some(row) = rows.next()? {
        let now: i64 = row.get(0)?;
        // One that this merge did not touch had no other number than its own.
        let own = if now > 0 { std::slice::from_ref(&now) } else { claimed.get(&now).map_or(&[][..], Vec::as_slice) };
        match own.iter().find(|id| taken.insert(**id)) {
            Some(&id) if id == now => {}
            Some(&id) => moves.push((now, id)),
            None => without.push(now),
        }
    }
    moves.extend(without.iter().rev().zip(highest + 1..).map(|(now, id)| (*now, id)));
    // By way of numbers that nobody has, because they may change places.
    let far = i64::MIN / 2;
    for (step, (now, _)) in moves.iter().enumerate() {
        renumber(conn, *now, far + step as i64)?;
    }
    for (step, (_, id)) in moves.iter().enumerate() {
        renumber(conn, far + step as i64, *id)?;
    }
    let numbers: HashMap<i64, i64> = moves.into_iter().collect();
    retell(conn, &numbers)
}

fn renumber(conn: &Connection, from: i64, to: i64) -> Result<()> {
    for sql in
        ["UPDATE outage SET id = ?2 WHERE id = ?1", "UPDATE cause_change SET outage_id = ?2 WHERE outage_id = ?1"]
    {
        conn.prepare_cached(sql)?.execute([from, to])?;
    }
    Ok(())
}

/// Moves the events that are or were to be told to the outages that they tell of; how many incidents have another
/// number than they had here.
fn retell(conn: &Connection, numbers: &HashMap<i64, i64>) -> Result<u64> {
    // Where the outages of this history's own went.
    let mut went: HashMap<i64, i64> = HashMap::new();
    let mut statement = conn.prepare("SELECT outage_id, claimed FROM claim WHERE file = 0")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (now, before): (i64, i64) = (row.get(0)?, row.get(1)?);
        went.insert(before, numbers.get(&now).copied().unwrap_or(now));
    }
    went.extend(numbers.iter().filter(|(before, _)| **before > 0).map(|(before, now)| (*before, *now)));
    let told = conn
        .prepare("SELECT id, outage_id FROM outbox")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
    for (event, before) in told {
        match went.get(&before) {
            Some(now) if *now == before => {}
            Some(now) if *now > 0 => {
                conn.prepare_cached("UPDATE outbox SET outage_id = ?2 WHERE id = ?1")?.execute([event, *now])?;
            }
            // The rows say now that it never was.
            Some(_) => {
                conn.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([event])?;
            }
            None => {}
        }
    }
    let mut renumbered = 0;
    for (before, now) in &went {
        let is_incident: Option<bool> = conn
            .prepare_cached("SELECT confirmed_at IS NOT NULL FROM outage WHERE id = ?1")?
            .query_row([now], |row| row.get(0))
            .optional()?;
        renumbered += u64::from(before != now && is_incident == Some(true));
    }
    Ok(renumbered)
}
