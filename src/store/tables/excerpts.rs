//! The beginnings of answers, kept with the first failed check of an outage and with each change of its cause.

use crate::{
    domain::{time::UnixMs, window::Window},
    live::ServiceId,
    store::Result,
};
use rusqlite::{Connection, OptionalExtension};

/// When the checks of a window started whose answer is kept, in order.
pub(in crate::store) fn times(conn: &Connection, service: ServiceId, window: Window) -> Result<Vec<UnixMs>> {
    let mut statement = conn.prepare_cached(
        "SELECT started_at AS at FROM outage WHERE service_id = ?1 AND excerpt IS NOT NULL
           AND started_at >= ?2 AND started_at < ?3
         UNION SELECT c.at FROM outage o JOIN cause_change c ON c.outage_id = o.id
           WHERE o.service_id = ?1 AND c.excerpt IS NOT NULL AND c.at >= ?2 AND c.at < ?3
         ORDER BY at",
    )?;
    let rows = statement.query_map([service.0, window.from().0, window.to().0], |row| row.get(0).map(UnixMs))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The beginning of the answer that a check got, where it is kept.
pub(in crate::store) fn at(conn: &Connection, service: ServiceId, at: UnixMs) -> Result<Option<String>> {
    let text = conn
        .prepare_cached(
            "SELECT excerpt FROM outage WHERE service_id = ?1 AND started_at = ?2 AND excerpt IS NOT NULL
             UNION ALL SELECT c.excerpt FROM outage o JOIN cause_change c ON c.outage_id = o.id
               WHERE o.service_id = ?1 AND c.at = ?2 AND c.excerpt IS NOT NULL AND o.started_at <= ?2
             LIMIT 1",
        )?
        .query_row([service.0, at.0], |row| row.get(0))
        .optional()?;
    Ok(text)
}
