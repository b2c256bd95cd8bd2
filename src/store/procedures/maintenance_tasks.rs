//! What is done to a history beside the running service, or instead of it: it is examined, mended, thinned out, made
//! smaller.

use super::{
    forget,
    mend::{self, Fix},
    prune_reasons,
    retention::{self, RetentionProgress},
};
use crate::{
    domain::time::UnixMs,
    live::ServiceId,
    store::{
        Expired, Result, RetentionPolicy, StoreError, connection,
        disk::{
            files,
            integrity::{self, Damage},
            schema,
            source::Source,
        },
        rows::{self, Walk, sealing},
        seam::Tables,
        tables::{
            outages, rollups,
            services::{self, StoredService},
        },
    },
};
use rusqlite::{Connection, OptionalExtension};
use std::path::Path;

/// Looks at a history, also while it is written. It can change nothing.
#[derive(Debug)]
pub struct Examiner {
    conn: Connection,
    source: Source,
}

/// What the history has of one service.
#[derive(Clone, PartialEq, Debug)]
pub struct ServiceUsage {
    pub service: StoredService,
    /// Of the check results that are kept.
    pub first_at: Option<UnixMs>,
    pub last_at: Option<UnixMs>,
    pub results: u64,
    /// Those of them that are sealed.
    pub sealed: u64,
    /// What the results take in the file, estimated from a sample.
    pub bytes: u64,
    pub incidents: u64,
    pub blips: u64,
}

impl Examiner {
    /// Opens a history that exists.
    ///
    /// # Errors
    /// When there is none, it is not ours, or it cannot be opened.
    pub fn open(path: &Path) -> Result<Examiner> {
        let source = Source::of(path)?;
        let conn = source.open()?;
        schema::identify_current(&conn, path)?;
        Ok(Examiner { conn, source })
    }

    /// Makes sure, after the last look, that nobody has written a history that this user could only read as it lay.
    ///
    /// # Errors
    /// When somebody has: what was found may be wrong.
    pub fn finish(&self) -> Result<()> {
        self.source.unchanged()
    }

    /// Every service ever configured, by name.
    pub fn services(&self) -> Result<Vec<StoredService>> {
        services::all(&self.conn)
    }

    /// Makes several queries on one moment of the history.
    pub(crate) fn read<T>(&mut self, ask: impl FnOnce(Tables<'_>) -> Result<T>) -> Result<T> {
        ask(Tables::of(&*self.conn.transaction()?))
    }

    /// What SQLite reports about the file and its references. The quick way does not compare indexes with their tables.
    pub fn integrity(&self, quick: bool) -> Result<Vec<Damage>> {
        integrity::integrity(&self.conn, quick)
    }

    /// What the history has of a service.
    pub fn usage(&mut self, service: StoredService) -> Result<ServiceUsage> {
        let tx = self.conn.transaction()?;
        let every = Walk::over(service.id);
        let (first, last) = (every.first_at(&tx)?, every.last_at(&tx)?);
        // Hour sums have counted what lies in them; the edges are counted here.
        let results = match rollups::summed(&tx, service.id, first.unwrap_or(UnixMs::MIN))? {
            Some((hours, summed)) => {
                summed + every.before(hours.from()).count(&tx)? + every.from(hours.to()).count(&tx)?
            }
            None => every.count(&tx)?,
        };
        let (incidents, blips) = outages::counts(&tx, service.id)?;
        let sealed = sealing::before(&tx, service.id, UnixMs(i64::MAX))?;
        Ok(ServiceUsage {
            bytes: results.saturating_sub(sealed.results) * rows::row_bytes(&tx, service.id)? + sealed.bytes,
            sealed: sealed.results,
            first_at: first,
            last_at: last,
            results,
            incidents,
            blips,
            service,
        })
    }

    /// What is older than it has to be kept, for each kind of data.
    pub fn overdue(&mut self, keep: RetentionPolicy, now: UnixMs) -> Result<Vec<Expired>> {
        let tx = self.conn.transaction()?;
        retention::overdue(&tx, keep, now)
    }

    /// The check results that are old enough to be sealed, and lie in rows; their bytes are not estimated.
    pub fn unsealed(&mut self, keep: RetentionPolicy, now: UnixMs) -> Result<Expired> {
        let tx = self.conn.transaction()?;
        retention::unsealed(&tx, keep, now)
    }

    /// What the file takes.
    pub fn space(&self) -> Result<Space> {
        Space::of(&self.conn)
    }
}

/// What the file takes, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    pub bytes: u64,
    /// The part of it that holds nothing any more.
    pub free_bytes: u64,
}

impl Space {
    fn of(conn: &Connection) -> Result<Space> {
        let number = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let page = number("page_size")?.unsigned_abs();
        Ok(Space {
            bytes: number("page_count")?.unsigned_abs() * page,
            free_bytes: number("freelist_count")?.unsigned_abs() * page,
        })
    }
}

/// The right to write a history, for a command instead of the service.
#[derive(Debug)]
pub struct MaintenanceTasks {
    conn: Connection,
    _lock: schema::Lock,
}

/// Pages given back in one step: 4 MiB.
const PAGES_AT_ONCE: u32 = 1024;
/// Rows of a forgotten service that are deleted in one step.
const FORGOTTEN_AT_ONCE: usize = 5_000;

impl MaintenanceTasks {
    /// Opens a history that exists, when nobody else writes it.
    ///
    /// # Errors
    /// When there is none, it cannot be used, or a running service (or another command) holds it.
    pub fn open(path: &Path) -> Result<MaintenanceTasks> {
        files::present(path)?;
        let lock = schema::lock(path)?;
        Ok(MaintenanceTasks { conn: connection::open_writer(path)?, _lock: lock })
    }

    /// Every service ever configured, by name.
    pub fn services(&self) -> Result<Vec<StoredService>> {
        services::all(&self.conn)
    }

    /// Makes several queries on one moment of the history.
    pub(crate) fn read<T>(&mut self, ask: impl FnOnce(Tables<'_>) -> Result<T>) -> Result<T> {
        ask(Tables::of(&*self.conn.transaction()?))
    }

    /// Makes changes to what is derived of a service, all of them or none.
    pub(crate) fn mend<'a>(&mut self, service: ServiceId, fixes: impl Iterator<Item = &'a Fix>) -> Result<()> {
        mend::mend(&mut self.conn, service, fixes)
    }

    /// Deletes one small piece of what is too old; whether there may be more.
    ///
    /// # Errors
    /// When the file cannot be written; nothing was deleted by this call then.
    pub fn retire(&mut self, sweep: &mut Retiring, keep: RetentionPolicy, now: UnixMs) -> Result<bool> {
        sweep.0.step(&mut self.conn, keep, now)
    }

    /// Takes a service out of every answer, and announces of its incident that is open that nobody will see its end; its rows go with [`MaintenanceTasks::forget_some`].
    ///
    /// # Errors
    /// When there is no such service, or the file cannot be written.
    pub fn forget(&mut self, name: &str, now: UnixMs) -> Result<()> {
        forget::begin(&mut self.conn, name, now).map(drop)
    }

    /// Deletes a piece of what is left of services that are being forgotten; how many rows. 0 when all of it has gone.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn forget_some(&mut self) -> Result<usize> {
        let Some(service) = services::forgotten(&self.conn)? else { return Ok(0) };
        let tx = self.conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let rows = forget::some(&tx, service, FORGOTTEN_AT_ONCE)?;
        tx.commit()?;
        Ok(rows)
    }

    /// Makes rows again of the newest sealed day of a service that begins before a moment. `None` when there is none.
    ///
    /// # Errors
    /// When the file cannot be written; the day stays sealed then.
    pub fn unseal_next(&mut self, service: ServiceId, before: UnixMs) -> Result<Option<Unsealed>> {
        let tx = self.conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let Some(day) = sealing::newest(&tx, service, before)? else { return Ok(None) };
        let results = match sealing::unseal(&tx, service, day) {
            Ok(0) => Err(format!("{day} is said to be a sealed day, and is none")),
            Ok(results) => Ok(results as u64),
            Err(StoreError::Content(why)) => return Ok(Some(Unsealed { day, results: Err(why) })),
            Err(error) => return Err(error),
        };
        tx.commit()?;
        Ok(Some(Unsealed { day, results }))
    }

    /// Deletes a sealed day that is damaged; how many results it had.
    ///
    /// # Errors
    /// When it is not damaged, or the file cannot be written.
    pub fn drop_sealed(&mut self, service: ServiceId, day: UnixMs) -> Result<u64> {
        let tx = self.conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let results = sealing::drop_damaged(&tx, service, day)?;
        tx.commit()?;
        Ok(results as u64)
    }

    /// What the file takes.
    pub fn space(&self) -> Result<Space> {
        Space::of(&self.conn)
    }

    /// Deletes the reasons of results that have all gone; how many. It reads every result once.
    ///
    /// # Errors
    /// When the file cannot be read or written; nothing was deleted then.
    pub fn prune_reasons(&mut self) -> Result<usize> {
        prune_reasons::prune(&mut self.conn)
    }

    /// Gives a piece of what holds nothing back to the file system; whether there is more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn compact_some(&mut self) -> Result<bool> {
        let free = self.space()?.free_bytes;
        let in_steps: i64 = self.conn.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
        if free > 0 && in_steps != 2 {
            // A copy of a history may have lost the mark that lets it shrink in steps: it is written anew, with it.
            self.conn.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM")?;
        } else if free > 0 {
            let mut statement = self.conn.prepare(&format!("PRAGMA incremental_vacuum({PAGES_AT_ONCE})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
        }
        // The file itself becomes shorter only when the log has been written back to it.
        self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).optional()?;
        let left = self.space()?.free_bytes;
        Ok(left > 0 && left < free)
    }
}

/// A sealed day that was to become rows again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsealed {
    pub day: UnixMs,
    /// How many results are rows again; or why it is sealed as before: it is damaged.
    pub results: std::result::Result<u64, String>,
}

/// How far the deletion of what is too old has come.
#[derive(Default, Debug)]
pub struct Retiring(RetentionProgress);
