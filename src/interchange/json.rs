//! How the history's values look in JSON. Only grows: what is here is a promise.

use crate::{
    domain::{
        check::{CheckResult, Outcome, Phase, Reason},
        incident::{CauseChange, Gap, Outage},
        time::UnixMs,
        timeline::Tally,
        uptime::{Uptime, us_to_ms},
        window::Window,
    },
    routing::{Acknowledgement, Silence, Silenced},
    store::{IncidentNote, Maintenance},
};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

/// RFC 3339 in UTC with milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) UnixMs);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Microseconds as milliseconds with at most three decimals.
pub(crate) fn ms(us: Option<u32>) -> Option<f64> {
    us.map(|us| us_to_ms(f64::from(us)))
}

/// A list that is read page by page.
#[derive(Serialize, Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// The cursor of the following page.
    pub(crate) next: Option<String>,
}

#[derive(Serialize, Debug)]
pub(crate) struct ReasonJson<'a> {
    class: &'static str,
    phase: Option<&'static str>,
    message: &'a str,
}

impl<'a> From<&'a Reason> for ReasonJson<'a> {
    fn from(reason: &'a Reason) -> ReasonJson<'a> {
        ReasonJson { class: reason.class.as_str(), phase: reason.phase.map(Phase::as_str), message: &reason.message }
    }
}

/// A check result.
#[derive(Serialize, Debug)]
pub(crate) struct CheckJson<'a> {
    service: &'a str,
    at: Time,
    outcome: &'static str,
    response_time_ms: Option<f64>,
    dns_ms: Option<f64>,
    connect_ms: Option<f64>,
    tls_ms: Option<f64>,
    ttfb_ms: Option<f64>,
    http_status: Option<u16>,
    certificate_days: Option<i32>,
    /// Why it failed, or could not be judged.
    failure: Option<ReasonJson<'a>>,
    /// Why it is degraded.
    note: Option<ReasonJson<'a>>,
    recheck: bool,
}

impl<'a> CheckJson<'a> {
    pub(crate) fn new(service: &'a str, result: &'a CheckResult) -> CheckJson<'a> {
        let reason = result.reason.as_ref().map(ReasonJson::from);
        let (failure, note) = if result.outcome == Outcome::Degraded { (None, reason) } else { (reason, None) };
        CheckJson {
            service,
            at: Time(result.at),
            outcome: result.outcome.as_str(),
            response_time_ms: ms(result.latency_us),
            dns_ms: ms(result.phases.dns_us),
            connect_ms: ms(result.phases.connect_us),
            tls_ms: ms(result.phases.tls_us),
            ttfb_ms: ms(result.phases.ttfb_us),
            http_status: result.http_status,
            certificate_days: result.certificate_days,
            failure,
            note,
            recheck: result.recheck,
        }
    }
}

#[derive(Serialize, Debug)]
pub(crate) struct CauseJson<'a> {
    class: &'static str,
    phase: Option<&'static str>,
    message: &'a str,
    http_status: Option<u16>,
    /// The beginning of the failing answer.
    excerpt: Option<&'a str>,
}

/// An incident.
#[derive(Serialize, Debug)]
pub(crate) struct IncidentJson<'a> {
    id: i64,
    service: &'a str,
    status: &'static str,
    last_ok_at: Option<Time>,
    started_at: Time,
    confirmed_at: Option<Time>,
    resolved_at: Option<Time>,
    duration_ms: i64,
    down_ms: i64,
    checks_failed: u64,
    cause: CauseJson<'a>,
    also_failed: Vec<&'a str>,
    /// What people wrote down about it.
    note: Option<&'a str>,
    noted_at: Option<Time>,
}

impl<'a> IncidentJson<'a> {
    /// An incident at `now`, with the names of the services that failed with it.
    pub(crate) fn new(outage: &'a Outage, also_failed: Vec<&'a str>, now: UnixMs) -> IncidentJson<'a> {
        let cause = &outage.cause;
        IncidentJson {
            id: outage.id,
            service: &outage.service,
            status: outage.state().as_str(),
            last_ok_at: outage.last_ok_at.map(Time),
            started_at: Time(outage.started_at),
            confirmed_at: outage.confirmed_at.map(Time),
            resolved_at: outage.ended_at.map(Time),
            duration_ms: outage.duration_ms(now),
            down_ms: outage.down_ms,
            checks_failed: outage.checks_failed,
            cause: CauseJson {
                class: cause.reason.class.as_str(),
                phase: cause.reason.phase.map(Phase::as_str),
                message: &cause.reason.message,
                http_status: cause.http_status,
                excerpt: cause.excerpt.as_deref(),
            },
            also_failed,
            note: outage.note.as_ref().map(|note| note.text.as_str()),
            noted_at: outage.note.as_ref().map(|note| Time(note.at)),
        }
    }
}

#[derive(Serialize, Debug)]
pub(crate) struct CauseChangeJson<'a> {
    at: Time,
    class: &'static str,
    phase: Option<&'static str>,
    message: &'a str,
    http_status: Option<u16>,
    excerpt: Option<&'a str>,
}

impl<'a> From<&'a CauseChange> for CauseChangeJson<'a> {
    fn from(change: &'a CauseChange) -> CauseChangeJson<'a> {
        CauseChangeJson {
            at: Time(change.at),
            class: change.reason.class.as_str(),
            phase: change.reason.phase.map(Phase::as_str),
            message: &change.reason.message,
            http_status: change.http_status,
            excerpt: change.excerpt.as_deref(),
        }
    }
}

/// A gap.
#[derive(Serialize, Debug)]
pub(crate) struct GapJson<'a> {
    service: &'a str,
    from: Time,
    to: Option<Time>,
    reason: &'static str,
}

impl<'a> From<&'a Gap> for GapJson<'a> {
    fn from(gap: &'a Gap) -> GapJson<'a> {
        GapJson { service: &gap.service, from: Time(gap.from), to: gap.to.map(Time), reason: gap.why.as_str() }
    }
}

/// A window of maintenance.
#[derive(Serialize, Debug)]
pub(crate) struct MaintenanceJson<'a> {
    from: Time,
    to: Time,
    /// The services that it is for; `null`: all.
    services: Option<Vec<&'a str>>,
    source: &'static str,
    reason: &'a str,
    noted_at: Time,
    taken_back_at: Option<Time>,
}

impl<'a> MaintenanceJson<'a> {
    /// A window as far as it is for some services; `None` where it is for none of them.
    pub(crate) fn new(one: &'a Maintenance, wanted: impl Fn(&str) -> bool) -> Option<MaintenanceJson<'a>> {
        let services = match &one.services {
            None => None,
            Some(names) => Some(names.iter().map(String::as_str).filter(|name| wanted(name)).collect::<Vec<_>>())
                .filter(|names| !names.is_empty())
                .map(Some)?,
        };
        Some(MaintenanceJson {
            from: Time(one.window.from()),
            to: Time(one.window.to()),
            services,
            source: one.source.as_str(),
            reason: &one.reason,
            noted_at: Time(one.noted_at),
            taken_back_at: one.taken_back_at.map(Time),
        })
    }
}

/// A note of an incident, by itself: the incident's own may have got another number where it arrives.
#[derive(Serialize, Debug)]
pub(crate) struct NoteJson<'a> {
    service: &'a str,
    started_at: Time,
    /// `null`: it was removed.
    note: Option<&'a str>,
    noted_at: Time,
    source: &'static str,
}

impl<'a> From<&'a IncidentNote> for NoteJson<'a> {
    fn from(note: &'a IncidentNote) -> NoteJson<'a> {
        NoteJson {
            service: &note.service,
            started_at: Time(note.started_at),
            note: note.text.as_deref(),
            noted_at: Time(note.noted_at),
            source: note.source.as_str(),
        }
    }
}

/// That somebody takes care of an incident.
#[derive(Serialize, Debug)]
pub(crate) struct AcknowledgementJson<'a> {
    at: Time,
    /// `null`: until the incident is over. Where it is not later than `at` an acknowledgement was taken back.
    until: Option<Time>,
    author: &'a str,
    note: Option<&'a str>,
}

impl<'a> From<&'a Acknowledgement> for AcknowledgementJson<'a> {
    fn from(one: &'a Acknowledgement) -> AcknowledgementJson<'a> {
        AcknowledgementJson {
            at: Time(one.at),
            until: one.until.map(Time),
            author: &one.author,
            note: one.note.as_deref(),
        }
    }
}

/// Alerts that nobody is notified of, whatever the moment at which it is looked at.
#[derive(Serialize, Debug)]
pub(crate) struct SilenceRecordJson<'a> {
    id: &'a str,
    #[serde(flatten)]
    silenced: &'a Silenced,
    from: Time,
    until: Time,
    author: &'a str,
    reason: Option<&'a str>,
    created_at: Time,
}

impl<'a> From<&'a Silence> for SilenceRecordJson<'a> {
    fn from(silence: &'a Silence) -> SilenceRecordJson<'a> {
        SilenceRecordJson {
            id: &silence.id,
            silenced: &silence.silenced,
            from: Time(silence.from),
            until: Time(silence.until),
            author: &silence.author,
            reason: silence.reason.as_deref(),
            created_at: Time(silence.created_at),
        }
    }
}

/// A silence as it is at a moment.
#[derive(Serialize, Debug)]
pub(crate) struct SilenceJson<'a> {
    /// `planned`, `active` or `over`.
    state: &'static str,
    #[serde(flatten)]
    silence: SilenceRecordJson<'a>,
}

impl<'a> SilenceJson<'a> {
    /// A silence as it is at `now`.
    pub(crate) fn new(silence: &'a Silence, now: UnixMs) -> SilenceJson<'a> {
        let state = match () {
            () if now < silence.from => "planned",
            () if silence.is_active(now) => "active",
            () => "over",
        };
        SilenceJson { state, silence: silence.into() }
    }
}

/// The figures of one service over one window.
#[derive(Serialize, Debug)]
pub(crate) struct UptimeJson {
    from: Time,
    to: Time,
    uptime: Option<f64>,
    worst: Option<f64>,
    best: Option<f64>,
    coverage: Option<f64>,
    up_ms: i64,
    degraded_ms: i64,
    down_ms: i64,
    unknown_ms: i64,
    maintenance_ms: i64,
    gap_ms: i64,
    checks: u64,
    failures: u64,
    incidents: u64,
    blips: u64,
    mttr_ms: Option<i64>,
    mtbf_ms: Option<i64>,
    mttd_ms: Option<i64>,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl From<&Uptime> for UptimeJson {
    fn from(u: &Uptime) -> UptimeJson {
        UptimeJson {
            from: Time(u.window.from()),
            to: Time(u.window.to()),
            uptime: u.uptime,
            worst: u.worst,
            best: u.best,
            coverage: u.coverage,
            up_ms: u.up_ms,
            degraded_ms: u.degraded_ms,
            down_ms: u.down_ms,
            unknown_ms: u.unknown_ms,
            maintenance_ms: u.maintenance_ms,
            gap_ms: u.gap_ms,
            checks: u.checks,
            failures: u.failures,
            incidents: u.incidents,
            blips: u.blips,
            mttr_ms: u.mttr_ms,
            mtbf_ms: u.mtbf_ms,
            mttd_ms: u.mttd_ms,
            p50_ms: u.p50_ms,
            p95_ms: u.p95_ms,
            p99_ms: u.p99_ms,
        }
    }
}

/// How much a document holds, at its end: one without it was cut off. Early ones did not count the last ones.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct EndJson {
    pub(crate) checks: u64,
    pub(crate) incidents: u64,
    pub(crate) gaps: u64,
    pub(crate) blips: u64,
    pub(crate) sums: u64,
    #[serde(default)]
    pub(crate) maintenance: u64,
    #[serde(default)]
    pub(crate) notes: u64,
    /// Written where there are some: an older version reads an export without them.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) acknowledgements: u64,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) silences: u64,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) silenced: u64,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(crate) diagnoses: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// One bucket of a history.
#[derive(Serialize, Debug)]
pub(crate) struct BucketJson {
    from: Time,
    up_ms: i64,
    degraded_ms: i64,
    down_ms: i64,
    unknown_ms: i64,
    maintenance_ms: i64,
    gap_ms: i64,
    checks: u64,
    failures: u64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
    min_ms: Option<f64>,
    max_ms: Option<f64>,
}

impl BucketJson {
    pub(crate) fn new(window: Window, tally: &Tally) -> BucketJson {
        let percentile = |p| tally.latency.percentile_us(p).map(us_to_ms);
        BucketJson {
            from: Time(window.from()),
            up_ms: tally.up_ms,
            degraded_ms: tally.degraded_ms,
            down_ms: tally.down_ms,
            unknown_ms: tally.unknown_ms,
            maintenance_ms: tally.maintenance_ms,
            gap_ms: tally.gap_ms(window.length_ms()),
            checks: tally.checks,
            failures: tally.failures,
            p50_ms: percentile(0.50),
            p95_ms: percentile(0.95),
            p99_ms: percentile(0.99),
            min_ms: ms(tally.min_us),
            max_ms: ms(tally.max_us),
        }
    }
}

/// A JSON object whose keys come in the order given.
#[derive(Debug)]
pub(crate) struct Ordered<K, V>(pub(crate) Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Ordered<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
