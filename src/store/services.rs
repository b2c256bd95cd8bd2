//! The services that the history knows, what they were set to, and where each of them stood when the monitor stopped.

use super::{
    Result, StoreError,
    maintenance::{self, Which},
    outages, results, rollups,
    rows::{Outcomes, Walk},
    transfer::ServiceHead,
};
use crate::{
    board::ServiceId,
    domain::{
        check::{CheckResult, Outcome},
        health::{Confirmed, Failing, Health, Recovering},
        incident::Outage,
        maintenance::Overlay,
        service::{Kind, Service, Target, Thresholds},
        status::Since,
        time::{HOUR_MS, UnixMs},
        window::Window,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashSet;

/// A service as the history knows it, whether or not the configuration still has it.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredService {
    pub id: ServiceId,
    pub name: String,
    pub kind: Kind,
    pub target: Target,
    pub group: Option<String>,
    /// When it was first configured.
    pub added_at: UnixMs,
    /// When it was found to have left the configuration.
    pub removed_at: Option<UnixMs>,
    /// From its latest settings, in milliseconds.
    pub interval_ms: i64,
    pub timeout_ms: i64,
    /// Hours before it are settled; `None` before the first result.
    pub(super) rolled_until: Option<UnixMs>,
}

const SELECT: &str = "SELECT s.id, s.name, s.kind, s.target, s.group_name, s.added_at, s.removed_at, s.rolled_until,
       l.interval_ms, l.timeout_ms
     FROM service s JOIN setting l ON l.service_id = s.id
       AND l.since = (SELECT max(since) FROM setting WHERE service_id = s.id)";

fn read(row: &Row<'_>) -> rusqlite::Result<StoredService> {
    let kind: String = row.get(2)?;
    Ok(StoredService {
        id: ServiceId(row.get(0)?),
        name: row.get(1)?,
        // A kind that this version does not know is shown as a command: its history is what matters.
        kind: Kind::parse(&kind).unwrap_or(Kind::Command),
        target: row.get::<_, String>(3)?.into(),
        group: row.get(4)?,
        added_at: UnixMs(row.get(5)?),
        removed_at: row.get::<_, Option<i64>>(6)?.map(UnixMs),
        rolled_until: row.get::<_, Option<i64>>(7)?.map(UnixMs),
        interval_ms: row.get(8)?,
        timeout_ms: row.get(9)?,
    })
}

/// Every service ever configured, by name.
pub(super) fn all(conn: &Connection) -> Result<Vec<StoredService>> {
    let mut statement = conn.prepare_cached(&format!("{SELECT} ORDER BY s.name"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The service of this name.
pub(super) fn by_name(conn: &Connection, name: &str) -> Result<Option<StoredService>> {
    Ok(conn.prepare_cached(&format!("{SELECT} WHERE s.name = ?1"))?.query_row([name], read).optional()?)
}

/// The service with this number.
pub(super) fn by_id(conn: &Connection, id: ServiceId) -> Result<Option<StoredService>> {
    Ok(conn.prepare_cached(&format!("{SELECT} WHERE s.id = ?1"))?.query_row([id.0], read).optional()?)
}

/// Adds a service that arrives from another history; its number.
pub(super) fn add_foreign(conn: &Connection, new: &ServiceHead) -> Result<ServiceId> {
    let id = conn
        .prepare_cached(
            "INSERT INTO service (name, kind, target, group_name, added_at, removed_at, certificate_expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
        )?
        .query_row(
            params![
                new.name,
                new.kind.as_str(),
                new.target.whole(),
                new.group,
                new.added_at.0,
                new.removed_at.map(|t| t.0),
                new.certificate_expires_at.map(|t| t.0)
            ],
            |row| row.get(0),
        )?;
    Ok(ServiceId(id))
}

/// Unites what two histories say of a service: it is described as by the one with the later settings. Of one time, the
/// longer target: the other may have come from an export that shows of a command its program only.
pub(super) fn describe(conn: &Connection, old: &StoredService, new: &ServiceHead) -> Result<()> {
    let (latest, certificate): (Option<i64>, Option<i64>) = conn
        .prepare_cached(
            "SELECT (SELECT max(since) FROM setting WHERE service_id = ?1), certificate_expires_at
             FROM service WHERE id = ?1",
        )?
        .query_row([old.id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let certificate = certificate.map(UnixMs).max(new.certificate_expires_at);
    let ours =
        (latest.map(UnixMs), old.removed_at, old.kind.as_str(), old.target.whole().len(), &old.target, &old.group);
    let latest = new.settings.iter().map(|s| s.since).max();
    let theirs = (latest, new.removed_at, new.kind.as_str(), new.target.whole().len(), &new.target, &new.group);
    let (_, removed_at, kind, _, target, group) = ours.max(theirs);
    conn.prepare_cached(
        "UPDATE service SET kind = ?2, target = ?3, group_name = ?4, added_at = ?5, removed_at = ?6,
           certificate_expires_at = ?7 WHERE id = ?1",
    )?
    .execute(params![
        old.id.0,
        kind,
        target.whole(),
        group,
        old.added_at.min(new.added_at).0,
        removed_at.map(|t| t.0),
        certificate.map(|t| t.0)
    ])?;
    Ok(())
}

/// A configured service on its way into the history.
#[derive(Clone, Debug)]
pub struct Configured {
    pub service: Service,
    /// The name whose history it carries on.
    pub renamed_from: Option<String>,
}

/// Where a service stood, rebuilt from its rows: a restart is no transition.
#[derive(Clone, Debug)]
pub(super) struct Resumed {
    pub(super) id: ServiceId,
    pub(super) health: Health,
    pub(super) last: Option<CheckResult>,
    pub(super) judged: Option<(UnixMs, Outcome)>,
    pub(super) since: Since,
    pub(super) outage: Option<Outage>,
    pub(super) certificate_expires_at: Option<UnixMs>,
    pub(super) rolled_until: Option<UnixMs>,
    /// The validity of `last`, in milliseconds.
    pub(super) last_validity_ms: i64,
    /// That of `judged`.
    pub(super) judged_validity_ms: i64,
    /// Whether it was not watched until now, by intent.
    pub(super) was_paused: bool,
    /// Since when its settings are in force.
    pub(super) settings_since: UnixMs,
}

/// Makes the history know the configured services and their settings from `now` on; gives where each stands, in order.
pub(super) fn enter(conn: &Connection, configured: &[Configured], now: UnixMs) -> Result<Vec<Resumed>> {
    let mut resumed = Vec::with_capacity(configured.len());
    let mut present = HashSet::new();
    for Configured { service, renamed_from } in configured {
        if let Some(old) = renamed_from {
            carry_on(conn, old, &service.name)?;
        }
        let (id, absent) = upsert(conn, service, now)?;
        present.insert(id);
        let before = note_settings(conn, id, service, now)?;
        resumed.push(resume(conn, id, service, absent || before == Some(false))?);
    }
    for stored in all(conn)? {
        if !present.contains(&stored.id) && stored.removed_at.is_none() {
            conn.execute("UPDATE service SET removed_at = ?2 WHERE id = ?1", [stored.id.0, now.0])?;
            pause(conn, stored.id, now)?;
        }
    }
    Ok(resumed)
}

/// Gives the history of a name to another one that has none yet: a rename that stays in the file is done once.
fn carry_on(conn: &Connection, old: &str, new: &str) -> Result<()> {
    match (by_name(conn, old)?, by_name(conn, new)?) {
        (Some(_), None) => {
            conn.execute("UPDATE service SET name = ?2 WHERE name = ?1", [old, new])?;
        }
        (Some(_), Some(_)) => tracing::warn!(
            "“{old}” and “{new}” have a history each, so renamed_from = “{old}” changed nothing. To keep them apart, \
             remove it. To make them one: stop, `export --service` what “{new}” has, set enabled = false there, \
             `history forget` it, set it enabled again, start and stop, and `import` what was exported"
        ),
        (None, _) => {}
    }
    Ok(())
}

/// The service's number, and whether it had left the configuration before.
fn upsert(conn: &Connection, service: &Service, now: UnixMs) -> Result<(ServiceId, bool)> {
    let absent = by_name(conn, &service.name)?.is_some_and(|s| s.removed_at.is_some());
    let id = conn
        .prepare_cached(
            "INSERT INTO service (name, kind, target, group_name, added_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO UPDATE SET kind = ?2, target = ?3, group_name = ?4, removed_at = NULL RETURNING id",
        )?
        .query_row(
            params![service.name, service.kind.as_str(), service.target.whole(), service.group, now.0],
            |row| row.get(0),
        )?;
    Ok((ServiceId(id), absent))
}

/// Writes the settings where they differ from the last ones. Whether it was enabled before; `None` for a new service.
fn note_settings(conn: &Connection, id: ServiceId, service: &Service, now: UnixMs) -> Result<Option<bool>> {
    type Settings = (bool, i64, i64, u32, u32, Option<i64>, Option<bool>);
    let current: Settings = (
        service.enabled,
        service.cadence.interval_ms,
        service.cadence.timeout_ms,
        service.thresholds.failure,
        service.thresholds.success,
        service.degraded_after_ms,
        Some(service.critical),
    );
    let last: Option<Settings> = conn
        .prepare_cached(
            "SELECT enabled, interval_ms, timeout_ms, failure_threshold, success_threshold, degraded_after_ms, critical
             FROM setting WHERE service_id = ?1 ORDER BY since DESC LIMIT 1",
        )?
        .query_row([id.0], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?)))
        .optional()?;
    if last != Some(current) {
        let now = after_all(conn, id, now)?;
        let (enabled, interval, timeout, failure, success, degraded, critical) = current;
        conn.prepare_cached(
            "INSERT OR REPLACE INTO setting (service_id, since, enabled, interval_ms, timeout_ms, failure_threshold,
               success_threshold, degraded_after_ms, critical) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![id.0, now.0, enabled, interval, timeout, failure, success, degraded, critical])?;
    }
    Ok(last.map(|l| l.0))
}

/// The moment from which on new settings hold: after everything that was made under the old ones, also when the clock
/// was set back meanwhile.
fn after_all(conn: &Connection, id: ServiceId, now: UnixMs) -> Result<UnixMs> {
    let since: Option<i64> = conn
        .prepare_cached("SELECT max(since) FROM setting WHERE service_id = ?1")?
        .query_row([id.0], |row| row.get(0))?;
    let known = since.map(UnixMs).max(Walk::over(id).last_at(conn)?);
    Ok(known.map_or(now, |known| now.max(known.plus(1))))
}

/// Notes that a service that left the configuration is not watched any more, as one that is not enabled: why there is
/// a gap must follow from what is stored, also when it has come back.
fn pause(conn: &Connection, id: ServiceId, now: UnixMs) -> Result<()> {
    let since = after_all(conn, id, now)?;
    conn.prepare_cached(
        "INSERT INTO setting (service_id, since, enabled, interval_ms, timeout_ms, failure_threshold, success_threshold,
           degraded_after_ms, critical)
         SELECT service_id, ?2, 0, interval_ms, timeout_ms, failure_threshold, success_threshold, degraded_after_ms,
           critical
         FROM setting WHERE service_id = ?1 AND enabled AND since = (SELECT max(since) FROM setting WHERE service_id = ?1)",
    )?
    .execute([id.0, since.0])?;
    Ok(())
}

fn resume(conn: &Connection, id: ServiceId, service: &Service, was_paused: bool) -> Result<Resumed> {
    let end = UnixMs(i64::MAX);
    let last = results::newest(conn, id, end)?;
    let judged = match results::last_judged(conn, id, end, Which::Announced) {
        Err(StoreError::Content(_)) => None,
        known => known?,
    };
    let outage = outages::open(conn, id)?;
    let validities = results::Validities::of(conn, id)?;
    let last_validity_ms = last.as_ref().map_or(0, |last| validities.at(last.at));
    let (rolled_until, certificate): (Option<i64>, Option<i64>) =
        conn.query_row("SELECT rolled_until, certificate_expires_at FROM service WHERE id = ?1", [id.0], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let settings_since =
        conn.query_row("SELECT max(since) FROM setting WHERE service_id = ?1", [id.0], |row| row.get(0))?;
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
        health: Health { last_at, ..health },
        last,
        judged,
        since: since_or_last(conn, id, judged, end)?,
        outage,
        certificate_expires_at: certificate.map(UnixMs),
        rolled_until: rolled_until.map(UnixMs),
        last_validity_ms,
        judged_validity_ms: judged.map_or(0, |(at, _)| validities.at(at)),
        was_paused,
        settings_since: UnixMs(settings_since),
    })
}

/// [`since`], and where a damaged day keeps from knowing it, since the last result: nobody is to be without checks for that.
fn since_or_last(conn: &Connection, id: ServiceId, judged: Option<(UnixMs, Outcome)>, end: UnixMs) -> Result<Since> {
    match since(conn, id, judged, end) {
        Err(StoreError::Content(what)) => {
            tracing::error!("since when a service has its status is not known: {what}");
            let run = judged.map(|(at, outcome)| (outcome == Outcome::Degraded, at));
            Ok(Since { run, recovered: outages::last_end(conn, id, end)? })
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

/// The health of a service without an outage, as the results before `end` say.
pub(super) fn unfailing_health(conn: &Connection, id: ServiceId, end: UnixMs) -> Result<Health> {
    let last_ok_at = results::last_passed(conn, id, end)?;
    let confirmed = if last_ok_at.is_some() { Confirmed::Up } else { Confirmed::Pending };
    Ok(Health { confirmed, last_ok_at, ..Health::NEW })
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
    // A run of passes does not carry over the beginning of maintenance, and stands still in it.
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

/// Since when a service stands as it stands, as the results before `end` say, of which `judged` is the last judged one.
pub(super) fn since(conn: &Connection, id: ServiceId, judged: Option<(UnixMs, Outcome)>, end: UnixMs) -> Result<Since> {
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
    Ok(Since { run, recovered: outages::last_end(conn, id, end)? })
}

/// The last degraded result before `end`. A service is seldom degraded: the sums say in which hour to look, so that no
/// start reads months of rows. What lies in maintenance they leave out.
fn last_degraded(conn: &Connection, id: ServiceId, end: UnixMs) -> Result<Option<UnixMs>> {
    let rolled_until: Option<i64> =
        conn.query_row("SELECT rolled_until FROM service WHERE id = ?1", [id.0], |row| row.get(0))?;
    let settled = rolled_until.map_or(UnixMs(i64::MIN), UnixMs).min(end);
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
