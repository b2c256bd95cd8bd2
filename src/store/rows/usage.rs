//! How much there is of something, without looking at each.

use crate::domain::time::UnixMs;

/// Results of a service, without looking at each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Usage {
    pub(crate) results: u64,
    pub(crate) first_at: Option<UnixMs>,
    pub(crate) last_at: Option<UnixMs>,
    /// What they take in the file, estimated.
    pub(crate) bytes: u64,
}

impl Usage {
    /// From a number and two times.
    pub(in crate::store) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Usage> {
        let time = |column: usize| row.get::<_, Option<i64>>(column).map(|at| at.map(UnixMs));
        let results = row.get::<_, i64>(0)?.unsigned_abs();
        Ok(Usage { results, first_at: time(1)?, last_at: time(2)?, bytes: 0 })
    }
}
