//! What SQLite reports about the file and its references.

use crate::store::Result;
use rusqlite::Connection;

/// Something that SQLite finds wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    pub what: &'static str,
    pub found: String,
    pub expected: &'static str,
}

/// What SQLite reports about the file: nothing when it is sound. The quick way does not compare indexes with tables.
pub(in crate::store) fn integrity(conn: &Connection, quick: bool) -> Result<Vec<Damage>> {
    let mut damage = Vec::new();
    let pragma = if quick { "PRAGMA quick_check" } else { "PRAGMA integrity_check" };
    let mut statement = conn.prepare(pragma)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let found: String = row.get(0)?;
        if found != "ok" {
            damage.push(Damage { what: "integrity of the file", found, expected: "ok" });
        }
    }
    let mut statement = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (table, parent): (String, String) = (row.get(0)?, row.get(2)?);
        let found = format!("a row of {table} names a {parent} that is not there");
        damage.push(Damage { what: "reference", found, expected: "one that is" });
    }
    Ok(damage)
}
