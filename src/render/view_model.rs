//! What several pages show: states, sentences, outages, checks.

use crate::{
    chart::{PHASES, PhaseBar},
    domain::{
        check::{CheckResult, Class, Outcome, Phase, Reason},
        incident::{GapReason, Outage, OutageState, services},
        status::Status,
        time::UnixMs,
    },
    format::{
        self,
        zone::{Moment, Zone},
    },
    history::as_of::Snapshot,
};
use serde::Serialize;

/// What a glyph and a hue stand for: the class names of the style sheet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Down,
    Unknown,
    Degraded,
    Pending,
    Maintenance,
    Up,
    Paused,
}

impl Kind {
    pub(crate) fn of(status: Status) -> Kind {
        match status {
            Status::Down => Kind::Down,
            Status::Unknown => Kind::Unknown,
            Status::Degraded => Kind::Degraded,
            Status::Pending => Kind::Pending,
            Status::Maintenance => Kind::Maintenance,
            Status::Up => Kind::Up,
            Status::Paused => Kind::Paused,
        }
    }

    pub(crate) fn of_outcome(outcome: Outcome) -> Kind {
        match outcome {
            Outcome::Up => Kind::Up,
            Outcome::Degraded => Kind::Degraded,
            Outcome::Down => Kind::Down,
            Outcome::Unknown => Kind::Unknown,
        }
    }
}

/// A status in one word, as the overview has it.
pub(crate) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Pending => "Pending",
        Status::Up => "Up",
        Status::Degraded => "Degraded",
        Status::Down => "Down",
        Status::Unknown => "Stale",
        Status::Maintenance => "Maintenance",
        Status::Paused => "Paused",
    }
}

/// The sentence that a page begins with.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Headline {
    pub(crate) kind: Kind,
    pub(crate) glyph: bool,
    /// A service's name and the address of its page.
    pub(crate) subject: Option<(String, String)>,
    pub(crate) before: String,
    /// The part that is coloured.
    pub(crate) strong: String,
    /// A duration inside the coloured part that goes on.
    pub(crate) ticking: Option<LiveDuration>,
    pub(crate) rest: String,
}

/// A duration that began at a moment and goes on.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LiveDuration {
    pub(crate) since: i64,
    pub(crate) iso: String,
    pub(crate) text: String,
}

impl LiveDuration {
    pub(crate) fn new(since: UnixMs, now: UnixMs) -> LiveDuration {
        let ms = now.since(since);
        // It ticks in whole seconds: a tenth would only flicker.
        let text = format::duration(ms.max(0) / 1000 * 1000);
        LiveDuration { since: since.0, iso: format::duration_iso(ms), text }
    }
}

/// Our own words, as one says them of what is over.
pub(crate) fn past_words(text: &mut String) {
    let words = text.split(' ').map(|word| match word {
        "has" | "have" => "had",
        "is" => "was",
        "are" => "were",
        "knows" => "knew",
        "failed" => "had failed",
        word => word,
    });
    *text = words.collect::<Vec<_>>().join(" ").replace("had had failed", "had failed");
}

impl Headline {
    /// The same, of what is over.
    pub(crate) fn in_the_past(mut self) -> Headline {
        past_words(&mut self.before);
        past_words(&mut self.strong);
        // What follows a colon are the words of a check, or count back from then.
        if !self.rest.starts_with(':') {
            past_words(&mut self.rest);
        }
        self
    }

    /// A sentence without a subject.
    pub(crate) fn plain(kind: Kind, text: impl Into<String>) -> Headline {
        Headline {
            kind,
            glyph: true,
            subject: None,
            before: String::new(),
            strong: String::new(),
            ticking: None,
            rest: text.into(),
        }
    }
}

/// The services of some outages, each once, in order.
pub(crate) fn names(outages: &[Outage]) -> Vec<String> {
    services(outages).into_iter().map(str::to_owned).collect()
}

/// A gap's reason as a page says it.
pub(crate) fn gap_words(why: GapReason) -> &'static str {
    match why {
        GapReason::Off => "the monitor was not running",
        GapReason::Suspended => "the machine slept",
        GapReason::ClockStep => "the system clock was changed",
        GapReason::Paused => "paused in the configuration",
        GapReason::NotStored => "results could not be kept",
        GapReason::Stalled => "no check was made",
    }
}

/// An outage in a list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OutageRow {
    pub(crate) kind: Kind,
    pub(crate) blip: bool,
    pub(crate) word: &'static str,
    pub(crate) service: String,
    pub(crate) service_url: String,
    /// Incidents have a page; blips do not.
    pub(crate) url: Option<String>,
    pub(crate) began: Moment,
    pub(crate) earlier: Option<String>,
    pub(crate) lasted: String,
    pub(crate) ticking: Option<LiveDuration>,
    pub(crate) cause: String,
    pub(crate) checks_failed: String,
    pub(crate) also: Vec<String>,
    pub(crate) note: Option<String>,
}

impl OutageRow {
    /// An outage as a row; `also` are the services that failed with it.
    pub(crate) fn new(snapshot: &Snapshot, outage: &Outage, also: Vec<String>, began: Moment) -> OutageRow {
        let open = outage.ended_at.is_none();
        let left = left_open(outage);
        let blip = !outage.is_incident();
        OutageRow {
            kind: Kind::Down,
            blip,
            word: match (blip, open) {
                _ if left => "Left open",
                (true, true) => "Failing",
                (true, false) => "Blip",
                (false, true) => "Open",
                (false, false) => "Incident",
            },
            service: outage.service.clone(),
            service_url: snapshot.service_url(&outage.service, ""),
            url: (!blip).then(|| snapshot.incident_url(outage.id)),
            began,
            earlier: outage.last_ok_at.map(|ok| format::duration(outage.started_at.since(ok))),
            lasted: lasted(outage, snapshot.at),
            ticking: (open && !left).then(|| LiveDuration::new(outage.started_at, snapshot.at)),
            cause: format::clipped(&outage.cause.reason.message, 160),
            checks_failed: format::count(outage.checks_failed),
            also,
            note: note_line(outage),
        }
    }
}

/// Whether an outage has no end because its service is not checked any more: nobody knows whether it lasts.
pub(crate) fn left_open(outage: &Outage) -> bool {
    outage.state() == OutageState::LeftOpen
}

/// The beginning of an outage's note, in a line.
pub(crate) fn note_line(outage: &Outage) -> Option<String> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    outage.note.as_ref().map(|note| format::clipped(&words(&note.text), 160))
}

/// How long an outage lasted, or has lasted so far.
pub(crate) fn lasted(outage: &Outage, now: UnixMs) -> String {
    if left_open(outage) {
        format!("at least {}", format::duration(outage.down_ms))
    } else {
        format::duration(outage.duration_ms(now))
    }
}

/// An outage to be drawn: one that was left open as far as it was seen.
pub(crate) fn as_seen(outage: &Outage) -> Outage {
    let end = left_open(outage).then(|| outage.started_at.plus(outage.down_ms.max(1)));
    Outage { ended_at: outage.ended_at.or(end), ..outage.clone() }
}

/// A check in a list.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CheckRow {
    pub(crate) at: Moment,
    pub(crate) kind: Kind,
    pub(crate) word: &'static str,
    pub(crate) took: Option<String>,
    pub(crate) phases: PhaseBar,
    /// The phases in words: what the bar shows.
    pub(crate) phases_said: String,
    pub(crate) said: String,
    pub(crate) recheck: bool,
}

/// The scale that the bars of some checks share, in microseconds.
pub(crate) fn longest_us(checks: &[CheckResult]) -> u32 {
    let longest = checks.iter().filter_map(|c| c.latency_us).max().unwrap_or(0);
    longest.max(1000)
}

/// The phases in the bars of some checks: number from 1, and name.
pub(crate) fn phases_seen(rows: &[CheckRow]) -> Vec<(usize, &'static str)> {
    let seen = |number: usize| rows.iter().any(|row| row.phases.parts.iter().any(|part| part.0 == number));
    PHASES.into_iter().enumerate().map(|(i, name)| (i + 1, name)).filter(|(number, _)| seen(*number)).collect()
}

impl CheckRow {
    pub(crate) fn new(check: &CheckResult, at: Moment, longest_us: u32) -> CheckRow {
        CheckRow {
            at,
            kind: Kind::of_outcome(check.outcome),
            word: match check.outcome {
                Outcome::Up => "passed",
                Outcome::Degraded if check.reason.as_ref().is_some_and(|r| r.class == Class::Slow) => "slow",
                Outcome::Degraded => "degraded",
                Outcome::Down => "failed",
                Outcome::Unknown => "not judged",
            },
            took: check.latency_us.map(|us| format::response_time(f64::from(us))),
            phases: PhaseBar::new(check, longest_us),
            phases_said: phases_said(check),
            said: said(check),
            recheck: check.recheck,
        }
    }
}

/// What a check says for itself.
fn said(check: &CheckResult) -> String {
    match (&check.reason, check.http_status) {
        (Some(reason), Some(status)) if reason.class != Class::HttpStatus => {
            format!("{} · HTTP {status}", format::clipped(&reason.message, 200))
        }
        (Some(reason), _) => format::clipped(&reason.message, 200),
        (None, Some(status)) => format!("HTTP {status}"),
        (None, None) => String::new(),
    }
}

fn phases_said(check: &CheckResult) -> String {
    let p = check.phases;
    let known =
        [(Phase::Dns, p.dns_us), (Phase::Connect, p.connect_us), (Phase::Tls, p.tls_us), (Phase::Ttfb, p.ttfb_us)];
    let said = known.into_iter().filter_map(|(phase, us)| {
        us.map(|us| format!("{} {}", phase_word(phase), format::response_time(f64::from(us))))
    });
    said.collect::<Vec<_>>().join(", ")
}

/// A phase as a page calls it.
pub(crate) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Dns => "DNS",
        Phase::Connect => "connect",
        Phase::Tls => "TLS",
        Phase::Ttfb => "first byte",
        Phase::Body => "body",
    }
}

/// A failure in a sentence for people: what kind of thing broke.
pub(crate) fn class_sentence(reason: &Reason) -> &'static str {
    match (reason.class, reason.phase) {
        (Class::Dns, Some(Phase::Body)) => "The name server did not give the answer",
        (Class::Dns, _) => "The name has no address",
        (Class::Connect, _) => "No connection could be made",
        (Class::Tls, _) => "No secure connection could be made",
        (Class::Timeout, Some(Phase::Dns)) => "The name was not resolved in time",
        (Class::Timeout, Some(Phase::Connect)) => "The connection was not made in time",
        (Class::Timeout, Some(Phase::Tls)) => "The secure connection was not made in time",
        (Class::Timeout, Some(Phase::Ttfb)) => "It did not answer in time",
        (Class::Timeout, Some(Phase::Body)) => "The answer did not end in time",
        (Class::Timeout, None) => "It took too long",
        (Class::HttpStatus, _) => "It answered with a status that was not expected",
        (Class::Content, _) => "The answer is not what was expected",
        (Class::Protocol, _) => "The answer breaks the protocol",
        (Class::Query, _) => "The database refused",
        (Class::ExitCode, _) => "The command failed",
        (Class::Slow, _) => "It was slow",
        (Class::Certificate, _) => "The certificate is about to expire",
        (Class::Monitor, _) => "The monitor itself could not judge",
    }
}

/// Text for a screen reader and the page: since when, in whole words.
pub(crate) fn day_and_time(zone: Zone, at: UnixMs, now: UnixMs) -> String {
    format!("{}, {}", zone.long_day(at, now), zone.local(at).format("%H:%M"))
}
