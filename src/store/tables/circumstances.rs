//! What was known when an incident was confirmed, for as long as channels are to be notified of it.

use crate::{
    domain::{circumstances::Circumstances, time::UnixMs},
    store::{Result, StoreError},
};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

/// As it is stored. Only grows.
#[derive(Serialize, Deserialize)]
struct Stored {
    checks: u32,
    failing: Vec<String>,
    more: usize,
    first: Option<(String, i64)>,
}

/// Writes it, once.
pub(in crate::store) fn write(conn: &Connection, outage: i64, known: &Circumstances) -> Result<()> {
    let stored = Stored {
        checks: known.checks,
        failing: known.failing.clone(),
        more: known.more,
        first: known.first.as_ref().map(|(service, at)| (service.clone(), at.0)),
    };
    let content = serde_json::to_string(&stored).map_err(|error| StoreError::Content(error.to_string()))?;
    conn.prepare_cached("INSERT INTO circumstances (outage_id, content) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![outage, content])?;
    Ok(())
}

/// Reads what [`write`] wrote. What it cannot read says nothing.
pub(super) fn read(content: &str) -> Option<Circumstances> {
    let Stored { checks, failing, more, first } = serde_json::from_str(content).ok()?;
    Some(Circumstances { checks, failing, more, first: first.map(|(service, at)| (service, UnixMs(at))) })
}

/// Deletes those of incidents that the outbox has nothing of any more.
pub(in crate::store) fn delete(conn: &Connection) -> Result<()> {
    conn.prepare_cached("DELETE FROM circumstances WHERE outage_id NOT IN (SELECT outage_id FROM outbox)")?
        .execute([])?;
    Ok(())
}
