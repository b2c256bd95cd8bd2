//! A row: what is stored of a check result.

use crate::{
    domain::{
        check::{CheckResult, Outcome, PhaseTimes},
        time::UnixMs,
    },
    live::ServiceId,
};

/// A check result as it lies in the history: its reason is a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub(crate) at: UnixMs,
    pub(crate) outcome: Outcome,
    pub(crate) recheck: bool,
    pub(crate) latency_us: Option<u32>,
    pub(crate) phases: PhaseTimes,
    pub(crate) http_status: Option<u16>,
    pub(crate) certificate_days: Option<i32>,
    pub(crate) reason: Option<i64>,
}

impl Row {
    /// The row of a result whose reason has this number.
    pub(in crate::store) fn of(result: &CheckResult, reason: Option<i64>) -> Row {
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

/// The columns of a row that every table of rows has, in the order of [`Row::values`].
macro_rules! columns {
    () => {
        "service_id, at, outcome, recheck, latency_us, http_status, dns_us, connect_us, tls_us, ttfb_us, \
         certificate_days, reason_id"
    };
}
pub(super) use columns;

impl Row {
    /// What its columns hold: numbers, all of them.
    pub(super) fn values(&self, service: ServiceId) -> [Option<i64>; 12] {
        [
            Some(service.0),
            Some(self.at.0),
            Some(self.outcome.code()),
            Some(self.recheck.into()),
            self.latency_us.map(i64::from),
            self.http_status.map(i64::from),
            self.phases.dns_us.map(i64::from),
            self.phases.connect_us.map(i64::from),
            self.phases.tls_us.map(i64::from),
            self.phases.ttfb_us.map(i64::from),
            self.certificate_days.map(i64::from),
            self.reason,
        ]
    }
}
