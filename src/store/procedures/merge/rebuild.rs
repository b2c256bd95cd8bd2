//! Makes anew what follows from the rows of a service: outages, gaps, sums. Rows are the truth; only where there are
//! none any more, the merge believes what was recorded of that time.

use super::staged;
use crate::{
    domain::{
        check::Outcome,
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
            kept,
            maintenance::{self, Which},
            outages::derived::{self, Change, Written},
            replay_input, rollups,
            runs::{self, Cause, Runs},
            settings::Settings,
        },
    },
};
use rusqlite::Connection;
use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

/// Makes the outages, gaps and sums of one service anew. The outages have no numbers yet that could be shown: see
/// [`number`].
pub(in crate::store) fn service(conn: &Connection, service: ServiceId) -> Result<()> {
    let first = Walk::over(service).first_at(conn)?;
    derived::clear(conn, service)?;
    runs::delete_gaps(conn, service)?;
    believed(conn, service, first)?;
    if let Some(first) = first {
        tell(conn, service, first)?;
    }
    rollups::rebuild(conn, service, kept::of(conn, service)?)?;
    staged::claim(conn, service)
}

/// Writes what was over before the first row, as it was recorded.
fn believed(conn: &Connection, service: ServiceId, first: Option<UnixMs>) -> Result<()> {
    // From the latest on: of those that last (where there is no row at all) only the latest one can.
    let mut newer: Option<UnixMs> = None;
    staged::each_before(conn, service, first, |src, mut outage| {
        let is_over = match (first, outage.ended_at) {
            (Some(first), Some(end)) => end < first,
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (None, None) => newer.is_none(),
        };
        if is_over && newer != Some(outage.started_at) {
            newer = Some(outage.started_at);
            staged::complete(conn, service, src, &mut outage)?;
            derived::write_unnumbered(conn, service, &outage)?;
        }
        Ok(())
    })?;
    let mut over = UnixMs::MIN;
    for (from, to) in staged::gaps_until(conn, service, first)? {
        // One history may have recorded a gap in pieces, and another one the same gap in one piece.
        if from >= over {
            let said = staged::said_of(conn, service, from, to)?;
            runs::note_gap(conn, service, from, to, said.first().map_or(GapReason::Off, |(_, why)| *why))?;
            over = to;
        }
    }
    Ok(())
}

/// Runs the rows through the state machine, and writes the outages and gaps that come of it.
fn tell(conn: &Connection, service: ServiceId, first: UnixMs) -> Result<()> {
    let settings = Settings::of(conn, service)?;
    let ever = Window::new(first, UnixMs::MAX);
    let overlay = |which| ever.map_or(Ok(Overlay::NONE), |ever| maintenance::overlay(conn, service, ever, which));
    // No row is stored for their answers any more.
    let mut earlier_changes = Vec::new();
    let telling = match (staged::under_way(conn, service, first)?, settings.at(first)) {
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
                // The rows that arrived have divided the recorded gap: its reason is believed where it is possible.
                let said = staged::said_of(conn, service, from, to)?;
                let why = said
                    .iter()
                    .find(|(exact, why)| *exact || reasons.contains(why))
                    .map_or(reasons[0], |(_, why)| *why);
                runs::note_gap(conn, service, from, to, why)?;
            }
        }
        if let Some(outage) = heard.ended {
            derived::write_unnumbered(conn, service, &written(conn, service, first, outage, &earlier_changes)?)?;
        }
        last_validity_ms = told.validity_ms;
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some(outage) = telling.open() {
        derived::write_unnumbered(conn, service, &written(conn, service, first, outage.clone(), &earlier_changes)?)?;
    }
    Ok(())
}

/// What was recorded of an outage, as the replay goes on with it.
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
            // The time that it was valid for is in `down_ms` already.
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

/// An outage that was replayed, as it is written: with the beginnings of the answers, and with a last passed check that
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
        None => Ok((at, why.reason, why.http_status, staged::excerpt(conn, service, at)?)),
    });
    Ok(Written {
        last_ok_at: match outage.last_ok_at {
            None if started_at >= first => staged::last_ok_before_rows(conn, service, started_at, first)?,
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
        excerpt: staged::excerpt(conn, service, started_at)?,
        last_reason: outage.last_why.reason,
        last_http_status: outage.last_why.http_status,
        cause_changes: outage.cause_changes.cast_signed(),
        changes: changes.collect::<Result<_>>()?,
    })
}

/// Gives every outage its number: the smallest of those it had that is still free, and where none is, a new one. Later
/// outages get theirs first, incidents before blips: so the numbers of the latest notifications stay. Two outages can
/// begin together, as where two histories contradict each other about time of which neither has its rows any more.
/// Their order follows from what they are, so that it is the same one next time. Returns how many incidents have lost
/// the number that they had here.
pub(in crate::store) fn number(conn: &Connection) -> Result<u64> {
    let (highest, claimed) = (staged::highest_number(conn)?, staged::claims(conn)?);
    let mut taken = HashSet::new();
    let mut moves: Vec<(i64, i64)> = Vec::new();
    let mut without = Vec::new();
    for now in derived::numbers(conn)? {
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
        derived::renumber(conn, *now, far + step as i64)?;
    }
    for (step, (_, id)) in moves.iter().enumerate() {
        derived::renumber(conn, far + step as i64, *id)?;
    }
    let numbers: HashMap<i64, i64> = moves.into_iter().collect();
    replay(conn, &numbers)
}

/// Moves the events, whether their notifications are due or settled, to the outages that they are about. Returns how
/// many incidents have another number than they had here.
fn replay(conn: &Connection, numbers: &HashMap<i64, i64>) -> Result<u64> {
    // Where the outages of this history's own went.
    let mut went: HashMap<i64, i64> = HashMap::new();
    for (now, before) in staged::own_claims(conn)? {
        went.insert(before, numbers.get(&now).copied().unwrap_or(now));
    }
    went.extend(numbers.iter().filter(|(before, _)| **before > 0).map(|(before, now)| (*before, *now)));
    for (event, before) in staged::events(conn)? {
        match went.get(&before) {
            Some(now) if *now == before => {}
            Some(now) if *now > 0 => staged::move_event(conn, event, *now)?,
            // By the rows that are there now, this outage never was.
            Some(_) => staged::drop_event(conn, event)?,
            None => {}
        }
    }
    let mut renumbered = 0;
    for (before, now) in &went {
        let is_incident = derived::is_incident(conn, *now)?;
        renumbered += u64::from(before != now && is_incident == Some(true));
    }
    Ok(renumbered)
}
