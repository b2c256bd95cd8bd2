//! From what a probe found to the check result that is kept.

use crate::domain::{
    check::{CheckResult, Class, Outcome, PhaseTimes, Reason, Report, Verdict},
    service::Service,
    time::{DAY_MS, UnixMs},
};

/// The result of a check that started at `at`.
pub(super) fn judge(service: &Service, report: &Report, at: UnixMs, recheck: bool) -> CheckResult {
    let (outcome, reason) = match &report.verdict {
        Verdict::Passed => match too_slow(service, report.latency_us) {
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

fn too_slow(service: &Service, latency_us: u32) -> Option<Reason> {
    let limit_ms = service.degraded_after_ms?;
    (i64::from(latency_us) > limit_ms * 1000).then(|| Reason {
        class: Class::Slow,
        phase: None,
        message: format!("slower than {limit_ms} ms"),
    })
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
