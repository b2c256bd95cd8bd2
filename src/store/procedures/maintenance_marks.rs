//! Marks of maintenance that are made afterwards, and taken back: what follows from them is computed again.

use crate::{
    domain::{time::UnixMs, timeline, window::Window},
    live::ServiceId,
    store::{
        Result, StoreError, connection,
        disk::{files, schema},
        tables::{
            kept,
            maintenance::{Maintenance, Source, Which, list, overlay, services_of, take_back, write},
            outages, results, rollups,
            services::{self, StoredService},
        },
    },
};
use rusqlite::Connection;
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

/// What is to be marked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    pub window: Window,
    /// The names of the services; `None`: all.
    pub services: Option<Vec<String>>,
    pub reason: String,
}

/// The history while nobody else writes it, for marking maintenance.
#[derive(Debug)]
pub struct MaintenanceMarker {
    conn: Connection,
    _lock: schema::Lock,
}

impl MaintenanceMarker {
    /// Takes the history that exists at `path`.
    ///
    /// # Errors
    /// When there is none, it cannot be used, or another process (such as the running service) holds it.
    pub fn open(path: &Path) -> Result<MaintenanceMarker> {
        files::present(path)?;
        let lock = schema::lock(path)?;
        Ok(MaintenanceMarker { conn: connection::open_writer(path)?, _lock: lock })
    }

    /// Marks a window of the past and recomputes what depends on it. All or nothing. `progress` is called after each
    /// service with how many are done, and of how many.
    ///
    /// # Errors
    /// When it reaches into the future, into time of which the single results are not kept any more, or names a service
    /// that is none.
    pub fn add(&mut self, mark: &Mark, now: UnixMs, progress: impl FnMut(usize, usize)) -> Result<i64> {
        if mark.window.to() > now {
            return Err(StoreError::Refused(format!(
                "{} is still to come: what is to come is announced in the configuration, with [[maintenance]]",
                mark.window.to()
            )));
        }
        let tx = self.conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let all = services::all(&tx)?;
        let named = match &mark.services {
            None => None,
            Some(names) => Some(
                names
                    .iter()
                    .map(|name| {
                        all.iter().find(|s| &s.name == name).map(|s| s.id).ok_or_else(|| {
                            StoreError::Refused(format!("there is no service named “{name}” in the history"))
                        })
                    })
                    .collect::<Result<Vec<_>>>()?,
            ),
        };
        let services = affected(&all, named.as_deref());
        refuse_retired(&tx, &services, mark.window, "a mark there could change no figure")?;
        let id = Overlaid { conn: &tx, services, window: mark.window }
            .change(progress, || write(&tx, mark.window, Source::Hand, named.as_deref(), &mark.reason, now))?;
        tx.commit()?;
        Ok(id)
    }

    /// Takes a mark back and recomputes what depends on it. All or nothing.
    ///
    /// # Errors
    /// When there is no such mark, it was taken back before, it was announced by the configuration, or the single results
    /// of its time are not kept any more.
    pub fn take_back(&mut self, id: i64, now: UnixMs, progress: impl FnMut(usize, usize)) -> Result<Maintenance> {
        let tx = self.conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let one = list(&tx, None)?
            .into_iter()
            .find(|one| one.id == id)
            .ok_or_else(|| StoreError::Refused(format!("there is no maintenance {id}")))?;
        if let Some(at) = one.taken_back_at {
            return Err(StoreError::Refused(format!("maintenance {id} was taken back before, at {at}")));
        }
        if one.source == Source::Config {
            return Err(StoreError::Refused(format!(
                "maintenance {id} was announced by the configuration: no incident was opened in it, so it stays what it \
                 was; only what was marked by hand can be taken back"
            )));
        }
        let all = services::all(&tx)?;
        let services = affected(&all, services_of(&tx, id, one.services.is_some())?.as_deref());
        refuse_retired(&tx, &services, one.window, "its figures could not be told without it")?;
        Overlaid { conn: &tx, services, window: one.window }.change(progress, || take_back(&tx, id, now))?;
        tx.commit()?;
        Ok(Maintenance { taken_back_at: Some(now), ..one })
    }
}

fn refuse_retired(conn: &Connection, services: &[StoredService], window: Window, why: &str) -> Result<()> {
    for service in services {
        // One that had gone by then, or was not there yet, has nothing in it.
        let is_there = service.added_at < window.to() && service.removed_at.is_none_or(|at| window.from() < at);
        let from = kept::of(conn, service.id)?.rows_from;
        if let Some(from) = from.filter(|from| is_there && window.from() < *from) {
            return Err(StoreError::Refused(format!(
                "single checks are kept from {from} on, and {} is before it: {why}",
                window.from()
            )));
        }
    }
    Ok(())
}

fn affected(all: &[StoredService], named: Option<&[ServiceId]>) -> Vec<StoredService> {
    all.iter().filter(|s| named.is_none_or(|named| named.contains(&s.id))).cloned().collect()
}

/// Services over which a window of maintenance is laid, or from which it is lifted.
struct Overlaid<'a> {
    conn: &'a Connection,
    services: Vec<StoredService>,
    window: Window,
}

impl Overlaid<'_> {
    /// Makes the change and recomputes the downtime of outages and the sums of hours and days that it changes.
    fn change<T>(&self, mut progress: impl FnMut(usize, usize), make: impl FnOnce() -> Result<T>) -> Result<T> {
        let before =
            self.services.iter().map(|service| self.downtime(service)).collect::<Result<Vec<HashMap<i64, i64>>>>()?;
        let made = make()?;
        for (i, (service, before)) in self.services.iter().zip(before).enumerate() {
            let after = self.downtime(service)?;
            for outage in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
                let of = |sums: &HashMap<i64, i64>| sums.get(outage).copied().unwrap_or(0);
                outages::add_downtime(self.conn, *outage, of(&after) - of(&before))?;
            }
            rollups::overlaid(self.conn, service, self.window)?;
            progress(i + 1, self.services.len());
        }
        Ok(made)
    }

    /// The downtime of the failed checks that are valid within the window, by outage.
    fn downtime(&self, service: &StoredService) -> Result<HashMap<i64, i64>> {
        let mut sums = HashMap::new();
        let rows = results::neighbours(self.conn, service.id, self.window)?;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(sums) };
        let Some(reach) = Window::new(first.at, last.at.plus(1)) else { return Ok(sums) };
        let maintenance = overlay(self.conn, service.id, reach, Which::All)?;
        for (at, ms) in timeline::downtime(rows, &maintenance) {
            if let Some(outage) = outages::id_at(self.conn, service.id, at)? {
                *sums.entry(outage).or_default() += ms;
            }
        }
        Ok(sums)
    }
}
