//! How far back the state at a moment of the past is known, and where there is something to see.

use crate::{
    domain::time::UnixMs,
    store::{Reader, Result},
};

/// When the first service began to be watched, and from when on the state of all of them is known: as far as their
/// single results are kept. `None` in a history without services.
///
/// # Errors
/// When the history cannot be read.
pub fn retention_bounds(reader: &Reader) -> Result<Option<(UnixMs, UnixMs)>> {
    let (first, kept) = reader.read_one(|tables| tables.kept_of_all())?;
    Ok(first.map(|first| (first, first.max(kept.unwrap_or(first)))))
}
