//! What SQLite says of the file and of its references.

use super::Difference;
use crate::store::Result;
use rusqlite::Connection;

/// What SQLite says of the file: nothing when it is sound. The quick way does not compare indexes with their tables.
pub(in crate::store) fn integrity(conn: &Connection, quick: bool) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    let broken = |what: &str, stored: String, recomputed: &str| Difference {
        service: None,
        what: what.to_owned(),
        stored,
        recomputed: recomputed.to_owned(),
    };
    let pragma = if quick { "PRAGMA quick_check" } else { "PRAGMA integrity_check" };
    let mut statement = conn.prepare(pragma)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let said: String = row.get(0)?;
        if said != "ok" {
            found.push(broken("integrity of the file", said, "ok"));
        }
    }
    let mut statement = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        found.push(broken("reference", format!("a row of {table} names a {parent} that is not there"), "one that is"));
    }
    Ok(found)
}
