//! How services stood at a moment of the past, as it was known then: rebuilt from the results.
//!
//! A result is known when its check ends. What was known is replayed through the state machine, with the thresholds and
//! the maintenance of the time, from the latest moment at which the state is plain from what is stored.

use crate::{
    calendar::Timetable,
    domain::{
        check::Outcome,
        flapping::Flapping,
        health::{self, Confirmed, Failing, Health},
        incident::Outage,
        maintenance::Overlay,
        service::{CheckSchedule, Service, Thresholds},
        time::{DAY_MS, UnixMs},
        timeline,
        window::Window,
    },
    live::{ServiceId, ServiceNow},
    settings::effective::EffectiveSettings,
    store::{Columns, Reader, Result, Setting, Settings, StoredService, Tables, Walk, Which},
};
use serde_json::json;
use std::{ops::ControlFlow, sync::Arc};

/// What a question about a moment of the past gives.
#[derive(Clone, Debug)]
pub enum AsOf {
    /// The services that were watched, those of today first and in their order.
    Known(Vec<Arc<ServiceNow>>),
    /// Single results are kept from this moment on, and the requested moment lies before it.
    Retired(UnixMs),
    /// The requested moment lies before anything was watched, which began at this moment; `None`: nothing ever was.
    Before(Option<UnixMs>),
}

/// The states of the services that were watched at `at`, as they were known then. `today` are those that are watched
/// now. What only later results show (how an outage ended, a mark of maintenance) is not in it.
///
/// # Errors
/// When the history cannot be read.
pub fn as_of(reader: &Reader, at: UnixMs, today: &[Arc<ServiceNow>]) -> Result<AsOf> {
    reader.read(|tables| known_at(tables, at, today))
}

fn known_at(tables: Tables<'_>, at: UnixMs, today: &[Arc<ServiceNow>]) -> Result<AsOf> {
    let mut watched: Vec<StoredService> = tables.services()?;
    let first = watched.iter().map(|s| s.added_at).min();
    if first.is_none_or(|first| at < first) {
        return Ok(AsOf::Before(first));
    }
    watched.retain(|s| s.added_at <= at && s.removed_at.is_none_or(|removed| at < removed));
    let mut retired = None;
    for service in &watched {
        retired = retired.max(tables.kept(service.id)?.rows_from.filter(|from| at < *from));
    }
    if let Some(from) = retired {
        return Ok(AsOf::Retired(from));
    }
    let place = |s: &StoredService| today.iter().position(|t| t.id == s.id).unwrap_or(today.len());
    // Sorting is stable: those that have left since follow by name.
    watched.sort_by_key(place);
    let mut known = Vec::with_capacity(watched.len());
    for stored in watched {
        let today = today.iter().find(|t| t.id == stored.id);
        known.extend(one(tables, &stored, today.map(|t| &**t), at)?.map(Arc::new));
    }
    Ok(AsOf::Known(known))
}

fn one(
    tables: Tables<'_>,
    stored: &StoredService,
    today: Option<&ServiceNow>,
    at: UnixMs,
) -> Result<Option<ServiceNow>> {
    let id = stored.id;
    let settings = tables.settings(id)?;
    let Some(setting) = settings.at(at).copied() else { return Ok(None) };
    // Checks of one service never overlap: of those that had begun, only the last can still have been under way.
    let mut last = tables.newest(id, at.plus(1))?;
    if let Some(under_way) = last.as_ref().filter(|last| last.known_at() > at) {
        last = tables.newest(id, under_way.at)?;
    }
    let end = last.as_ref().map_or(UnixMs(i64::MIN), |last| last.at.plus(1));
    let judged = tables.last_judged(id, end, Which::Announced)?;
    let outage = tables.last_outage(id, end)?;
    let health = health_before(tables, id, outage.as_ref(), &settings, end)?;
    let outage = match outage.filter(|_| health.failing.is_some()) {
        Some(outage) => Some(Arc::new(outage_then(tables, id, outage, (health, setting.enabled), &settings, end)?)),
        None => None,
    };
    let down_since = outage.as_ref().filter(|_| health.confirmed == Confirmed::Down).map(|o| o.started_at);
    // A window of this run that began a moment ago may be noted in a moment.
    let judged_validity_ms = match judged {
        Some((at, _)) => settings.validity_ms(at),
        None => 0,
    };
    let noted = tables.maintenance_around(id, at, Which::Announced)?;
    let ruled = today.and_then(|t| t.timetable.at(at));
    let announced = Overlay::new(noted.windows().iter().copied().chain(ruled));
    Ok(Some(ServiceNow {
        id,
        pending_store: 0,
        depends_on: today.map_or_else(Arc::default, |today| today.depends_on.clone()),
        service: Arc::new(service_then(stored, setting, today)),
        settings: EffectiveSettings::from(json!({
            "enabled": setting.enabled,
            "interval_ms": setting.interval_ms,
            "timeout_ms": setting.timeout_ms,
            "failure_threshold": setting.thresholds.failure,
            "success_threshold": setting.thresholds.success,
            "degraded_after_ms": setting.degraded_after_ms,
        })),
        confirmed: health.confirmed,
        since: tables.status_since(id, judged, end)?.answer(health.confirmed, down_since),
        // Of the past nobody is notified.
        flapping: Flapping::default(),
        certificate_expires_at: certificate_then(tables, id, today, end)?,
        last,
        judged,
        judged_validity_ms,
        outage,
        timetable: Arc::new(Timetable::new(announced, Overlay::NONE, UnixMs::MAX, Vec::new())),
    }))
}

/// What the history does not record over time is shown as it is today: the group, the kind, the target.
fn service_then(stored: &StoredService, setting: Setting, today: Option<&ServiceNow>) -> Service {
    let today = today.map(|t| &t.service);
    Service {
        name: stored.name.clone(),
        group: stored.group.clone(),
        description: today.and_then(|t| t.description.clone()),
        kind: stored.kind,
        target: stored.target.clone(),
        critical: setting.critical.unwrap_or(today.is_none_or(|t| t.critical)),
        enabled: setting.enabled,
        cadence: CheckSchedule {
            interval_ms: setting.interval_ms,
            timeout_ms: setting.timeout_ms,
            retry_interval_ms: today
                .map_or(setting.interval_ms, |t| t.cadence.retry_interval_ms)
                .min(setting.interval_ms),
        },
        thresholds: setting.thresholds,
        degraded_after_ms: setting.degraded_after_ms,
        is_degraded_when_unusual: today.is_some_and(|t| t.is_degraded_when_unusual),
        at_most: today.and_then(|t| t.at_most),
        objective: today.and_then(|t| t.objective),
    }
}

/// The state of the machine after the results before `end`; `outage` is the last one that had begun by then.
fn health_before(
    tables: Tables<'_>,
    id: ServiceId,
    outage: Option<&Outage>,
    settings: &Settings,
    end: UnixMs,
) -> Result<Health> {
    let Some(outage) = outage else { return tables.unfailing_health(id, end) };
    let down = Health {
        confirmed: Confirmed::Down,
        failing: Some(Failing { started_at: outage.started_at, in_a_row: 1 }),
        ..Health::NEW
    };
    let failed = tables.last_failed(id, end)?;
    let (begin, from) = match (outage.ended_at.filter(|ended| *ended < end), outage.confirmed_at, failed) {
        // The outage was over, unless it was an incident and the run of passes that ended it was still too short.
        (Some(_), None, _) => return tables.unfailing_health(id, end),
        (Some(ended_at), Some(_), _) => (down, ended_at),
        // A failed check after the confirmation: it was down, and no pass since counts but those that follow.
        (None, Some(confirmed_at), Some(failed)) if failed >= confirmed_at => {
            (Health { last_at: Some(failed), ..down }, failed.plus(1))
        }
        (None, ..) => {
            let confirmed = if outage.last_ok_at.is_some() { Confirmed::Up } else { Confirmed::Pending };
            (Health { confirmed, last_ok_at: outage.last_ok_at, ..Health::NEW }, outage.started_at)
        }
    };
    let mut rows: Vec<(UnixMs, Outcome)> = Vec::new();
    tables.forward(Walk::over(id).from(from).before(end), |row| {
        rows.push((row.at, row.outcome));
        Ok(ControlFlow::Continue(()))
    })?;
    let maintenance = match Window::new(begin.last_at.unwrap_or(from), end) {
        Some(window) => tables.maintenance(id, window, Which::Announced)?,
        None => Overlay::NONE,
    };
    let thresholds = |at| settings.at(at).map_or(Thresholds { failure: 1, success: 1 }, |s| s.thresholds);
    let health = health::replay(begin, rows, thresholds, &maintenance);
    Ok(Health { last_ok_at: tables.last_passed(id, end)?.or(outage.last_ok_at), ..health })
}

/// An outage as it stood after the results before `end`.
fn outage_then(
    tables: Tables<'_>,
    id: ServiceId,
    outage: Outage,
    (health, enabled): (Health, bool),
    settings: &Settings,
    end: UnixMs,
) -> Result<Outage> {
    let Some(lasted) = Window::new(outage.started_at, end) else { return Ok(outage) };
    let mut rows = Vec::new();
    tables.observe(settings, Walk::over(id).from(outage.started_at).before(end), |row| rows.push(row))?;
    let announced = tables.maintenance(id, lasted, Which::Announced)?;
    let failed = rows.iter().filter(|r| announced.judged(r.at, r.outcome) == Outcome::Down).count();
    let all = tables.maintenance(id, lasted, Which::All)?;
    Ok(Outage {
        confirmed_at: outage.confirmed_at.filter(|_| health.confirmed == Confirmed::Down),
        ended_at: None,
        checks_failed: failed as u64,
        down_ms: timeline::downtime(rows, &all).map(|(_, ms)| ms).sum(),
        left_open: !enabled,
        // When it was written, and what stood there before, is not kept.
        note: None,
        ..outage
    })
}

/// When the certificate ended that was seen last; to the day, where it is not the one that is still in use.
fn certificate_then(
    tables: Tables<'_>,
    id: ServiceId,
    today: Option<&ServiceNow>,
    end: UnixMs,
) -> Result<Option<UnixMs>> {
    let (mut seen, mut looked) = (None, 0);
    tables.backward(Walk::over(id).before(end).with(Columns::Everything), |row| {
        seen = row.certificate_days.map(|days| (row.at, i64::from(days)));
        looked += 1;
        Ok(if seen.is_none() && looked < 500 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let Some((at, days)) = seen else { return Ok(None) };
    let still = today.and_then(|t| t.certificate_expires_at).filter(|e| e.since(at).div_euclid(DAY_MS) == days);
    Ok(still.or(Some(at.plus(days * DAY_MS + DAY_MS / 2))))
}
