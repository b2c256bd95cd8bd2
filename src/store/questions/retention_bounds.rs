//! How far back a moment of the past can be told, and where there is something to see.

use crate::{
    domain::time::UnixMs,
    store::{Result, reader::Reader},
};

impl Reader {
    /// When the first service began to be watched, and from when on what was known can be told of all of them: as far
    /// as their single results are kept. `None` in a history without services.
    pub fn retention_bounds(&self) -> Result<Option<(UnixMs, UnixMs)>> {
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
}
