//! The table of facts: which history this is, and from when on rows and sums of a service are kept.

pub(in crate::store) mod aged;

use super::services::{self, StoredService};
use crate::{
    domain::{
        time::{DAY_MS, HOUR_MS, UnixMs},
        window::Window,
    },
    live::ServiceId,
    store::Result,
};
use rusqlite::Connection;

/// What identifies this history: 16 hexadecimal digits.
pub(in crate::store) fn id(conn: &Connection) -> Result<String> {
    let sql = "SELECT value FROM fact WHERE name = 'id'";
    Ok(conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// From when on rows, hour rollups, and what is kept longest can be relied on; `None`: from the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct RetainedFrom {
    pub(crate) rows_from: Option<UnixMs>,
    pub(crate) hours_from: Option<UnixMs>,
    /// Day rollups, incidents and gaps.
    pub(crate) days_from: Option<UnixMs>,
}

impl RetainedFrom {
    /// The resolution at which this moment is still stored: a day, an hour, or a millisecond.
    pub(crate) fn resolution_ms(&self, at: UnixMs) -> i64 {
        match at {
            at if self.hours_from.is_some_and(|from| at < from) => DAY_MS,
            at if self.rows_from.is_some_and(|from| at < from) => HOUR_MS,
            _ => 1,
        }
    }

    /// Moves the ends of a window out to the resolution that is still stored.
    pub(crate) fn widen(&self, window: Window, now: UnixMs) -> Window {
        let from = window.from().floor(self.resolution_ms(window.from()));
        let to = window.to().ceil(self.resolution_ms(window.to())).min(now.max(window.to()));
        Window::new(from, to).unwrap_or(window)
    }
}

/// Whether there may have been results of a service before the first one that is kept.
pub(crate) fn may_have_gone(service: &StoredService, kept: RetainedFrom, first: Option<UnixMs>) -> bool {
    let Some(rows_from) = kept.rows_from else { return false };
    // Everything from a day before this moment on is still there.
    let untouched = rows_from.min(service.rolled_until.unwrap_or(rows_from)).plus(-DAY_MS);
    first.is_none_or(|first| service.added_at < untouched || first < service.added_at)
}

/// What is kept of a service: what this history has retired of all of them, and what was retired elsewhere before it
/// arrived here.
pub(in crate::store) fn of(conn: &Connection, service: ServiceId) -> Result<RetainedFrom> {
    // One query for the three: it runs with every figure.
    let sql = "SELECT (SELECT max(CAST(value AS INTEGER)) FROM fact WHERE name IN ('rows_from', 'rows_from of service ' || ?1)),
        (SELECT max(CAST(value AS INTEGER)) FROM fact WHERE name IN ('hours_from', 'hours_from of service ' || ?1)),
        (SELECT max(CAST(value AS INTEGER)) FROM fact WHERE name IN ('days_from', 'days_from of service ' || ?1))";
    let [rows_from, hours_from, days_from] = conn.prepare_cached(sql)?.query_row([service.0], |row| {
        let from = |column| row.get::<_, Option<i64>>(column).map(|at| at.map(UnixMs));
        Ok([from(0)?, from(1)?, from(2)?])
    })?;
    Ok(RetainedFrom { rows_from, hours_from, days_from })
}

/// When the first service was added, and from when on the rows of all services are kept; one question for both.
pub(in crate::store) fn of_all(conn: &Connection) -> Result<(Option<UnixMs>, Option<UnixMs>)> {
    let mut statement = conn.prepare_cached(
        "SELECT (SELECT min(added_at) FROM service),
                (SELECT max(CAST(value AS INTEGER)) FROM fact
                 WHERE name = 'rows_from' OR name GLOB 'rows_from of service *')",
    )?;
    let at = |row: &rusqlite::Row<'_>, column| row.get::<_, Option<i64>>(column).map(|at| at.map(UnixMs));
    Ok(statement.query_row([], |row| Ok((at(row, 0)?, at(row, 1)?)))?)
}

fn of_service(name: &str, service: ServiceId) -> String {
    format!("{name} of service {}", service.0)
}

/// Notes what was retired of one service before it arrived here. Only ever moves on.
pub(in crate::store) fn note(conn: &Connection, service: ServiceId, kept: RetainedFrom) -> Result<()> {
    for (name, from) in [("rows_from", kept.rows_from), ("hours_from", kept.hours_from), ("days_from", kept.days_from)]
    {
        if let Some(from) = from {
            advance(conn, &of_service(name, service), from)?;
        }
    }
    Ok(())
}

/// Records for each service what was retired of all services so far, so that it does not count for those that arrive.
pub(in crate::store) fn settle(conn: &Connection) -> Result<()> {
    for service in services::all(conn)? {
        let kept = of(conn, service.id)?;
        note(conn, service.id, kept)?;
    }
    conn.execute("DELETE FROM fact WHERE name IN ('rows_from', 'hours_from', 'days_from')", [])?;
    Ok(())
}

/// Notes from when on something can be relied on. It never moves back.
pub(in crate::store) fn advance(conn: &Connection, name: &str, to: UnixMs) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO fact VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2
         WHERE CAST(value AS INTEGER) < CAST(?2 AS INTEGER)",
    )?
    .execute([name, &to.0.to_string()])?;
    Ok(())
}
