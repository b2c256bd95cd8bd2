//! Makes anew what follows from the rows of a service: outages, gaps, sums. Rows are the truth; only where there are
//! none any more, what was said of that time is believed.

use crate::{
    domain::{
        check::{Outcome, PhaseTimes},
        incident::GapReason,
        maintenance::Overlay,
        replay::{Input, Replay, ReplayedOutage, Why},
        service::Thresholds,
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    store::{
        Result,
        rows::Walk,
        tables::{
            columns, kept,
            maintenance::{self, Which},
            replay_input, rollups,
            runs::{self, Cause, Runs},
            settings::Settings,
        },
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

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
pub(in crate::store) fn service(conn: &Connection, service: ServiceId) -> Result<()> {
    let first = Walk::over(service).first_at(conn)?;
    conn.prepare_cached("DELETE FROM cause_change WHERE outage_id IN (SELECT id FROM outage WHERE service_id = ?1)")?
        .execute([service.0])?;
    conn.prepare_cached("DELETE FROM outage WHERE service_id = ?1")?.execute([service.0])?;
    conn.prepare_cached("DELETE FROM gap WHERE service_id = ?1")?.execute([service.0])?;
    believed(conn, service, first)?;
    if let Some(first) = first {
        tell(conn, service, first)?;
    }
    rollups::rebuild(conn, service, kept::of(conn, service)?)?;
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
    let mut over = UnixMs::MIN;
    for (from, to) in gap {
        // One that was said in pieces may have been said in one piece too.
        if from >= over {
            let said = said_of(conn, service, from, to)?;
            runs::note_gap(conn, service, from, to, said.first().map_or(GapReason::Off, |(_, why)| *why))?;
            over = to;
        }
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

/// Runs the rows through the state machine, and writes the outages and gaps that come of it.
fn tell(conn: &Connection, service: ServiceId, first: UnixMs) -> Result<()> {
    let settings = Settings::of(conn, service)?;
    let ever = Window::new(first, UnixMs::MAX);
    let overlay = |which| ever.map_or(Ok(Overlay::NONE), |ever| maintenance::overlay(conn, service, ever, which));
    // Their answers stand beside no row any more.
    let mut earlier_changes = Vec::new();
    let telling = match (under_way(conn, service, first)?, settings.at(first)) {
        (Some(outage), Some(setting)) => {
            earlier_changes.clone_from(&outage.changes);
            Replay::from_within(retold(outage), first, setting.thresholds)
        }
        _ => Replay::from_the_beginning(),
    };
    let mut telling = telling.with_maintenance(overlay(Which::Announced)?, overlay(Which::All)?);
    let (lives, mut last_validity_ms) = (Runs::of(conn)?, 0);
    replay_input::each(conn, service, &settings, first, |told, _| {
        let heard = telling.observe(told);
        if let Some((from, to)) = heard.gap {
            for Cause { from, to, reasons } in lives.causes(from, to, &settings, last_validity_ms) {
                // What was said of another gap is believed as far as it can be: the rows that arrived have divided it.
                let said = said_of(conn, service, from, to)?;
                let why = said
                    .iter()
                    .find(|(exact, why)| *exact || reasons.contains(why))
                    .map_or(reasons[0], |(_, why)| *why);
                runs::note_gap(conn, service, from, to, why)?;
            }
        }
        if let Some(outage) = heard.ended {
            write(conn, service, &written(conn, service, first, outage, &earlier_changes)?)?;
        }
        last_validity_ms = told.validity_ms;
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(outage) = telling.open() {
        write(conn, service, &written(conn, service, first, outage.clone(), &earlier_changes)?)?;
    }
    Ok(())
}

/// What was said of an outage, as the replay goes on with it.
fn retold(outage: Written) -> ReplayedOutage {
    let why = |reason, http_status| Why { reason, http_status };
    let first_why = why(outage.reason, outage.http_status);
    ReplayedOutage {
        last_ok_at: outage.last_ok_at,
        first: Input {
            at: outage.started_at,
            outcome: Outcome::Down,
            latency_us: outage.latency_us,
            phases: outage.phases,
            why: Some(first_why),
            // What it spoke for is in `down_ms` already.
            validity_ms: 0,
            thresholds: Thresholds { failure: 1, success: 1 },
        },
        why: first_why,
        confirmed_at: outage.confirmed_at,
        ended_at: outage.ended_at,
        down_ms: outage.down_ms,
        checks_failed: outage.checks_failed.unsigned_abs(),
        last_why: why(outage.last_reason, outage.last_http_status),
        cause_changes: outage.cause_changes.unsigned_abs(),
        changes: outage.changes.iter().map(|(at, reason, http_status, _)| (*at, why(*reason, *http_status))).collect(),
    }
}

/// An outage that was told again as it is written: with the beginnings of the answers, and with a last passed check that
/// is older than every row.
fn written(
    conn: &Connection,
    service: ServiceId,
    first: UnixMs,
    outage: ReplayedOutage,
    earlier_changes: &[Change],
) -> Result<Written> {
    let started_at = outage.first.at;
    let changes = outage.changes.iter().map(|&(at, why)| match earlier_changes.iter().find(|change| change.0 == at) {
        Some(change) => Ok(change.clone()),
        None => Ok((at, why.reason, why.http_status, excerpt(conn, service, at)?)),
    });
    Ok(Written {
        last_ok_at: match outage.last_ok_at {
            None if started_at >= first => last_ok_before_rows(conn, service, started_at, first)?,
            known => known,
        },
        started_at,
        confirmed_at: outage.confirmed_at,
        ended_at: outage.ended_at,
        down_ms: outage.down_ms,
        checks_failed: outage.checks_failed.cast_signed(),
        reason: outage.why.reason,
        http_status: outage.why.http_status,
        latency_us: outage.first.latency_us,
        phases: outage.first.phases,
        excerpt: excerpt(conn, service, started_at)?,
        last_reason: outage.last_why.reason,
        last_http_status: outage.last_why.http_status,
        cause_changes: outage.cause_changes.cast_signed(),
        changes: changes.collect::<Result<_>>()?,
    })
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

/// Why nothing was observed, as it was said of just this gap (`true`), and of those that it shares time with, most first.
/// Of what lay in maintenance nothing is said.
fn said_of(conn: &Connection, service: ServiceId, from: UnixMs, to: UnixMs) -> Result<Vec<(bool, GapReason)>> {
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

/// Notes which outage may have which numbers: those that it had in the histories that it came from. Of two that began
/// together it is the one that ended as it did there.
fn claims(conn: &Connection, service: ServiceId) -> Result<()> {
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

/// Gives every outage its number: the smallest of those it had that is still free, and where none is, a new one. The
/// later outage is asked first, incidents before blips: the numbers that people have lately been told of are those that
/// stay. Two that began together, as where two histories contradict each other about time of which neither has its rows
/// any more, are asked in an order that follows from what they are, so that it is the same one next time. Gives how many incidents have lost the number that they had here.
pub(in crate::store) fn number(conn: &Connection) -> Result<u64> {
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
         ORDER BY o.confirmed_at IS NULL, o.started_at DESC, s.name DESC, o.ended_at DESC, o.down_ms DESC,
           o.checks_failed DESC, o.latency_us DESC",
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
    replay(conn, &numbers)
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
fn replay(conn: &Connection, numbers: &HashMap<i64, i64>) -> Result<u64> {
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
