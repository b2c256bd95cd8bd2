//! The state of each service when the monitor stopped, rebuilt from its rows.

use crate::{
    domain::{
        check::{CheckResult, Outcome},
        flapping::Flapping,
        health::{Confirmed, Failing, Health, Recovering},
        incident::Outage,
        maintenance::Overlay,
        service::{Service, Thresholds},
        status::StatusSince,
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    store::{
        Result, StoreError,
        rows::{Outcomes, Walk},
        tables::{
            maintenance::{self, Which},
            outages, results, services,
            settings::Settings,
            standing::{since, unfailing_health},
        },
    },
};
use rusqlite::Connection;
use std::ops::ControlFlow;

/// The state of a service, rebuilt from its rows: a restart is no transition.
#[derive(Clone, Debug)]
pub(in crate::store) struct Resumed {
    pub(in crate::store) id: ServiceId,
    pub(in crate::store) health: Health,
    pub(in crate::store) last: Option<CheckResult>,
    pub(in crate::store) judged: Option<(UnixMs, Outcome)>,
    pub(in crate::store) since: StatusSince,
    pub(in crate::store) outage: Option<Outage>,
    pub(in crate::store) flapping: Flapping,
    pub(in crate::store) certificate_expires_at: Option<UnixMs>,
    pub(in crate::store) rolled_until: Option<UnixMs>,
    /// The validity of `last`, in milliseconds.
    pub(in crate::store) last_validity_ms: i64,
    /// The validity of `judged`.
    pub(in crate::store) judged_validity_ms: i64,
    /// Whether it was not watched until now, by intent.
    pub(in crate::store) was_paused: bool,
    /// Since when its settings are in force.
    pub(in crate::store) settings_since: UnixMs,
}

pub(in crate::store) fn resume(
    conn: &Connection,
    id: ServiceId,
    service: &Service,
    was_paused: bool,
) -> Result<Resumed> {
    let end = UnixMs(i64::MAX);
    let last = results::newest(conn, id, end)?;
    let judged = match results::last_judged(conn, id, end, Which::Announced) {
        Err(StoreError::Content(_)) => None,
        known => known?,
    };
    let outage = outages::open(conn, id)?;
    let settings = Settings::of(conn, id)?;
    let last_validity_ms = last.as_ref().map_or(0, |last| settings.validity_ms(last.at));
    let settings_since = settings.iter().next_back().map_or(UnixMs(0), |(since, _)| *since);
    let last_at = last.as_ref().map(|last| last.at);
    let health = match (&outage, last_at) {
        (Some(outage), Some(last_at)) => failing_health(conn, id, service.thresholds, outage, last_at),
        _ => unfailing_health(conn, id, end),
    };
    let health = match health {
        Err(StoreError::Content(what)) => {
            tracing::error!("the state of a service is derived from its last results alone: {what}");
            health_of_last(service.thresholds, outage.as_ref(), judged)
        }
        known => known?,
    };
    Ok(Resumed {
        id,
        flapping: flapping_or_none(conn, id, service, last_at)?,
        health: Health { last_at, ..health },
        last,
        judged,
        since: since_or_last(conn, id, judged, end)?,
        outage,
        certificate_expires_at: services::certificate_expires_at(conn, id)?,
        rolled_until: services::settled_until(conn, id)?,
        last_validity_ms,
        judged_validity_ms: judged.map_or(0, |(at, _)| settings.validity_ms(at)),
        was_paused,
        settings_since,
    })
}

/// Results that flapping is rebuilt from: it depends on the last 20, and on whether it was on before them.
const REPLAYED: usize = 100;

/// Whether the service flaps. Where a damaged day hides it, it does not.
fn flapping_or_none(conn: &Connection, id: ServiceId, service: &Service, last_at: Option<UnixMs>) -> Result<Flapping> {
    let Some(last_at) = last_at else { return Ok(Flapping::default()) };
    let from = last_at.plus(-(REPLAYED as i64) * service.cadence.interval_ms);
    // It takes three runs of failed checks, which few services have.
    if outages::begun_since(conn, id, from)? < 3 {
        return Ok(Flapping::default());
    }
    match flapping(conn, id, from) {
        Err(StoreError::Content(_)) => Ok(Flapping::default()),
        known => known,
    }
}

fn flapping(conn: &Connection, id: ServiceId, from: UnixMs) -> Result<Flapping> {
    let mut results = Vec::new();
    Walk::over(id).only(Outcomes::JUDGED).backward(conn, |row| {
        results.push((row.at, row.outcome));
        Ok(if results.len() < REPLAYED { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let first = results.last().map_or(from, |(at, _)| *at);
    let maintenance = match Window::new(first, UnixMs::MAX) {
        Some(window) => maintenance::overlay(conn, id, window, Which::Announced)?,
        None => Overlay::NONE,
    };
    let passed = results.iter().rev().filter_map(|(at, outcome)| maintenance.judged(*at, *outcome).passed());
    Ok(passed.fold(Flapping::default(), Flapping::observe))
}

/// [`since`]; where a damaged day hides it, since the last result. No service is to be without checks for that.
fn since_or_last(
    conn: &Connection,
    id: ServiceId,
    judged: Option<(UnixMs, Outcome)>,
    end: UnixMs,
) -> Result<StatusSince> {
    match since(conn, id, judged, end) {
        Err(StoreError::Content(what)) => {
            tracing::error!("since when a service has its status is not known: {what}");
            let run = judged.map(|(at, outcome)| (outcome == Outcome::Degraded, at));
            Ok(StatusSince { run, recovered: outages::last_end(conn, id, end)? })
        }
        known => known,
    }
}

/// The health of a service whose older results cannot be read: of its open outage, or of its last judged result.
fn health_of_last(thresholds: Thresholds, outage: Option<&Outage>, judged: Option<(UnixMs, Outcome)>) -> Health {
    let passed = judged.filter(|(_, outcome)| outcome.passed() == Some(true)).map(|(at, _)| at);
    let failing = outage.map(|outage| Failing {
        started_at: outage.started_at,
        in_a_row: if outage.is_incident() { thresholds.failure } else { outage.checks_failed as u32 },
    });
    let confirmed = match outage {
        Some(outage) if outage.is_incident() => Confirmed::Down,
        _ if judged.is_some() => Confirmed::Up,
        _ => Confirmed::Pending,
    };
    let last_ok_at = passed.or(outage.and_then(|outage| outage.last_ok_at));
    Health { confirmed, last_ok_at, failing, ..Health::NEW }
}

/// The health of a service whose outage goes on, as of its last result.
fn failing_health(
    conn: &Connection,
    id: ServiceId,
    thresholds: Thresholds,
    outage: &Outage,
    last_at: UnixMs,
) -> Result<Health> {
    if !outage.is_incident() {
        return Ok(Health {
            confirmed: if outage.last_ok_at.is_some() { Confirmed::Up } else { Confirmed::Pending },
            last_ok_at: outage.last_ok_at,
            failing: Some(Failing { started_at: outage.started_at, in_a_row: outage.checks_failed as u32 }),
            ..Health::NEW
        });
    }
    let end = last_at.plus(1);
    let failed = results::last_failed(conn, id, end)?.unwrap_or(outage.started_at);
    // A run of passes does not carry over the beginning of maintenance, and does not grow during maintenance.
    let maintenance = match Window::new(outage.started_at, end) {
        Some(window) => maintenance::overlay(conn, id, window, Which::Announced)?,
        None => Overlay::NONE,
    };
    let since = maintenance.windows().last().map_or(failed, |window| window.to().max(failed));
    let passed = Walk::over(id).from(since).only(Outcomes::PASSED);
    let (first, count) = (passed.first_at(conn)?, passed.count(conn)? as u32);
    Ok(Health {
        confirmed: Confirmed::Down,
        last_ok_at: results::last_passed(conn, id, end)?.or(outage.last_ok_at),
        failing: Some(Failing { started_at: outage.started_at, in_a_row: thresholds.failure }),
        recovering: first.map(|started_at| Recovering { started_at, in_a_row: count }),
        last_at: None,
    })
}
