//! Rows are kept by time; what is older goes in transactions so small that no check waits for them.

use super::forget;
use crate::{
    domain::time::{DAY_MS, UnixMs},
    live::ServiceId,
    store::{
        Result,
        rows::{self, Usage, Walk, sealing},
        tables::{
            kept::{
                self,
                aged::{self, Aged, DAYS, GAPS, HOURS, OUTAGES},
            },
            notes, outages, responses, results,
            services::{self, Settled},
        },
    },
};
use rusqlite::Connection;
use std::collections::HashMap;

/// How long what is kept, in days; `None`: for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetentionPolicy {
    pub checks: Option<u32>,
    pub hours: Option<u32>,
    /// Day rollups, incidents and gaps.
    pub days: Option<u32>,
    /// How long check results are kept as rows before they are sealed.
    pub rows: Option<u32>,
}

impl RetentionPolicy {
    /// Everything, as it was written.
    pub const FOREVER: RetentionPolicy = RetentionPolicy { checks: None, hours: None, days: None, rows: None };
}

/// Rows deleted in one transaction.
const ROWS_AT_ONCE: usize = 720;
/// Services looked at in one transaction. It must be short also where there are thousands and nothing is too old.
const SERVICES_AT_ONCE: u32 = 64;
/// Days that settled alerts are kept.
const ALERTS_DAYS: i64 = 90;

/// The first moment that is kept, a whole day; `None` when everything is.
fn first_kept(keep: Option<u32>, now: UnixMs) -> Option<UnixMs> {
    keep.map(|days| now.plus(-i64::from(days) * DAY_MS).floor(DAY_MS))
}

/// What of one service is too old: whatever lies before these moments. `None`: nothing is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Limits {
    checks: Option<UnixMs>,
    hours: Option<UnixMs>,
    /// Day rollups that start before it, outages and gaps that ended before it.
    days: Option<UnixMs>,
}

impl Limits {
    fn of(
        conn: &Connection,
        service: ServiceId,
        rolled_until: Option<UnixMs>,
        keep: RetentionPolicy,
        now: UnixMs,
    ) -> Result<Limits> {
        // What is not settled into a rollup yet must stay.
        let Some(settled) = rolled_until else { return Ok(Limits::default()) };
        Ok(Limits {
            checks: match first_kept(keep.checks, now) {
                Some(first) => Some(first_needed(conn, service, first.min(settled))?),
                None => None,
            },
            hours: first_kept(keep.hours, now).map(|first| first.min(settled.floor(DAY_MS))),
            days: first_kept(keep.days, now),
        })
    }
}

/// The first moment of which rows are needed so that every window from `first` on can be answered from rows: a day more
/// than promised, and in any case the result that is valid at `first`, which can be two weeks old where a service is
/// checked once a week. While a service is down also its latest failure: from it on the passes that end the outage are
/// counted.
fn first_needed(conn: &Connection, service: ServiceId, first: UnixMs) -> Result<UnixMs> {
    let speaking = Walk::over(service).before(first.plus(1)).last_at(conn)?;
    // One in announced maintenance does not count.
    let failure = match outages::open(conn, service)? {
        Some(_) => results::last_failed(conn, service, UnixMs(i64::MAX))?,
        None => None,
    };
    let needed = speaking.into_iter().chain(failure);
    Ok(needed.fold(first.plus(-DAY_MS), UnixMs::min))
}

/// Days sealed before it is looked again for what is too old.
const SEALED_AT_ONCE: u32 = 2_000;

/// What a step did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Did {
    Nothing,
    Deleted,
    /// Days of this service that end by then.
    Sealed(ServiceId, UnixMs),
}

/// The progress of the sweep over the services: first it deletes, then it seals. One piece at a time, each in a
/// transaction of its own.
#[derive(Clone, Default, Debug)]
pub(in crate::store) struct RetentionProgress {
    /// Services up to this one are done.
    done: i64,
    /// Whether anything was deleted since the first service.
    deleted: bool,
    sealing: bool,
    /// Days sealed since the last deletion.
    sealed: u32,
    /// Of each service: days that end by then are sealed, or not worth it.
    sealed_until: HashMap<ServiceId, UnixMs>,
}

impl RetentionProgress {
    /// Deletes one small piece of what is too old, or seals a day of it. `false` when the sweep is through and nothing
    /// is left to do. The sweep logs what is damaged of a service, and goes on with the next one.
    pub(in crate::store) fn step(&mut self, conn: &mut Connection, keep: RetentionPolicy, now: UnixMs) -> Result<bool> {
        if self.sealed >= SEALED_AT_ONCE {
            self.begin(false);
        }
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        note(&tx, "rows_from", first_kept(keep.checks, now))?;
        note(&tx, "hours_from", first_kept(keep.hours, now))?;
        note(&tx, "days_from", first_kept(keep.days, now))?;
        let services = services::after(&tx, self.done, SERVICES_AT_ONCE)?;
        let Some(last) = services.last() else {
            let alerts = aged::delete_alerts(&tx, now.plus(-ALERTS_DAYS * DAY_MS))?;
            tx.commit()?;
            return Ok(self.next_round(keep, alerts > 0));
        };
        let (mut done, mut did) = (last.id.0, Did::Nothing);
        for &Settled { id: service, until: rolled_until, is_forgotten: forgotten } in &services {
            did = match self.piece(&tx, service, rolled_until, forgotten, keep, now) {
                Ok(did) => did,
                Err(error) if error.is_of_data() => {
                    tracing::error!(service = service.0, "expired results of a service were not deleted: {error}");
                    self.done = service.0;
                    return Ok(true);
                }
                Err(error) => return Err(error),
            };
            if did != Did::Nothing {
                // There may be more of it.
                done = service.0 - 1;
                break;
            }
        }
        tx.commit()?;
        self.done = done;
        match did {
            Did::Nothing => {}
            Did::Deleted => self.deleted = true,
            Did::Sealed(service, until) => {
                self.sealed_until.insert(service, until);
                self.sealed += 1;
            }
        }
        Ok(true)
    }

    /// Deletes or seals a piece of one service.
    fn piece(
        &self,
        conn: &Connection,
        service: ServiceId,
        rolled_until: Option<UnixMs>,
        forgotten: bool,
        keep: RetentionPolicy,
        now: UnixMs,
    ) -> Result<Did> {
        if !self.sealing {
            let deleted = match forgotten {
                true => forget::some(conn, service, ROWS_AT_ONCE)?,
                false => delete_some(conn, service, &Limits::of(conn, service, rolled_until, keep, now)?)?,
            };
            return Ok(if deleted > 0 { Did::Deleted } else { Did::Nothing });
        }
        let Some(until) = seal_until(rolled_until, keep, now).filter(|_| !forgotten) else { return Ok(Did::Nothing) };
        let from = self.sealed_until.get(&service).copied().unwrap_or(UnixMs::MIN);
        let sealed = sealing::seal_next(conn, service, from, until)?;
        Ok(sealed.map_or(Did::Nothing, |until| Did::Sealed(service, until)))
    }

    /// Every service was looked at: whether to go on, from the first one.
    fn next_round(&mut self, keep: RetentionPolicy, alerts: bool) -> bool {
        let again = self.deleted || alerts;
        let sealing = !self.sealing && !again && keep.rows.is_some();
        self.begin(sealing);
        again || sealing
    }

    fn begin(&mut self, sealing: bool) {
        *self = RetentionProgress {
            sealing,
            sealed_until: std::mem::take(&mut self.sealed_until),
            ..RetentionProgress::default()
        };
    }
}

/// Up to when days of a service are sealed.
fn seal_until(rolled_until: Option<UnixMs>, keep: RetentionPolicy, now: UnixMs) -> Option<UnixMs> {
    Some(first_kept(keep.rows, now)?.min(rolled_until?.floor(DAY_MS)))
}

/// Notes from when on something can be relied on. It never moves back: what is gone is gone.
fn note(conn: &Connection, name: &str, first: Option<UnixMs>) -> Result<()> {
    first.map_or(Ok(()), |first| kept::advance(conn, name, first))
}

/// Deletes a piece of what is too old of one service; how many rows.
fn delete_some(conn: &Connection, service: ServiceId, limits: &Limits) -> Result<usize> {
    if let Some(before) = limits.checks {
        let deleted = rows::delete_oldest(conn, service, before, ROWS_AT_ONCE)?;
        if deleted > 0 {
            return Ok(deleted);
        }
    }
    for (aged, before) in tables(limits) {
        let Some(before) = before else { continue };
        if *aged == OUTAGES {
            outages::note_last_id(conn)?;
        }
        let deleted = aged::delete(conn, aged, service, before)?;
        if deleted > 0 && *aged == OUTAGES {
            notes::retire(conn, service, before)?;
            responses::retire(conn, service, before)?;
        }
        if deleted > 0 {
            return Ok(deleted);
        }
    }
    Ok(0)
}

/// What is deleted row by row, and up to when.
fn tables(limits: &Limits) -> [(&'static Aged, Option<UnixMs>); 4] {
    [(&HOURS, limits.hours), (&DAYS, limits.days), (&GAPS, limits.days), (&OUTAGES, limits.days)]
}

/// What retention would delete of one kind of data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expired {
    /// In words: `check results`, `hour sums`, …
    pub kind: &'static str,
    pub rows: u64,
    /// The beginnings of the oldest and the newest of them.
    pub from: Option<UnixMs>,
    pub to: Option<UnixMs>,
    /// What they take in the file, estimated from a sample.
    pub bytes: u64,
}

/// Hands `each` every service that is not being forgotten, with up to when it is settled.
fn each_service(conn: &Connection, mut each: impl FnMut(ServiceId, Option<UnixMs>) -> Result<()>) -> Result<()> {
    let mut done = 0;
    loop {
        let services = services::after(conn, done, SERVICES_AT_ONCE)?;
        let Some(last) = services.last() else { return Ok(()) };
        for service in services.iter().filter(|service| !service.is_forgotten) {
            each(service.id, service.until)?;
        }
        done = last.id.0;
    }
}

impl Expired {
    fn nothing(kind: &'static str) -> Expired {
        Expired { kind, rows: 0, from: None, to: None, bytes: 0 }
    }

    fn add(&mut self, stock: Usage) {
        self.from = [self.from, stock.first_at].into_iter().flatten().min();
        self.to = self.to.max(stock.last_at);
        self.rows += stock.results;
        self.bytes += stock.bytes;
    }
}

/// What is too old by now, for each kind of data.
pub(in crate::store) fn overdue(conn: &Connection, keep: RetentionPolicy, now: UnixMs) -> Result<Vec<Expired>> {
    let mut all =
        ["check results", "hour sums", "day sums", "gaps", "incidents and blips"].map(Expired::nothing).to_vec();
    each_service(conn, |service, rolled_until| {
        let limits = Limits::of(conn, service, rolled_until, keep, now)?;
        let checks = limits.checks.map(|before| rows::overdue(conn, service, before));
        let others =
            tables(&limits).map(|(aged, before)| before.map(|before| aged::usage(conn, aged, service, before)));
        for (kind, stock) in all.iter_mut().zip([checks].into_iter().chain(others)) {
            kind.add(stock.transpose()?.unwrap_or_default());
        }
        Ok(())
    })?;
    let alerts = aged::alerts(conn, now.plus(-ALERTS_DAYS * DAY_MS))?;
    all.push(Expired { rows: alerts, bytes: alerts * 150, ..Expired::nothing("told alerts") });
    Ok(all)
}

/// The check results that are old enough to be sealed, and lie in rows.
pub(in crate::store) fn unsealed(conn: &Connection, keep: RetentionPolicy, now: UnixMs) -> Result<Expired> {
    let mut all = Expired::nothing("check results to seal");
    each_service(conn, |service, rolled_until| {
        if let Some(until) = seal_until(rolled_until, keep, now) {
            let kept = Limits::of(conn, service, rolled_until, keep, now)?.checks;
            all.add(sealing::unsealed(conn, service, kept.unwrap_or(UnixMs::MIN), until)?);
        }
        Ok(())
    })?;
    Ok(all)
}
