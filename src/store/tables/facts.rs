//! Facts about the history itself.

use crate::store::Result;
use rusqlite::Connection;

/// What tells this history from any other: 16 hexadecimal digits.
pub(in crate::store) fn id(conn: &Connection) -> Result<String> {
    let sql = "SELECT value FROM fact WHERE name = 'id'";
    Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
