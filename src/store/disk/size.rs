//! What rows take in the file, estimated: SQLite's exact answer costs a walk over every page.

use crate::{live::ServiceId, store::Result};
use rusqlite::{Connection, types::ValueRef};

/// Rows that an estimate is made from.
const SAMPLE: u32 = 100;

/// What a row of one service takes in a table, on average, in bytes.
pub(in crate::store) fn row_bytes(conn: &Connection, table: &str, service: ServiceId) -> Result<u64> {
    let sql = format!("SELECT * FROM {table} WHERE service_id = ?1 LIMIT {SAMPLE}");
    let mut statement = conn.prepare_cached(&sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([service.0])?;
    let (mut bytes, mut count) = (0, 0);
    while let Some(row) = rows.next()? {
        // Of the cell: its length and its place in the page. Of the record: the length of its header.
        bytes += 2 + 2 + 1;
        for column in 0..columns {
            bytes += value_bytes(row.get_ref(column)?);
        }
        count += 1;
    }
    // Pages are not quite full.
    Ok(bytes * 10 / 9 / u64::max(count, 1))
}

/// Of a value: its type in the header, and what it holds.
pub(in crate::store) fn value_bytes(value: ValueRef<'_>) -> u64 {
    match value {
        ValueRef::Null => 1,
        ValueRef::Integer(0 | 1) => 1,
        ValueRef::Integer(n) => {
            let bits = 65 - u64::from(if n < 0 { n.leading_ones() } else { n.leading_zeros() });
            1 + match bits {
                0..=8 => 1,
                9..=16 => 2,
                17..=24 => 3,
                25..=32 => 4,
                33..=48 => 6,
                _ => 8,
            }
        }
        ValueRef::Real(_) => 9,
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => (if bytes.len() < 58 { 1 } else { 2 }) + bytes.len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_what_sqlite_gives_them() {
        for (n, bytes) in [(0, 1), (1, 1), (2, 2), (127, 2), (128, 3), (-128, 2), (-129, 3), (1 << 23, 5), (1 << 40, 7)]
        {
            assert_eq!(value_bytes(ValueRef::Integer(n)), bytes, "{n}");
        }
    }
}
