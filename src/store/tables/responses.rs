//! What people did about alerts: acknowledgements of incidents, and silences.
//!
//! As its note, an acknowledgement belongs to the incident of a service that began at a moment, not to the incident's
//! number: whatever makes outages anew leaves it with them.

use crate::{
    domain::{time::UnixMs, window::Window},
    live::ServiceId,
    routing::{Acknowledgement, Silence},
    store::{Result, StoreError},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// That channels were not notified of an incident.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SilencedIncident {
    pub why: SilencedBy,
    /// That ended first: then channels were notified.
    pub told_at: Option<UnixMs>,
}

/// Why channels were not notified of an incident.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SilencedBy {
    Silence(Silence),
    /// Its service flapped, and they were told that.
    Flapping,
    /// A service of this name had failed, which its service depends on; or that was not known yet.
    Dependency(String),
}

/// What links are signed with, made where there is none yet. It is not part of any export.
pub(in crate::store) fn link_key(conn: &Connection) -> Result<String> {
    conn.execute("INSERT INTO fact VALUES ('link key', lower(hex(randomblob(32)))) ON CONFLICT DO NOTHING", [])?;
    Ok(conn.query_row("SELECT value FROM fact WHERE name = 'link key'", [], |row| row.get(0))?)
}

/// The same, as it leaves a history or arrives in one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SilencedRecord {
    /// The service's name.
    pub service: String,
    /// When the incident began.
    pub started_at: UnixMs,
    /// The id of the silence.
    pub silence: String,
    pub at: UnixMs,
    pub told_at: Option<UnixMs>,
}

/// What people did about alerts, as an export of a window holds it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ResponseRecords {
    /// Each with the name of its service, and when the incident began.
    pub acknowledgements: Vec<(String, UnixMs, Acknowledgement)>,
    pub silences: Vec<Silence>,
    pub silenced: Vec<SilencedRecord>,
}

/// Adds what a window has of a service: what was done about the incidents that overlap it, and those that began in it.
pub(in crate::store) fn of_window(
    conn: &Connection,
    service: ServiceId,
    window: Window,
    records: &mut ResponseRecords,
) -> Result<()> {
    let within = "n.service_id = ?1 AND n.started_at < ?3 AND (n.started_at >= ?2 OR EXISTS
           (SELECT 1 FROM outage o WHERE o.service_id = n.service_id AND o.started_at = n.started_at
              AND (o.ended_at IS NULL OR o.ended_at > ?2)))";
    let parameters = [service.0, window.from().0, window.to().0];
    let mut statement = conn.prepare_cached(&format!(
        "SELECT s.name, n.started_at, n.at, n.until_at, n.author, n.note
         FROM acknowledgement n JOIN service s ON s.id = n.service_id WHERE {within} ORDER BY n.started_at, n.at"
    ))?;
    let rows = statement.query_map(parameters, |row| {
        let acknowledgement = Acknowledgement {
            at: UnixMs(row.get(2)?),
            until: row.get::<_, Option<i64>>(3)?.map(UnixMs),
            author: row.get(4)?,
            note: row.get(5)?,
        };
        Ok((row.get(0)?, UnixMs(row.get(1)?), acknowledgement))
    })?;
    for row in rows {
        records.acknowledgements.push(row?);
    }
    let mut statement = conn.prepare_cached(&format!(
        "SELECT s.name, n.started_at, n.silence_id, n.at, n.told_at
         FROM silenced n JOIN service s ON s.id = n.service_id WHERE {within} ORDER BY n.started_at, n.silence_id"
    ))?;
    let rows = statement.query_map(parameters, |row| {
        Ok(SilencedRecord {
            service: row.get(0)?,
            started_at: UnixMs(row.get(1)?),
            silence: row.get(2)?,
            at: UnixMs(row.get(3)?),
            told_at: row.get::<_, Option<i64>>(4)?.map(UnixMs),
        })
    })?;
    for row in rows {
        records.silenced.push(row?);
    }
    Ok(())
}

/// Takes in what another history says of it. Whichever comes first, both say the same afterwards.
pub(in crate::store) fn unite_silenced(conn: &Connection, service: ServiceId, new: &SilencedRecord) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO silenced (service_id, started_at, silence_id, at, told_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (service_id, started_at, silence_id) DO UPDATE
           SET at = min(at, ?4), told_at = min(coalesce(told_at, ?5), coalesce(?5, told_at))",
    )?
    .execute(params![service.0, new.started_at.0, new.silence, new.at.0, new.told_at.map(|at| at.0)])?;
    Ok(())
}

/// Writes an acknowledgement of the incident that began at a moment. Of two of one moment one stays, whichever came first.
pub(in crate::store) fn acknowledge(
    conn: &Connection,
    service: ServiceId,
    started_at: UnixMs,
    new: &Acknowledgement,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO acknowledgement (service_id, started_at, at, until_at, author, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (service_id, started_at, at) DO UPDATE SET until_at = ?4, author = ?5, note = ?6
           WHERE (?5, coalesce(?6, ''), coalesce(?4, 0)) > (author, coalesce(note, ''), coalesce(until_at, 0))",
    )?
    .execute(params![service.0, started_at.0, new.at.0, new.until.map(|at| at.0), new.author, new.note])?;
    Ok(())
}

/// The acknowledgements of an incident, oldest first.
pub(in crate::store) fn acknowledgements(
    conn: &Connection,
    service: ServiceId,
    started_at: UnixMs,
) -> Result<Vec<Acknowledgement>> {
    let mut statement = conn.prepare_cached(
        "SELECT at, until_at, author, note FROM acknowledgement WHERE service_id = ?1 AND started_at = ?2 ORDER BY at",
    )?;
    let rows = statement.query_map([service.0, started_at.0], |row| {
        Ok(Acknowledgement {
            at: UnixMs(row.get(0)?),
            until: row.get::<_, Option<i64>>(1)?.map(UnixMs),
            author: row.get(2)?,
            note: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes a silence. Of two with one id the one that ends earlier stays: it was ended.
pub(in crate::store) fn silence(conn: &Connection, new: &Silence) -> Result<()> {
    let matchers = serde_json::to_string(&new.silenced).map_err(|e| StoreError::Content(e.to_string()))?;
    conn.prepare_cached(
        "INSERT INTO silence (id, created_at, from_at, until_at, author, reason, matchers)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET until_at = min(until_at, ?4)",
    )?
    .execute(params![new.id, new.created_at.0, new.from.0, new.until.0, new.author, new.reason, matchers])?;
    Ok(())
}

/// Silences that end after a moment, in the order in which they begin.
pub(in crate::store) fn silences(conn: &Connection, after: UnixMs) -> Result<Vec<Silence>> {
    let mut statement = conn.prepare_cached(
        "SELECT id, created_at, from_at, until_at, author, reason, matchers FROM silence
         WHERE until_at > ?1 ORDER BY from_at, id",
    )?;
    let rows = statement.query_map([after.0], |row| read(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// `None`: what it is for is not understood; a newer version wrote it.
fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Silence>> {
    let matchers: String = row.get(first + 6)?;
    let Ok(silenced) = serde_json::from_str(&matchers) else { return Ok(None) };
    Ok(Some(Silence {
        id: row.get(first)?,
        silenced,
        created_at: UnixMs(row.get(first + 1)?),
        from: UnixMs(row.get(first + 2)?),
        until: UnixMs(row.get(first + 3)?),
        author: row.get(first + 4)?,
        reason: row.get(first + 5)?,
    }))
}

/// In the place of a silence: the service flapped, and those who were told that are not told of its incidents.
pub(in crate::store) const FLAPPING: &str = "flapping";

/// In the place of a silence: a dependency had failed. Its name follows; no id of a silence has a colon.
const BEHIND: &str = "depends_on:";

/// What stands in the place of a silence where a dependency of this name had failed.
pub(in crate::store) fn behind(dependency: &str) -> String {
    format!("{BEHIND}{dependency}")
}

/// Whether that is what stands there.
pub(in crate::store) fn is_behind(silence: &str) -> bool {
    silence.starts_with(BEHIND)
}

/// Notes that nobody is notified of an incident because of a silence.
pub(in crate::store) fn note_silenced(
    conn: &Connection,
    service: ServiceId,
    started_at: UnixMs,
    silence: &str,
    now: UnixMs,
) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO silenced (service_id, started_at, silence_id, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?
    .execute(params![service.0, started_at.0, silence, now.0])?;
    Ok(())
}

/// Notes that channels are notified of it after all.
pub(in crate::store) fn note_told(
    conn: &Connection,
    service: ServiceId,
    started_at: UnixMs,
    now: UnixMs,
) -> Result<()> {
    conn.prepare_cached(
        "UPDATE silenced SET told_at = ?3 WHERE service_id = ?1 AND started_at = ?2 AND told_at IS NULL",
    )?
    .execute(params![service.0, started_at.0, now.0])?;
    Ok(())
}

/// Whether nobody was notified of an incident because of a silence.
pub(in crate::store) fn is_quiet(conn: &Connection, service: ServiceId, started_at: UnixMs) -> Result<bool> {
    let found = conn
        .prepare_cached("SELECT 1 FROM silenced WHERE service_id = ?1 AND started_at = ?2 AND told_at IS NULL LIMIT 1")?
        .query_row([service.0, started_at.0], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// The silences because of which nobody was notified of an incident, oldest first.
pub(in crate::store) fn silenced(
    conn: &Connection,
    service: ServiceId,
    started_at: UnixMs,
) -> Result<Vec<SilencedIncident>> {
    let mut statement = conn.prepare_cached(
        "SELECT s.id, s.created_at, s.from_at, s.until_at, s.author, s.reason, s.matchers, q.told_at, q.silence_id
         FROM silenced q LEFT JOIN silence s ON s.id = q.silence_id
         WHERE q.service_id = ?1 AND q.started_at = ?2 ORDER BY q.at",
    )?;
    let rows = statement.query_map([service.0, started_at.0], |row| {
        let told_at = row.get::<_, Option<i64>>(7)?.map(UnixMs);
        let marker: String = row.get(8)?;
        let why = match (row.get::<_, Option<String>>(0)?, marker.strip_prefix(BEHIND)) {
            (Some(_), _) => read(row, 0)?.map(SilencedBy::Silence),
            (None, Some(dependency)) => Some(SilencedBy::Dependency(dependency.to_owned())),
            (None, None) => (marker == FLAPPING).then_some(SilencedBy::Flapping),
        };
        Ok(why.map(|why| SilencedIncident { why, told_at }))
    })?;
    Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// The incidents that are open: service, beginning, and the silence because of which channels were not notified. Only those
/// that somebody did something about, or that are quiet.
pub(in crate::store) fn open(conn: &Connection) -> Result<Vec<(ServiceId, UnixMs, Option<String>)>> {
    let mut statement = conn.prepare(
        "SELECT o.service_id, o.started_at,
           (SELECT q.silence_id FROM silenced q
            WHERE q.service_id = o.service_id AND q.started_at = o.started_at AND q.told_at IS NULL LIMIT 1)
         FROM outage o WHERE o.ended_at IS NULL AND o.confirmed_at IS NOT NULL
           AND (EXISTS (SELECT 1 FROM silenced q WHERE q.service_id = o.service_id AND q.started_at = o.started_at)
             OR EXISTS (SELECT 1 FROM acknowledgement a
                        WHERE a.service_id = o.service_id AND a.started_at = o.started_at))",
    )?;
    let rows = statement.query_map([], |row| Ok((ServiceId(row.get(0)?), UnixMs(row.get(1)?), row.get(2)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Deletes what was done about incidents that are not kept any more, and what was found out about them.
pub(in crate::store) fn retire(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<()> {
    for table in ["acknowledgement", "silenced", "diagnosis"] {
        conn.prepare_cached(&format!(
            "DELETE FROM {table} AS n WHERE service_id = ?1 AND started_at < ?2 AND NOT EXISTS
               (SELECT 1 FROM outage WHERE service_id = n.service_id AND started_at = n.started_at)"
        ))?
        .execute([service.0, before.0])?;
    }
    Ok(())
}
