//! From what a probe found to the check result that is kept.

use crate::domain::{
    check::{CheckResult, Class, Outcome, PhaseTimes, Reason, Report, Verdict},
    service::Service,
    time::{DAY_MS, UnixMs},
};

/// The result of a check that started at `at`.
pub(super) fn judge(service: &Service, report: &Report, at: UnixMs, recheck: bool) -> CheckResult {
    let (outcome, reason) = match &report.verdict {
        Verdict::Passed => match too_slow(service, i64::from(report.latency_us)) {
            Some(reason) => (Outcome::Degraded, Some(reason)),
            None => (Outcome::Up, None),
        },
        Verdict::Degraded(reason) => (Outcome::Degraded, Some(reason.clone())),
        Verdict::Failed(reason) => (Outcome::Down, Some(reason.clone())),
        Verdict::Inconclusive(reason) => (Outcome::Unknown, Some(reason.clone())),
    };
    CheckResult {
        at,
        outcome,
        latency_us: Some(report.latency_us),
        phases: report.phases,
        http_status: report.http_status,
        certificate_days: report.certificate_expires_at.map(|end| end.since(at).div_euclid(DAY_MS) as i32),
        reason,
        recheck,
    }
}

/// Why a check that passed is degraded.
pub(super) fn too_slow(service: &Service, latency_us: i64) -> Option<Reason> {
    let limit_ms = service.degraded_after_ms?;
    (latency_us > limit_ms * 1000).then(|| Reason {
        class: Class::Slow,
        phase: None,
        message: format!("slower than {limit_ms} ms"),
    })
}

/// What a failure is where no witness answers either: not the service's.
pub(super) fn cut_off(result: &mut CheckResult) {
    let why = result.reason.take().map_or(String::new(), |reason| reason.message);
    result.outcome = Outcome::Unknown;
    result.reason = Some(Reason {
        class: Class::Monitor,
        phase: None,
        message: format!("no witness answers either, so this monitor may be cut off ({why})"),
    });
}

/// The result of a check that could not be made, because of us.
pub(super) fn unjudged(at: UnixMs, message: impl Into<String>) -> CheckResult {
    CheckResult {
        at,
        outcome: Outcome::Unknown,
        latency_us: None,
        phases: PhaseTimes::default(),
        http_status: None,
        certificate_days: None,
        reason: Some(Reason { class: Class::Monitor, phase: None, message: message.into() }),
        recheck: false,
    }
}
