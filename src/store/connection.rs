//! The writing connection to a history.

use super::{Result, disk::schema, rows::tail};
use rusqlite::Connection;
use std::path::Path;

/// Opens the history for writing, new or brought up to date, with all rows where they stay: whatever writes it in any other
/// way than the running service has no tail to think of.
///
/// # Errors
/// As [`schema::open`].
pub(super) fn open_writer(path: &Path) -> Result<Connection> {
    let mut conn = schema::open(path)?;
    tail::settle(&mut conn)?;
    Ok(conn)
}
