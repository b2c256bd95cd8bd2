//! Columns that several tables have: how long the phases took, and why a check failed.

use crate::domain::check::{Class, Phase, PhaseTimes, Reason};
use rusqlite::Row;

/// Reads the times of the phases from four columns.
pub(in crate::store) fn phases(row: &Row<'_>, first: usize) -> rusqlite::Result<PhaseTimes> {
    Ok(PhaseTimes {
        dns_us: row.get(first)?,
        connect_us: row.get(first + 1)?,
        tls_us: row.get(first + 2)?,
        ttfb_us: row.get(first + 3)?,
    })
}

/// Reads class, phase and message from three columns; `None` where there is no reason.
pub(in crate::store) fn reason(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<Reason>> {
    let Some(class) = row.get_ref(first)?.as_str_or_null()? else { return Ok(None) };
    // A word of a newer version must not make the row unreadable.
    let class = Class::parse(class).unwrap_or(Class::Protocol);
    let phase = row.get_ref(first + 1)?.as_str_or_null()?.and_then(Phase::parse);
    Ok(Some(Reason { class, phase, message: row.get(first + 2)? }))
}
