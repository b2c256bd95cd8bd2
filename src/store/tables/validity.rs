//! How long results are valid, by the settings of their time.

use crate::{domain::time::UnixMs, live::ServiceId, store::Result};
use rusqlite::Connection;

/// How long results speak, by the settings of their time.
#[derive(Clone, Debug)]
pub(in crate::store) struct ValidityPeriods(Vec<(UnixMs, i64)>);

impl ValidityPeriods {
    pub(in crate::store) fn of(conn: &Connection, service: ServiceId) -> Result<ValidityPeriods> {
        let mut statement = conn.prepare_cached(
            "SELECT since, 2 * interval_ms + timeout_ms FROM setting WHERE service_id = ?1 ORDER BY since",
        )?;
        let rows = statement.query_map([service.0], |row| Ok((UnixMs(row.get(0)?), row.get(1)?)))?;
        Ok(ValidityPeriods(rows.collect::<rusqlite::Result<_>>()?))
    }

    /// The validity in force at `at`, in milliseconds. Before the first setting the first holds.
    pub(in crate::store) fn at(&self, at: UnixMs) -> i64 {
        let later = self.0.partition_point(|&(since, _)| since <= at);
        self.0.get(later.saturating_sub(1)).map_or(0, |&(_, ms)| ms)
    }
}
