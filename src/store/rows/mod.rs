//! The rows of check results: what they are, where they lie, and the one way to walk over them.
//!
//! Most lie in `check_result`, sorted by service and time. Where many services are watched the newest lie in the
//! [`tail`] for some minutes. Of one service, all that lies in the tail is later than all that does not.

mod settled;
pub(super) mod tail;

use super::Result;
use crate::{
    board::ServiceId,
    domain::{
        check::{CheckResult, Outcome, PhaseTimes},
        time::UnixMs,
    },
};
use rusqlite::Connection;
use std::ops::ControlFlow;

pub(super) use settled::{delete_oldest, insert, replace};

/// A check result as it lies in the history: its reason is a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) at: UnixMs,
    pub(super) outcome: Outcome,
    pub(super) recheck: bool,
    pub(super) latency_us: Option<u32>,
    pub(super) phases: PhaseTimes,
    pub(super) http_status: Option<u16>,
    pub(super) certificate_days: Option<i32>,
    pub(super) reason: Option<i64>,
}

impl Row {
    /// The row of a result whose reason has this number.
    pub(super) fn of(result: &CheckResult, reason: Option<i64>) -> Row {
        Row {
            at: result.at,
            outcome: result.outcome,
            recheck: result.recheck,
            latency_us: result.latency_us,
            phases: result.phases,
            http_status: result.http_status,
            certificate_days: result.certificate_days,
            reason,
        }
    }
}

/// Which columns of the rows are read, each with all before it; the others are empty. To read fewer is faster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Need {
    /// Time and outcome.
    Outcome,
    /// How long it took.
    Latency,
    /// How long each of its phases took.
    Phases,
    Everything,
}

/// Some of the outcomes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Outcomes(u8);

impl Outcomes {
    pub(super) const ALL: Outcomes = Outcomes(0b1111);
    pub(super) const UP: Outcomes = Outcomes(0b0001);
    pub(super) const DEGRADED: Outcomes = Outcomes(0b0010);
    pub(super) const PASSED: Outcomes = Outcomes(0b0011);
    pub(super) const FAILED: Outcomes = Outcomes(0b0100);
    pub(super) const JUDGED: Outcomes = Outcomes(0b0111);

    pub(super) fn only(outcome: Outcome) -> Outcomes {
        Outcomes(1 << outcome.code())
    }
}

/// A walk over the results of one service. It has to see one moment of the database: where it is not all that is asked, it
/// belongs into a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    service: ServiceId,
    /// Both included.
    from: i64,
    to: i64,
    outcomes: Outcomes,
    need: Need,
}

impl Walk {
    /// Over all there are, with time and outcome.
    pub(super) fn over(service: ServiceId) -> Walk {
        Walk { service, from: i64::MIN, to: i64::MAX, outcomes: Outcomes::ALL, need: Need::Outcome }
    }

    /// Only those from this moment on.
    pub(super) fn from(self, at: UnixMs) -> Walk {
        Walk { from: self.from.max(at.0), ..self }
    }

    /// Only those before this moment.
    pub(super) fn before(self, at: UnixMs) -> Walk {
        Walk { to: self.to.min(at.0.saturating_sub(1)), ..self }
    }

    /// Only those of these outcomes.
    pub(super) fn only(self, outcomes: Outcomes) -> Walk {
        Walk { outcomes, ..self }
    }

    /// With these columns.
    pub(super) fn with(self, need: Need) -> Walk {
        Walk { need, ..self }
    }

    /// Hands `each` the rows, oldest first, until it has had enough.
    pub(super) fn forward(self, conn: &Connection, mut each: impl FnMut(Row) -> Result<ControlFlow<()>>) -> Result<()> {
        if settled::forward(conn, self, &mut each)?.is_continue() {
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
            let _ended = settled::backward(conn, self, &mut each)?;
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
        Ok(self.first(conn)?.map(|row| row.at))
    }

    /// When the newest check started.
    pub(super) fn last_at(self, conn: &Connection) -> Result<Option<UnixMs>> {
        Ok(self.last(conn)?.map(|row| row.at))
    }

    /// How many there are.
    pub(super) fn count(self, conn: &Connection) -> Result<u64> {
        Ok(settled::count(conn, self)? + tail::count(conn, self)?)
    }
}

/// The tables of rows that a history has: one of an older version may have no tail.
fn tables(conn: &Connection) -> Result<Vec<String>> {
    let mut statement = conn.prepare("SELECT name FROM sqlite_schema WHERE name IN ('check_result', 'tail')")?;
    let names = statement.query_map([], |row| row.get(0))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

/// When the newest check of all services started; also in a history of an older version.
pub(super) fn last_of_all(conn: &Connection) -> Result<Option<i64>> {
    let mut last = conn.query_row(
        "SELECT max(last) FROM (SELECT (SELECT max(at) FROM check_result WHERE service_id = s.id) AS last FROM service s)",
        [],
        |row| row.get(0),
    )?;
    if tables(conn)?.iter().any(|table| table == "tail") {
        let newest: Option<i64> = conn.query_row("SELECT max(at) FROM tail", [], |row| row.get(0))?;
        last = newest.max(last);
    }
    Ok(last)
}

/// How many rows there are of all services; also in a history of an older version.
pub(super) fn count_all(conn: &Connection) -> Result<u64> {
    let count =
        |table: String| conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0));
    let counts = tables(conn)?.into_iter().map(count).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(counts.into_iter().sum::<i64>().unsigned_abs())
}
