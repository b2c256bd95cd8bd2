//! An incident: when it really began, why, check by check, and what failed with it.

mod diagnosis;
mod normal;
mod responses;
mod seen;
mod with;

use self::{
    normal::{Normal, normal},
    responses::{Responded, responses},
    seen::{seen_before, seen_said},
    with::{With, others_said, start_at, with_it},
};
use super::{
    error::PageError,
    layout::{self, LayoutOptions, Refresh},
    query::Query,
    request::{self, Page},
    summary,
};
use crate::{
    chart::{CheckChart, OnsetChart},
    domain::{
        check::CheckResult,
        incident::Outage,
        time::{HOUR_MS, MINUTE_MS, UnixMs},
        window::Window,
    },
    format::{
        self,
        zone::{Moment, Zone},
    },
    history::as_of::Snapshot,
    http::{
        named::Named,
        proxy_headers::{PageState, RequestOrigin},
        state::AppState,
    },
    render::view_model::{self, CheckRow, Headline, Kind, LiveDuration},
    store::{StoreError, StoredService},
};
use serde::Serialize;

/// Shown before and after each end.
const AROUND_MS: i64 = 5 * MINUTE_MS;
/// An incident that is longer is shown at its two ends.
const WHOLE_MS: i64 = HOUR_MS;
const CHECKS: u32 = 2_000;
/// Rows of the table of checks around the start.
const ROWS: usize = 14;

#[derive(Serialize)]
struct Content {
    id: i64,
    service: String,
    service_url: String,
    truth: Headline,
    after: String,
    /// What the interface answers is of today.
    json_url: Option<String>,
    summary: String,
    summary_markdown: String,
    normal: Vec<Normal>,
    earlier: Option<String>,
    later: Option<String>,
    /// What people wrote down.
    note: Option<Written>,
    /// Where it is written, where that is allowed.
    note_url: Option<String>,
    /// Where somebody says that they take care of it.
    acknowledge_url: Option<String>,
    /// What people did about its alerts, oldest first.
    responses: Vec<Responded>,
    /// What was found out when it began.
    diagnosis: Option<diagnosis::Found>,
    began: Began,
    onset: Option<OnsetChart>,
    ended: Option<Ended>,
    lasted: String,
    ticking: Option<LiveDuration>,
    lasted_bounds: Option<String>,
    down: String,
    checks_failed: String,
    why: &'static str,
    message: String,
    first: Option<CheckRow>,
    excerpt: Option<String>,
    changes: Vec<Change>,
    spans: Vec<Span>,
    rows: Vec<CheckRow>,
    rows_seen: Vec<(usize, &'static str)>,
    rows_scale: String,
    with: Vec<With>,
    others_said: String,
    before: Vec<Before>,
    seen_said: String,
}

#[derive(Serialize)]
struct Written {
    text: String,
    at: Moment,
}

#[derive(Serialize)]
struct Began {
    interval: String,
    last_ok: Option<Moment>,
    last_ok_said: String,
    started: Moment,
    started_said: String,
    confirmed: Option<Moment>,
    confirmed_said: String,
}

#[derive(Serialize)]
struct Ended {
    last_failed: Option<Moment>,
    at: Moment,
}

#[derive(Serialize)]
struct Change {
    at: Moment,
    message: String,
}

/// A stretch of checks, drawn.
#[derive(Serialize)]
struct Span {
    /// Where the same checks are a list.
    table_url: String,
    heading: String,
    note: String,
    chart: CheckChart,
    said: String,
}

#[derive(Serialize)]
struct Before {
    url: String,
    began: Moment,
    lasted: String,
}

/// `GET /dashboard/incidents/{id}`
pub(super) async fn page(PageState(app): PageState, origin: RequestOrigin, Named(id): Named, query: Query) -> Page {
    query.only(&["at", "tz"], &[])?;
    let snapshot = request::snapshot(&app, &query).await?;
    let missing = || missing(&snapshot, &id);
    let number: i64 = id.parse().map_err(|_| missing())?;
    let zone = query.zone;
    let seen_from = snapshot.clone();
    let content = match app.ask(move |app| content(app, &origin, number, zone, &seen_from)).await? {
        Found::It(content) => *content,
        Found::Nothing => return Err(missing()),
        Found::Later => {
            let then = format!("What is shown was known at {}.", zone.dated(snapshot.at, app.clock.now()).text);
            let now = ("Show it as it is known now".to_owned(), query.with(&[("at", None)]));
            return Err(PageError::unprocessable(format!("Incident {number} was not known yet"), then, Some(now)));
        }
    };
    let options = LayoutOptions {
        title: format!("Incident {} of {} · {}", content.id, content.service, app.title),
        current: "incident",
        live: if content.ticking.is_some() { Refresh::OnEventAndClock } else { Refresh::OnEvent },
    };
    layout::page(&app, &query, &snapshot, options, "incident.html", content)
}

/// The page that says so, or that it is not stored yet: a notification may have named its number already.
pub(super) fn missing(snapshot: &Snapshot, id: &str) -> PageError {
    let number = id.parse().ok();
    let waiting = snapshot.services.iter().find_map(|s| number.and_then(|number| s.waiting_incident(number)));
    if let Some(outage) = waiting {
        return PageError::not_yet(
            format!("Incident {} of {} is not stored yet", outage.id, outage.service),
            format!(
                "It began at {} and lasts: {}. Its page is there once the history can be written.",
                outage.started_at, outage.cause.reason.message
            ),
            Some(("Show the service".to_owned(), snapshot.service_url(&outage.service, ""))),
        );
    }
    let log = ("Show the incident log".to_owned(), snapshot.url("/dashboard/incidents", ""));
    PageError::not_found(format!("There is no incident {}", format::clipped(id, 20)), Some(log))
}

/// What was found under a number.
enum Found {
    It(Box<Content>),
    Nothing,
    /// The incident was confirmed after the moment that is shown.
    Later,
}

fn content(
    app: &AppState,
    origin: &RequestOrigin,
    id: i64,
    zone: Zone,
    snapshot: &Snapshot,
) -> Result<Found, StoreError> {
    let (reader, now) = (&app.reader, snapshot.at);
    let Some(outage) = reader.outage(id)?.filter(Outage::is_incident) else { return Ok(Found::Nothing) };
    let Some(outage) = snapshot.outage(outage).filter(Outage::is_incident) else { return Ok(Found::Later) };
    let Some(service) = reader.service(&outage.service)? else { return Ok(Found::Nothing) };
    let here = format!("{}{}", origin.origin, snapshot.incident_url(id));
    let (left, then) = (view_model::left_open(&outage), snapshot.past.then_some(snapshot.at));
    // The heading of one that is over says its day: times say theirs only where it is another.
    let day = if outage.ended_at.is_some() { outage.started_at } else { now };
    let mut changes = reader.cause_changes(id)?;
    changes.retain(|change| change.at < now || !snapshot.past);
    let with = snapshot.outages(reader.failed_with(&outage)?);
    let drawn_outage = view_model::as_seen(&outage);
    let spans = spans(&drawn_outage, snapshot);
    let mut drawn = Vec::new();
    let mut around_start = Vec::new();
    for (i, (window, heading)) in spans.into_iter().enumerate() {
        let checks = snapshot.checks(reader.checks(service.id, window, None, None, CHECKS)?);
        let gaps = snapshot.gaps(reader.gaps(service.id, window, now)?);
        let maintenance = reader.maintenance(service.id, window)?;
        let failed = checks.iter().filter(|c| c.outcome.passed() == Some(false)).count();
        let range = format!("from={}&to={}", window.from(), window.to());
        drawn.push(Span {
            table_url: format!("{}#checks", snapshot.service_url(&service.name, &range)),
            heading,
            note: format!("{} checks, {failed} failed. The scale is logarithmic.", checks.len()),
            said: format!("{failed} of {} checks failed in this time.", checks.len()),
            chart: CheckChart::new(
                window,
                &checks,
                std::slice::from_ref(&drawn_outage),
                &gaps,
                &maintenance,
                zone,
                now,
                168.0,
            ),
        });
        if i == 0 {
            around_start = checks;
        }
    }
    around_start.reverse();
    let first_at = around_start.iter().position(|c| c.at >= outage.started_at).unwrap_or(0);
    let near: Vec<CheckResult> =
        around_start.iter().skip(first_at.saturating_sub(ROWS / 2)).take(ROWS).cloned().collect();
    let longest = view_model::longest_us(&near);
    let row = |c: &CheckResult| CheckRow::new(c, zone.exact(c.at, day), longest);
    let rows: Vec<CheckRow> = near.iter().map(row).collect();
    let first = around_start.iter().find(|c| c.at == outage.started_at);
    let last_ok = outage.last_ok_at.and_then(|at| around_start.iter().find(|c| c.at == at));
    let last_failed = last_failed(app, &service, &outage, now)?;
    let seen = seen_before(app, &service, &outage)?;
    let neighbours = reader.neighbours(&outage)?;
    let neighbour = |id: Option<i64>| -> Result<Option<String>, StoreError> {
        let Some(other) = id.map(|id| reader.outage(id)).transpose()?.flatten() else { return Ok(None) };
        Ok(snapshot.outage(other).filter(Outage::is_incident).map(|other| snapshot.incident_url(other.id)))
    };
    let json_url = format!("{}/api/v1/incidents/{id}", app.base_path);
    Ok(Found::It(Box::new(Content {
        id,
        service: service.name.clone(),
        service_url: snapshot.service_url(&service.name, ""),
        truth: truth(snapshot, &outage, zone),
        after: after(snapshot, &outage, &changes, &with, zone, day),
        json_url: (!snapshot.past).then_some(json_url),
        summary: summary::text(&outage, &here, zone, then),
        summary_markdown: summary::markdown(&outage, &here, zone, then),
        note: outage.note.as_ref().map(|n| Written { text: n.text.clone(), at: zone.dated(n.at, now) }),
        note_url: (app.token.is_some() && !snapshot.past)
            .then(|| snapshot.url(&format!("/dashboard/incidents/{id}/note"), "")),
        acknowledge_url: (app.token.is_some() && !snapshot.past && outage.ended_at.is_none())
            .then(|| snapshot.url("/dashboard/acknowledge", &format!("incidents={id}"))),
        responses: responses(app, &service, &outage, zone, now)?,
        diagnosis: reader
            .diagnosis(service.id, outage.started_at)?
            .filter(|found| found.at <= now)
            .map(|found| diagnosis::Found::new(&found, zone, day)),
        normal: normal(app, &service, &outage)?,
        earlier: neighbour(neighbours.0)?,
        later: neighbour(neighbours.1)?,
        began: began(&outage, last_ok, zone, day),
        onset: OnsetChart::new(&drawn_outage, &around_start, zone),
        ended: outage
            .ended_at
            .map(|at| Ended { last_failed: last_failed.map(|at| zone.exact(at, day)), at: zone.exact(at, day) }),
        lasted: view_model::lasted(&outage, now),
        ticking: (outage.ended_at.is_none() && !left).then(|| LiveDuration::new(outage.started_at, now)),
        lasted_bounds: lasted_bounds(&outage, last_failed),
        down: format::duration(outage.down_ms),
        checks_failed: format::count(outage.checks_failed),
        why: view_model::class_sentence(&outage.cause.reason),
        message: format::clipped(&outage.cause.reason.message, 4000),
        first: first.map(row),
        excerpt: excerpt(&outage),
        changes: changes
            .iter()
            .take(50)
            .map(|c| Change { at: zone.exact(c.at, day), message: format::clipped(&c.reason.message, 200) })
            .collect(),
        rows_seen: view_model::phases_seen(&rows),
        rows,
        rows_scale: format::response_time(f64::from(longest)),
        with: with_it(snapshot, &outage, &with),
        others_said: others_said(snapshot, &outage, &with),
        seen_said: seen_said(&service.name, &seen),
        before: seen
            .iter()
            .map(|o| Before {
                url: snapshot.incident_url(o.id),
                began: zone.dated(o.started_at, now),
                lasted: view_model::lasted(o, now),
            })
            .collect(),
        spans: drawn,
    })))
}

/// The stretches that are drawn: the whole, or the two ends of a long one.
fn spans(outage: &Outage, snapshot: &Snapshot) -> Vec<(Window, String)> {
    let now = snapshot.at;
    let (start, end) = (outage.started_at, outage.ended_at.unwrap_or(now));
    let window = |from: UnixMs, to: UnixMs| Window::new(from, to.min(now.plus(1)));
    if end.since(start) <= WHOLE_MS {
        let to = outage.ended_at.map_or(now, |end| end.plus(AROUND_MS));
        let heading = match outage.ended_at {
            Some(_) => "Every check, from 5 minutes before to 5 after",
            None if snapshot.past => "Every check, from 5 minutes before until then",
            None => "Every check, from 5 minutes before until now",
        };
        return window(start.plus(-AROUND_MS), to).map(|w| (w, heading.to_owned())).into_iter().collect();
    }
    let first = window(start.plus(-AROUND_MS), start.plus(3 * AROUND_MS));
    let last = outage.ended_at.and_then(|end| window(end.plus(-3 * AROUND_MS), end.plus(AROUND_MS)));
    let first = first.map(|w| (w, "Every check around the start".to_owned()));
    let last = last.map(|w| (w, "Every check around the end".to_owned()));
    first.into_iter().chain(last).collect()
}

fn truth(snapshot: &Snapshot, outage: &Outage, zone: Zone) -> Headline {
    let now = snapshot.at;
    let subject = Some((outage.service.clone(), snapshot.service_url(&outage.service, "")));
    let truth = match outage.ended_at {
        None if view_model::left_open(outage) => Headline {
            subject,
            before: "was".to_owned(),
            strong: "down".to_owned(),
            rest: " when it was last checked".to_owned(),
            ..Headline::plain(Kind::Down, "")
        },
        None => Headline {
            subject,
            before: "has been".to_owned(),
            strong: "down for".to_owned(),
            ticking: Some(LiveDuration::new(outage.started_at, now)),
            rest: format!(": {}", format::short_reason(&outage.cause.reason, outage.cause.http_status)),
            ..Headline::plain(Kind::Down, "")
        },
        Some(_) => Headline {
            subject,
            before: "was".to_owned(),
            strong: format!("down for {}", format::duration(outage.duration_ms(now))),
            rest: format!(" on {}", zone.long_day(outage.started_at, now)),
            ..Headline::plain(Kind::Down, "")
        },
    };
    if snapshot.past { truth.in_the_past() } else { truth }
}

fn after(
    snapshot: &Snapshot,
    outage: &Outage,
    changes: &[crate::domain::incident::CauseChange],
    with: &[Outage],
    zone: Zone,
    day: UnixMs,
) -> String {
    let clock = |at: UnixMs| zone.moment(at, day).text;
    let mut said = format!("{} from {}", format::clipped(&outage.cause.reason.message, 120), clock(outage.started_at));
    match changes {
        [] => {}
        [one] => said += &format!("; {} from {}", format::clipped(&one.reason.message, 80), clock(one.at)),
        many => said += &format!("; the cause changed {} times after that", many.len()),
    }
    if let Some(end) = outage.ended_at {
        said += &format!("; well again at {}", clock(end));
    }
    said.push('.');
    said + &start_at(snapshot, outage, with).unwrap_or_default()
}

fn began(outage: &Outage, last_ok: Option<&CheckResult>, zone: Zone, day: UnixMs) -> Began {
    let took = |us: Option<u32>| us.map(|us| format::response_time(f64::from(us)));
    let in_time = |c: &CheckResult| took(c.latency_us).map(|t| format!(" in {t}")).unwrap_or_default();
    let last_ok_said = last_ok.map_or(String::new(), |c| match c.http_status {
        Some(status) => format!(", HTTP {status}{}", in_time(c)),
        None => format!(", passed{}", in_time(c)),
    });
    let after = took(outage.cause.latency_us).map(|t| format!(" after {t}")).unwrap_or_default();
    let to_confirm = outage.confirmed_at.map_or(0, |at| at.since(outage.started_at));
    Began {
        interval: outage.last_ok_at.map_or(String::new(), |ok| format::duration(outage.started_at.since(ok))),
        last_ok: outage.last_ok_at.map(|at| zone.exact(at, day)),
        last_ok_said,
        started: zone.exact(outage.started_at, day),
        started_said: format!(", {}{after}", format::short_reason(&outage.cause.reason, outage.cause.http_status)),
        confirmed: outage.confirmed_at.map(|at| zone.exact(at, day)),
        confirmed_said: format!(", {} after the first failed check", format::duration(to_confirm)),
    }
}

/// The last failed check of an outage that ended.
fn last_failed(
    app: &AppState,
    service: &StoredService,
    outage: &Outage,
    now: UnixMs,
) -> Result<Option<UnixMs>, StoreError> {
    let Some(window) = Window::new(outage.started_at, outage.ended_at.unwrap_or(now)) else { return Ok(None) };
    let failed = crate::domain::check::Outcome::Down;
    let last = app.reader.checks(service.id, window, Some(failed), None, 1)?;
    Ok(last.first().map(|c| c.at))
}

/// How long it lasted at least and at most: nobody saw its two ends.
fn lasted_bounds(outage: &Outage, last_failed: Option<UnixMs>) -> Option<String> {
    let (ok, end, failed) = (outage.last_ok_at?, outage.ended_at?, last_failed?);
    let (least, most) = (failed.since(outage.started_at), end.since(ok));
    Some(format!("at least {}, at most {}", format::duration(least), format::duration(most)))
}

/// Where the excerpt only repeats the message it is left out.
fn excerpt(outage: &Outage) -> Option<String> {
    let text = outage.cause.excerpt.as_ref()?.trim_end();
    (!text.is_empty() && text != outage.cause.reason.message).then(|| text.to_owned())
}
