//! Which rows are meant: of a service, from when to when, of which outcomes, with which columns.

use super::row::Row;
use crate::{
    domain::{check::Outcome, time::UnixMs},
    live::ServiceId,
};

/// Which columns of the rows are read, each with all before it; the others are empty. To read fewer is faster.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(in crate::store) enum Columns {
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
pub(in crate::store) struct Outcomes(pub(super) u8);

impl Outcomes {
    pub(in crate::store) const ALL: Outcomes = Outcomes(0b1111);
    pub(in crate::store) const UP: Outcomes = Outcomes(0b0001);
    pub(in crate::store) const DEGRADED: Outcomes = Outcomes(0b0010);
    pub(in crate::store) const PASSED: Outcomes = Outcomes(0b0011);
    pub(in crate::store) const FAILED: Outcomes = Outcomes(0b0100);
    pub(in crate::store) const JUDGED: Outcomes = Outcomes(0b0111);

    pub(in crate::store) fn only(outcome: Outcome) -> Outcomes {
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

/// A walk over the results of one service. It has to see one moment of the database: where it is not all that is asked, it
/// belongs into a transaction.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Walk {
    pub(super) service: ServiceId,
    /// Both included.
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) outcomes: Outcomes,
    pub(super) need: Columns,
}

impl Walk {
    /// Over all there are, with time and outcome.
    pub(in crate::store) fn over(service: ServiceId) -> Walk {
        Walk { service, from: i64::MIN, to: i64::MAX, outcomes: Outcomes::ALL, need: Columns::Outcome }
    }

    /// Only those from this moment on.
    pub(in crate::store) fn from(self, at: UnixMs) -> Walk {
        Walk { from: self.from.max(at.0), ..self }
    }

    /// Only those before this moment.
    pub(in crate::store) fn before(self, at: UnixMs) -> Walk {
        Walk { to: self.to.min(at.0.saturating_sub(1)), ..self }
    }

    /// Only those of these outcomes.
    pub(in crate::store) fn only(self, outcomes: Outcomes) -> Walk {
        Walk { outcomes, ..self }
    }

    /// With these columns.
    pub(in crate::store) fn with(self, need: Columns) -> Walk {
        Walk { need, ..self }
    }

    /// Whether it comes by this row.
    pub(super) fn has(&self, row: &Row) -> bool {
        (self.from..=self.to).contains(&row.at.0) && self.outcomes.has(row.outcome)
    }
}
