//! Probes against real servers on the loopback, the well-behaved and the others.

mod amqp;
mod command;
mod conditions;
mod databases;
mod datagrams;
mod dns;
mod domain;
mod encodings;
mod grpc;
mod http;
mod https;
mod kafka;
mod local;
mod mail;
mod memcached;
mod oauth2;
mod postgres;
mod prometheus;
mod queues;
mod redirects;
mod redis;
mod requests;
mod ssh;
mod starttls;
mod steps;
mod tcp;
mod tls;
mod turns;
mod ways;
mod websocket;

use healthcheck_dashboard::{
    domain::{
        check::{Class, Phase, Reason, Report, Verdict},
        network::NetworkGuard,
    },
    probe::{Address, Probe, Shared, Spec},
    settings::network::IpVersion,
};
use std::{net::SocketAddr, sync::OnceLock, time::Duration};

/// Time enough for what is expected to come, on a busy machine too.
const AMPLE: Duration = Duration::from_secs(120);
/// Too little for what never comes, and enough for what comes before it.
const SHORT: Duration = Duration::from_secs(1);

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| Shared::new(NetworkGuard::default()).unwrap())
}

fn probe(spec: Spec) -> Probe {
    Probe::new(&spec, Vec::new(), shared()).unwrap()
}

/// This address, as the configuration would give it.
fn at(address: SocketAddr) -> Address {
    let (host, port) = (address.ip().to_string(), address.port());
    Address { host, port, ip_version: IpVersion::Any, allow_metadata: false }
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

/// The reason of a check that passed with a reservation.
#[track_caller]
fn degraded(report: &Report) -> Reason {
    match &report.verdict {
        Verdict::Degraded(reason) => reason.clone(),
        other => panic!("no reservation: {other:?}"),
    }
}

#[track_caller]
fn assert_passed(report: &Report) {
    assert_eq!(report.verdict, Verdict::Passed, "{report:?}");
}

/// Holds a timeout, and that it was waited for.
#[track_caller]
fn assert_late(report: &Report, phase: Phase, message: &str) {
    assert_failed(report, Class::Timeout, phase, message);
    // What the check waits for the monitor itself is not counted.
    assert!(u128::from(report.latency_us) >= SHORT.as_micros() / 2, "{report:?}");
}
