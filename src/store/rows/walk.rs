//! Which rows are meant: of a service, from when to when, of which outcomes, with which columns.

use super::row::Row;
use crate::{
    domain::{check::Outcome, time::UnixMs},
    live::ServiceId,
};

/// Which columns of the rows are read, each with all before it; the others are empty. To read fewer is faster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Columns {
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
pub(crate) struct Outcomes(pub(super) u8);

impl Outcomes {
    pub(crate) const ALL: Outcomes = Outcomes(0b1111);
    pub(crate) const UP: Outcomes = Outcomes(0b0001);
    pub(crate) const DEGRADED: Outcomes = Outcomes(0b0010);
    pub(crate) const PASSED: Outcomes = Outcomes(0b0011);
    pub(crate) const FAILED: Outcomes = Outcomes(0b0100);
    pub(crate) const JUDGED: Outcomes = Outcomes(0b0111);

    pub(crate) fn only(outcome: Outcome) -> Outcomes {
        Outcomes(1 << outcome.code())
    }

    fn has(self, outcome: Outcome) -> bool {
        self.0 & Outcomes::only(outcome).0 != 0
    }
}

/// Which way a walk goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// A walk over the results of one service. It has to see one moment of the database: where it is not the only query, it
/// belongs into a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    pub(super) service: ServiceId,
    /// Both included.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) outcomes: Outcomes,
    pub(super) need: Columns,
}

impl Walk {
    /// Over all there are, with time and outcome.
    pub(crate) fn over(service: ServiceId) -> Walk {
        Walk { service, from: i64::MIN, to: i64::MAX, outcomes: Outcomes::ALL, need: Columns::Outcome }
    }

    /// Only those from this moment on.
    pub(crate) fn from(self, at: UnixMs) -> Walk {
        Walk { from: self.from.max(at.0), ..self }
    }

    /// Only those before this moment.
    pub(crate) fn before(self, at: UnixMs) -> Walk {
        Walk { to: self.to.min(at.0.saturating_sub(1)), ..self }
    }

    /// Only those of these outcomes.
    pub(crate) fn only(self, outcomes: Outcomes) -> Walk {
        Walk { outcomes, ..self }
    }

    /// With these columns.
    pub(crate) fn with(self, need: Columns) -> Walk {
        Walk { need, ..self }
    }

    /// Whether it comes by this row.
    pub(super) fn has(&self, row: &Row) -> bool {
        (self.from..=self.to).contains(&row.at.0) && self.outcomes.has(row.outcome)
    }
}
