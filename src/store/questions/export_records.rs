//! What a history is made of when it leaves or arrives.
//!
//! A merge of two histories is a function of what both of them would export and of nothing else, the same whichever
//! came first. So whatever a merge depends on is here, and an export says it.

use crate::{
    domain::{
        check::{CheckResult, Class, Outcome, Phase, PhaseTimes},
        incident::{CauseChange, Outage},
        service::{Kind, Target, Thresholds},
        time::UnixMs,
        timeline::Tally,
    },
    store::{Interruption, RunHead, Setting},
};

/// What an export has before the rows: the services with their settings over time, and the monitor's own life.
#[derive(Clone, PartialEq, Debug)]
pub struct Head {
    pub services: Vec<ServiceHead>,
    /// By the time of their start.
    pub runs: Vec<RunHead>,
    /// By time.
    pub interruptions: Vec<Interruption>,
}

/// A service, whatever its configuration is today.
#[derive(Clone, PartialEq, Debug)]
pub struct ServiceHead {
    pub name: String,
    pub kind: Kind,
    pub target: Target,
    pub group: Option<String>,
    pub added_at: UnixMs,
    pub removed_at: Option<UnixMs>,
    pub certificate_expires_at: Option<UnixMs>,
    /// Rows before it may have been retired; `None`: none has been.
    pub rows_from: Option<UnixMs>,
    /// Sums of an hour before it may have been retired.
    pub hours_from: Option<UnixMs>,
    /// By time; at least one.
    pub settings: Vec<SettingHead>,
}

/// What the arithmetic depends on, from `since` on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SettingHead {
    pub since: UnixMs,
    pub enabled: bool,
    pub interval_ms: i64,
    pub timeout_ms: i64,
    pub failure_threshold: u32,
    pub success_threshold: u32,
    pub degraded_after_ms: Option<i64>,
    /// `None`: it was not recorded then.
    pub critical: Option<bool>,
}

impl From<(UnixMs, Setting)> for SettingHead {
    fn from((since, setting): (UnixMs, Setting)) -> SettingHead {
        SettingHead {
            since,
            enabled: setting.enabled,
            interval_ms: setting.interval_ms,
            timeout_ms: setting.timeout_ms,
            failure_threshold: setting.thresholds.failure,
            success_threshold: setting.thresholds.success,
            degraded_after_ms: setting.degraded_after_ms,
            critical: setting.critical,
        }
    }
}

impl SettingHead {
    /// As the history has it.
    pub(in crate::store) fn setting(&self) -> Setting {
        Setting {
            enabled: self.enabled,
            interval_ms: self.interval_ms,
            timeout_ms: self.timeout_ms,
            thresholds: Thresholds { failure: self.failure_threshold, success: self.success_threshold },
            degraded_after_ms: self.degraded_after_ms,
            critical: self.critical,
        }
    }
}

/// A check result on its way out, its texts still in the database.
#[derive(Clone, Copy, Debug)]
pub struct CheckRow<'a> {
    pub at: UnixMs,
    pub outcome: Outcome,
    pub recheck: bool,
    pub latency_us: Option<u32>,
    pub phases: PhaseTimes,
    pub http_status: Option<u16>,
    pub certificate_days: Option<i32>,
    /// Why the outcome is not `up`: class, phase, message.
    pub reason: Option<(Class, Option<Phase>, &'a str)>,
    /// The beginning of the failing answer, where it is kept: of the first failed check and of those that failed for
    /// another reason than the one before.
    pub excerpt: Option<&'a str>,
}

impl<'a> From<&'a CheckResult> for CheckRow<'a> {
    fn from(result: &'a CheckResult) -> CheckRow<'a> {
        CheckRow {
            at: result.at,
            outcome: result.outcome,
            recheck: result.recheck,
            latency_us: result.latency_us,
            phases: result.phases,
            http_status: result.http_status,
            certificate_days: result.certificate_days,
            reason: result.reason.as_ref().map(|r| (r.class, r.phase, r.message.as_str())),
            excerpt: None,
        }
    }
}

/// An outage, and what of it cannot be found again in the rows beside it.
#[derive(Clone, PartialEq, Debug)]
pub struct OutageRecord {
    pub outage: Outage,
    /// Where it began before the first row.
    pub beyond: Option<Beyond>,
}

/// The part of an outage before the first row.
#[derive(Clone, PartialEq, Debug)]
pub struct Beyond {
    pub checks_failed: u64,
    pub down_ms: i64,
    /// Changes of cause in it, by time.
    pub changes: Vec<CauseChange>,
}

/// The sum of an hour or a day whose rows may be gone.
#[derive(Clone, PartialEq, Debug)]
pub struct SumRecord {
    pub start: UnixMs,
    pub size: SumSize,
    pub tally: Tally,
}

/// An hour or a day (UTC).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SumSize {
    Hour,
    Day,
}
