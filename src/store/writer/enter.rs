//! The configured services enter the history, with their settings from now on.

use super::resume::{Resumed, resume};
use crate::{
    domain::{service::Service, time::UnixMs},
    live::ServiceId,
    store::{
        Result,
        rows::Walk,
        tables::{
            services::{self, all, by_name},
            settings::{self, Setting},
        },
    },
};
use rusqlite::Connection;
use std::collections::HashSet;

/// A configured service on its way into the history.
#[derive(Clone, Debug)]
pub struct Configured {
    pub service: Service,
    /// The name whose history it carries on.
    pub renamed_from: Option<String>,
    /// The services that it depends on, directly and through others, the nearest first.
    pub depends_on: Vec<String>,
}

/// Enters the configured services and their settings into the history, from `now` on. Returns the state of each
/// service, in order.
pub(in crate::store) fn enter(conn: &Connection, configured: &[Configured], now: UnixMs) -> Result<Vec<Resumed>> {
    let mut resumed = Vec::with_capacity(configured.len());
    let mut present = HashSet::new();
    for Configured { service, renamed_from, .. } in configured {
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
            services::note_removed(conn, stored.id, now)?;
            pause(conn, stored.id, now)?;
        }
    }
    Ok(resumed)
}

/// Gives the history of a name to another one that has none yet: a rename that stays in the file is done once.
fn carry_on(conn: &Connection, old: &str, new: &str) -> Result<()> {
    match (by_name(conn, old)?, by_name(conn, new)?) {
        (Some(_), None) => services::rename(conn, old, new)?,
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
    Ok((services::write(conn, service, now)?, absent))
}

/// Writes the settings where they differ from the last ones. Whether it was enabled before; `None` for a new service.
fn note_settings(conn: &Connection, id: ServiceId, service: &Service, now: UnixMs) -> Result<Option<bool>> {
    let current = Setting::of(service);
    let last = settings::last(conn, id)?.map(|(_, last)| last);
    if last != Some(current) {
        settings::write(conn, id, after_all(conn, id, now)?, &current)?;
    }
    Ok(last.map(|last| last.enabled))
}

/// The moment from which on new settings hold: after everything that was made under the old ones, also when the clock
/// was set back meanwhile.
fn after_all(conn: &Connection, id: ServiceId, now: UnixMs) -> Result<UnixMs> {
    let since = settings::last(conn, id)?.map(|(since, _)| since);
    let known = since.max(Walk::over(id).last_at(conn)?);
    Ok(known.map_or(now, |known| now.max(known.plus(1))))
}

/// Notes that a service that left the configuration is not watched any more, as one that is not enabled: why there is
/// a gap must follow from what is stored, also when it has come back.
fn pause(conn: &Connection, id: ServiceId, now: UnixMs) -> Result<()> {
    match settings::last(conn, id)? {
        Some((_, last)) if last.enabled => {
            settings::write(conn, id, after_all(conn, id, now)?, &Setting { enabled: false, ..last })
        }
        _ => Ok(()),
    }
}
