//! A service over any range: response times and states on one axis, uptime with its doubt, outages, checks.

mod changes;
mod facts;
mod ordinary;
mod phases;
mod subject;
mod uptime;

use self::{
    changes::ChangeRow,
    facts::{Fact, facts},
    ordinary::bands,
    phases::PhasesShown,
    subject::Subject,
    uptime::{UptimeShown, uptime_shown},
};
use super::{
    error::PageError,
    layout::{self, LayoutOptions, Refresh},
    query::{Query, RANGES},
    request::{self, Page},
};
use crate::{
    chart::{CheckChart, History, HistoryChart, NoteMark, Said},
    domain::{
        check::Outcome,
        incident::Outage,
        status::Status,
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::Buckets,
        uptime::Uptime,
        window::Window,
    },
    format::{
        self,
        zone::{Moment, Zone},
    },
    history::{as_of::Snapshot, figures},
    http::{
        named::Named,
        proxy_headers::{PageState, RequestOrigin},
        state::AppState,
    },
    render::view_model::{self, CheckRow, Headline, Kind, LiveDuration, OutageRow},
    store::{Maintenance, OutageFilter, OutageKind, Source, StoreError},
};
use serde::Serialize;

/// Steps of the chart.
const STEPS: u32 = 336;
/// Where a range has no more checks than this, each of them is drawn.
const DOTS: u64 = 800;
/// Checks in the list, and outages.
const CHECKS: u32 = 25;
const OUTAGES: u32 = 100;

#[derive(Serialize)]
struct Content {
    name: String,
    group: Option<String>,
    description: Option<String>,
    truth: Headline,
    facts: Vec<Fact>,
    /// Where it reports by itself, without its token; `None` where it is checked.
    reports_to: Option<String>,
    /// Whether its checks make connections.
    connects: bool,
    /// It never has.
    is_awaited: bool,
    range: Range,
    history: Option<HistoryChart>,
    dots: Option<CheckChart>,
    step: String,
    chart_said: String,
    phases: Option<PhasesShown>,
    table: Vec<TableRow>,
    table_unit: &'static str,
    uptime: UptimeShown,
    outages: Vec<OutageRow>,
    outages_said: String,
    outages_more: bool,
    gaps: Vec<GapRow>,
    maintenance: Vec<MaintenanceRow>,
    /// Changes of the settings: marks below the chart, and a list.
    marks: Vec<NoteMark>,
    changes: Vec<ChangeRow>,
    /// Maintenance, for the labels of the chart.
    announced: Vec<Said>,
    checks: Checks,
}

#[derive(Serialize)]
struct Range {
    name: String,
    buttons: Vec<(String, &'static str, bool)>,
    said: String,
    from: String,
    to: String,
    earlier: String,
    later: Option<String>,
    export: String,
    export_csv: String,
}

#[derive(Serialize)]
struct TableRow {
    label: String,
    p50: String,
    p95: String,
    slowest: String,
    uptime: String,
    down: String,
    gap: String,
}

#[derive(Serialize)]
struct GapRow {
    from: Moment,
    lasted: String,
    why: &'static str,
    open: bool,
}

#[derive(Serialize)]
struct MaintenanceRow {
    from: Moment,
    to: Moment,
    lasts: String,
    reason: String,
    by_hand: bool,
}

#[derive(Serialize)]
struct Checks {
    rows: Vec<CheckRow>,
    /// The phases in their bars: number from 1, and name.
    seen: Vec<(usize, &'static str)>,
    scale: String,
    only_failed: bool,
    all_url: String,
    failed_url: String,
    older: Option<String>,
    newest: Option<String>,
}

/// `GET /dashboard/services/{name}`
pub(super) async fn page(PageState(app): PageState, Named(name): Named, query: Query, origin: RequestOrigin) -> Page {
    query.only(&["window", "from", "to", "outcome", "before", "at", "tz"], &[])?;
    let snapshot = request::snapshot(&app, &query).await?;
    let window = query.window(snapshot.at, 7 * DAY_MS)?;
    let asked = name.clone();
    let Some(stored) = app.ask(move |app| app.reader.service(&asked)).await? else {
        return Err(unknown(&snapshot, &name));
    };
    if snapshot.past && stored.added_at > snapshot.at {
        let first = stored.added_at.to_string();
        let said = query.zone.dated(stored.added_at, app.clock.now()).text;
        return Err(PageError::unprocessable(
            format!("{} was not watched yet", format::clipped(&name, 80)),
            format!("It has been watched since {said}."),
            Some((format!("Show {said}"), query.with(&[("at", Some(&first))]))),
        ));
    }
    let subject = Subject { id: stored.id, now: snapshot.get(&name).cloned(), stored };
    let (asked, seen_from) = (query.clone(), snapshot.clone());
    let address = format!("{}{}/api/v1/push/", origin.origin, app.base_path);
    let mut content = app.ask(move |app| content(app, &seen_from, &subject, &asked, window)).await?;
    content.reports_to = content.reports_to.map(|_| address);
    let word = match content.truth.kind {
        Kind::Down if snapshot.past => " was down",
        Kind::Down => " is down",
        _ => "",
    };
    let options = LayoutOptions {
        title: format!("{}{word} · {}", content.name, app.title),
        current: "service",
        live: Refresh::OnEventAndClock,
    };
    layout::page(&app, &query, &snapshot, options, "service.html", content)
}

fn unknown(snapshot: &Snapshot, name: &str) -> PageError {
    let near = crate::settings::nearest(name, snapshot.services.iter().map(|s| s.service.name.as_str()));
    let way_out = near.map(|near| (format!("Did you mean {near}?"), snapshot.service_url(near, "")));
    PageError::not_found(format!("There is no service named “{}”", format::clipped(name, 80)), way_out)
}

fn content(
    app: &AppState,
    snapshot: &Snapshot,
    subject: &Subject,
    query: &Query,
    window: Window,
) -> Result<Content, StoreError> {
    let (reader, id, zone, now) = (&app.reader, subject.id, query.zone, snapshot.at);
    let uptime = figures::uptime(reader, id, window, now)?;
    let filter =
        OutageFilter { service: Some(id), window: Some(window), kind: OutageKind::All, ..OutageFilter::default() };
    let found = reader.outages(&filter, None, OUTAGES)?;
    let outages_more = found.len() == OUTAGES as usize;
    let outages = snapshot.outages(found);
    let drawn: Vec<Outage> = outages.iter().map(view_model::as_seen).collect();
    let gaps = snapshot.gaps(reader.gaps(id, window, now)?);
    let maintenance = reader.maintenance(id, window)?;
    let watched_from = reader.first_check_at(id)?.filter(|first| *first < now);
    let (history, dots, step) = if uptime.checks <= DOTS && window.length_ms() <= 2 * DAY_MS {
        let checks = snapshot.checks(reader.checks(id, window, None, None, DOTS as u32)?);
        let chart = CheckChart::new(window, &checks, &drawn, &gaps, &maintenance, zone, now, 216.0);
        let chart = chart.with_normal(&bands(app, subject, window)?);
        (None, Some(chart), "One mark is one check. The scale is logarithmic.".to_owned())
    } else {
        let buckets = figures::buckets(reader, id, window, STEPS, now)?;
        let chart = HistoryChart::new(&History {
            buckets: &buckets,
            outages: &drawn,
            gaps: &gaps,
            maintenance: &maintenance,
            normal: &bands(app, subject, window)?,
            watched_from,
            now,
            past: snapshot.past,
            zone,
        });
        let step = format!("One step is {}.", format::duration(buckets.size_ms()));
        (Some(chart), None, step)
    };
    let unit = if window.length_ms() <= 2 * DAY_MS { HOUR_MS } else { DAY_MS };
    let table = figures::buckets_of(reader, id, window, unit, now)?;
    let range = range(snapshot, subject, query, window);
    let rows = outages.iter().map(|outage| outage_row(app, snapshot, outage, zone)).collect::<Result<Vec<_>, _>>()?;
    let notes = changes::notes(app, snapshot, subject, window)?;
    let drawn = history.as_ref().map(|h| (h.from, h.to)).or(dots.as_ref().map(|d| (d.from, d.to)));
    let drawn = drawn.and_then(|(from, to)| Window::new(UnixMs(from), UnixMs(to))).unwrap_or(window);
    let log = reader.maintenance_log(Some(window))?;
    let log: Vec<&Maintenance> = log.iter().filter(|one| subject.in_maintenance(one)).collect();
    Ok(Content {
        marks: NoteMark::lay(drawn, &notes),
        changes: changes::rows(&notes, snapshot, zone),
        announced: Said::lay(drawn, changes::maintenance_said(&log, zone)),
        name: subject.stored.name.clone(),
        group: subject.stored.group.clone(),
        description: subject.now.as_ref().and_then(|s| s.service.description.clone()),
        truth: truth(snapshot, subject, zone),
        facts: facts(app, subject, now),
        reports_to: subject.reports().then(String::new),
        connects: subject.stored.kind.connects(),
        is_awaited: subject.reports() && subject.now.as_ref().is_some_and(|now| now.last.is_none()),
        history,
        dots,
        step,
        phases: PhasesShown::read(reader, id, window, zone, now)?,
        chart_said: chart_said(&subject.stored.name, &range.name, &uptime),
        table: table_rows(&table, unit, zone, now),
        table_unit: if unit == HOUR_MS { "Hour" } else { "Day (UTC)" },
        outages_said: outages_said(&outages, &range.name),
        outages_more,
        gaps: gaps
            .iter()
            .rev()
            .take(20)
            .map(|gap| GapRow {
                from: zone.dated(gap.from, now),
                lasted: format::duration(gap.to.unwrap_or(now).since(gap.from)),
                why: view_model::gap_words(gap.why),
                open: gap.to.is_none(),
            })
            .collect(),
        maintenance: maintenance_rows(&log, zone, now),
        uptime: uptime_shown(app, snapshot, subject, &uptime, window, watched_from, zone)?,
        outages: rows,
        checks: checks(app, snapshot, subject, query, window)?,
        range,
    })
}

/// The maintenance that reaches into the range, newest first.
fn maintenance_rows(log: &[&Maintenance], zone: Zone, now: UnixMs) -> Vec<MaintenanceRow> {
    let row = |one: &&Maintenance| MaintenanceRow {
        from: zone.dated(one.window.from(), now),
        to: zone.dated(one.window.to(), now),
        lasts: format::duration(one.window.length_ms()),
        reason: one.reason.clone(),
        by_hand: one.source == Source::Hand,
    };
    log.iter().rev().take(20).map(row).collect()
}

/// What is the case with this service, or was.
fn truth(snapshot: &Snapshot, subject: &Subject, zone: Zone) -> Headline {
    let truth = truth_then(snapshot, subject, zone);
    if snapshot.past { truth.in_the_past() } else { truth }
}

fn truth_then(snapshot: &Snapshot, subject: &Subject, zone: Zone) -> Headline {
    let now = snapshot.at;
    let subject_name = Some((subject.stored.name.clone(), String::new()));
    let say = |kind, before: &str, strong: &str, ticking, rest: String| Headline {
        subject: subject_name.clone(),
        before: before.to_owned(),
        strong: strong.to_owned(),
        ticking,
        rest,
        ..Headline::plain(kind, "")
    };
    let Some(service) = &subject.now else {
        let since = subject.stored.removed_at.map(|at| format!(", since {}", zone.long_day(at, now)));
        let rest = format!("is no longer watched{}. Its history stays", since.unwrap_or_default());
        return say(Kind::Paused, &rest, "", None, String::new());
    };
    let ticking = service.status_since(now).map(|since| LiveDuration::new(since, now));
    let last_reason = service.last.as_ref().and_then(|l| l.reason.as_ref());
    match service.status(now) {
        Status::Down => {
            let why = service.outage.as_ref().map(|o| format::short_reason(&o.cause.reason, o.cause.http_status));
            let behind = snapshot.behind(service).map(|name| format!(", behind {name}")).unwrap_or_default();
            say(
                Kind::Down,
                "has been",
                "down for",
                ticking,
                why.map(|w| format!(": {w}")).unwrap_or_default() + &behind,
            )
        }
        Status::Degraded => {
            let why = last_reason.map(|r| format!(": {}", format::clipped(&r.message, 90))).unwrap_or_default();
            say(Kind::Degraded, "has been", "degraded for", ticking, why)
        }
        Status::Unknown => say(Kind::Unknown, "has had", "no result for", ticking, String::new()),
        Status::Paused if subject.reports() => {
            say(Kind::Paused, "is paused: what it reports is not recorded", "", None, String::new())
        }
        Status::Up => {
            let rest = if service.outage.is_some() { ", and is failing right now" } else { "" };
            say(Kind::Up, "has been", "up for", ticking, rest.to_owned())
        }
        Status::Pending => {
            let rest = match service.outage.is_some() {
                true => "is failing, and was never seen up",
                false if subject.reports() => "waits for its first report",
                false => "has no result yet",
            };
            say(Kind::Pending, rest, "", None, String::new())
        }
        Status::Maintenance => {
            let until =
                service.timetable.at(now).map(|window| format!(", until {}", zone.moment(window.to(), now).text));
            say(Kind::Maintenance, "has been", "in maintenance for", ticking, until.unwrap_or_default())
        }
        Status::Paused => say(Kind::Paused, "is paused: it is not checked", "", None, String::new()),
    }
}

fn range(snapshot: &Snapshot, subject: &Subject, query: &Query, window: Window) -> Range {
    let (zone, now) = (query.zone, snapshot.at);
    let clean = |window: &str| query.with(&[("window", Some(window)), ("from", None), ("to", None), ("before", None)]);
    let current = match (query.get("from"), query.get("window")) {
        (Some(_), _) => None,
        (None, Some(word)) => Some(word),
        (None, None) => Some("7d"),
    };
    let named = RANGES.iter().find(|(word, ..)| Some(*word) == current);
    let name = match named {
        Some((_, _, length)) => match *length {
            HOUR_MS => "the last hour".to_owned(),
            DAY_MS => "24 hours".to_owned(),
            length => format!("{} days", length / DAY_MS),
        },
        None => format::duration(window.length_ms()),
    };
    let length = window.length_ms();
    let to = |from: UnixMs, to: UnixMs| {
        let (from, to) = (from.to_string(), to.to_string());
        query.with(&[("window", None), ("from", Some(&from)), ("to", Some(&to)), ("before", None)])
    };
    let api = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("service", &subject.stored.name)
        .append_pair("from", &window.from().to_string())
        .append_pair("to", &window.to().to_string())
        .finish();
    let export = snapshot.plain_url(&format!("/api/v1/export?{api}"));
    let said = format!(
        "{}, {} to {}, {}",
        zone.day(window.from(), now),
        zone.local(window.from()).format("%H:%M"),
        zone.day(window.to(), now),
        zone.local(window.to()).format("%H:%M")
    );
    Range {
        name,
        buttons: RANGES.iter().map(|(word, label, _)| (clean(word), *label, Some(*word) == current)).collect(),
        said,
        from: zone.field(window.from()),
        to: zone.field(window.to()),
        earlier: to(window.from().plus(-length), window.from()),
        later: (window.to() < now).then(|| to(window.to(), window.to().plus(length))),
        export_csv: format!("{export}&format=csv"),
        export,
    }
}

fn chart_said(name: &str, range: &str, uptime: &Uptime) -> String {
    let typical = match (uptime.p50_ms, uptime.p95_ms) {
        (Some(p50), Some(p95)) => format!(
            "Half of the answers took at most {}, 95 % at most {}.",
            format::response_time(p50 * 1000.0),
            format::response_time(p95 * 1000.0)
        ),
        _ => "No check passed.".to_owned(),
    };
    format!(
        "{name} over {range}. {typical} {} and {} are listed below.",
        format::counted(uptime.incidents, "incident", "incidents"),
        format::counted(uptime.blips, "blip", "blips")
    )
}

fn table_rows(buckets: &Buckets, unit: i64, zone: Zone, now: UnixMs) -> Vec<TableRow> {
    let time = |us: Option<f64>| us.map_or("–".to_owned(), format::response_time);
    buckets
        .iter()
        .map(|(window, tally)| {
            let uptime = Uptime::new(window, tally, []);
            TableRow {
                label: match unit {
                    HOUR_MS => zone.local(window.from()).format("%a %-d, %H:%M").to_string(),
                    _ => Zone::UTC.day(window.from(), now),
                },
                p50: time(tally.latency.percentile_us(0.5)),
                p95: time(tally.latency.percentile_us(0.95)),
                slowest: time(tally.max_us.map(f64::from)),
                uptime: format::percent(uptime.uptime, 4),
                down: format::duration(uptime.down_ms),
                gap: format::duration(uptime.gap_ms),
            }
        })
        .rev()
        .take(100)
        .collect()
}

fn outages_said(outages: &[Outage], range: &str) -> String {
    let incidents = outages.iter().filter(|o| o.is_incident()).count() as u64;
    let blips = outages.iter().filter(|o| o.is_blip()).count() as u64;
    let said = match (incidents, blips) {
        (0, 0) => "No incident".to_owned(),
        (n, 0) => format::counted(n, "incident", "incidents"),
        (0, n) => format!("No incident, {}", format::counted(n, "blip", "blips")),
        (i, b) => {
            format!("{} and {}", format::counted(i, "incident", "incidents"), format::counted(b, "blip", "blips"))
        }
    };
    format!("{said} in {}", if range.starts_with("the ") { range.to_owned() } else { format!("these {range}") })
}

fn outage_row(app: &AppState, snapshot: &Snapshot, outage: &Outage, zone: Zone) -> Result<OutageRow, StoreError> {
    let also = if outage.is_incident() {
        view_model::names(&snapshot.outages(app.reader.failed_with(outage)?))
    } else {
        Vec::new()
    };
    let began = zone.exact(outage.started_at, snapshot.at);
    Ok(OutageRow::new(snapshot, outage, also, began))
}

fn checks(
    app: &AppState,
    snapshot: &Snapshot,
    subject: &Subject,
    query: &Query,
    window: Window,
) -> Result<Checks, StoreError> {
    let only_failed = query.get("outcome") == Some("down");
    let before = query.number("before").map(UnixMs);
    let outcome = only_failed.then_some(Outcome::Down);
    let found = app.reader.checks(subject.id, window, outcome, before, CHECKS)?;
    let full = found.len() == CHECKS as usize;
    let found = snapshot.checks(found);
    let longest = view_model::longest_us(&found);
    let older = found.last().filter(|_| full).map(|last| {
        let before = last.at.0.to_string();
        query.with(&[("before", Some(&before))])
    });
    let rows: Vec<_> = found.iter().map(|c| CheckRow::new(c, query.zone.exact(c.at, snapshot.at), longest)).collect();
    Ok(Checks {
        seen: view_model::phases_seen(&rows),
        rows,
        scale: format::response_time(f64::from(longest)),
        only_failed,
        all_url: query.with(&[("outcome", None), ("before", None)]),
        failed_url: query.with(&[("outcome", Some("down")), ("before", None)]),
        older,
        newest: before.map(|_| query.with(&[("before", None)])),
    })
}
