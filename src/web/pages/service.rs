//! A service over any range: response times and states on one axis, uptime with its doubt, outages, checks.

use super::{
    Page, PageError,
    frame::{self, Framing, Live},
    query::{Query, RANGES},
    shown::{self, CheckRow, Kind, OutageRow, Ticking, Truth},
};
use crate::{
    board::{ServiceId, ServiceNow},
    domain::{
        check::{Outcome, PhaseMedians},
        incident::Outage,
        status::Status,
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::Buckets,
        uptime::{Budget, Uptime},
        window::Window,
    },
    store::{Maintenance, OutageFilter, OutageKind, Source, StoreError, StoredService},
    web::{
        chart::{BoundsScale, CheckChart, History, HistoryChart, PhaseChart},
        figures::FigureCache,
        forwarded::Here,
        site::Site,
        words,
        zone::{Moment, Zone},
    },
};
use axum::extract::Path;
use serde::Serialize;
use std::sync::Arc;

/// Steps of the chart.
const STEPS: u32 = 336;
/// Where a range has no more checks than this, each of them is drawn.
const DOTS: u64 = 800;
/// Columns of the phases, and checks that are looked at for each.
const COLUMNS: i64 = 56;
const SAMPLE: u32 = 400;
/// Checks in the list, and outages.
const CHECKS: u32 = 25;
const OUTAGES: u32 = 100;

#[derive(Serialize)]
struct Content {
    name: String,
    group: Option<String>,
    description: Option<String>,
    truth: Truth,
    facts: Vec<Fact>,
    range: Range,
    history: Option<HistoryChart>,
    dots: Option<CheckChart>,
    step: String,
    chart_said: String,
    phases: Option<PhaseChart>,
    phases_step: String,
    phases_said: String,
    table: Vec<TableRow>,
    table_unit: &'static str,
    uptime: UptimeShown,
    outages: Vec<OutageRow>,
    outages_said: String,
    outages_more: bool,
    gaps: Vec<GapRow>,
    maintenance: Vec<MaintenanceRow>,
    checks: Checks,
}

#[derive(Serialize)]
struct Fact {
    text: String,
    code: bool,
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
struct BudgetShown {
    objective: String,
    said: String,
    left: String,
    /// Of the budget, for the bar.
    share: String,
    overspent: bool,
    burn: String,
}

#[derive(Serialize)]
struct UptimeShown {
    budget: Option<BudgetShown>,
    figure: String,
    none: bool,
    others: Vec<(&'static str, String)>,
    worst: String,
    best: String,
    certain: bool,
    scale: Option<BoundsScale>,
    interval: String,
    coverage: String,
    checks: String,
    failures: String,
    mttr: Option<String>,
    mtbf: Option<String>,
    p50: Option<String>,
    p95: Option<String>,
    p99: Option<String>,
    ledger: Vec<(Kind, &'static str, String)>,
    gap: String,
    total: String,
    widened: Option<String>,
    watched_since: Option<String>,
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
    scale: String,
    only_failed: bool,
    all_url: String,
    failed_url: String,
    older: Option<String>,
    newest: Option<String>,
}

/// The service that a page is about: as it is known now, or as the history knows it.
struct Subject {
    id: ServiceId,
    stored: StoredService,
    now: Option<Arc<ServiceNow>>,
}

/// `GET /dashboard/services/{name}`
pub(super) async fn page(Here(site): Here, Path(name): Path<String>, query: Query) -> Page {
    let now = site.clock.now();
    let window = query.window(now, 7 * DAY_MS)?;
    let asked = name.clone();
    let Some(stored) = super::blocking(&site, move |site| site.reader.service(&asked)).await? else {
        return Err(unknown(&site, &name));
    };
    let subject = Subject { id: stored.id, now: site.board.get(&name), stored };
    let asked = query.clone();
    let content = super::blocking(&site, move |site| content(site, &subject, &asked, window, now)).await?;
    let word = match content.truth.kind {
        Kind::Down => " is down",
        _ => "",
    };
    let framing =
        Framing { title: format!("{}{word} · {}", content.name, site.title), current: "service", live: Live::Always };
    frame::page(&site, &query, now, framing, "service.html", content)
}

fn unknown(site: &Site, name: &str) -> PageError {
    let services = site.board.all();
    let near = crate::config::nearest(name, services.iter().map(|s| s.service.name.as_str()));
    let way_out = near.map(|near| (format!("Did you mean {near}?"), shown::service_url(&site.base_path, near)));
    PageError::not_found(format!("There is no service named “{}”", words::clipped(name, 80)), way_out)
}

fn content(site: &Site, subject: &Subject, query: &Query, window: Window, now: UnixMs) -> Result<Content, StoreError> {
    let (reader, id, zone) = (&site.reader, subject.id, query.zone);
    let uptime = reader.uptime(id, window, now)?;
    let filter =
        OutageFilter { service: Some(id), window: Some(window), kind: OutageKind::All, ..OutageFilter::default() };
    let outages = reader.outages(&filter, None, OUTAGES)?;
    let drawn: Vec<Outage> = outages.iter().map(shown::as_seen).collect();
    let gaps = reader.gaps(id, window, now)?;
    let maintenance = reader.maintenance(id, window)?;
    let watched_from = reader.first_check_at(id)?;
    let (history, dots, step) = if uptime.checks <= DOTS && window.length_ms() <= 2 * DAY_MS {
        let checks = reader.checks(id, window, None, None, DOTS as u32)?;
        let chart = CheckChart::new(window, &checks, &drawn, &gaps, &maintenance, zone, now, 216.0);
        (None, Some(chart), "One mark is one check. The scale is logarithmic.".to_owned())
    } else {
        let buckets = reader.history(id, window, STEPS, now)?;
        let chart = HistoryChart::new(&History {
            buckets: &buckets,
            outages: &drawn,
            gaps: &gaps,
            maintenance: &maintenance,
            watched_from,
            now,
            zone,
        });
        let step = format!("One step is {}.", words::duration(buckets.size_ms()));
        (Some(chart), None, step)
    };
    let unit = if window.length_ms() <= 2 * DAY_MS { HOUR_MS } else { DAY_MS };
    let table = reader.history_by(id, window, unit, now)?;
    let column_ms = (window.length_ms() / COLUMNS).max(1);
    let columns = reader.phases(id, window, column_ms, SAMPLE)?;
    let range = range(site, subject, query, window, now);
    let rows = outages.iter().map(|outage| outage_row(site, outage, zone, now)).collect::<Result<Vec<_>, _>>()?;
    Ok(Content {
        name: subject.stored.name.clone(),
        group: subject.stored.group.clone(),
        description: subject.now.as_ref().and_then(|s| s.service.description.clone()),
        truth: truth(subject, zone, now),
        facts: facts(subject, now),
        history,
        dots,
        step,
        phases: PhaseChart::new(window, &columns, zone),
        phases_step: format!("Median of each phase, {} a column.", words::duration(column_ms)),
        phases_said: phases_said(&columns),
        chart_said: chart_said(&subject.stored.name, &range.name, &uptime),
        table: table_rows(&table, unit, zone, now),
        table_unit: if unit == HOUR_MS { "Hour" } else { "Day (UTC)" },
        outages_said: outages_said(&outages, &range.name),
        outages_more: outages.len() == OUTAGES as usize,
        gaps: gaps
            .iter()
            .rev()
            .take(20)
            .map(|gap| GapRow {
                from: zone.dated(gap.from, now),
                lasted: words::duration(gap.to.unwrap_or(now).since(gap.from)),
                why: shown::gap_words(gap.why),
                open: gap.to.is_none(),
            })
            .collect(),
        maintenance: maintenance_rows(site, subject, window, zone, now)?,
        uptime: uptime_shown(site, subject, &uptime, window, watched_from, zone, now)?,
        outages: rows,
        checks: checks(site, subject, query, window, now)?,
        range,
    })
}

/// The maintenance that reaches into the range, newest first.
fn maintenance_rows(
    site: &Site,
    subject: &Subject,
    window: Window,
    zone: Zone,
    now: UnixMs,
) -> Result<Vec<MaintenanceRow>, StoreError> {
    let log = site.reader.maintenance_log(Some(window))?;
    let mine = |one: &Maintenance| {
        one.taken_back_at.is_none() && one.services.as_ref().is_none_or(|names| names.contains(&subject.stored.name))
    };
    let row = |one: &Maintenance| MaintenanceRow {
        from: zone.dated(one.window.from(), now),
        to: zone.dated(one.window.to(), now),
        lasts: words::duration(one.window.length_ms()),
        reason: one.reason.clone(),
        by_hand: one.source == Source::Hand,
    };
    Ok(log.iter().rev().filter(|one| mine(one)).take(20).map(row).collect())
}

/// What is the case with this service.
fn truth(subject: &Subject, zone: Zone, now: UnixMs) -> Truth {
    let subject_name = Some((subject.stored.name.clone(), String::new()));
    let say = |kind, before: &str, strong: &str, ticking, rest: String| Truth {
        subject: subject_name.clone(),
        before: before.to_owned(),
        strong: strong.to_owned(),
        ticking,
        rest,
        ..Truth::plain(kind, "")
    };
    let Some(service) = &subject.now else {
        let since = subject.stored.removed_at.map(|at| format!(", since {}", zone.long_day(at, now)));
        let rest = format!("is no longer watched{}. Its history stays", since.unwrap_or_default());
        return say(Kind::Paused, &rest, "", None, String::new());
    };
    let ticking = service.status_since(now).map(|since| Ticking::new(since, now));
    let last_reason = service.last.as_ref().and_then(|l| l.reason.as_ref());
    match service.status(now) {
        Status::Down => {
            let why = service.outage.as_ref().map(|o| words::short_reason(&o.cause.reason, o.cause.http_status));
            say(Kind::Down, "has been", "down for", ticking, why.map(|w| format!(": {w}")).unwrap_or_default())
        }
        Status::Degraded => {
            let why = last_reason.map(|r| format!(": {}", words::clipped(&r.message, 90))).unwrap_or_default();
            say(Kind::Degraded, "has been", "degraded for", ticking, why)
        }
        Status::Unknown => say(Kind::Unknown, "has had", "no result for", ticking, String::new()),
        Status::Up => {
            let rest = if service.outage.is_some() { ", and is failing right now" } else { "" };
            say(Kind::Up, "has been", "up for", ticking, rest.to_owned())
        }
        Status::Pending => {
            let rest = if service.outage.is_some() { "is failing, and was never seen up" } else { "has no result yet" };
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

fn facts(subject: &Subject, now: UnixMs) -> Vec<Fact> {
    let fact = |text: String| Fact { text, code: false };
    let mut facts = vec![
        fact(subject.stored.kind.as_str().to_owned()),
        Fact { text: words::clipped(&subject.stored.target, 200), code: true },
        fact(format!("checked every {}", words::duration(subject.stored.interval_ms))),
    ];
    let Some(now_known) = &subject.now else { return facts };
    let service = &now_known.service;
    let (fails, passes) = (service.thresholds.failure, service.thresholds.success);
    facts.push(fact(format!(
        "{} {}, {} {}",
        words::counted(fails.into(), "failure", "failures"),
        if fails == 1 { "confirms" } else { "confirm" },
        words::counted(passes.into(), "pass", "passes"),
        if passes == 1 { "clears" } else { "clear" },
    )));
    if let Some(limit) = service.degraded_after_ms {
        facts.push(fact(format!("degraded when slower than {}", words::response_time(limit as f64 * 1000.0))));
    }
    if let Some(end) = now_known.certificate_expires_at {
        let days = end.since(now).div_euclid(DAY_MS);
        facts.push(fact(match days {
            ..0 => format!("certificate expired {} ago", words::counted(days.unsigned_abs(), "day", "days")),
            0 => "certificate expires today".to_owned(),
            _ => format!("certificate good for {}", words::counted(days.unsigned_abs(), "day", "days")),
        }));
    }
    if !service.critical {
        facts.push(fact("not critical".to_owned()));
    }
    facts
}

fn range(site: &Site, subject: &Subject, query: &Query, window: Window, now: UnixMs) -> Range {
    let zone = query.zone;
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
        None => words::duration(window.length_ms()),
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
    let export = format!("{}/api/v1/export?{api}", site.base_path);
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
            words::response_time(p50 * 1000.0),
            words::response_time(p95 * 1000.0)
        ),
        _ => "No check passed.".to_owned(),
    };
    format!(
        "{name} over {range}. {typical} {} and {} are listed below.",
        words::counted(uptime.incidents, "incident", "incidents"),
        words::counted(uptime.blips, "blip", "blips")
    )
}

/// What the phases took at the beginning of the range, and what at its end.
fn phases_said(columns: &[(Window, PhaseMedians)]) -> String {
    let (Some((_, first)), Some((_, last))) = (columns.first(), columns.last()) else { return String::new() };
    let each = |m: &PhaseMedians| {
        let p = m.phases;
        [
            ("DNS", p.dns_us),
            ("connect", p.connect_us),
            ("TLS", p.tls_us),
            ("first byte", p.ttfb_us),
            ("the rest", m.rest_us),
        ]
    };
    let said = each(first).into_iter().zip(each(last)).filter_map(|((word, before), (_, after))| {
        let time = |us: Option<u32>| us.map_or("nothing".to_owned(), |us| words::response_time(f64::from(us)));
        (before.is_some() || after.is_some()).then(|| format!("{word} {} and {}", time(before), time(after)))
    });
    format!("At the beginning and at the end of the range: {}.", said.collect::<Vec<_>>().join(", "))
}

fn table_rows(buckets: &Buckets, unit: i64, zone: Zone, now: UnixMs) -> Vec<TableRow> {
    let time = |us: Option<f64>| us.map_or("–".to_owned(), words::response_time);
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
                uptime: words::percent(uptime.uptime, 4),
                down: words::duration(uptime.down_ms),
                gap: words::duration(uptime.gap_ms),
            }
        })
        .rev()
        .take(100)
        .collect()
}

fn uptime_shown(
    site: &Site,
    subject: &Subject,
    uptime: &Uptime,
    asked: Window,
    watched_from: Option<UnixMs>,
    zone: Zone,
    now: UnixMs,
) -> Result<UptimeShown, StoreError> {
    let figures = FigureCache::get(&site.figures, &site.reader, subject.id, now)?;
    let others = ["24 h", "7 d", "30 d", "90 d"]
        .into_iter()
        .zip(&figures.shares)
        .map(|(window, u)| (window, words::percent(u.uptime, 3)))
        .collect();
    let scale = match (uptime.worst, uptime.uptime, uptime.best) {
        (Some(worst), Some(at), Some(best)) => BoundsScale::new(worst, at, best),
        _ => None,
    };
    let time = |ms: Option<f64>| ms.map(|ms| words::response_time(ms * 1000.0));
    let widened = (uptime.window != asked).then(|| {
        let (from, to) = (zone.dated(uptime.window.from(), now).text, zone.dated(uptime.window.to(), now).text);
        format!("Single checks of that time are no longer kept, so these figures are of {from} to {to}.")
    });
    Ok(UptimeShown {
        budget: budget(site, subject, now)?,
        figure: words::percent(uptime.uptime, 4),
        none: uptime.uptime.is_none(),
        others,
        worst: words::percent(uptime.worst, 4),
        best: words::percent(uptime.best, 4),
        certain: uptime.worst == uptime.best,
        scale,
        interval: words::duration(subject.stored.interval_ms),
        coverage: words::percent(uptime.coverage, 2),
        checks: words::count(uptime.checks),
        failures: words::count(uptime.failures),
        mttr: uptime.mttr_ms.map(words::duration),
        mtbf: uptime.mtbf_ms.map(words::duration),
        p50: time(uptime.p50_ms),
        p95: time(uptime.p95_ms),
        p99: time(uptime.p99_ms),
        ledger: vec![
            (Kind::Up, "Up", words::duration(uptime.up_ms)),
            (Kind::Degraded, "Degraded", words::duration(uptime.degraded_ms)),
            (Kind::Down, "Down", words::duration(uptime.down_ms)),
            (Kind::Unknown, "Not judged", words::duration(uptime.unknown_ms)),
            (Kind::Maintenance, "Maintenance", words::duration(uptime.maintenance_ms)),
        ],
        gap: words::duration(uptime.gap_ms),
        total: words::duration(uptime.window.length_ms()),
        widened,
        watched_since: watched_from.map(|at| zone.long_day(at, now)),
    })
}

/// The error budget of the last 30 days, where there is an objective.
fn budget(site: &Site, subject: &Subject, now: UnixMs) -> Result<Option<BudgetShown>, StoreError> {
    let Some(objective) = subject.now.as_ref().and_then(|s| s.service.objective) else { return Ok(None) };
    let window = Window::ending(now, 30 * DAY_MS);
    let spent = site.reader.confirmed_down_ms(subject.id, window, now)?;
    let budget = Budget::new(objective, window.length_ms(), spent);
    let left = budget.left_ms();
    Ok(Some(BudgetShown {
        objective: words::trimmed(objective),
        said: format!("{} of {} spent", words::duration(spent), words::duration(budget.total_ms)),
        left: if left >= 0 {
            format!("{} left", words::duration(left))
        } else {
            format!("overspent by {}", words::duration(-left))
        },
        share: format!("{:.2}%", (budget.burn_rate * 100.0).min(100.0)),
        overspent: left < 0,
        burn: format!("{:.2}", budget.burn_rate),
    }))
}

fn outages_said(outages: &[Outage], range: &str) -> String {
    let incidents = outages.iter().filter(|o| o.is_incident()).count() as u64;
    let blips = outages.iter().filter(|o| o.is_blip()).count() as u64;
    let said = match (incidents, blips) {
        (0, 0) => "No incident".to_owned(),
        (n, 0) => words::counted(n, "incident", "incidents"),
        (0, n) => format!("No incident, {}", words::counted(n, "blip", "blips")),
        (i, b) => {
            format!("{} and {}", words::counted(i, "incident", "incidents"), words::counted(b, "blip", "blips"))
        }
    };
    format!("{said} in {}", if range.starts_with("the ") { range.to_owned() } else { format!("these {range}") })
}

fn outage_row(site: &Site, outage: &Outage, zone: Zone, now: UnixMs) -> Result<OutageRow, StoreError> {
    let also = if outage.is_incident() { shown::names(&site.reader.failed_with(outage)?) } else { Vec::new() };
    let began = zone.exact(outage.started_at, now);
    Ok(OutageRow::new(site, outage, also, began, now))
}

fn checks(site: &Site, subject: &Subject, query: &Query, window: Window, now: UnixMs) -> Result<Checks, StoreError> {
    let only_failed = query.get("outcome") == Some("down");
    let before = query.number("before").map(UnixMs);
    let outcome = only_failed.then_some(Outcome::Down);
    let found = site.reader.checks(subject.id, window, outcome, before, CHECKS)?;
    let longest = shown::longest_us(&found);
    let older = found.last().filter(|_| found.len() == CHECKS as usize).map(|last| {
        let before = last.at.0.to_string();
        query.with(&[("before", Some(&before))])
    });
    Ok(Checks {
        rows: found.iter().map(|c| CheckRow::new(c, query.zone.exact(c.at, now), longest)).collect(),
        scale: words::response_time(f64::from(longest)),
        only_failed,
        all_url: query.with(&[("outcome", None), ("before", None)]),
        failed_url: query.with(&[("outcome", Some("down")), ("before", None)]),
        older,
        newest: before.map(|_| query.with(&[("before", None)])),
    })
}
