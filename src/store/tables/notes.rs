//! What people wrote down about incidents.
//!
//! A note belongs to the incident of a service that began at a moment, not to the incident's number: whatever makes the
//! outages of a service anew (an import, `verify --repair`) leaves its notes with them. One that was removed stays as a
//! row without text, so that an older history that arrives does not bring it back.

use super::{maintenance::Source, outages};
use crate::{
    domain::{
        incident::{Outage, StatedNote},
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    store::Result,
};
use rusqlite::{Connection, OptionalExtension, params};

/// A note, as it leaves a history or arrives in one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IncidentNote {
    /// The service's name.
    pub service: String,
    /// When the incident began.
    pub started_at: UnixMs,
    /// `None`: there was one, and it was removed.
    pub text: Option<String>,
    /// When it was written, or removed.
    pub noted_at: UnixMs,
    pub source: Source,
}

/// The notes of incidents of a service that an export of this window holds, in the order of time, removed ones among
/// them: those of incidents that overlap it, and those that began in it.
pub(in crate::store) fn list(conn: &Connection, service: ServiceId, window: Window) -> Result<Vec<IncidentNote>> {
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

/// Writes the note of an outage in the place of the one that it had; the outage as it is now. `None` when there is no
/// such outage.
pub(in crate::store) fn write(
    conn: &Connection,
    outage: i64,
    text: Option<&str>,
    now: UnixMs,
) -> Result<Option<Outage>> {
    put(conn, outage, text, now, Source::Hand)?;
    outages::get(conn, outage)
}

/// A change is later than what it changes, also when the clock was set back meanwhile: of two histories the one that has
/// seen it must win.
fn put(conn: &Connection, outage: i64, text: Option<&str>, now: UnixMs, source: Source) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO incident_note (service_id, started_at, note, noted_at, source)
         SELECT service_id, started_at, ?2, ?3, ?4 FROM outage WHERE id = ?1
         ON CONFLICT (service_id, started_at) DO UPDATE
           SET note = ?2, noted_at = max(?3, noted_at + 1), source = ?4 WHERE note IS NOT ?2 OR source <> ?4",
    )?
    .execute(params![outage, text, now.0, source.as_str()])?;
    Ok(())
}

/// Where a note of the configuration belongs.
pub(in crate::store) enum Fits {
    /// To the incident with this number; with the incident, if its note is another one now.
    Incident(i64, Option<Box<Outage>>),
    No,
}

/// Writes a note that the configuration has. What was written by hand, or removed by hand, stays. So does the note that
/// an incident of `done` has already: the configuration has another note for it.
pub(in crate::store) fn state(conn: &Connection, stated: &StatedNote, done: &[i64], now: UnixMs) -> Result<Fits> {
    let found: Option<(i64, Option<String>, Option<String>)> = conn
        .prepare_cached(
            "SELECT o.id, n.note, n.source FROM outage o JOIN service s ON s.id = o.service_id
             LEFT JOIN incident_note n ON n.service_id = o.service_id AND n.started_at = o.started_at
             WHERE s.name = ?1 AND o.started_at <= ?2 AND (o.ended_at IS NULL OR o.ended_at >= ?2)
               AND o.confirmed_at IS NOT NULL
             ORDER BY o.started_at DESC LIMIT 1",
        )?
        .query_row(params![stated.service, stated.at.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((outage, text, source)) = found else { return Ok(Fits::No) };
    let by_hand = source.as_deref() == Some(Source::Hand.as_str());
    if by_hand || text.as_deref() == Some(&stated.text) || done.contains(&outage) {
        return Ok(Fits::Incident(outage, None));
    }
    put(conn, outage, Some(&stated.text), now, Source::Config)?;
    Ok(Fits::Incident(outage, outages::get(conn, outage)?.map(Box::new)))
}

/// Takes in a note of another history. Of two of one incident the later one stays, and of two of one moment the one whose
/// text (then whose source) is greater: which one does not depend on which came first.
pub(in crate::store) fn unite(conn: &Connection, service: ServiceId, new: &IncidentNote) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO incident_note (service_id, started_at, note, noted_at, source) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (service_id, started_at) DO UPDATE SET note = ?3, noted_at = ?4, source = ?5
         WHERE (?4, ?3 IS NOT NULL, coalesce(?3, ''), ?5) > (noted_at, note IS NOT NULL, coalesce(note, ''), source)",
    )?
    .execute(params![service.0, new.started_at.0, new.text, new.noted_at.0, new.source.as_str()])?;
    Ok(())
}

/// Deletes the notes of incidents that are not kept any more: all that began before a moment and are gone.
pub(in crate::store) fn retire(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<()> {
    conn.prepare_cached(
        "DELETE FROM incident_note AS n WHERE service_id = ?1 AND started_at < ?2 AND NOT EXISTS
           (SELECT 1 FROM outage WHERE service_id = n.service_id AND started_at = n.started_at)",
    )?
    .execute([service.0, before.0])?;
    Ok(())
}
