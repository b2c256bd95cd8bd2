//! What services name the messages by that they took.

use crate::{domain::time::UnixMs, store::Result};
use rusqlite::{Connection, OptionalExtension, params};

/// Keeps what names a message.
pub(in crate::store) fn keep(
    conn: &Connection,
    channel: &str,
    message_id: &str,
    receipt: &str,
    now: UnixMs,
) -> Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO receipt (channel, message_id, receipt, at) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![channel, message_id, receipt, now.0])?;
    Ok(())
}

/// What names a message, where that is known.
pub(in crate::store) fn of(conn: &Connection, channel: &str, message_id: &str) -> Result<Option<String>> {
    Ok(conn
        .prepare_cached("SELECT receipt FROM receipt WHERE channel = ?1 AND message_id = ?2")?
        .query_row(params![channel, message_id], |row| row.get(0))
        .optional()?)
}

/// Deletes those of messages that were taken before a moment.
pub(in crate::store) fn delete(conn: &Connection, before: UnixMs) -> Result<()> {
    conn.prepare_cached("DELETE FROM receipt WHERE at < ?1")?.execute([before.0])?;
    Ok(())
}
