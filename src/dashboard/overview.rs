//! The overview: one sentence that is the truth, the open incidents, then every service, worst first.

use super::{
    error::PageError,
    layout::{self, LayoutOptions, Refresh},
    query::Query,
    request::{self, Page},
    services::{List, Seen, list},
    travel::Travel,
};
use crate::{
    chart::{CheckChart, month_labels},
    domain::{
        incident::{Outage, OutageState},
        service,
        status::Status,
        time::{MINUTE_MS, UnixMs},
        window::Window,
    },
    format::{
        self,
        zone::{Moment, Zone},
    },
    history::{as_of::Snapshot, cached_stats::CachedStats},
    http::{proxy_headers::PageState, state::AppState},
    live::ServiceNow,
    render::view_model::{self, Headline, Kind, LiveDuration},
    store::{OutageFilter, OutageKind, Reader, StoreError},
};
use axum::http::HeaderMap;
use serde::Serialize;
use std::sync::Arc;

/// Open incidents that are shown with all that is known of them; the others in a line each.
const SHOWN_WHOLE: usize = 1;

#[derive(Serialize)]
struct Content {
    travel: Option<Travel>,
    truth: Headline,
    after: Vec<Sentence>,
    open: Option<Open>,
    list: List,
    months: Vec<(String, String)>,
    /// The day at the end of the 90.
    last_day: String,
}

/// A sentence of words and links.
#[derive(Serialize)]
struct Sentence(Vec<Part>);

#[derive(Serialize)]
struct Part {
    text: String,
    url: Option<String>,
}

#[derive(Serialize)]
struct Open {
    heading: String,
    whole: Vec<OpenIncident>,
    more: Vec<view_model::OutageRow>,
}

#[derive(Serialize)]
struct OpenIncident {
    service: String,
    url: String,
    cause: String,
    last_ok: Option<Moment>,
    started: Moment,
    confirmed: Option<Moment>,
    to_confirm: String,
    failed: String,
    excerpt: Option<String>,
    note: Option<String>,
    chart: CheckChart,
    /// Where the same checks are a list.
    checks_url: String,
    chart_said: String,
    minutes: i64,
}

/// `GET /dashboard`
pub(super) async fn page(PageState(app): PageState, query: Query, headers: HeaderMap) -> Page {
    query.only(&["state", "q", "group", "sort", "at", "tz"], &["open", "fold"])?;
    if query.get("at").is_some() {
        return past(app, query).await;
    }
    let (now, changes) = (app.clock.now(), app.live.changes());
    let make = async {
        let snapshot = request::snapshot(&app, &query).await?;
        let (asked, seen_from) = (query.clone(), snapshot.clone());
        let content = app.ask(move |app| content(app, &asked, &seen_from)).await?;
        let options =
            LayoutOptions { title: title(&content.truth, &app.title), current: "now", live: Refresh::OnEventAndClock };
        Ok::<_, PageError>(layout::text(&app, &query, &snapshot, options, "now.html", content)?.0)
    };
    let page = app.pages.get(format!("now {} {}", app.base_path, query.key()), changes, now, &headers, make).await?;
    Ok(layout::whole(page))
}

/// `GET /dashboard?at=T`: the overview as it was known then.
async fn past(app: AppState, query: Query) -> Page {
    let snapshot = request::snapshot(&app, &query).await?;
    let (asked, seen_from) = (query.clone(), snapshot.clone());
    let content = app.ask(move |app| content_then(app, &asked, &seen_from)).await?;
    let title = format!("{} · {}", query.zone.dated(snapshot.at, app.clock.now()).text, app.title);
    let options = LayoutOptions { title, current: "now", live: Refresh::Never };
    layout::page(&app, &query, &snapshot, options, "now.html", content)
}

fn content_then(app: &AppState, query: &Query, snapshot: &Snapshot) -> Result<Content, StoreError> {
    let at = snapshot.at;
    let see = |service: &Arc<ServiceNow>| {
        let figures = Arc::new(CachedStats::read(&app.reader, service.id, at)?);
        Ok(Seen::new(snapshot, service, figures))
    };
    let seen = snapshot.services.iter().map(see).collect::<Result<Vec<_>, StoreError>>()?;
    let latest = OutageFilter {
        kind: OutageKind::All,
        window: Window::new(UnixMs::MIN, at),
        state: Some(OutageState::Resolved),
        ..OutageFilter::default()
    };
    let latest = app.reader.outages(&latest, None, 1)?.into_iter().find(|o| o.ended_at.is_some_and(|end| end <= at));
    let (truth, mut after) = say(snapshot, &seen, latest.as_ref(), query.zone);
    let ours = after.iter_mut().flat_map(|sentence| &mut sentence.0).filter(|part| part.url.is_none());
    ours.for_each(|part| view_model::past_words(&mut part.text));
    let mut list = list(snapshot, &seen, query, app.commands);
    list.all_url = query.with(&[("q", None), ("state", None), ("group", None), ("sort", None)]);
    Ok(Content {
        travel: Travel::new(app, query, snapshot)?,
        truth: truth.in_the_past(),
        after,
        open: open(&app.reader, snapshot, &seen, query.zone)?,
        list,
        months: month_labels(90, at),
        // Days are those of UTC.
        last_day: Zone::UTC.local(at).format("%-d %b").to_string(),
    })
}

fn title(truth: &Headline, product: &str) -> String {
    let subject = truth.subject.as_ref().map_or("", |(name, _)| name.as_str());
    match (subject, truth.kind) {
        ("", _) => {
            format!("{} · {product}", format::clipped(&format!("{}{}{}", truth.before, truth.strong, truth.rest), 60))
        }
        (name, Kind::Down) => format!("{name} is down · {product}"),
        (name, _) => format!("{name} · {product}"),
    }
}

/// Every watched service, with its figures.
fn seen(app: &AppState, snapshot: &Snapshot) -> Result<Vec<Seen>, StoreError> {
    let ids: Vec<_> = snapshot.services.iter().map(|s| s.id).collect();
    let figures = app.figures.list(&app.reader, &ids, snapshot.at)?;
    let seen = snapshot.services.iter().zip(figures);
    Ok(seen.map(|(service, figures)| Seen::new(snapshot, service, figures)).collect())
}

/// The outage that began last, of all services.
fn latest_outage(app: &AppState) -> Result<Option<Outage>, StoreError> {
    let all = OutageFilter { kind: OutageKind::All, ..OutageFilter::default() };
    Ok(app.reader.outages(&all, None, 1)?.into_iter().next())
}

/// The sentence and the services, for other pages that begin with it.
pub(super) fn truth_now(app: &AppState, zone: Zone, now: UnixMs) -> Result<(Headline, Vec<Seen>), StoreError> {
    let snapshot = Snapshot::now(app.live.all(), now).linking(app.base_path.clone(), String::new());
    let seen = seen(app, &snapshot)?;
    Ok((say(&snapshot, &seen, latest_outage(app)?.as_ref(), zone).0, seen))
}

fn content(app: &AppState, query: &Query, snapshot: &Snapshot) -> Result<Content, StoreError> {
    let seen = seen(app, snapshot)?;
    let (truth, after) = say(snapshot, &seen, latest_outage(app)?.as_ref(), query.zone);
    Ok(Content {
        travel: Travel::new(app, query, snapshot)?,
        truth,
        after,
        open: open(&app.reader, snapshot, &seen, query.zone)?,
        list: list(snapshot, &seen, query, app.commands),
        months: month_labels(90, snapshot.at),
        last_day: "today".to_owned(),
    })
}

/// The truth, and what else there is to say.
fn say(snapshot: &Snapshot, seen: &[Seen], latest: Option<&Outage>, zone: Zone) -> (Headline, Vec<Sentence>) {
    let now = snapshot.at;
    let of = |status: Status| seen.iter().filter(|s| s.status == status).collect::<Vec<_>>();
    let (down, stale, degraded, pending) =
        (of(Status::Down), of(Status::Unknown), of(Status::Degraded), of(Status::Pending));
    let in_maintenance = of(Status::Maintenance);
    let watched = seen.iter().filter(|s| s.status != Status::Paused).count() - in_maintenance.len();
    let name = |s: &Seen| (s.now.service.name.clone(), snapshot.service_url(&s.now.service.name, ""));
    let ticking = |s: &Seen| s.now.status_since(now).map(|since| LiveDuration::new(since, now));
    let about = |s: &Seen, before: &str, strong: &str, rest: String, kind: Kind| Headline {
        subject: Some(name(s)),
        before: before.to_owned(),
        strong: strong.to_owned(),
        ticking: ticking(s),
        rest,
        ..Headline::plain(kind, "")
    };
    let reason = |s: &Seen| {
        s.now.outage.as_ref().map(|o| format::short_reason(&o.cause.reason, o.cause.http_status)).unwrap_or_default()
    };
    let mut after: Vec<Sentence> = Vec::new();
    let truth = if seen.is_empty() {
        Headline { glyph: false, ..Headline::plain(Kind::Unknown, "Nothing is watched yet") }
    } else if let [one] = down[..] {
        about(one, "has been", "down for", format!(": {}", reason(one)), Kind::Down)
    } else if let Some(first) = down.iter().min_by_key(|s| (s.behind.is_some(), s.now.status_since(now))) {
        let since = first.now.status_since(now).map_or(0, |at| now.since(at));
        let (first_name, ago) = (&first.now.service.name, format::duration(since / 1000 * 1000));
        let behind = down.iter().filter(|s| s.behind.is_some()).count();
        let rest = match behind {
            0 => format!(": {first_name} failed first, {ago} ago"),
            all if all + 1 == down.len() => format!(": {first_name} failed {ago} ago, and what depends on it"),
            1 => format!(": {first_name} failed first, {ago} ago; 1 is behind what it depends on"),
            some => format!(": {first_name} failed first, {ago} ago; {some} are behind what they depend on"),
        };
        Headline { strong: format!("{} services are down", down.len()), rest, ..Headline::plain(Kind::Down, "") }
    } else if let [one] = stale[..] {
        about(one, "has had", "no result for", String::new(), Kind::Unknown)
    } else if !stale.is_empty() {
        Headline {
            strong: format!("{} services have had no result", stale.len()),
            rest: " for too long: nobody knows how they are".to_owned(),
            ..Headline::plain(Kind::Unknown, "")
        }
    } else if let [one] = degraded[..] {
        let why = one.now.last.as_ref().and_then(|l| l.reason.as_ref());
        let why = why.map(|r| format!(": {}", format::clipped(&r.message, 90))).unwrap_or_default();
        about(one, "has been", "degraded for", why, Kind::Degraded)
    } else if !degraded.is_empty() {
        Headline { strong: format!("{} services are degraded", degraded.len()), ..Headline::plain(Kind::Degraded, "") }
    } else if pending.len() == watched && watched > 0 {
        // What reports by itself does so in its own time.
        let checked = pending.iter().filter(|s| s.now.service.kind != service::Kind::Push);
        let within = checked.map(|s| s.now.service.cadence.interval_ms).min();
        let services = format::counted(watched as u64, "service", "services");
        Headline::plain(
            Kind::Pending,
            match within {
                Some(within) => format!("{services}, first results within {}", format::duration(within.min(10_000))),
                None if watched == 1 => format!("{services}, waiting for its first report"),
                None => format!("{services}, waiting for their first reports"),
            },
        )
    } else if watched == 0 && !in_maintenance.is_empty() {
        match in_maintenance[..] {
            [one] => about(one, "has been", "in maintenance for", String::new(), Kind::Maintenance),
            _ => Headline {
                strong: format!("{} services are in maintenance", in_maintenance.len()),
                ..Headline::plain(Kind::Maintenance, "")
            },
        }
    } else if watched == 0 {
        Headline::plain(Kind::Paused, "Every service is paused: nothing is checked")
    } else if watched == 1 {
        let one = seen.iter().find(|s| !matches!(s.status, Status::Paused | Status::Maintenance));
        Headline {
            subject: one.map(name),
            before: "is".to_owned(),
            strong: "up".to_owned(),
            ..Headline::plain(Kind::Up, "")
        }
    } else {
        let up = watched - pending.len();
        let said =
            if pending.is_empty() { format!("All {up} services are up") } else { format!("{up} services are up") };
        Headline::plain(Kind::Up, said)
    };
    after.extend(also(snapshot, seen, &truth));
    if truth.kind != Kind::Maintenance && !in_maintenance.is_empty() {
        after.push(announced(&in_maintenance, |s| name(s).1));
    }
    let failing: Vec<Part> = seen
        .iter()
        .filter(|s| !matches!(s.status, Status::Down | Status::Paused | Status::Maintenance) && s.now.outage.is_some())
        .take(5)
        .map(|s| Part { text: s.now.service.name.clone(), url: Some(name(s).1) })
        .collect();
    if !failing.is_empty() {
        let mut parts = joined(failing);
        parts.push(Part { text: " failed the latest check and is being checked again.".into(), url: None });
        after.push(Sentence(parts));
    }
    if matches!(truth.kind, Kind::Up | Kind::Degraded) && failing_none(seen) {
        let said = last_failure(latest, zone, now);
        after.extend(said.map(|text| Sentence(vec![Part { text, url: None }])));
    }
    (truth, after)
}

/// What is in maintenance, where that is not the whole truth.
fn announced(services: &[&Seen], url: impl Fn(&Seen) -> String) -> Sentence {
    if services.len() > 3 {
        let text = format!("{} services are in maintenance.", services.len());
        return Sentence(vec![Part { text, url: None }]);
    }
    let names = services.iter().map(|s| Part { text: s.now.service.name.clone(), url: Some(url(s)) }).collect();
    let mut parts = joined(names);
    let verb = if services.len() == 1 { " is in maintenance." } else { " are in maintenance." };
    parts.push(Part { text: verb.into(), url: None });
    Sentence(parts)
}

fn failing_none(seen: &[Seen]) -> bool {
    seen.iter().all(|s| s.now.outage.is_none())
}

/// When something failed for the last time; nothing where that was left open by a service that is not checked any more.
fn last_failure(latest: Option<&Outage>, zone: Zone, now: UnixMs) -> Option<String> {
    match latest.map(|outage| outage.ended_at) {
        Some(Some(end)) => Some(format!("Nothing has failed since {}.", view_model::day_and_time(zone, end, now))),
        Some(None) => None,
        None => Some("Nothing has failed since this history began.".to_owned()),
    }
}

/// What is wrong besides what the headline names, and how many need nothing.
fn also(snapshot: &Snapshot, seen: &[Seen], truth: &Headline) -> Option<Sentence> {
    let now = snapshot.at;
    let spoken_of = truth.subject.as_ref().map(|(name, _)| name.as_str());
    let others: Vec<&Seen> = seen
        .iter()
        .filter(|s| match s.status {
            // Several that are down are listed right below.
            Status::Down => truth.kind != Kind::Down,
            Status::Unknown => truth.kind != Kind::Unknown,
            Status::Degraded => truth.kind != Kind::Degraded,
            _ => false,
        })
        .filter(|s| Some(s.now.service.name.as_str()) != spoken_of)
        .collect();
    if others.is_empty() {
        return None;
    }
    let mut parts = vec![Part { text: "Also: ".into(), url: None }];
    for (i, one) in others.iter().take(3).enumerate() {
        if i > 0 {
            parts.push(Part { text: ", ".into(), url: None });
        }
        let name = &one.now.service.name;
        parts.push(Part { text: name.clone(), url: Some(snapshot.service_url(name, "")) });
        let for_long = one
            .now
            .status_since(now)
            .map_or(String::new(), |at| format!(" for {}", format::duration_short(now.since(at) / 1000 * 1000)));
        let text = match one.status {
            Status::Unknown => format!(" has had no result{for_long}"),
            Status::Degraded => format!(" has been degraded{for_long}"),
            _ => format!(" has been down{for_long}"),
        };
        parts.push(Part { text, url: None });
    }
    if others.len() > 3 {
        parts.push(Part { text: format!(", and {} more", others.len() - 3), url: None });
    }
    parts.push(Part { text: ".".into(), url: None });
    Some(Sentence(parts))
}

/// "a", "a and b", "a, b and c", with links.
fn joined(items: Vec<Part>) -> Vec<Part> {
    let count = items.len();
    let mut parts = Vec::new();
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            let text = if i + 1 == count { " and " } else { ", " };
            parts.push(Part { text: text.into(), url: None });
        }
        parts.push(item);
    }
    parts
}

/// The open incidents, the oldest first: what failed first is where to look. Those behind a failed dependency are the last.
fn open(reader: &Reader, snapshot: &Snapshot, seen: &[Seen], zone: Zone) -> Result<Option<Open>, StoreError> {
    let now = snapshot.at;
    let mut open: Vec<(&Seen, &Outage)> =
        seen.iter().filter_map(|s| Some((s, s.now.outage.as_deref().filter(|o| o.is_incident())?))).collect();
    open.retain(|(service, _)| service.status != Status::Paused);
    if open.is_empty() {
        return Ok(None);
    }
    open.sort_by_key(|(service, outage)| (service.behind.is_some(), outage.started_at));
    let heading = format::counted(open.len() as u64, "open incident", "open incidents");
    let mut whole = Vec::new();
    let mut more = Vec::new();
    for (i, (service, outage)) in open.into_iter().enumerate() {
        if i < SHOWN_WHOLE {
            whole.push(open_incident(reader, snapshot, service, outage, zone)?);
        } else {
            let began = zone.moment(outage.started_at, now);
            more.push(view_model::OutageRow::new(snapshot, outage, Vec::new(), began));
        }
    }
    Ok(Some(Open { heading, whole, more }))
}

fn open_incident(
    reader: &Reader,
    snapshot: &Snapshot,
    service: &Seen,
    outage: &Outage,
    zone: Zone,
) -> Result<OpenIncident, StoreError> {
    let now = snapshot.at;
    let from = now.plus(-10 * MINUTE_MS).min(outage.started_at.plus(-3 * MINUTE_MS)).max(now.plus(-30 * MINUTE_MS));
    let window = Window::new(from, now).unwrap_or(Window::ending(now, 10 * MINUTE_MS));
    let checks = snapshot.checks(reader.checks(service.now.id, window, None, None, 600)?);
    let maintenance = reader.maintenance(service.now.id, window)?;
    let failed = checks.iter().filter(|c| c.outcome.passed() == Some(false)).count();
    let minutes = (window.length_ms() + MINUTE_MS / 2) / MINUTE_MS;
    let name = &service.now.service.name;
    Ok(OpenIncident {
        service: name.clone(),
        url: snapshot.incident_url(outage.id),
        cause: format::clipped(&outage.cause.reason.message, 200),
        last_ok: outage.last_ok_at.map(|at| zone.moment(at, now)),
        started: zone.moment(outage.started_at, now),
        confirmed: outage.confirmed_at.map(|at| zone.moment(at, now)),
        to_confirm: format::duration(outage.confirmed_at.map_or(0, |at| at.since(outage.started_at))),
        failed: format::count(outage.checks_failed),
        excerpt: outage.cause.excerpt.as_ref().map(|text| shown_excerpt(text)),
        note: view_model::note_line(outage),
        chart: CheckChart::new(window, &checks, std::slice::from_ref(outage), &[], &maintenance, zone, now, 106.0),
        checks_url: format!("{}#checks", snapshot.service_url(name, "window=1h")),
        chart_said: format!("In the last {minutes} minutes {} of {} checks of {name} failed.", failed, checks.len()),
        minutes,
    })
}

/// The first lines of an answer.
fn shown_excerpt(text: &str) -> String {
    let lines: Vec<&str> = text.lines().take(4).collect();
    let mut shown: String = lines.join("\n").chars().take(300).collect();
    if shown.len() < text.trim_end().len() {
        shown.push('…');
    }
    shown
}
