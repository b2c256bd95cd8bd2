//! How far back a moment of the past can be told, and where there is something to see.

use crate::{
    domain::time::UnixMs,
    store::{Result, reader::Reader, tables::kept},
};

impl Reader {
    /// When the first service began to be watched, and from when on what was known can be told of all of them: as far
    /// as their single results are kept. `None` in a history without services.
    pub fn retention_bounds(&self) -> Result<Option<(UnixMs, UnixMs)>> {
        let (first, kept) = kept::of_all(&*self.conn()?)?;
        Ok(first.map(|first| (first, first.max(kept.unwrap_or(first)))))
    }
}
