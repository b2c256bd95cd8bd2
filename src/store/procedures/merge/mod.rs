//! Takes another history in.
//!
//! Everything happens in one transaction: until [`Merge::commit`] returns, the history is as it was, whatever happens.
//! Rows are united by (service, time); everything that follows from rows is made anew from the united rows, by the
//! rules that made it live. Where two histories differ, one record is kept, and which one does not depend on which
//! came first: of two results of one moment the worse, of two descriptions of a service the one with the later
//! settings, of two incidents with one number the later keeps it and the other gets a new one.

mod arriving;
mod day;
mod described;
mod rebuild;
mod responses;
mod staged;
mod windows;

use self::day::Day;
use crate::{
    domain::{
        check::Reason,
        incident::{Cause, Gap, Outage},
        time::UnixMs,
    },
    live::ServiceId,
    store::{
        IncidentNote, Interruption, Maintenance, Result, RunHead, StoreError, connection,
        disk::schema,
        questions::{
            export,
            export_records::{Beyond, Head, OutageRecord, ServiceHead, SettingHead, SumRecord, SumSize},
        },
        rows::Walk,
        seam::Tables,
        tables::{
            kept::{self, RetainedFrom},
            maintenance, notes, outages, outbox, reasons, rollups, runs, services, settings,
        },
    },
};
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

/// What arrives waits here for the rows to be complete. `file` is 0 for what the history had itself.
const WAITING: &str = "
    CREATE TEMP TABLE in_outage (
      src INTEGER PRIMARY KEY, file INTEGER NOT NULL, service_id INTEGER NOT NULL, id INTEGER NOT NULL,
      last_ok_at INTEGER, started_at INTEGER NOT NULL, confirmed_at INTEGER, ended_at INTEGER,
      down_ms INTEGER NOT NULL, checks_failed INTEGER NOT NULL, reason_id INTEGER NOT NULL, http_status INTEGER,
      latency_us INTEGER, dns_us INTEGER, connect_us INTEGER, tls_us INTEGER, ttfb_us INTEGER, excerpt TEXT,
      seen_from INTEGER, before_checks INTEGER, before_ms INTEGER);
    CREATE INDEX in_outage_of ON in_outage (service_id, started_at);
    CREATE TEMP TABLE in_change (
      src INTEGER NOT NULL, at INTEGER NOT NULL, reason_id INTEGER NOT NULL, http_status INTEGER, excerpt TEXT,
      PRIMARY KEY (src, at)) WITHOUT ROWID;
    CREATE TEMP TABLE in_excerpt (
      service_id INTEGER NOT NULL, at INTEGER NOT NULL, excerpt TEXT NOT NULL,
      PRIMARY KEY (service_id, at)) WITHOUT ROWID;
    CREATE TEMP TABLE in_gap (
      service_id INTEGER NOT NULL, from_at INTEGER NOT NULL, to_at INTEGER NOT NULL, why TEXT NOT NULL,
      PRIMARY KEY (service_id, from_at, to_at, why)) WITHOUT ROWID;
    CREATE TEMP TABLE claim (
      outage_id INTEGER NOT NULL, claimed INTEGER NOT NULL, file INTEGER NOT NULL,
      PRIMARY KEY (outage_id, claimed, file)) WITHOUT ROWID;
    -- Events that told of incidents which are open before anything arrives.
    CREATE TEMP TABLE told_open AS
      SELECT e.id AS event FROM outbox e JOIN outage o ON o.id = e.outage_id
      WHERE e.event = 'confirmed' AND o.ended_at IS NULL;";

/// Distinct reasons whose numbers are kept in mind.
const REASONS_IN_MIND: usize = 10_000;

/// A history that takes others in. Nobody else can write it meanwhile.
#[derive(Debug)]
pub struct Merge {
    conn: Connection,
    path: PathBuf,
    /// There was no history here; without a commit there is none afterwards.
    made: bool,
    committed: bool,
    file: i64,
    services: HashMap<String, Arriving>,
    reasons: HashMap<Reason, i64>,
    /// Services that the file under way does not contain, but whose maintenance it changed.
    also: BTreeMap<String, ServiceId>,
    /// The windows of maintenance that the file under way has named so far.
    windows: HashSet<i64>,
    day: Day,
    merged: Merged,
    _lock: schema::Lock,
}

/// What a merge changed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Merged {
    /// Services that were not known.
    pub services: u64,
    /// Check results that were not known,
    pub added: u64,
    /// that were known already,
    pub known: u64,
    /// and that were known otherwise and are now what arrived.
    pub replaced: u64,
    /// Incidents whose number was taken and that have a new one.
    pub renumbered: u64,
    /// The oldest result that was added.
    pub oldest_added: Option<UnixMs>,
}

/// A service that the file under way contains.
#[derive(Clone, Copy, Debug)]
struct Arriving {
    id: ServiceId,
    /// The oldest of its results in this file.
    first: Option<UnixMs>,
}

impl Merge {
    /// Opens (or makes) the history at `path` and begins to take in.
    ///
    /// # Errors
    /// When it cannot be opened or another process holds it.
    pub fn open(path: &Path) -> Result<Merge> {
        let made = !path.exists();
        let lock = schema::lock(path)?;
        let conn = connection::open_writer(path)?;
        // Outages are taken out and put back with other numbers in between; what points to them is compared at the end.
        conn.pragma_update(None, "foreign_keys", false)?;
        conn.pragma_update(None, "cache_size", -16_384)?;
        conn.execute_batch("BEGIN IMMEDIATE")?;
        conn.execute_batch(WAITING)?;
        Ok(Merge {
            conn,
            path: path.to_owned(),
            made,
            committed: false,
            file: 0,
            services: HashMap::new(),
            reasons: HashMap::new(),
            also: BTreeMap::new(),
            windows: HashSet::new(),
            day: Day::default(),
            merged: Merged::default(),
            _lock: lock,
        })
    }

    /// Begins with another history.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&mut self, head: &Head) -> Result<()> {
        self.file += 1;
        self.services.clear();
        self.windows.clear();
        kept::settle(&self.conn)?;
        let here: BTreeSet<String> = services::all(&self.conn)?.into_iter().map(|s| s.name).collect();
        if head.services.iter().any(|s| !here.contains(&s.name)) {
            // A window for all services was recorded before those that arrive were among them.
            maintenance::name_all(&self.conn)?;
        }
        for service in &head.services {
            let id = self.service(service)?;
            self.services.insert(service.name.clone(), Arriving { id, first: None });
        }
        self.runs(&head.runs)?;
        self.interruptions(&head.interruptions)
    }

    /// Whether the history under way has a service of this name.
    pub fn knows(&self, service: &str) -> bool {
        self.services.contains_key(service)
    }

    fn service(&mut self, new: &ServiceHead) -> Result<ServiceId> {
        let id = match services::by_name(&self.conn, &new.name)? {
            None => {
                self.merged.services += 1;
                described::add(&self.conn, new)?
            }
            Some(old) => {
                self.remember(old.id)?;
                described::unite(&self.conn, &old, new)?;
                old.id
            }
        };
        for setting in &new.settings {
            self.setting(id, setting)?;
        }
        kept::note(
            &self.conn,
            id,
            RetainedFrom { rows_from: new.rows_from, hours_from: new.hours_from, days_from: None },
        )?;
        Ok(id)
    }

    /// Keeps what the history itself has recorded of a service and could not derive from the united rows.
    fn remember(&mut self, id: ServiceId) -> Result<()> {
        let first = Walk::over(id).first_at(&self.conn)?;
        let filter = outages::OutageFilter {
            service: Some(id),
            window: None,
            kind: outages::OutageKind::All,
            ..Default::default()
        };
        let mut cursor = None;
        loop {
            let page = outages::list(&self.conn, &filter, cursor, 1000)?;
            for outage in &page {
                let beyond = match first {
                    Some(first) if first <= outage.started_at => None,
                    first => Some(export::beyond(Tables::of(&self.conn), id, outage, first)?),
                };
                // Of the changes of cause that follow from the rows, the answers of that time are of interest.
                for change in outages::cause_changes(&self.conn, outage.id)? {
                    if let Some(excerpt) = &change.excerpt {
                        self.excerpt(id, change.at, excerpt)?;
                    }
                }
                self.waiting_outage(0, id, outage, beyond.as_ref(), first)?;
            }
            match page.last() {
                Some(last) if page.len() == 1000 => {
                    cursor = Some(outages::Cursor { started_at: last.started_at, id: last.id });
                }
                _ => break,
            }
        }
        self.conn
            .prepare_cached(
                "INSERT OR IGNORE INTO in_gap SELECT service_id, from_at, to_at, why FROM gap WHERE service_id = ?1",
            )?
            .execute([id.0])?;
        // Pieces of the gap that lasts which are over are in its exports, and so they count here.
        if let Some(service) = services::by_id(&self.conn, id)? {
            for gap in runs::open_gap(&self.conn, &service, UnixMs::MAX)? {
                self.waiting_gap(id, &gap)?;
            }
        }
        // Sums that follow from the rows are made anew, and until then nobody is to take them for more than that.
        rollups::forget(&self.conn, id, kept::of(&self.conn, id)?)
    }

    fn setting(&self, id: ServiceId, new: &SettingHead) -> Result<()> {
        let old = export::settings(Tables::of(&self.conn), id)?.into_iter().find(|old| old.since == new.since);
        if old.is_none_or(|old| old < *new) {
            settings::write(&self.conn, id, new.since, &new.setting())?;
        }
        Ok(())
    }

    fn runs(&self, new: &[RunHead]) -> Result<()> {
        let old = export::runs(Tables::of(&self.conn))?;
        let runs = export::once(old.iter().chain(new).cloned().collect());
        if runs != old {
            self.conn.execute("DELETE FROM run", [])?;
            for run in runs {
                self.conn
                    .prepare_cached(
                        "INSERT INTO run (started_at, alive_at, stopped_at, version) VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![run.started_at.0, run.alive_at.0, run.stopped_at.map(|t| t.0), run.version])?;
            }
        }
        Ok(())
    }

    fn interruptions(&self, new: &[Interruption]) -> Result<()> {
        let key = |i: &Interruption| (i.from, i.to, i.why.as_str(), i.results);
        let old: BTreeSet<_> = runs::interruptions(&self.conn)?.iter().map(key).collect();
        for interruption in new.iter().filter(|i| !old.contains(&key(i))) {
            runs::note_interruption(&self.conn, interruption)?;
        }
        Ok(())
    }

    fn arriving(&mut self, service: &str) -> Result<&mut Arriving> {
        self.services
            .get_mut(service)
            .ok_or_else(|| StoreError::Content(format!("something of “{service}”, a service that nothing was said of")))
    }

    fn reason(&mut self, reason: &Reason) -> Result<i64> {
        if let Some(id) = self.reasons.get(reason) {
            return Ok(*id);
        }
        if self.reasons.len() >= REASONS_IN_MIND {
            self.reasons.clear();
        }
        let id = reasons::id(&self.conn, reason)?;
        self.reasons.insert(reason.clone(), id);
        Ok(id)
    }

    fn excerpt(&self, id: ServiceId, at: UnixMs, excerpt: &str) -> Result<()> {
        self.conn
            .prepare_cached(
                "INSERT INTO in_excerpt VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET excerpt = max(excerpt, excluded.excerpt)",
            )?
            .execute(params![id.0, at.0, excerpt])?;
        Ok(())
    }

    /// Takes in what was recorded of an outage: its number, and what of it does not follow from the rows.
    ///
    /// # Errors
    /// When it cannot be written, or its service is not known.
    pub fn outage(&mut self, record: &OutageRecord) -> Result<()> {
        let Arriving { id, first } = *self.arriving(&record.outage.service)?;
        self.waiting_outage(self.file, id, &record.outage, record.beyond.as_ref(), first)
    }

    fn waiting_outage(
        &mut self,
        file: i64,
        service: ServiceId,
        outage: &Outage,
        beyond: Option<&Beyond>,
        seen_from: Option<UnixMs>,
    ) -> Result<()> {
        let Outage { id, last_ok_at, started_at, confirmed_at, ended_at, down_ms, checks_failed, cause, .. } = outage;
        let Cause { reason, http_status, latency_us, phases, excerpt } = cause;
        let reason = self.reason(reason)?;
        if let Some(excerpt) = excerpt {
            self.excerpt(service, *started_at, excerpt)?;
        }
        self.conn
            .prepare_cached(
                "INSERT INTO in_outage VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,
                   ?16, ?17, ?18, ?19, ?20)",
            )?
            .execute(params![
                file,
                service.0,
                id,
                last_ok_at.map(|t| t.0),
                started_at.0,
                confirmed_at.map(|t| t.0),
                ended_at.map(|t| t.0),
                down_ms,
                *checks_failed as i64,
                reason,
                http_status,
                latency_us,
                phases.dns_us,
                phases.connect_us,
                phases.tls_us,
                phases.ttfb_us,
                excerpt,
                seen_from.map(|t| t.0),
                beyond.map(|b| b.checks_failed as i64),
                beyond.map(|b| b.down_ms),
            ])?;
        let src = self.conn.last_insert_rowid();
        for change in beyond.iter().flat_map(|b| &b.changes) {
            let reason = self.reason(&change.reason)?;
            self.conn
                .prepare_cached("INSERT OR REPLACE INTO in_change VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![src, change.at.0, reason, change.http_status, change.excerpt])?;
        }
        Ok(())
    }

    /// Takes in what was recorded of a gap: why nothing was observed. A gap that lasts is not taken in.
    ///
    /// # Errors
    /// When it cannot be written, or its service is not known.
    pub fn gap(&mut self, gap: &Gap) -> Result<()> {
        let id = self.arriving(&gap.service)?.id;
        self.waiting_gap(id, gap)
    }

    fn waiting_gap(&self, id: ServiceId, gap: &Gap) -> Result<()> {
        if let Some(to) = gap.to {
            self.conn.prepare_cached("INSERT OR IGNORE INTO in_gap VALUES (?1, ?2, ?3, ?4)")?.execute(params![
                id.0,
                gap.from.0,
                to.0,
                gap.why.as_str()
            ])?;
        }
        Ok(())
    }

    /// Takes in a window of maintenance. “All services” are those of its history.
    ///
    /// # Errors
    /// When it cannot be written, or one of its services is not known.
    pub fn maintenance(&mut self, one: &Maintenance) -> Result<()> {
        let mut ids = Vec::new();
        for name in one.services.iter().flatten() {
            ids.push(self.arriving(name)?.id);
        }
        let all = services::all(&self.conn)?;
        if one.services.is_none() {
            ids = self.services.values().map(|arriving| arriving.id).collect();
        }
        let everything = one.services.is_none() && all.iter().all(|s| self.services.contains_key(&s.name));
        for id in windows::unite(&self.conn, one, everything, &ids, &mut self.windows)? {
            let Some(service) = all.iter().find(|s| s.id == id) else { continue };
            if !self.services.contains_key(&service.name) && !self.also.contains_key(&service.name) {
                self.remember(id)?;
                self.also.insert(service.name.clone(), id);
            }
        }
        Ok(())
    }

    /// Takes in what was written down about an incident. Of two that differ the one that was written later stays.
    ///
    /// # Errors
    /// When it cannot be written, or its service is not known.
    pub fn note(&mut self, note: &IncidentNote) -> Result<()> {
        let id = self.arriving(&note.service)?.id;
        notes::unite(&self.conn, id, note)
    }

    /// Takes in the sum of an hour or a day whose rows are gone.
    ///
    /// # Errors
    /// When it cannot be written, or its service is not known.
    pub fn sum(&mut self, service: &str, sum: &SumRecord) -> Result<()> {
        let id = self.arriving(service)?.id;
        let size = match sum.size {
            SumSize::Hour => rollups::Size::Hour,
            SumSize::Day => rollups::Size::Day,
        };
        rollups::raise(&self.conn, size, id, sum.start, &sum.tally)
    }

    /// Ends the history under way: makes anew what follows from the rows of its services.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(&mut self, mut each: impl FnMut(&str)) -> Result<()> {
        let mut names: Vec<(String, ServiceId)> = self.services.iter().map(|(n, a)| (n.clone(), a.id)).collect();
        names.extend(std::mem::take(&mut self.also));
        names.sort();
        for (name, id) in &names {
            each(name);
            rebuild::service(&self.conn, *id)?;
        }
        self.merged.renumbered += rebuild::number(&self.conn)?;
        self.conn.execute_batch(
            "DELETE FROM in_outage; DELETE FROM in_change; DELETE FROM in_excerpt; DELETE FROM in_gap; DELETE FROM claim;",
        )?;
        Ok(())
    }

    /// Writes everything that was taken in, all at once.
    ///
    /// # Errors
    /// When it cannot be written; the history is as it was then.
    pub fn commit(mut self) -> Result<Merged> {
        let broken: Option<String> = self
            .conn
            .query_row("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1", [], |row| row.get(0))
            .optional()?;
        if let Some(table) = broken {
            return Err(StoreError::Content(format!("a row of {table} that points to none")));
        }
        outbox::owe_ends(&self.conn)?;
        self.conn.execute_batch("COMMIT")?;
        self.committed = true;
        // The log is as large as what arrived; it is not left lying about.
        self.conn.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
        Ok(self.merged)
    }
}

impl Drop for Merge {
    fn drop(&mut self) {
        if !self.committed {
            let _ = self.conn.execute_batch("ROLLBACK");
            if self.made {
                for suffix in ["", "-wal", "-shm"] {
                    let mut name = self.path.clone().into_os_string();
                    name.push(suffix);
                    let _ = std::fs::remove_file(name);
                }
            }
        }
    }
}
