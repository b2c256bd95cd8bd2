//! Check results: their reasons, how long they are valid, and the queries on them.

use super::{
    maintenance::{self, Which},
    reasons::Reasons,
    settings::Settings,
};
use crate::{
    domain::{
        check::{CheckResult, Outcome},
        maintenance::Overlay,
        time::UnixMs,
        timeline::Observation,
        window::Window,
    },
    live::ServiceId,
    store::{
        Result,
        rows::{self, Columns, Outcomes, Walk},
    },
};
use rusqlite::Connection;
use std::ops::ControlFlow;

/// The results of a walk with their reasons, at most `limit`, the oldest or the newest ones first.
pub(in crate::store) fn list(
    conn: &Connection,
    walk: Walk,
    newest_first: bool,
    limit: u32,
) -> Result<Vec<CheckResult>> {
    let (mut reasons, mut found) = (Reasons::default(), Vec::new());
    if limit == 0 {
        return Ok(found);
    }
    let each = |row: rows::Row| {
        found.push(reasons.told(conn, &row)?);
        Ok(if found.len() < limit as usize { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    };
    let walk = walk.with(Columns::Everything);
    if newest_first {
        walk.backward(conn, each)?
    } else {
        walk.forward(conn, each)?
    };
    Ok(found)
}

/// The last judged result before a moment: its time and outcome. One that failed in maintenance is not judged.
pub(in crate::store) fn last_judged(
    conn: &Connection,
    service: ServiceId,
    before: UnixMs,
    which: Which,
) -> Result<Option<(UnixMs, Outcome)>> {
    let (mut found, mut failed_before) = (None, before);
    Walk::over(service).before(before).only(Outcomes::JUDGED).backward(conn, |row| {
        if row.outcome == Outcome::Down {
            if row.at >= failed_before {
                return Ok(ControlFlow::Continue(()));
            }
            if let Some(window) = maintenance::at(conn, service, row.at, which)? {
                failed_before = window.from();
                return Ok(ControlFlow::Continue(()));
            }
        }
        found = Some((row.at, row.outcome));
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// The last result before a moment.
pub(in crate::store) fn newest(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<CheckResult>> {
    match Walk::over(service).before(before).with(Columns::Everything).last(conn)? {
        Some(row) => Reasons::default().told(conn, &row).map(Some),
        None => Ok(None),
    }
}

/// The last passed result before a moment, in maintenance or not.
pub(in crate::store) fn last_passed(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<UnixMs>> {
    Walk::over(service).before(before).only(Outcomes::PASSED).last_at(conn)
}

/// The last failed result before a moment that was not made in announced maintenance.
pub(in crate::store) fn last_failed(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Option<UnixMs>> {
    last_failed_since(conn, service, UnixMs(i64::MIN), before)
}

fn last_failed_since(conn: &Connection, service: ServiceId, from: UnixMs, before: UnixMs) -> Result<Option<UnixMs>> {
    let mut before = before;
    loop {
        let found = Walk::over(service).from(from).before(before).only(Outcomes::FAILED).last_at(conn)?;
        let Some(at) = found else { return Ok(None) };
        match maintenance::at(conn, service, at, Which::Announced)? {
            Some(window) => before = window.from(),
            None => return Ok(found),
        }
    }
}

/// The last judged result before a moment that was not degraded.
pub(in crate::store) fn last_not_degraded(
    conn: &Connection,
    service: ServiceId,
    before: UnixMs,
) -> Result<Option<UnixMs>> {
    let up = Walk::over(service).before(before).only(Outcomes::UP).last_at(conn)?;
    Ok(up.max(last_failed_since(conn, service, up.unwrap_or(UnixMs(i64::MIN)), before)?))
}

/// The last degraded result from `from` on and before `to`.
pub(in crate::store) fn last_degraded(
    conn: &Connection,
    service: ServiceId,
    from: UnixMs,
    to: UnixMs,
) -> Result<Option<UnixMs>> {
    Walk::over(service).from(from).before(to).only(Outcomes::DEGRADED).last_at(conn)
}

/// The first judged result at or after a moment.
pub(in crate::store) fn next_judged(
    conn: &Connection,
    service: ServiceId,
    from: UnixMs,
    which: Which,
) -> Result<Option<UnixMs>> {
    let (mut found, mut failed_from) = (None, from);
    Walk::over(service).from(from).only(Outcomes::JUDGED).forward(conn, |row| {
        if row.outcome == Outcome::Down {
            if row.at < failed_from {
                return Ok(ControlFlow::Continue(()));
            }
            if let Some(window) = maintenance::at(conn, service, row.at, which)? {
                failed_from = window.to();
                return Ok(ControlFlow::Continue(()));
            }
        }
        found = Some(row.at);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// The results of a window with the one before it and the one after it, in the order of time.
pub(in crate::store) fn neighbours(conn: &Connection, service: ServiceId, window: Window) -> Result<Vec<Observation>> {
    let first = Walk::over(service).before(window.from()).last_at(conn)?;
    let last = Walk::over(service).from(window.to()).first_at(conn)?;
    let mut seen = Vec::new();
    let walk = Walk::over(service).from(first.unwrap_or(window.from())).before(last.map_or(END, |at| at.plus(1)));
    observe(conn, &Settings::of(conn, service)?, walk, |row| seen.push(row))?;
    Ok(seen)
}

/// After every time.
const END: UnixMs = UnixMs(i64::MAX);

/// Hands `each` what bears on a window: the results in it, the last one before it, and the following ones up to the first
/// judged one at or after its end, in the order of time. Gives the maintenance as far as they reach.
pub(in crate::store) fn walk(
    conn: &Connection,
    service: ServiceId,
    window: Window,
    each: impl FnMut(Observation),
) -> Result<Overlay> {
    walk_with(conn, &Settings::of(conn, service)?, service, window, Columns::Latency, each)
}

/// [`walk`] for a caller that knows already how long the results are valid, and what is needed of them.
pub(in crate::store) fn walk_with(
    conn: &Connection,
    settings: &Settings,
    service: ServiceId,
    window: Window,
    need: Columns,
    mut each: impl FnMut(Observation),
) -> Result<Overlay> {
    let first = Walk::over(service).before(window.from()).last_at(conn)?.unwrap_or(window.from());
    let (mut last, mut failed_from) = (None, window.to());
    Walk::over(service).from(first).with(need).forward(conn, |row| {
        each(observation(&row, settings));
        if row.at < window.to() || row.outcome == Outcome::Unknown {
            return Ok(ControlFlow::Continue(()));
        }
        if row.outcome == Outcome::Down {
            if row.at < failed_from {
                return Ok(ControlFlow::Continue(()));
            }
            if let Some(window) = maintenance::at(conn, service, row.at, Which::All)? {
                failed_from = window.to();
                return Ok(ControlFlow::Continue(()));
            }
        }
        last = Some(row.at);
        Ok(ControlFlow::Break(()))
    })?;
    match Window::new(first, last.unwrap_or(END).plus(1)) {
        Some(reach) => maintenance::overlay(conn, service, reach, Which::All),
        None => Ok(Overlay::NONE),
    }
}

/// Hands `each` the results of a walk.
pub(in crate::store) fn observe(
    conn: &Connection,
    settings: &Settings,
    walk: Walk,
    mut each: impl FnMut(Observation),
) -> Result<()> {
    walk.with(Columns::Latency).forward(conn, |row| {
        each(observation(&row, settings));
        Ok(ControlFlow::Continue(()))
    })
}

fn observation(row: &rows::Row, settings: &Settings) -> Observation {
    Observation {
        at: row.at,
        outcome: row.outcome,
        validity_ms: settings.validity_ms(row.at),
        latency_us: row.latency_us.filter(|_| row.outcome.passed() == Some(true)),
    }
}
