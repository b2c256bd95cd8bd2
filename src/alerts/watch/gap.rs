//! `gap`: the monitor was away, or nothing was stored, and it is back.

use super::round::Round;
use crate::{
    domain::{
        incident::GapReason,
        status::Status,
        time::{MINUTE_MS, UnixMs},
    },
    format,
    routing::{AlertKind, Announcement, Facts},
    store::{Interruption, Result, Run},
};

/// The run before this one, and when this one began.
#[derive(Clone, Copy, Debug)]
pub struct Runs {
    pub before: Option<Run>,
    pub started_at: UnixMs,
}

/// What is known of how the services were observed.
#[derive(Debug)]
pub(super) struct Observed {
    runs: Runs,
    /// What ended before is nobody's business any more.
    from: UnixMs,
    /// The last interruption that was looked at.
    last: i64,
    /// The latest interruptions: the first result after one may come when it has been looked at.
    known: Vec<Interruption>,
    /// Until when results spoke for any service at all. `None` before the first round.
    until: Option<UnixMs>,
}

/// Time in which nothing was observed.
struct Away {
    from: UnixMs,
    to: UnixMs,
    why: &'static str,
    /// What follows from it.
    so: &'static str,
    /// More about it.
    details: Vec<(String, String)>,
}

/// Interruptions that are remembered.
const KNOWN: usize = 20;
/// What follows from not having looked.
const UNSEEN: &str = "not watched, and what happened meanwhile nobody saw";

impl Observed {
    pub(super) fn new(runs: Runs) -> Observed {
        // What the run before this one noted in its last minute it may not have announced.
        let from = runs.before.map_or(runs.started_at, |run| run.alive_at.plus(-MINUTE_MS));
        Observed { runs, from, last: 0, known: Vec::new(), until: None }
    }
}

/// # Errors
/// When the history cannot be read.
pub(super) fn look(round: &mut Round<'_>, observed: &mut Observed) -> Result<()> {
    let watched = round.services.iter().filter(|service| service.service.enabled).count();
    let news = round.context.reader.interruptions_after(observed.last, observed.from)?;
    let mut aways = Vec::new();
    if observed.until.is_none() {
        aways.extend(off(&observed.runs));
    }
    aways.extend(news.iter().filter_map(|(_, interruption)| interrupted(interruption)));
    observed.known.extend(news.iter().map(|(_, interruption)| *interruption));
    let excess = observed.known.len().saturating_sub(KNOWN);
    observed.known.drain(..excess);
    aways.extend(stalled(round, observed));
    observed.last = news.last().map_or(observed.last, |(id, _)| *id);
    for away in aways.into_iter().filter(|away| away.to.since(away.from) >= round.rules.gap_after_ms) {
        // Where nothing is to be watched, nothing was missed.
        if watched > 0 {
            announce(round, away, watched);
        }
    }
    Ok(())
}

/// The time between the run before this one and its own beginning.
fn off(runs: &Runs) -> Option<Away> {
    let before = runs.before?;
    let how = match before.stopped_at {
        Some(_) => "it was stopped as it should be",
        None => "it was killed, or its machine lost power",
    };
    Some(Away {
        from: before.stopped_at.unwrap_or(before.alive_at),
        to: runs.started_at,
        why: "was not running",
        so: UNSEEN,
        details: vec![("how it ended".to_owned(), how.to_owned())],
    })
}

fn interrupted(interruption: &Interruption) -> Option<Away> {
    let (why, so) = match interruption.why {
        GapReason::Suspended => ("slept with its machine", UNSEEN),
        GapReason::NotStored => ("could not write its history", "checked, and what the checks found is not kept"),
        // The clock that was set moved time, and nobody was away.
        GapReason::ClockStep | GapReason::Off | GapReason::Paused | GapReason::Stalled => return None,
    };
    let results = interruption.results;
    let lost = (results > 0).then(|| ("results that were not kept".to_owned(), format::count(results)));
    let details = lost.into_iter().collect();
    Some(Away { from: interruption.from, to: interruption.to, why, so, details })
}

/// The time in which the monitor ran and no check did, where nothing else explains it.
fn stalled(round: &Round<'_>, observed: &mut Observed) -> Option<Away> {
    let is_watched = |status| !matches!(status, Status::Paused | Status::Pending);
    let mut until = observed.until.unwrap_or(round.now);
    let mut first_after: Option<UnixMs> = None;
    for service in round.services {
        let Some(last) = &service.last else { continue };
        if observed.until.is_some_and(|until| last.at > until) {
            first_after = Some(first_after.map_or(last.at, |first| first.min(last.at)));
        }
        if is_watched(service.status(round.now)) {
            until = until.max(last.at.plus(service.service.cadence.validity_ms()));
        }
    }
    let from = observed.until.replace(until)?;
    let to = first_after?;
    let is_explained = observed.known.iter().any(|other| other.from < to && other.to > from);
    (!is_explained).then(|| Away { from, to, why: "ran and made no check", so: UNSEEN, details: Vec::new() })
}

fn announce(round: &mut Round<'_>, away: Away, watched: usize) {
    let Away { from, to, why, so, details: more } = away;
    let event_id = round.ledger.id(AlertKind::Gap, &from.0.to_string());
    if round.ledger.has(&event_id) {
        return;
    }
    let facts = Facts::without_service(AlertKind::Gap, round.now);
    let lasted = format::duration(to.since(from));
    let services = format::counted(watched as u64, "service", "services");
    let (first, last) = (round.time(from), round.time(to));
    let were = if watched == 1 { "was" } else { "were" };
    let mut details = vec![("from".to_owned(), first.clone()), ("to".to_owned(), last.clone())];
    details.push(("services".to_owned(), format::count(watched as u64)));
    details.extend(more);
    let announcement = Announcement {
        kind: AlertKind::Gap,
        is_over: false,
        key: event_id.clone(),
        service: None,
        group: None,
        severity: facts.severity,
        title: format!("[GAP] the monitor was away for {lasted}"),
        text: format!(
            "The monitor {why} from {first} to {last} ({lasted}): {services} {were} {so}. All is as before now."
        ),
        details,
        page: Some("/dashboard".to_owned()),
        report: None,
    };
    let channels = round.recipients(&facts);
    round.announce(event_id, announcement, channels);
}
