//! What the objects of a document look like.

use super::order::Order;
use crate::{
    domain::{
        incident::Outage,
        time::{DAY_MS, HOUR_MS, UnixMs},
    },
    interchange::json::{AcknowledgementJson, CauseChangeJson, IncidentJson, Time, ms},
    routing::Acknowledgement,
    store::{Beyond, Head, ServiceHead, SilencedRecord, SumRecord, SumSize},
};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct HeaderJson<'a> {
    version: u32,
    from: Time,
    to: Time,
    generated_at: Time,
    services: Vec<ServiceJson<'a>>,
    runs: Vec<RunJson<'a>>,
    interruptions: Vec<InterruptionJson>,
}

#[derive(Serialize)]
pub(crate) struct ServiceJson<'a> {
    name: &'a str,
    group: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'static str,
    target: &'a str,
    added_at: Time,
    removed_at: Option<Time>,
    certificate_expires_at: Option<Time>,
    /// Results before it are not kept any more.
    checks_kept_from: Option<Time>,
    hours_kept_from: Option<Time>,
    settings: Vec<SettingJson>,
}

#[derive(Serialize)]
pub(crate) struct SettingJson {
    since: Time,
    enabled: bool,
    interval_ms: i64,
    timeout_ms: i64,
    failure_threshold: u32,
    success_threshold: u32,
    degraded_after_ms: Option<i64>,
    /// `null`: it was not recorded then.
    critical: Option<bool>,
}

#[derive(Serialize)]
pub(crate) struct RunJson<'a> {
    started_at: Time,
    alive_at: Time,
    stopped_at: Option<Time>,
    version: &'a str,
}

#[derive(Serialize)]
pub(crate) struct InterruptionJson {
    from: Time,
    to: Time,
    reason: &'static str,
    results: u64,
}

impl<'a> HeaderJson<'a> {
    pub(crate) fn new(order: &Order, head: &'a Head) -> HeaderJson<'a> {
        HeaderJson {
            version: 1,
            from: Time(order.window.from()),
            to: Time(order.window.to()),
            generated_at: Time(order.now),
            services: head.services.iter().map(|s| ServiceJson::new(s, order)).collect(),
            runs: head
                .runs
                .iter()
                .map(|run| RunJson {
                    started_at: Time(run.started_at),
                    alive_at: Time(run.alive_at),
                    stopped_at: run.stopped_at.map(Time),
                    version: &run.version,
                })
                .collect(),
            interruptions: head
                .interruptions
                .iter()
                .map(|i| InterruptionJson {
                    from: Time(i.from),
                    to: Time(i.to),
                    reason: i.why.as_str(),
                    results: i.results,
                })
                .collect(),
        }
    }
}

impl<'a> ServiceJson<'a> {
    pub(crate) fn new(head: &'a ServiceHead, order: &Order) -> ServiceJson<'a> {
        // What was retired before the window is of no interest in it.
        let kept = |from: Option<UnixMs>| from.filter(|from| *from > order.window.from()).map(Time);
        ServiceJson {
            name: &head.name,
            group: head.group.as_deref(),
            kind: head.kind.as_str(),
            target: head.target.shown(head.kind, order.commands),
            added_at: Time(head.added_at),
            removed_at: head.removed_at.map(Time),
            certificate_expires_at: head.certificate_expires_at.map(Time),
            checks_kept_from: kept(head.rows_from),
            hours_kept_from: kept(head.hours_from),
            settings: head
                .settings
                .iter()
                .map(|s| SettingJson {
                    since: Time(s.since),
                    enabled: s.enabled,
                    interval_ms: s.interval_ms,
                    timeout_ms: s.timeout_ms,
                    failure_threshold: s.failure_threshold,
                    success_threshold: s.success_threshold,
                    degraded_after_ms: s.degraded_after_ms,
                    critical: s.critical,
                })
                .collect(),
        }
    }
}

/// An outage, with what the check results beside it do not show.
#[derive(Serialize)]
pub(crate) struct OutageJson<'a> {
    #[serde(flatten)]
    pub(crate) incident: IncidentJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before_first_check: Option<BeforeJson<'a>>,
}

/// What an outage was before the first check result of the document.
#[derive(Serialize)]
pub(crate) struct BeforeJson<'a> {
    checks_failed: u64,
    down_ms: i64,
    response_time_ms: Option<f64>,
    dns_ms: Option<f64>,
    connect_ms: Option<f64>,
    tls_ms: Option<f64>,
    ttfb_ms: Option<f64>,
    changes: Vec<CauseChangeJson<'a>>,
}

impl<'a> BeforeJson<'a> {
    pub(crate) fn new(outage: &Outage, beyond: &'a Beyond) -> BeforeJson<'a> {
        let phases = &outage.cause.phases;
        BeforeJson {
            checks_failed: beyond.checks_failed,
            down_ms: beyond.down_ms,
            response_time_ms: ms(outage.cause.latency_us),
            dns_ms: ms(phases.dns_us),
            connect_ms: ms(phases.connect_us),
            tls_ms: ms(phases.tls_us),
            ttfb_ms: ms(phases.ttfb_us),
            changes: beyond.changes.iter().map(CauseChangeJson::from).collect(),
        }
    }
}

/// The sum of an hour or a day whose check results are not kept any more.
#[derive(Serialize)]
pub(crate) struct SumJson<'a> {
    service: &'a str,
    from: Time,
    length_ms: i64,
    up_ms: i64,
    degraded_ms: i64,
    down_ms: i64,
    unknown_ms: i64,
    doubt_up_ms: i64,
    doubt_down_ms: i64,
    checks: u64,
    failures: u64,
    min_ms: Option<f64>,
    max_ms: Option<f64>,
    /// How many passed checks took so many microseconds and fewer than the next number. The numbers are 0 to 64, then 32
    /// to each doubling.
    latency_us: Vec<(u32, u32)>,
}

impl<'a> SumJson<'a> {
    pub(crate) fn new(service: &'a str, sum: &SumRecord) -> SumJson<'a> {
        let tally = &sum.tally;
        SumJson {
            service,
            from: Time(sum.start),
            length_ms: match sum.size {
                SumSize::Hour => HOUR_MS,
                SumSize::Day => DAY_MS,
            },
            up_ms: tally.up_ms,
            degraded_ms: tally.degraded_ms,
            down_ms: tally.down_ms,
            unknown_ms: tally.unknown_ms,
            doubt_up_ms: tally.doubt_up_ms,
            doubt_down_ms: tally.doubt_down_ms,
            checks: tally.checks,
            failures: tally.failures,
            min_ms: ms(tally.min_us),
            max_ms: ms(tally.max_us),
            latency_us: tally.latency.entries().collect(),
        }
    }
}

/// An object with its `"type"` before the rest.
#[derive(Serialize)]
pub(crate) struct Typed<T> {
    pub(crate) r#type: &'static str,
    #[serde(flatten)]
    pub(crate) rest: T,
}

/// An acknowledgement of the incident of a service.
#[derive(Serialize)]
pub(super) struct AcknowledgedJson<'a> {
    service: &'a str,
    started_at: Time,
    #[serde(flatten)]
    acknowledgement: AcknowledgementJson<'a>,
}

impl<'a> From<&'a (String, UnixMs, Acknowledgement)> for AcknowledgedJson<'a> {
    fn from((service, started_at, one): &'a (String, UnixMs, Acknowledgement)) -> AcknowledgedJson<'a> {
        AcknowledgedJson { service, started_at: Time(*started_at), acknowledgement: one.into() }
    }
}

/// That nobody was notified of the incident of a service because of a silence.
#[derive(Serialize)]
pub(super) struct SilencedJson<'a> {
    service: &'a str,
    started_at: Time,
    silence: &'a str,
    at: Time,
    told_at: Option<Time>,
}

impl<'a> From<&'a SilencedRecord> for SilencedJson<'a> {
    fn from(one: &'a SilencedRecord) -> SilencedJson<'a> {
        SilencedJson {
            service: &one.service,
            started_at: Time(one.started_at),
            silence: &one.silence,
            at: Time(one.at),
            told_at: one.told_at.map(Time),
        }
    }
}
