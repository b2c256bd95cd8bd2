//! Probes against real servers on the loopback, the well-behaved and the others.

mod command;
mod http;
mod https;
mod postgres;
mod redirects;
mod tcp;

use healthcheck_dashboard::{
    domain::check::{Class, Phase, Reason, Report, Verdict},
    probe::{Probe, Shared, spec::Spec},
};
use std::{sync::OnceLock, time::Duration};

/// Time enough for what is expected to come.
const AMPLE: Duration = Duration::from_secs(10);
/// Too little for what never comes.
const SHORT: Duration = Duration::from_millis(300);

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| Shared::new().unwrap())
}

fn probe(spec: Spec) -> Probe {
    Probe::new(&spec, Vec::new(), shared()).unwrap()
}

/// The reason of a failed check.
#[track_caller]
fn failure(report: &Report) -> &Reason {
    match &report.verdict {
        Verdict::Failed(reason) => reason,
        other => panic!("not a failure: {other:?}"),
    }
}

/// Holds class, phase and message of a failed check.
#[track_caller]
fn assert_failed(report: &Report, class: Class, phase: Phase, message: &str) {
    let reason = failure(report);
    assert_eq!((reason.class, reason.phase, reason.message.as_str()), (class, Some(phase), message), "{report:?}");
}

#[track_caller]
fn assert_passed(report: &Report) {
    assert_eq!(report.verdict, Verdict::Passed, "{report:?}");
}

/// Holds a timeout, and that the report came by then.
#[track_caller]
fn assert_late(report: &Report, phase: Phase, message: &str) {
    assert_failed(report, Class::Timeout, phase, message);
    assert!((280_000..2_000_000).contains(&report.latency_us), "{report:?}");
}
