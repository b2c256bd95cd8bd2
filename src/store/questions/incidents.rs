//! Incidents and blips, and what was written down about them.

use crate::{
    domain::{
        incident::{CauseChange, Outage},
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    store::{
        IncidentNote, Reader, Result, Source,
        tables::outages::{self, Cursor, OutageFilter},
    },
};
use rusqlite::{OptionalExtension, params};

impl Reader {
    /// Outages, newest first, at most `limit`, after `cursor` where that is given.
    pub fn outages(&self, filter: &OutageFilter, cursor: Option<Cursor>, limit: u32) -> Result<Vec<Outage>> {
        outages::list(&*self.conn()?, filter, cursor, limit)
    }

    /// One outage.
    pub fn outage(&self, id: i64) -> Result<Option<Outage>> {
        outages::get(&*self.conn()?, id)
    }

    /// The numbers of the incidents of the same service before and after one.
    pub fn neighbours(&self, outage: &Outage) -> Result<(Option<i64>, Option<i64>)> {
        let conn = self.conn()?;
        let one = |sql: &str| -> Result<Option<i64>> {
            let found =
                conn.prepare_cached(sql)?.query_row(params![outage.service, outage.started_at.0], |row| row.get(0));
            Ok(found.optional()?)
        };
        Ok((
            one("SELECT o.id FROM outage o JOIN service s ON s.id = o.service_id
                 WHERE s.name = ?1 AND o.started_at < ?2 AND o.confirmed_at IS NOT NULL
                 ORDER BY o.started_at DESC LIMIT 1")?,
            one("SELECT o.id FROM outage o JOIN service s ON s.id = o.service_id
                 WHERE s.name = ?1 AND o.started_at > ?2 AND o.confirmed_at IS NOT NULL
                 ORDER BY o.started_at LIMIT 1")?,
        ))
    }

    /// Each change of cause while it lasted, oldest first.
    pub fn cause_changes(&self, outage: i64) -> Result<Vec<CauseChange>> {
        outages::cause_changes(&*self.conn()?, outage)
    }

    /// Outages of other services that failed with this one, by start.
    pub fn failed_with(&self, outage: &Outage) -> Result<Vec<Outage>> {
        outages::failed_with(&*self.conn()?, outage)
    }

    /// The notes of incidents of a service that an export of this window holds, in the order of time, removed ones among
    /// them: those of incidents that overlap it, and those that began in it.
    pub fn notes(&self, service: ServiceId, window: Window) -> Result<Vec<IncidentNote>> {
        let conn = self.conn()?;
        let mut statement = conn.prepare_cached(
            "SELECT s.name, n.started_at, n.note, n.noted_at, n.source
             FROM incident_note n JOIN service s ON s.id = n.service_id
             WHERE n.service_id = ?1 AND n.started_at < ?3 AND (n.started_at >= ?2 OR EXISTS
               (SELECT 1 FROM outage o WHERE o.service_id = n.service_id AND o.started_at = n.started_at
                  AND (o.ended_at IS NULL OR o.ended_at > ?2)))
             ORDER BY n.started_at",
        )?;
        let rows = statement.query_map([service.0, window.from().0, window.to().0], |row| {
            let source: String = row.get(4)?;
            Ok(IncidentNote {
                service: row.get(0)?,
                started_at: UnixMs(row.get(1)?),
                text: row.get(2)?,
                noted_at: UnixMs(row.get(3)?),
                // The table takes no other word.
                source: Source::parse(&source).unwrap_or(Source::Hand),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// When the incidents that began in the window were confirmed, in the order of time.
    pub fn confirmations(&self, window: Window) -> Result<Vec<UnixMs>> {
        let conn = self.conn()?;
        let mut statement = conn.prepare_cached(
            "SELECT confirmed_at FROM outage
             WHERE started_at >= ?1 AND started_at < ?2 AND confirmed_at IS NOT NULL ORDER BY confirmed_at",
        )?;
        let rows = statement.query_map([window.from().0, window.to().0], |row| Ok(UnixMs(row.get(0)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
