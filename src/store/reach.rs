//! How far back a moment of the past can be told, and where there is something to see.

use super::{Reader, Result};
use crate::domain::{time::UnixMs, window::Window};

impl Reader {
    /// When the first service began to be watched, and from when on what was known can be told of all of them: as far
    /// as their single results are kept. `None` in a history without services.
    pub fn reach(&self) -> Result<Option<(UnixMs, UnixMs)>> {
        let conn = self.conn()?;
        let mut statement = conn.prepare_cached(
            "SELECT (SELECT min(added_at) FROM service),
                    (SELECT max(CAST(value AS INTEGER)) FROM fact
                     WHERE name = 'rows_from' OR name GLOB 'rows_from of service *')",
        )?;
        let (first, kept): (Option<i64>, Option<i64>) =
            statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(first.map(|first| (UnixMs(first), UnixMs(first.max(kept.unwrap_or(first))))))
    }

    /// When the incidents that began in the window were confirmed, in the order of time.
    pub fn confirmations(&self, window: Window) -> Result<Vec<UnixMs>> {
        let conn = self.conn()?;
        let mut statement = conn.prepare_cached(
            "SELECT confirmed_at FROM outage
             WHERE started_at >= ?1 AND started_at < ?2 AND confirmed_at IS NOT NULL ORDER BY confirmed_at",
        )?;
        let rows = statement.query_map([window.from().0, window.to().0], |row| Ok(UnixMs(row.get(0)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
