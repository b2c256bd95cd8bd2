//! How much there is of something, without looking at each.

use crate::domain::time::UnixMs;

/// Results of a service, without looking at each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(in crate::store) struct Stock {
    pub(in crate::store) results: u64,
    pub(in crate::store) first_at: Option<UnixMs>,
    pub(in crate::store) last_at: Option<UnixMs>,
    /// What they take in the file, estimated.
    pub(in crate::store) bytes: u64,
}

impl Stock {
    /// From a number and two times.
    pub(in crate::store) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Stock> {
        let time = |column: usize| row.get::<_, Option<i64>>(column).map(|at| at.map(UnixMs));
        let results = row.get::<_, i64>(0)?.unsigned_abs();
        Ok(Stock { results, first_at: time(1)?, last_at: time(2)?, bytes: 0 })
    }
}
