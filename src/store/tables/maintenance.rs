//! Maintenance in the history: what the configuration announced, noted when it happens, and what was marked afterwards.
//!
//! An overlay: no check result is changed by it. What is a function of the results (sums, downtime) is recomputed where
//! a mark changes it. What was announced also holds the state machine (no incident begins in it), so it stays what it
//! was; a mark only changes figures, so it can be taken back.

use crate::{
    domain::{maintenance::Overlay, time::UnixMs, window::Window},
    live::ServiceId,
    store::Result,
};
use rusqlite::{Connection, params};

/// Who declared the maintenance.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// The configuration, beforehand.
    Config,
    /// Somebody, afterwards.
    Hand,
}

impl Source {
    /// Its word in the exports and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Config => "config",
            Source::Hand => "hand",
        }
    }

    /// The source that a word names.
    pub fn parse(word: &str) -> Option<Source> {
        [Source::Config, Source::Hand].into_iter().find(|source| source.as_str() == word)
    }
}

/// A window of maintenance as the history has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Maintenance {
    pub id: i64,
    pub window: Window,
    pub source: Source,
    /// The names of its services, in order; `None`: all.
    pub services: Option<Vec<String>>,
    pub reason: String,
    /// When it was written down.
    pub noted_at: UnixMs,
    /// When it was taken back: it does not count any more.
    pub taken_back_at: Option<UnixMs>,
}

/// Which maintenance is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Which {
    /// What was announced: it holds the state machine.
    Announced,
    /// All that counts: figures leave it out.
    All,
}

/// The maintenance of one service that shares time with the window; each stretch as long as it is.
pub(in crate::store) fn overlay(
    conn: &Connection,
    service: ServiceId,
    window: Window,
    which: Which,
) -> Result<Overlay> {
    let mut statement = conn.prepare_cached(
        "SELECT from_at, to_at FROM maintenance m
         WHERE to_at > ?2 AND from_at < ?3 AND taken_back_at IS NULL AND (?4 OR source = 'config')
           AND (everything OR EXISTS (SELECT 1 FROM maintenance_of WHERE maintenance_id = m.id AND service_id = ?1))",
    )?;
    let rows = statement.query_map(params![service.0, window.from().0, window.to().0, which == Which::All], |row| {
        Ok((UnixMs(row.get(0)?), UnixMs(row.get(1)?)))
    })?;
    let spans = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Overlay::new(spans.into_iter().filter_map(|(from, to)| Window::new(from, to))))
}

/// The maintenance of one service that `at` lies in.
pub(in crate::store) fn at(conn: &Connection, service: ServiceId, at: UnixMs, which: Which) -> Result<Option<Window>> {
    match Window::new(at, at.plus(1)) {
        Some(moment) => Ok(overlay(conn, service, moment, which)?.at(at)),
        None => Ok(None),
    }
}

/// The same, with the windows that touch it, up to a number of them.
pub(in crate::store) fn whole_at(
    conn: &Connection,
    service: ServiceId,
    moment: UnixMs,
    which: Which,
) -> Result<Overlay> {
    let Some(mut found) = at(conn, service, moment, which)? else { return Ok(Overlay::NONE) };
    for _ in 0..64 {
        let before = at(conn, service, found.from().plus(-1), which)?;
        let after = at(conn, service, found.to(), which)?;
        let longer = Window::new(before.map_or(found.from(), |w| w.from()), after.map_or(found.to(), |w| w.to()))
            .unwrap_or(found);
        if longer == found {
            break;
        }
        found = longer;
    }
    Ok(Overlay::new([found]))
}

/// Every window that shares time with `asked`, or with `None` every one there is, in the order of time. Those that were
/// taken back are among them.
pub(in crate::store) fn list(conn: &Connection, asked: Option<Window>) -> Result<Vec<Maintenance>> {
    let (from, to) = asked.map_or((i64::MIN, i64::MAX), |w| (w.from().0, w.to().0));
    let mut statement = conn.prepare_cached(
        "SELECT id, from_at, to_at, source, everything, reason, noted_at, taken_back_at FROM maintenance
         WHERE to_at > ?1 AND from_at < ?2 ORDER BY from_at, to_at, id",
    )?;
    let rows = statement.query_map([from, to], |row| {
        let source: String = row.get(3)?;
        let found = Window::new(UnixMs(row.get(1)?), UnixMs(row.get(2)?)).map(|window| Maintenance {
            id: 0,
            window,
            source: Source::parse(&source).unwrap_or(Source::Hand),
            services: None,
            reason: String::new(),
            noted_at: UnixMs(0),
            taken_back_at: None,
        });
        let Some(found) = found else { return Ok(None) };
        let everything: bool = row.get(4)?;
        Ok(Some(Maintenance {
            id: row.get(0)?,
            services: (!everything).then(Vec::new),
            reason: row.get(5)?,
            noted_at: UnixMs(row.get(6)?),
            taken_back_at: row.get::<_, Option<i64>>(7)?.map(UnixMs),
            ..found
        }))
    })?;
    let mut found: Vec<Maintenance> = rows.filter_map(rusqlite::Result::transpose).collect::<rusqlite::Result<_>>()?;
    for one in &mut found {
        if let Some(services) = &mut one.services {
            *services = names_of(conn, one.id)?;
        }
    }
    Ok(found)
}

fn names_of(conn: &Connection, id: i64) -> Result<Vec<String>> {
    let mut statement = conn.prepare_cached(
        "SELECT s.name FROM maintenance_of o JOIN service s ON s.id = o.service_id WHERE o.maintenance_id = ?1 ORDER BY 1",
    )?;
    let rows = statement.query_map([id], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes a window down; its number.
pub(in crate::store) fn write(
    conn: &Connection,
    window: Window,
    source: Source,
    services: Option<&[ServiceId]>,
    reason: &str,
    now: UnixMs,
) -> Result<i64> {
    conn.prepare_cached(
        "INSERT INTO maintenance (from_at, to_at, source, everything, reason, noted_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![window.from().0, window.to().0, source.as_str(), services.is_none(), reason, now.0])?;
    let id = conn.last_insert_rowid();
    for service in services.unwrap_or_default() {
        conn.prepare_cached("INSERT OR IGNORE INTO maintenance_of VALUES (?1, ?2)")?.execute([id, service.0])?;
    }
    Ok(id)
}

/// Takes a window back: it does not count any more.
pub(in crate::store) fn take_back(conn: &Connection, id: i64, now: UnixMs) -> Result<()> {
    conn.execute("UPDATE maintenance SET taken_back_at = ?2 WHERE id = ?1", [id, now.0])?;
    Ok(())
}

/// Ends a window at a moment.
pub(in crate::store) fn end(conn: &Connection, id: i64, at: UnixMs) -> Result<()> {
    conn.execute("UPDATE maintenance SET to_at = ?2 WHERE id = ?1", [id, at.0])?;
    Ok(())
}

/// Names the services of each window that is for all of them: others are about to arrive.
pub(in crate::store) fn name_all(conn: &Connection) -> Result<()> {
    conn.execute_batch(
        "INSERT OR IGNORE INTO maintenance_of SELECT m.id, s.id FROM maintenance m, service s WHERE m.everything;
         UPDATE maintenance SET everything = 0 WHERE everything;",
    )?;
    Ok(())
}

/// The services of a window, in order; `None`: all.
pub(in crate::store) fn services_of(conn: &Connection, id: i64, named: bool) -> Result<Option<Vec<ServiceId>>> {
    if !named {
        return Ok(None);
    }
    let mut statement =
        conn.prepare_cached("SELECT service_id FROM maintenance_of WHERE maintenance_id = ?1 ORDER BY 1")?;
    let rows = statement.query_map([id], |row| Ok(ServiceId(row.get(0)?)))?;
    Ok(Some(rows.collect::<rusqlite::Result<_>>()?))
}
