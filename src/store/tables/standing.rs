//! The state of a service, and since when it has it, by its results.

use super::{
    maintenance::{self, Which},
    outages, results, rollups, services,
};
use crate::{
    domain::{
        check::Outcome,
        health::{Confirmed, Health},
        status::StatusSince,
        time::{HOUR_MS, UnixMs},
        window::Window,
    },
    live::ServiceId,
    store::Result,
};
use rusqlite::Connection;

/// Since when a service has its present state, by the results before `end`, of which `judged` is the last judged one.
pub(in crate::store) fn since(
    conn: &Connection,
    id: ServiceId,
    judged: Option<(UnixMs, Outcome)>,
    end: UnixMs,
) -> Result<StatusSince> {
    let run = match judged {
        None => None,
        Some((at, outcome)) => {
            let degraded = outcome == Outcome::Degraded;
            let other = match degraded {
                true => results::last_not_degraded(conn, id, end)?,
                false => last_degraded(conn, id, end)?,
            };
            let first = results::next_judged(conn, id, other.map_or(UnixMs::MIN, |at| at.plus(1)), Which::Announced)?;
            Some((degraded, first.unwrap_or(at)))
        }
    };
    Ok(StatusSince { run, recovered: outages::last_end(conn, id, end)? })
}

/// The health of a service without an outage, by the results before `end`.
pub(in crate::store) fn unfailing_health(conn: &Connection, id: ServiceId, end: UnixMs) -> Result<Health> {
    let last_ok_at = results::last_passed(conn, id, end)?;
    let confirmed = if last_ok_at.is_some() { Confirmed::Up } else { Confirmed::Pending };
    Ok(Health { confirmed, last_ok_at, ..Health::NEW })
}

/// The last degraded result before `end`. A service is seldom degraded: the sums show in which hour to look, so that no
/// start reads months of rows. They leave out what lies in maintenance.
fn last_degraded(conn: &Connection, id: ServiceId, end: UnixMs) -> Result<Option<UnixMs>> {
    let settled = services::settled_until(conn, id)?.unwrap_or(UnixMs(i64::MIN)).min(end);
    let found = results::last_degraded(conn, id, settled, end)?;
    if found.is_some() {
        return Ok(found);
    }
    let mut found = match rollups::last_degraded(conn, id, settled)? {
        Some(hour) => results::last_degraded(conn, id, UnixMs(i64::MIN), hour.plus(HOUR_MS).min(settled))?,
        None => None,
    };
    let Some(before) = Window::new(found.map_or(UnixMs(i64::MIN), |at| at.plus(1)), settled) else { return Ok(found) };
    let maintenance = maintenance::overlay(conn, id, before, Which::All)?;
    for window in maintenance.windows().iter().rev() {
        let inside = results::last_degraded(conn, id, window.from(), window.to().min(settled))?;
        if inside.is_some() {
            found = found.max(inside);
            break;
        }
    }
    Ok(found)
}
