//! The services that the history knows.

use crate::{
    domain::{
        service::{Kind, Service, Target},
        time::UnixMs,
    },
    live::ServiceId,
    store::Result,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

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
    pub(crate) rolled_until: Option<UnixMs>,
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
pub(in crate::store) fn all(conn: &Connection) -> Result<Vec<StoredService>> {
    let mut statement = conn.prepare_cached(&format!("{SELECT} ORDER BY s.name"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The service of this name.
pub(in crate::store) fn by_name(conn: &Connection, name: &str) -> Result<Option<StoredService>> {
    Ok(conn.prepare_cached(&format!("{SELECT} WHERE s.name = ?1"))?.query_row([name], read).optional()?)
}

/// The service with this number.
pub(in crate::store) fn by_id(conn: &Connection, id: ServiceId) -> Result<Option<StoredService>> {
    Ok(conn.prepare_cached(&format!("{SELECT} WHERE s.id = ?1"))?.query_row([id.0], read).optional()?)
}

/// Writes a service as it is configured, in the place of the one of its name; its number.
pub(in crate::store) fn write(conn: &Connection, service: &Service, now: UnixMs) -> Result<ServiceId> {
    let id = conn
        .prepare_cached(
            "INSERT INTO service (name, kind, target, group_name, added_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO UPDATE SET kind = ?2, target = ?3, group_name = ?4, removed_at = NULL RETURNING id",
        )?
        .query_row(
            params![service.name, service.kind.as_str(), service.target.whole(), service.group, now.0],
            |row| row.get(0),
        )?;
    Ok(ServiceId(id))
}

/// Gives a service another name.
pub(in crate::store) fn rename(conn: &Connection, old: &str, new: &str) -> Result<()> {
    conn.execute("UPDATE service SET name = ?2 WHERE name = ?1", [old, new])?;
    Ok(())
}

/// Notes when a service was found to have left the configuration.
pub(in crate::store) fn note_removed(conn: &Connection, id: ServiceId, now: UnixMs) -> Result<()> {
    conn.execute("UPDATE service SET removed_at = ?2 WHERE id = ?1", [id.0, now.0])?;
    Ok(())
}

/// Notes when the certificate ends that was seen last.
pub(in crate::store) fn note_certificate(conn: &Connection, id: ServiceId, end: UnixMs) -> Result<()> {
    let sql = "UPDATE service SET certificate_expires_at = ?2 WHERE id = ?1";
    conn.prepare_cached(sql)?.execute([id.0, end.0])?;
    Ok(())
}

/// Up to where hours of a service are settled.
pub(in crate::store) fn settled_until(conn: &Connection, id: ServiceId) -> Result<Option<UnixMs>> {
    let sql = "SELECT rolled_until FROM service WHERE id = ?1";
    let until: Option<i64> = conn.prepare_cached(sql)?.query_row([id.0], |row| row.get(0))?;
    Ok(until.map(UnixMs))
}

/// When the certificate ends that was seen last.
pub(in crate::store) fn certificate_expires_at(conn: &Connection, id: ServiceId) -> Result<Option<UnixMs>> {
    let sql = "SELECT certificate_expires_at FROM service WHERE id = ?1";
    let at: Option<i64> = conn.prepare_cached(sql)?.query_row([id.0], |row| row.get(0))?;
    Ok(at.map(UnixMs))
}

/// Whether a row of `service` is one that is being forgotten.
macro_rules! forgotten {
    () => {
        "substr(name, 1, 1) = char(31)"
    };
}

/// A service as retention needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::store) struct Settled {
    pub(in crate::store) id: ServiceId,
    /// Hours before it are settled; `None` before the first result.
    pub(in crate::store) until: Option<UnixMs>,
    /// Whether it is being forgotten.
    pub(in crate::store) is_forgotten: bool,
}

/// The next services after a number, by their numbers.
pub(in crate::store) fn after(conn: &Connection, done: i64, limit: u32) -> Result<Vec<Settled>> {
    let sql = concat!("SELECT id, rolled_until, ", forgotten!(), " FROM service WHERE id > ?1 ORDER BY id LIMIT ?2");
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![done, limit], |row| {
        let until = row.get::<_, Option<i64>>(1)?.map(UnixMs);
        Ok(Settled { id: ServiceId(row.get(0)?), until, is_forgotten: row.get(2)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A service that is being forgotten.
pub(in crate::store) fn forgotten(conn: &Connection) -> Result<Option<ServiceId>> {
    let sql = concat!("SELECT id FROM service WHERE ", forgotten!(), " LIMIT 1");
    Ok(conn.query_row(sql, [], |row| row.get(0)).optional()?.map(ServiceId))
}
