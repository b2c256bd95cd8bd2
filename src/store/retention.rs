//! Rows are kept by time; what is older goes in transactions so small that no check waits for them.

use super::{Result, rollups::Size, services};
use crate::{
    board::ServiceId,
    domain::{
        time::{DAY_MS, HOUR_MS, UnixMs},
        window::Window,
    },
};
use rusqlite::{Connection, OptionalExtension, params};

/// How long what is kept, in days; `None`: for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    pub checks: Option<u32>,
    pub hours: Option<u32>,
    /// Day rollups, incidents and gaps.
    pub days: Option<u32>,
}

/// From when on rows and hour rollups can be relied on; `None`: from the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Kept {
    pub(super) rows_from: Option<UnixMs>,
    pub(super) hours_from: Option<UnixMs>,
}

impl Kept {
    /// The resolution at which this moment can still be told: a day, an hour, or a millisecond.
    pub(super) fn resolution_ms(&self, at: UnixMs) -> i64 {
        match at {
            at if self.hours_from.is_some_and(|from| at < from) => DAY_MS,
            at if self.rows_from.is_some_and(|from| at < from) => HOUR_MS,
            _ => 1,
        }
    }

    /// Moves the ends of a window out to what can still be told.
    pub(super) fn widen(&self, window: Window, now: UnixMs) -> Window {
        let from = window.from().floor(self.resolution_ms(window.from()));
        let to = window.to().ceil(self.resolution_ms(window.to())).min(now.max(window.to()));
        Window::new(from, to).unwrap_or(window)
    }
}

/// Rows deleted in one transaction.
const ROWS_AT_ONCE: u32 = 720;

pub(super) fn kept(conn: &Connection) -> Result<Kept> {
    let fact = |name: &str| -> Result<Option<UnixMs>> {
        let value: Option<String> = conn
            .prepare_cached("SELECT value FROM fact WHERE name = ?1")?
            .query_row([name], |r| r.get(0))
            .optional()?;
        Ok(value.and_then(|v| v.parse().ok()).map(UnixMs))
    };
    Ok(Kept { rows_from: fact("rows_from")?, hours_from: fact("hours_from")? })
}

/// The first moment that is kept, a whole day; `None` when everything is.
fn first_kept(keep: Option<u32>, now: UnixMs) -> Option<UnixMs> {
    keep.map(|days| now.plus(-i64::from(days) * DAY_MS).floor(DAY_MS))
}

/// Deletes one small piece of what is too old, in a transaction of its own. `false` when nothing is left to delete.
///
/// A day more than promised stays: results speak beyond their own time, and the first window that is still answered
/// from rows must hear them.
pub(super) fn retire_some(conn: &mut Connection, keep: Keep, now: UnixMs) -> Result<bool> {
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let mut deleted = 0;
    for (name, first) in [("rows_from", first_kept(keep.checks, now)), ("hours_from", first_kept(keep.hours, now))] {
        let Some(first) = first else { continue };
        tx.prepare_cached(
            "INSERT INTO fact VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2
             WHERE CAST(value AS INTEGER) < CAST(?2 AS INTEGER)",
        )?
        .execute([name, &first.0.to_string()])?;
    }
    for service in services::all(&tx)? {
        if deleted > 0 {
            break;
        }
        // What is not settled into a rollup yet must stay.
        let Some(settled) = service.rolled_until else { continue };
        if let Some(first) = first_kept(keep.checks, now) {
            let before = first.min(settled).plus(-DAY_MS);
            deleted += delete(&tx, "check_result", "at", service.id, before)?;
        }
        if let Some(first) = first_kept(keep.hours, now) {
            deleted += delete(&tx, Size::Hour.table(), "start", service.id, first.min(settled.floor(DAY_MS)))?;
        }
        if let Some(first) = first_kept(keep.days, now) {
            deleted += delete(&tx, Size::Day.table(), "start", service.id, first)?;
            deleted += delete(&tx, "gap", "from_at", service.id, first)?;
            deleted += tx
                // The one with the highest number stays, so that no number is ever given twice: it is in links and alerts.
                .prepare_cached(
                    "DELETE FROM outage WHERE service_id = ?1 AND ended_at < ?2 AND id < (SELECT max(id) FROM outage)",
                )?
                .execute(params![service.id.0, first.0])?;
        }
    }
    if deleted == 0 {
        deleted +=
            tx.prepare_cached("DELETE FROM outbox WHERE settled_at < ?1")?.execute([now.plus(-90 * DAY_MS).0])?;
    }
    tx.commit()?;
    Ok(deleted > 0)
}

/// Deletes the oldest rows of a service; how many.
fn delete(conn: &Connection, table: &str, key: &str, service: ServiceId, before: UnixMs) -> Result<usize> {
    let mut statement = conn.prepare_cached(&format!(
        "DELETE FROM {table} WHERE service_id = ?1 AND {key} IN
           (SELECT {key} FROM {table} WHERE service_id = ?1 AND {key} < ?2 ORDER BY {key} LIMIT {ROWS_AT_ONCE})"
    ))?;
    Ok(statement.execute(params![service.0, before.0])?)
}
