//! Reads a document that an export wrote, object by object, into a history.
//!
//! Whatever is wrong with it is said with the line that it stands in, and ends the reading; the history that was being
//! merged into is not changed then.

use crate::{
    domain::{
        check::{CheckResult, Class, Outcome, Phase, PhaseTimes, Reason},
        histogram::Histogram,
        incident::{Cause, CauseChange, Gap, GapReason, Outage},
        service::Kind,
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::Tally,
        window::Window,
    },
    store::{
        Beyond, Head, Interruption, Maintenance, Merge, OutageRecord, RunHead, ServiceHead, SettingHead, Source,
        StoreError, SumRecord, SumSize,
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use std::{
    borrow::Cow,
    collections::HashSet,
    fmt,
    io::{BufRead, Read},
    marker::PhantomData,
};

/// The longest line. The header of a history of ten thousand services is a hundredth of it.
const LONGEST_LINE: u64 = 256 << 20;

/// Why nothing was taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The document is wrong, or is none.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        what: String,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it cannot be read after line {line}: {error}")]
    Read { line: usize, error: std::io::Error },
}

/// Reads one document, `json` or `ndjson`, to its end.
///
/// # Errors
/// When it cannot be read, is wrong, or the history cannot be written.
pub fn read(input: &mut impl BufRead, merge: &mut Merge) -> Result<(), ImportError> {
    let begin = beginning(input)?;
    let mut arrival = Arrival { merge, begun: false, came: EndIn::default(), ended: false };
    let first = begin.split_once('{').map(|(before, rest)| (before.trim(), rest.trim_start()));
    match first {
        Some(("", rest)) if rest.starts_with("\"type\"") => lines(input, &mut arrival),
        Some(("", rest)) if rest.starts_with("\"export\"") => document(input, &mut arrival),
        _ => {
            let what = if begin.starts_with("service,at,outcome,") {
                "this is CSV, which holds the check results alone: import the same history as json or ndjson"
            } else if begin.is_empty() {
                "there is nothing in it"
            } else {
                "this is no export: it begins with {\"export\": … (json) or with a line {\"type\":\"export\", … (ndjson)"
            };
            Err(ImportError::Line { line: 1, what: what.to_owned() })
        }
    }
}

/// The first characters, which are still there to be read.
fn beginning(input: &mut impl BufRead) -> Result<String, ImportError> {
    let bytes = input.fill_buf().map_err(|error| ImportError::Read { line: 0, error })?;
    Ok(String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned())
}

fn lines(input: &mut impl BufRead, arrival: &mut Arrival<'_>) -> Result<(), ImportError> {
    let mut text = Vec::new();
    let mut line = 0;
    loop {
        text.clear();
        let read = (&mut *input).take(LONGEST_LINE).read_until(b'\n', &mut text);
        let read = read.map_err(|error| ImportError::Read { line, error })?;
        if read == 0 {
            break;
        }
        line += 1;
        if text.trim_ascii().is_empty() {
            continue;
        }
        let taken = if read as u64 == LONGEST_LINE {
            Err(Wrong::said("it is longer than any line is"))
        } else {
            arrival.line(&text)
        };
        taken.map_err(|wrong| wrong.at(line))?;
    }
    arrival.is_whole().map_err(|wrong| wrong.at(line + 1))
}

fn document(input: &mut impl BufRead, arrival: &mut Arrival<'_>) -> Result<(), ImportError> {
    let mut failed = None;
    let mut json = serde_json::Deserializer::from_reader(input);
    let read = Document { arrival, failed: &mut failed }.deserialize(&mut json).and_then(|()| json.end());
    match (read, failed) {
        (_, Some(error)) => Err(error.into()),
        (Err(error), None) if error.is_io() => {
            let line = error.line();
            Err(ImportError::Read { line, error: error.into() })
        }
        (Err(error), None) => Err(Wrong::Json(error).at(0)),
        (Ok(()), None) => Ok(()),
    }
}

/// What is wrong with an object.
enum Wrong {
    Said(String),
    Json(serde_json::Error),
    Store(StoreError),
}

impl Wrong {
    fn said(what: impl Into<String>) -> Wrong {
        Wrong::Said(what.into())
    }

    fn at(self, line: usize) -> ImportError {
        match self {
            Wrong::Said(what) => ImportError::Line { line, what },
            Wrong::Store(error) => ImportError::Store(error),
            Wrong::Json(error) => {
                let text = error.to_string();
                let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
                let what = match error.is_eof() {
                    true => format!("it ends in the middle of something, it was cut off: {what}"),
                    false => format!("{what} (column {})", error.column()),
                };
                ImportError::Line { line: if line == 0 { error.line() } else { line }, what }
            }
        }
    }
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Wrong {
        Wrong::Store(error)
    }
}

impl From<serde_json::Error> for Wrong {
    fn from(error: serde_json::Error) -> Wrong {
        Wrong::Json(error)
    }
}

/// Takes the objects of one document in, whichever form they come in.
struct Arrival<'m> {
    merge: &'m mut Merge,
    begun: bool,
    came: EndIn,
    ended: bool,
}

impl Arrival<'_> {
    fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(rename = "type", borrow)]
            kind: Cow<'a, str>,
        }
        // Nearly all lines are checks, and are read once only.
        if line.starts_with(b"{\"type\":\"check\",") {
            return self.check(serde_json::from_slice(line)?);
        }
        let kind: Kind<'_> = serde_json::from_slice(line)?;
        match &*kind.kind {
            "export" => self.export(serde_json::from_slice(line)?),
            "check" => self.check(serde_json::from_slice(line)?),
            "incident" => self.outage(serde_json::from_slice(line)?, true),
            "gap" => self.gap(serde_json::from_slice(line)?),
            "blip" => self.outage(serde_json::from_slice(line)?, false),
            "sum" => self.sum(serde_json::from_slice(line)?),
            "maintenance" => self.maintenance(serde_json::from_slice(line)?),
            "end" => self.end(&serde_json::from_slice(line)?),
            kind => Err(Wrong::said(format!("a thing of the type “{kind}”, which this version does not know"))),
        }
    }

    fn export(&mut self, head: HeadIn) -> Result<(), Wrong> {
        if self.begun {
            return Err(Wrong::said("an export begins in the middle of another: import one file after the other"));
        }
        if head.version != 1 {
            return Err(Wrong::said(format!("it is of version {}, and this program reads version 1", head.version)));
        }
        let head = head.read().map_err(Wrong::Said)?;
        self.begun = true;
        Ok(self.merge.begin(&head)?)
    }

    fn is_under_way(&self) -> Result<(), Wrong> {
        match () {
            () if !self.begun => Err(Wrong::said("the header (“export”) has to come first")),
            () if self.ended => Err(Wrong::said("something follows the end")),
            () => Ok(()),
        }
    }

    fn of(&self, service: &str) -> Result<(), Wrong> {
        self.is_under_way()?;
        match () {
            () if !self.merge.knows(service) => {
                Err(Wrong::said(format!("the header says nothing of a service “{service}”")))
            }
            () => Ok(()),
        }
    }

    fn check(&mut self, check: CheckIn<'_>) -> Result<(), Wrong> {
        self.of(&check.service)?;
        let outcome = check.outcome.0;
        let reason = match outcome {
            Outcome::Degraded => check.note.or(check.failure),
            _ => check.failure.or(check.note),
        };
        if outcome == Outcome::Down && reason.is_none() {
            return Err(Wrong::said("a check that is down, without a “failure” that says why"));
        }
        let result = CheckResult {
            at: check.at.0,
            outcome,
            latency_us: check.response_time_ms.map(|us| us.0),
            phases: PhaseTimes {
                dns_us: check.dns_ms.map(|us| us.0),
                connect_us: check.connect_ms.map(|us| us.0),
                tls_us: check.tls_ms.map(|us| us.0),
                ttfb_us: check.ttfb_ms.map(|us| us.0),
            },
            http_status: check.http_status,
            certificate_days: check.certificate_days,
            reason: reason.map(ReasonIn::read),
            recheck: check.recheck,
        };
        self.merge.check(&check.service, &result, check.excerpt.as_deref())?;
        self.came.checks += 1;
        Ok(())
    }

    fn outage(&mut self, outage: OutageIn, is_incident: bool) -> Result<(), Wrong> {
        self.of(&outage.service)?;
        if is_incident != outage.confirmed_at.is_some() {
            return Err(Wrong::said("an incident has a “confirmed_at”, and a blip has none"));
        }
        if outage.id < 1 || outage.resolved_at.is_some_and(|end| end.0 < outage.started_at.0) {
            return Err(Wrong::said("an outage has an “id” above zero and does not end before it begins"));
        }
        self.merge.outage(&outage.read())?;
        match is_incident {
            true => self.came.incidents += 1,
            false => self.came.blips += 1,
        }
        Ok(())
    }

    fn gap(&mut self, gap: GapIn) -> Result<(), Wrong> {
        self.of(&gap.service)?;
        if gap.to.is_some_and(|to| to.0 <= gap.from.0) {
            return Err(Wrong::said("a gap that ends before it begins"));
        }
        let gap = Gap { service: gap.service, from: gap.from.0, to: gap.to.map(|t| t.0), why: gap.reason.0 };
        self.merge.gap(&gap)?;
        self.came.gaps += 1;
        Ok(())
    }

    fn sum(&mut self, sum: SumIn) -> Result<(), Wrong> {
        self.of(&sum.service)?;
        let size = match sum.length_ms {
            HOUR_MS => SumSize::Hour,
            DAY_MS => SumSize::Day,
            other => return Err(Wrong::said(format!("a sum of {other} ms: they are of an hour or of a day"))),
        };
        if sum.from.0 != sum.from.0.floor(sum.length_ms) {
            return Err(Wrong::said("a sum that begins within an hour or day"));
        }
        let mut latency = Histogram::default();
        sum.latency_us.iter().for_each(|&(us, count)| latency.add_entry(us, count));
        let tally = Tally {
            up_ms: sum.up_ms,
            degraded_ms: sum.degraded_ms,
            down_ms: sum.down_ms,
            unknown_ms: sum.unknown_ms,
            doubt_up_ms: sum.doubt_up_ms,
            doubt_down_ms: sum.doubt_down_ms,
            checks: sum.checks,
            failures: sum.failures,
            latency,
            min_us: sum.min_ms.map(|us| us.0),
            max_us: sum.max_ms.map(|us| us.0),
            maintenance_ms: 0,
        };
        let times = [tally.up_ms, tally.degraded_ms, tally.down_ms, tally.unknown_ms];
        if times.iter().any(|ms| *ms < 0) || tally.spoken_ms() > sum.length_ms {
            return Err(Wrong::said("a sum of more time than there is"));
        }
        self.merge.sum(&sum.service, &SumRecord { start: sum.from.0, size, tally })?;
        self.came.sums += 1;
        Ok(())
    }

    fn maintenance(&mut self, one: MaintenanceIn) -> Result<(), Wrong> {
        self.is_under_way()?;
        one.services.iter().flatten().try_for_each(|name| self.of(name))?;
        let Some(window) = Window::new(one.from.0, one.to.0) else {
            return Err(Wrong::said("maintenance that ends before it begins"));
        };
        let mut services = one.services;
        if let Some(names) = &mut services {
            names.sort();
            names.dedup();
        }
        self.merge.maintenance(&Maintenance {
            id: 0,
            window,
            source: one.source.0,
            services,
            reason: one.reason,
            noted_at: one.noted_at.0,
            taken_back_at: one.taken_back_at.map(|at| at.0),
        })?;
        self.came.maintenance += 1;
        Ok(())
    }

    fn end(&mut self, end: &EndIn) -> Result<(), Wrong> {
        if self.ended || !self.begun {
            return Err(Wrong::said("an end where nothing has begun"));
        }
        for (what, said, came) in [
            ("check results", end.checks, self.came.checks),
            ("incidents", end.incidents, self.came.incidents),
            ("gaps", end.gaps, self.came.gaps),
            ("blips", end.blips, self.came.blips),
            ("sums", end.sums, self.came.sums),
            ("windows of maintenance", end.maintenance, self.came.maintenance),
        ] {
            if said != came {
                return Err(Wrong::said(format!(
                    "the end speaks of {said} {what}, and {came} are here: some are missing or too many"
                )));
            }
        }
        self.ended = true;
        Ok(())
    }

    fn is_whole(&self) -> Result<(), Wrong> {
        match self.ended {
            true => Ok(()),
            false => Err(Wrong::said("the end is missing (“end”): the file was cut off")),
        }
    }
}

/// The document of `json`: an object whose lists are taken in element by element.
struct Document<'a, 'm> {
    arrival: &'a mut Arrival<'m>,
    failed: &'a mut Option<StoreError>,
}

impl<'de> DeserializeSeed<'de> for Document<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an export")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Document { arrival, failed } = self;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "export" => {
                    let head = map.next_value()?;
                    arrival.export(head).map_err(|wrong| told(wrong, failed))?;
                }
                "checks" => map.next_value_seed(Each::new(failed, |check| arrival.check(check)))?,
                "incidents" => map.next_value_seed(Each::new(failed, |o| arrival.outage(o, true)))?,
                "gaps" => map.next_value_seed(Each::new(failed, |gap| arrival.gap(gap)))?,
                "blips" => map.next_value_seed(Each::new(failed, |o| arrival.outage(o, false)))?,
                "sums" => map.next_value_seed(Each::new(failed, |sum| arrival.sum(sum)))?,
                "maintenance" => map.next_value_seed(Each::new(failed, |one| arrival.maintenance(one)))?,
                "end" => {
                    let end = map.next_value()?;
                    arrival.end(&end).map_err(|wrong| told(wrong, failed))?;
                }
                other => {
                    return Err(A::Error::custom(format!("“{other}” in an export, which this version does not know")));
                }
            }
        }
        arrival.is_whole().map_err(|wrong| told(wrong, failed))
    }
}

/// Brings what is wrong with an object out of the parser, which then says where it was.
fn told<E: serde::de::Error>(wrong: Wrong, failed: &mut Option<StoreError>) -> E {
    match wrong {
        Wrong::Said(what) => E::custom(what),
        Wrong::Json(error) => E::custom(error),
        Wrong::Store(error) => {
            let said = E::custom(&error);
            *failed = Some(error);
            said
        }
    }
}

/// A list whose elements are taken in one by one.
struct Each<'a, T, F> {
    failed: &'a mut Option<StoreError>,
    take: F,
    element: PhantomData<T>,
}

impl<'a, T, F: FnMut(T) -> Result<(), Wrong>> Each<'a, T, F> {
    fn new(failed: &'a mut Option<StoreError>, take: F) -> Each<'a, T, F> {
        Each { failed, take, element: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), Wrong>> DeserializeSeed<'de> for Each<'_, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), Wrong>> Visitor<'de> for Each<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element()? {
            (self.take)(element).map_err(|wrong| told(wrong, self.failed))?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct HeadIn {
    version: u32,
    services: Vec<ServiceIn>,
    #[serde(default)]
    runs: Vec<RunIn>,
    #[serde(default)]
    interruptions: Vec<InterruptionIn>,
}

#[derive(Deserialize)]
struct ServiceIn {
    name: String,
    group: Option<String>,
    #[serde(rename = "type")]
    kind: Word<Kind>,
    target: String,
    added_at: Moment,
    removed_at: Option<Moment>,
    certificate_expires_at: Option<Moment>,
    checks_kept_from: Option<Moment>,
    hours_kept_from: Option<Moment>,
    settings: Vec<SettingIn>,
}

#[derive(Deserialize)]
struct SettingIn {
    since: Moment,
    enabled: bool,
    interval_ms: i64,
    timeout_ms: i64,
    failure_threshold: u32,
    success_threshold: u32,
    degraded_after_ms: Option<i64>,
    critical: Option<bool>,
}

#[derive(Deserialize)]
struct RunIn {
    started_at: Moment,
    alive_at: Moment,
    stopped_at: Option<Moment>,
    version: String,
}

#[derive(Deserialize)]
struct InterruptionIn {
    from: Moment,
    to: Moment,
    reason: Word<GapReason>,
    results: u64,
}

impl HeadIn {
    fn read(self) -> Result<Head, String> {
        let mut names = HashSet::new();
        for service in &self.services {
            if !names.insert(service.name.clone()) {
                return Err(format!("the header speaks twice of the service “{}”", service.name));
            }
            let sound = |s: &SettingIn| {
                s.interval_ms > 0 && s.timeout_ms >= 0 && s.failure_threshold > 0 && s.success_threshold > 0
            };
            if service.name.is_empty() || service.settings.is_empty() || !service.settings.iter().all(sound) {
                return Err(format!(
                    "the service “{}” needs a name and settings: an interval and thresholds above zero",
                    service.name
                ));
            }
        }
        let at = |moment: Option<Moment>| moment.map(|m| m.0);
        let services = self.services.into_iter().map(|s| ServiceHead {
            name: s.name,
            kind: s.kind.0,
            target: s.target,
            group: s.group,
            added_at: s.added_at.0,
            removed_at: at(s.removed_at),
            certificate_expires_at: at(s.certificate_expires_at),
            rows_from: at(s.checks_kept_from),
            hours_from: at(s.hours_kept_from),
            settings: s
                .settings
                .into_iter()
                .map(|s| SettingHead {
                    since: s.since.0,
                    enabled: s.enabled,
                    interval_ms: s.interval_ms,
                    timeout_ms: s.timeout_ms,
                    failure_threshold: s.failure_threshold,
                    success_threshold: s.success_threshold,
                    degraded_after_ms: s.degraded_after_ms,
                    critical: s.critical,
                })
                .collect(),
        });
        let runs = self.runs.into_iter().map(|run| RunHead {
            started_at: run.started_at.0,
            alive_at: run.alive_at.0,
            stopped_at: at(run.stopped_at),
            version: run.version,
        });
        let interruptions = self.interruptions.into_iter().map(|i| Interruption {
            from: i.from.0,
            to: i.to.0,
            why: i.reason.0,
            results: i.results,
        });
        Ok(Head { services: services.collect(), runs: runs.collect(), interruptions: interruptions.collect() })
    }
}

#[derive(Deserialize)]
struct CheckIn<'a> {
    #[serde(borrow)]
    service: Cow<'a, str>,
    at: Moment,
    outcome: Word<Outcome>,
    response_time_ms: Option<Us>,
    dns_ms: Option<Us>,
    connect_ms: Option<Us>,
    tls_ms: Option<Us>,
    ttfb_ms: Option<Us>,
    http_status: Option<u16>,
    certificate_days: Option<i32>,
    failure: Option<ReasonIn>,
    note: Option<ReasonIn>,
    #[serde(default)]
    recheck: bool,
    excerpt: Option<String>,
}

#[derive(Deserialize)]
struct ReasonIn {
    class: Word<Class>,
    phase: Option<Word<Phase>>,
    message: String,
}

impl ReasonIn {
    fn read(self) -> Reason {
        Reason { class: self.class.0, phase: self.phase.map(|p| p.0), message: self.message }
    }
}

#[derive(Deserialize)]
struct OutageIn {
    id: i64,
    service: String,
    last_ok_at: Option<Moment>,
    started_at: Moment,
    confirmed_at: Option<Moment>,
    resolved_at: Option<Moment>,
    down_ms: i64,
    checks_failed: u64,
    cause: CauseIn,
    before_first_check: Option<BeforeIn>,
}

#[derive(Deserialize)]
struct CauseIn {
    class: Word<Class>,
    phase: Option<Word<Phase>>,
    message: String,
    http_status: Option<u16>,
    excerpt: Option<String>,
}

#[derive(Deserialize)]
struct BeforeIn {
    checks_failed: u64,
    down_ms: i64,
    response_time_ms: Option<Us>,
    dns_ms: Option<Us>,
    connect_ms: Option<Us>,
    tls_ms: Option<Us>,
    ttfb_ms: Option<Us>,
    changes: Vec<ChangeIn>,
}

#[derive(Deserialize)]
struct ChangeIn {
    at: Moment,
    class: Word<Class>,
    phase: Option<Word<Phase>>,
    message: String,
    http_status: Option<u16>,
    excerpt: Option<String>,
}

impl OutageIn {
    fn read(self) -> OutageRecord {
        let us = |us: &Option<Us>| us.as_ref().map(|us| us.0);
        let at = |moment: Option<Moment>| moment.map(|m| m.0);
        let before = self.before_first_check.as_ref();
        let reason =
            Reason { class: self.cause.class.0, phase: self.cause.phase.map(|p| p.0), message: self.cause.message };
        let cause = Cause {
            reason,
            http_status: self.cause.http_status,
            latency_us: before.and_then(|b| us(&b.response_time_ms)),
            phases: PhaseTimes {
                dns_us: before.and_then(|b| us(&b.dns_ms)),
                connect_us: before.and_then(|b| us(&b.connect_ms)),
                tls_us: before.and_then(|b| us(&b.tls_ms)),
                ttfb_us: before.and_then(|b| us(&b.ttfb_ms)),
            },
            excerpt: self.cause.excerpt,
        };
        let outage = Outage {
            id: self.id,
            service: self.service,
            last_ok_at: at(self.last_ok_at),
            started_at: self.started_at.0,
            confirmed_at: at(self.confirmed_at),
            ended_at: at(self.resolved_at),
            down_ms: self.down_ms,
            checks_failed: self.checks_failed,
            cause,
        };
        let beyond = self.before_first_check.map(|before| Beyond {
            checks_failed: before.checks_failed,
            down_ms: before.down_ms,
            changes: before
                .changes
                .into_iter()
                .map(|c| CauseChange {
                    at: c.at.0,
                    reason: Reason { class: c.class.0, phase: c.phase.map(|p| p.0), message: c.message },
                    http_status: c.http_status,
                    excerpt: c.excerpt,
                })
                .collect(),
        });
        OutageRecord { outage, beyond }
    }
}

#[derive(Deserialize)]
struct GapIn {
    service: String,
    from: Moment,
    to: Option<Moment>,
    reason: Word<GapReason>,
}

#[derive(Deserialize)]
struct MaintenanceIn {
    from: Moment,
    to: Moment,
    /// `None`: all.
    services: Option<Vec<String>>,
    source: Word<Source>,
    reason: String,
    noted_at: Moment,
    taken_back_at: Option<Moment>,
}

#[derive(Deserialize)]
struct SumIn {
    service: String,
    from: Moment,
    length_ms: i64,
    up_ms: i64,
    degraded_ms: i64,
    down_ms: i64,
    unknown_ms: i64,
    doubt_up_ms: i64,
    doubt_down_ms: i64,
    checks: u64,
    failures: u64,
    min_ms: Option<Us>,
    max_ms: Option<Us>,
    latency_us: Vec<(u32, u32)>,
}

#[derive(Deserialize, Default)]
struct EndIn {
    checks: u64,
    incidents: u64,
    gaps: u64,
    blips: u64,
    sums: u64,
    #[serde(default)]
    maintenance: u64,
}

/// A moment: RFC 3339.
#[derive(Clone, Copy)]
struct Moment(UnixMs);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        text(deserializer, |text| {
            own_form(text.as_bytes())
                .or_else(|| UnixMs::parse(text))
                .map(Moment)
                .ok_or_else(|| format!("“{text}” is no time between 1970 and 9999, such as 2026-11-20T03:00:00.000Z"))
        })
    }
}

/// The form in which exports say times, `2026-11-20T03:00:00.000Z`, read without a calendar: they are half of an import.
fn own_form(text: &[u8]) -> Option<UnixMs> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0i64, |n, c| c.is_ascii_digit().then(|| n * 10 + i64::from(c - b'0')))
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    if marks.iter().any(|(at, mark)| text[*at] != *mark) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (h, m, s, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, 28 + i64::from(leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if year < 1970 || !(1..=length).contains(&day) || h > 23 || m > 59 || s > 59 {
        return None;
    }
    let before = year - 1;
    let days = 365 * year + before / 4 - before / 100 + before / 400 - 719_527;
    let days = days + lengths[..(month - 1) as usize].iter().sum::<i64>() + day - 1;
    Some(UnixMs(days * DAY_MS + h * HOUR_MS + m * 60_000 + s * 1_000 + ms))
}

/// Milliseconds, kept as microseconds.
#[derive(Clone, Copy)]
struct Us(u32);

impl<'de> Deserialize<'de> for Us {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Us, D::Error> {
        let ms = f64::deserialize(deserializer)?;
        let us = (ms * 1000.0).round();
        match (0.0..=f64::from(u32::MAX)).contains(&us) {
            true => Ok(Us(us as u32)),
            false => Err(D::Error::custom(format!("{ms} ms is no time that a check can take"))),
        }
    }
}

/// One of a few words.
struct Word<T>(T);

trait Words: Sized {
    const WHAT: &'static str;
    fn named(word: &str) -> Option<Self>;
}

impl Words for Outcome {
    const WHAT: &'static str = "outcome";
    fn named(word: &str) -> Option<Outcome> {
        Outcome::parse(word)
    }
}

impl Words for Class {
    const WHAT: &'static str = "class of failures";
    fn named(word: &str) -> Option<Class> {
        Class::parse(word)
    }
}

impl Words for Phase {
    const WHAT: &'static str = "phase";
    fn named(word: &str) -> Option<Phase> {
        Phase::parse(word)
    }
}

impl Words for Kind {
    const WHAT: &'static str = "type of services";
    fn named(word: &str) -> Option<Kind> {
        Kind::parse(word)
    }
}

impl Words for GapReason {
    const WHAT: &'static str = "reason of gaps";
    fn named(word: &str) -> Option<GapReason> {
        GapReason::parse(word)
    }
}

impl Words for Source {
    const WHAT: &'static str = "source of maintenance";
    fn named(word: &str) -> Option<Source> {
        Source::parse(word)
    }
}

impl<'de, T: Words> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Word<T>, D::Error> {
        text(deserializer, |word| {
            T::named(word).map(Word).ok_or_else(|| format!("“{word}” is no {} that this version knows", T::WHAT))
        })
    }
}

/// Reads a text without keeping it.
fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Text<F>(F);
    impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<F> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Text(read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_is_read_as_the_calendar_reads_it(ms in 0..=UnixMs::MAX.0) {
            prop_assert_eq!(own_form(UnixMs(ms).to_string().as_bytes()), Some(UnixMs(ms)));
        }
    }

    #[test]
    fn what_no_calendar_has_is_no_time() {
        for text in [
            "2026-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-00-01T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "2026-11-20T24:00:00.000Z",
            "2026-11-20T03:00:00.0000",
        ] {
            assert_eq!(own_form(text.as_bytes()), None, "{text}");
        }
    }
}
