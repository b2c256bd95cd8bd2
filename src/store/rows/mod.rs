//! The rows of check results: what they are, where they lie, and the one way to walk over them.
//!
//! Most lie in `check_result`, sorted by service and time. Where many services are watched the newest lie in the
//! [`tail`] for some minutes. Of one service, all that lies in the tail is later than all that does not. Where the
//! configuration asks for it, days of long ago are [`sealed`]: a day of a service lies there or here.

mod column;
mod main_table;
#[cfg(test)]
mod naive;
mod row;
mod sealed;
pub(super) mod sealing;
pub(super) mod tail;
mod usage;
mod walk;

use self::walk::Direction;
use super::{Result, disk::size};
use crate::{domain::time::UnixMs, live::ServiceId};
use rusqlite::Connection;
use std::ops::ControlFlow;

pub(super) use self::main_table::{insert, replace};
pub(crate) use self::row::Row;
pub(super) use self::usage::Usage;
pub(crate) use self::walk::{Columns, Outcomes, Walk};

impl Walk {
    /// Hands `each` the rows, oldest first, until it has had enough.
    pub(super) fn forward(self, conn: &Connection, mut each: impl FnMut(Row) -> Result<ControlFlow<()>>) -> Result<()> {
        if sealed::walk(conn, self, Direction::Forward, &mut each)?.is_continue() {
            let _ended = tail::forward(conn, self, &mut each)?;
        }
        Ok(())
    }

    /// Hands `each` the rows, newest first, until it has had enough.
    pub(super) fn backward(
        self,
        conn: &Connection,
        mut each: impl FnMut(Row) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        if tail::backward(conn, self, &mut each)?.is_continue() {
            let _ended = sealed::walk(conn, self, Direction::Backward, &mut each)?;
        }
        Ok(())
    }

    /// The oldest row.
    pub(super) fn first(self, conn: &Connection) -> Result<Option<Row>> {
        let mut found = None;
        self.forward(conn, |row| {
            found = Some(row);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// The newest row.
    pub(super) fn last(self, conn: &Connection) -> Result<Option<Row>> {
        let mut found = None;
        self.backward(conn, |row| {
            found = Some(row);
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// When the oldest check started.
    pub(super) fn first_at(self, conn: &Connection) -> Result<Option<UnixMs>> {
        if self.from == i64::MIN && self.outcomes == Outcomes::ALL {
            // The stored description of the oldest sealed day has it: the day need not be read.
            if let Some(place) = sealing::oldest(conn, self.service)?.filter(|place| place.last_at.0 <= self.to) {
                let before = main_table::first_at(conn, self.before(place.first_at), Direction::Forward)?;
                return Ok(Some(before.unwrap_or(place.first_at)));
            }
        }
        Ok(self.first(conn)?.map(|row| row.at))
    }

    /// When the newest check started.
    pub(super) fn last_at(self, conn: &Connection) -> Result<Option<UnixMs>> {
        Ok(self.last(conn)?.map(|row| row.at))
    }

    /// How many there are.
    pub(super) fn count(self, conn: &Connection) -> Result<u64> {
        Ok(sealed::count(conn, self)? + main_table::count(conn, self)? + tail::count(conn, self)?)
    }
}

/// Deletes the oldest results of a service that began before a moment, at most `at_once` rows or one sealed day; how many.
/// A sealed day goes when all of it is older. What is left of a service is always all from some moment on.
pub(super) fn delete_oldest(conn: &Connection, service: ServiceId, before: UnixMs, at_once: usize) -> Result<usize> {
    let sealed = sealing::oldest(conn, service)?;
    let rows_before = sealed.map_or(before, |day| before.min(day.day));
    let deleted = main_table::delete_oldest(conn, service, rows_before, at_once)?;
    match sealed {
        Some(day) if deleted == 0 && day.last_at < before => {
            sealing::delete(conn, day)?;
            Ok(day.results)
        }
        _ => Ok(deleted),
    }
}

/// The results that [`delete_oldest`] would delete, sooner or later.
pub(super) fn overdue(conn: &Connection, service: ServiceId, before: UnixMs) -> Result<Usage> {
    let (rows, sealed) = (main_table::before(conn, service, before)?, sealing::before(conn, service, before)?);
    Ok(Usage {
        results: rows.results + sealed.results,
        first_at: [rows.first_at, sealed.first_at].into_iter().flatten().min(),
        last_at: rows.last_at.max(sealed.last_at),
        bytes: if rows.results > 0 { rows.results * row_bytes(conn, service)? } else { 0 } + sealed.bytes,
    })
}

/// What a row of this service takes in the file, estimated, in bytes.
pub(super) fn row_bytes(conn: &Connection, service: ServiceId) -> Result<u64> {
    size::row_bytes(conn, "check_result", service)
}

/// What an expression says of each table of results that a history has: one of an older version may lack some.
fn of_tables(conn: &Connection, expressions: [(&str, &str); 3]) -> Result<Vec<Option<i64>>> {
    let mut statement = conn.prepare("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)")?;
    let mut said = Vec::new();
    for (table, sql) in expressions {
        if statement.query_row([table], |row| row.get(0))? {
            said.push(conn.query_row(sql, [], |row| row.get(0))?);
        }
    }
    Ok(said)
}

/// When the newest check of all services started; also in a history of an older version.
pub(super) fn last_of_all(conn: &Connection) -> Result<Option<i64>> {
    let rows = "SELECT max(last) FROM (SELECT (SELECT max(at) FROM check_result WHERE service_id = s.id) AS last FROM service s)";
    let last = of_tables(
        conn,
        [
            ("check_result", rows),
            ("tail", "SELECT max(at) FROM tail"),
            ("sealed_day", "SELECT max(last_at) FROM sealed_day"),
        ],
    )?;
    Ok(last.into_iter().flatten().max())
}

/// How many rows there are of all services; also in a history of an older version.
pub(super) fn count_all(conn: &Connection) -> Result<u64> {
    let counts = of_tables(
        conn,
        [
            ("check_result", "SELECT count(*) FROM check_result"),
            ("tail", "SELECT count(*) FROM tail"),
            ("sealed_day", "SELECT sum(results) FROM sealed_day"),
        ],
    )?;
    Ok(counts.into_iter().flatten().sum::<i64>().unsigned_abs())
}
