//! Reasons: each is stored once, and rows have its number.

use super::columns;
use crate::{
    domain::check::{CheckResult, Phase, Reason},
    store::{Result, rows},
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{HashMap, hash_map::Entry};

/// The number of a reason, which is written where it is new.
pub(in crate::store) fn id(conn: &Connection, reason: &Reason) -> Result<i64> {
    let key = params![reason.class.as_str(), reason.phase.map_or("", Phase::as_str), reason.message];
    let found = conn
        .prepare_cached("SELECT id FROM reason WHERE class = ?1 AND phase = ?2 AND message = ?3")?
        .query_row(key, |row| row.get(0))
        .optional()?;
    if let Some(id) = found {
        return Ok(id);
    }
    conn.prepare_cached("INSERT INTO reason (class, phase, message) VALUES (?1, ?2, ?3)")?.execute(key)?;
    Ok(conn.last_insert_rowid())
}

/// Reasons by their number, each read once.
#[derive(Default, Debug)]
pub(crate) struct Reasons(HashMap<i64, Reason>);

impl Reasons {
    /// The reason of this number; `None` where there is none of it.
    pub(in crate::store) fn of(&mut self, conn: &Connection, id: i64) -> Result<Option<&Reason>> {
        if let Entry::Vacant(place) = self.0.entry(id) {
            let found = conn
                .prepare_cached("SELECT class, phase, message FROM reason WHERE id = ?1")?
                .query_row([id], |row| columns::reason(row, 0))
                .optional()?;
            if let Some(reason) = found.flatten() {
                place.insert(reason);
            }
        }
        Ok(self.0.get(&id))
    }

    /// A row with its reason in words.
    pub(in crate::store) fn told(&mut self, conn: &Connection, row: &rows::Row) -> Result<CheckResult> {
        let reason = row.reason.map(|id| self.of(conn, id)).transpose()?.flatten();
        Ok(CheckResult {
            at: row.at,
            outcome: row.outcome,
            latency_us: row.latency_us,
            phases: row.phases,
            http_status: row.http_status,
            certificate_days: row.certificate_days,
            reason: reason.cloned(),
            recheck: row.recheck,
        })
    }
}
