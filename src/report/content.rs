//! What a review says: its sentences, figures and rows, for the page, the file and Markdown.

use super::review::{Period, PeriodKind, Review, Reviewed};
use crate::{
    chart::{HourRow, TogetherRow, day_labels},
    domain::{
        incident::Outage,
        time::{DAY_MS, UnixMs},
        uptime::Uptime,
        window::Window,
    },
    format::{
        self,
        zone::{Moment, Zone},
    },
    history::as_of::Snapshot,
    render::view_model::{self, Headline, Kind},
};
use serde::Serialize;

#[derive(Serialize)]
pub(crate) struct Content {
    pub(crate) name: String,
    pub(crate) range: String,
    pub(crate) truth: Headline,
    pub(crate) after: Vec<String>,
    pub(crate) nav: Nav,
    pub(crate) sums: Vec<Sum>,
    pub(crate) with_objective: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) days: Vec<(String, String)>,
    pub(crate) together: TogetherRow,
    pub(crate) together_said: String,
    pub(crate) longest: Vec<Long>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) news: Vec<(String, String, String)>,
    pub(crate) generated: String,
}

#[derive(Serialize)]
pub(crate) struct Nav {
    pub(crate) earlier: (String, String),
    pub(crate) later: Option<(String, String)>,
    pub(crate) current: String,
    pub(crate) month: (String, String),
    pub(crate) from: String,
    pub(crate) to: String,
    /// What the interface answers, which is of today.
    pub(crate) files: Vec<(&'static str, String)>,
}

impl Nav {
    /// Links to other periods stay with the moment that is shown, and with the zone.
    pub(crate) fn carry(&mut self, carried: &str, past: bool) {
        if past {
            self.files.clear();
        }
        if carried.is_empty() {
            return;
        }
        let links = [&mut self.earlier, &mut self.month].into_iter().chain(&mut self.later);
        links.for_each(|(link, _)| *link = format!("{link}&{carried}"));
    }
}

/// A figure of the whole.
#[derive(Serialize)]
pub(crate) struct Sum {
    pub(crate) name: &'static str,
    pub(crate) figure: String,
    pub(crate) note: String,
}

#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) uptime: String,
    pub(crate) missed: bool,
    pub(crate) objective: Option<String>,
    pub(crate) against: String,
    pub(crate) worse: bool,
    pub(crate) down: String,
    pub(crate) incidents: u64,
    pub(crate) blips: u64,
    pub(crate) mttr: String,
    pub(crate) p95: String,
    pub(crate) p95_against: String,
    pub(crate) p95_worse: bool,
    pub(crate) coverage: String,
    /// Nothing failed.
    pub(crate) calm: bool,
    /// Nothing was missed.
    pub(crate) covered: bool,
    pub(crate) hours: HourRow,
    pub(crate) said: String,
}

#[derive(Serialize)]
pub(crate) struct Long {
    pub(crate) service: String,
    pub(crate) url: String,
    pub(crate) began: Moment,
    pub(crate) lasted: String,
    pub(crate) share: String,
    pub(crate) cause: String,
    pub(crate) note: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Certificate {
    pub(crate) kind: Kind,
    pub(crate) service: String,
    pub(crate) url: String,
    pub(crate) left: String,
    pub(crate) ends: String,
}

/// What the page, and the file, show.
pub(crate) fn content(snapshot: &Snapshot, review: &Review, zone: Zone) -> Content {
    let now = snapshot.at;
    let name = name(&review.period, zone, now);
    let with_objective = review.services.iter().any(|s| s.objective.is_some());
    Content {
        range: range(review.period.window, zone),
        truth: truth(&name, review),
        after: after(review, zone, now),
        nav: nav(snapshot, review, zone),
        sums: sums(review, zone, now),
        with_objective,
        rows: review.services.iter().map(|s| row(snapshot, review.window, s)).collect(),
        days: day_labels(review.window, zone),
        together: TogetherRow::new(review.window, review.services.iter().map(|s| &s.hours)),
        together_said: match review.peak {
            Some((at, count)) => {
                format!("{count} services failed in one hour: {}", zone.local(at).format("%a %-d %b, %H:%M"))
            }
            None => "No two services failed in the same hour".to_owned(),
        },
        longest: longest(snapshot, review, zone),
        certificates: certificates(snapshot, review, zone),
        news: news(snapshot, review, zone),
        generated: format!("Made {} ({})", zone.dated(now, now).text, zone.name()),
        name,
    }
}

/// "Week 47", "November 2026", "16 Nov to 20 Nov".
pub(crate) fn name(period: &Period, zone: Zone, now: UnixMs) -> String {
    match period.kind {
        PeriodKind::Week { week, .. } => format!("Week {week}"),
        PeriodKind::Month { .. } => zone.local(period.window.from()).format("%B %Y").to_string(),
        PeriodKind::Free => {
            format!("{} to {}", zone.day(period.window.from(), now), zone.day(period.window.to().plus(-1), now))
        }
    }
}

fn range(window: Window, zone: Zone) -> String {
    let (from, to) = (zone.local(window.from()), zone.local(window.to().plus(-1)));
    format!("{} to {}", from.format("%A, %-d %B"), to.format("%A, %-d %B %Y"))
}

fn truth(name: &str, review: &Review) -> Headline {
    let failed = review.services.iter().filter(|s| s.uptime.down_ms > 0).count();
    let all = review.services.len();
    let say = |kind, strong: String| Headline { before: format!("{name}:"), strong, ..Headline::plain(kind, "") };
    match review.missed() {
        _ if all == 0 => say(Kind::Unknown, "nothing was watched".to_owned()),
        (0, 0) if failed == 0 => say(Kind::Up, "nothing failed".to_owned()),
        (0, 0) => say(Kind::Degraded, format!("{failed} of {all} services failed at least once")),
        (0, _) => say(Kind::Up, "every objective was met".to_owned()),
        (missed, with) => say(Kind::Down, format!("{missed} of {with} services missed their objective")),
    }
}

/// What happened, in a few sentences.
fn after(review: &Review, zone: Zone, now: UnixMs) -> Vec<String> {
    let when = |at: UnixMs| zone.local(at).format("%A at %H:%M").to_string();
    if review.services.is_empty() {
        let began = review.watched_from.filter(|at| *at >= review.window.to());
        return vec![match began {
            Some(at) => format!("This history begins on {}.", zone.local(at).format("%A, %-d %B %Y at %H:%M")),
            None => "No service was checked in this time.".to_owned(),
        }];
    }
    let mut said = Vec::new();
    let mut told: Vec<i64> = Vec::new();
    for (outage, with) in review.longest.iter().take(3) {
        // Services that failed together share one entry.
        if told.iter().any(|at| (outage.started_at.0 - at).abs() < 60_000) {
            continue;
        }
        told.push(outage.started_at.0);
        let lasted = format::duration(outage.duration_ms(now));
        let why = format::short_reason(&outage.cause.reason, outage.cause.http_status);
        said.push(if with.is_empty() {
            format!("{} was down for {lasted} on {}: {why}.", outage.service, when(outage.started_at))
        } else {
            // In the order in which they failed: the first one is where to look.
            let mut all: Vec<&Outage> = with.iter().chain([outage]).collect();
            all.sort_by_key(|o| o.started_at);
            let all: Vec<Outage> = all.into_iter().cloned().collect();
            let mut names = view_model::names(&all);
            let others = names.len().saturating_sub(5);
            names.truncate(5);
            let more = if others > 0 { format!(" and {others} more") } else { String::new() };
            format!(
                "{}{more} went down together on {}, for {lasted}.",
                if more.is_empty() { format::listed(&names) } else { names.join(", ") },
                when(outage.started_at)
            )
        });
    }
    if let Some(gap) = review.unobserved.first() {
        let lasted = format::duration(gap.to.unwrap_or(now).since(gap.from));
        said.push(format!("On {} {} for {lasted}.", when(gap.from), view_model::gap_words(gap.why)));
    }
    said
}

fn nav(snapshot: &Snapshot, review: &Review, zone: Zone) -> Nav {
    let now = snapshot.at;
    let period = &review.period;
    let link = |period: &Period| {
        let query = match period.word() {
            Some((key, word)) => format!("?{key}={word}"),
            // As moments: by the clocks of a zone an hour that comes twice would be ambiguous.
            None => format!("?from={}&to={}", period.window.from(), period.window.to()),
        };
        (query, name(period, zone, now))
    };
    let neighbour = |later: bool| match period.kind {
        PeriodKind::Week { .. } => {
            let day = if later { period.window.to() } else { period.before.from() };
            let week = zone.local(day.plus(DAY_MS)).format("%G-W%V").to_string();
            Period::week(&week, zone)
        }
        PeriodKind::Month { .. } => {
            let day = if later { period.window.to() } else { period.before.from() };
            Period::month(&zone.local(day).format("%Y-%m").to_string(), zone)
        }
        PeriodKind::Free if later => {
            let to = period.window.to();
            Window::new(to, to.plus(period.window.length_ms())).map(Period::free)
        }
        PeriodKind::Free => Some(Period::free(period.before)),
    };
    let month = Period::month(&zone.local(period.window.from()).format("%Y-%m").to_string(), zone);
    let query = match period.word() {
        Some((key, word)) => format!("{key}={word}"),
        None => format!("from={}&to={}", period.window.from(), period.window.to()),
    };
    let tz = format!("{query}&tz={}", zone.name());
    Nav {
        earlier: neighbour(false).map_or_else(|| link(period), |p| link(&p)),
        later: neighbour(true).filter(|p| p.window.from() < now).map(|p| link(&p)),
        current: link(period).1,
        month: month.map_or_else(|| link(period), |p| link(&p)),
        from: zone.field(period.window.from()),
        to: zone.field(period.window.to()),
        files: vec![
            ("Markdown", snapshot.plain_url(&format!("/api/v1/review?{tz}&format=markdown"))),
            ("JSON", snapshot.plain_url(&format!("/api/v1/review?{tz}"))),
        ],
    }
}

/// None where nothing was watched: a zero would look like a good week.
fn sums(review: &Review, zone: Zone, now: UnixMs) -> Vec<Sum> {
    if review.services.is_empty() {
        return Vec::new();
    }
    let total = |of: &dyn Fn(&Uptime) -> i64, before: bool| -> i64 {
        review.services.iter().map(|s| of(if before { &s.before } else { &s.uptime })).sum()
    };
    let incidents = |before| total(&|u| u.incidents as i64, before);
    let blips = total(&|u| u.blips as i64, false);
    let down = |before| total(&|u| u.down_ms, before);
    let calm: Vec<String> = review
        .services
        .iter()
        .filter(|s| s.uptime.down_ms == 0 && s.uptime.checks > 0)
        .map(|s| s.name.clone())
        .collect();
    let judged = total(&|u| u.up_ms + u.degraded_ms + u.down_ms, false);
    let whole = total(&|u| u.window.length_ms() - u.maintenance_ms, false);
    let gap = review.unobserved.first().map_or("no gap of the monitor".to_owned(), |gap| {
        let lasted = format::duration(gap.to.unwrap_or(now).since(gap.from));
        format!("{}: {lasted} not observed", zone.local(gap.from).format("%a %H:%M"))
    });
    vec![
        Sum {
            name: "Incidents",
            figure: format::count(incidents(false).unsigned_abs()),
            note: format!(
                "{} before; {} now",
                format::count(incidents(true).unsigned_abs()),
                format::counted(blips.unsigned_abs(), "blip", "blips")
            ),
        },
        Sum {
            name: "Downtime, all services",
            figure: format::duration(down(false)),
            note: format!("{} before", format::duration(down(true))),
        },
        Sum {
            name: "Mean time to repair",
            figure: review.mean_to_repair_ms().map_or("–".to_owned(), format::duration),
            note: review
                .mean_to_confirm_ms()
                .map_or("no incident".to_owned(), |ms| format!("confirmed after {}", format::duration(ms))),
        },
        Sum {
            name: "Without a failure",
            figure: format!("{} of {}", calm.len(), review.services.len()),
            note: match calm.len() {
                0 => "none".to_owned(),
                n if n <= 3 => calm.join(", "),
                n => format!("{}, and {} more", calm[..2].join(", "), n - 2),
            },
        },
        Sum { name: "Observed", figure: format::percent(crate::domain::uptime::percent(judged, whole), 2), note: gap },
    ]
}

fn row(snapshot: &Snapshot, window: Window, service: &Reviewed) -> Row {
    let (now, before) = (&service.uptime, &service.before);
    let against = match (now.uptime, before.uptime) {
        (Some(a), Some(b)) if (a - b).abs() < 0.000_05 => "same".to_owned(),
        (Some(a), Some(b)) => format!("{}{:.4}", if a < b { '−' } else { '+' }, (a - b).abs()),
        _ if service.is_new => "new".to_owned(),
        _ => "–".to_owned(),
    };
    let change = now.p95_ms.zip(before.p95_ms).filter(|(_, b)| *b > 0.0).map(|(a, b)| (a - b) / b * 100.0);
    let missed = service.missed_by().is_some();
    Row {
        url: snapshot.service_url(&service.name, ""),
        uptime: format::percent(now.uptime, 4),
        missed,
        objective: service.objective.map(|o| format!("{} %", format::trimmed(o))),
        worse: missed && now.uptime < before.uptime,
        against,
        down: if now.down_ms == 0 { "none".to_owned() } else { format::duration(now.down_ms) },
        incidents: now.incidents,
        blips: now.blips,
        mttr: now.mttr_ms.map_or("–".to_owned(), format::duration),
        p95: now.p95_ms.map_or("–".to_owned(), |ms| format::response_time(ms * 1000.0)),
        p95_against: change.map_or(String::new(), |c| match c {
            c if c.abs() < 0.5 => "±0 %".to_owned(),
            c => format!("{}{:.0} %", if c < 0.0 { '−' } else { '+' }, c.abs()),
        }),
        p95_worse: change.is_some_and(|c| c > 10.0),
        coverage: format::percent(now.coverage, 2),
        calm: now.down_ms == 0 && now.incidents == 0 && now.blips == 0,
        covered: now.coverage.is_some_and(|share| share >= 100.0),
        hours: HourRow::new(window, &service.hours),
        said: match now.down_ms {
            0 => "no failure".to_owned(),
            ms => {
                format!("down {} in {}", format::duration(ms), format::counted(now.incidents, "incident", "incidents"))
            }
        },
        name: service.name.clone(),
    }
}

fn longest(snapshot: &Snapshot, review: &Review, zone: Zone) -> Vec<Long> {
    let now = snapshot.at;
    let most = review.longest.first().map_or(1, |(o, _)| o.duration_ms(now)).max(1);
    let row = |(outage, _): &(Outage, Vec<Outage>)| Long {
        service: outage.service.clone(),
        url: snapshot.incident_url(outage.id),
        began: Moment {
            text: zone.local(outage.started_at).format("%a %H:%M:%S").to_string(),
            ..zone.exact(outage.started_at, now)
        },
        lasted: view_model::lasted(outage, now),
        share: format!("{:.2}%", 100.0 * outage.duration_ms(now) as f64 / most as f64),
        cause: format::clipped(&outage.cause.reason.message, 120),
        note: view_model::note_line(outage),
    };
    review.longest.iter().map(row).collect()
}

fn certificates(snapshot: &Snapshot, review: &Review, zone: Zone) -> Vec<Certificate> {
    let now = snapshot.at;
    let row = |ending: &super::review::Ending| {
        let days = ending.at.since(now).div_euclid(DAY_MS);
        Certificate {
            kind: match days {
                ..0 => Kind::Down,
                0..14 => Kind::Degraded,
                _ => Kind::Up,
            },
            service: ending.service.clone(),
            url: snapshot.service_url(&ending.service, ""),
            left: if days < 0 { "expired".to_owned() } else { format::counted(days.unsigned_abs(), "day", "days") },
            ends: zone.day(ending.at, now),
        }
    };
    review.certificates.iter().take(10).map(row).collect()
}

/// Name, address, and what is new.
fn news(snapshot: &Snapshot, review: &Review, zone: Zone) -> Vec<(String, String, String)> {
    let now = snapshot.at;
    let mut news: Vec<(String, String, String)> = Vec::new();
    for service in review.services.iter().filter(|s| s.is_new) {
        let said = "is watched for the first time.".to_owned();
        news.push((service.name.clone(), snapshot.service_url(&service.name, ""), said));
    }
    // Answers that have become much slower, worst first.
    let mut slower: Vec<(&Reviewed, f64, f64)> = review
        .services
        .iter()
        .filter_map(|s| Some((s, s.uptime.p50_ms?, s.before.p50_ms?)))
        .filter(|(_, now, before)| *now > before * 1.25 && now - before > 1.0)
        .collect();
    slower.sort_by(|a, b| (b.1 / b.2).total_cmp(&(a.1 / a.2)));
    for (service, a, b) in slower.into_iter().take(3) {
        let (a, b) = (format::response_time(a * 1000.0), format::response_time(b * 1000.0));
        let said = format!("typically answers in {a} instead of {b}.");
        news.push((service.name.clone(), snapshot.service_url(&service.name, ""), said));
    }
    let first_failures = review.services.iter().filter(|s| s.uptime.incidents > 0 && s.before.incidents == 0);
    for service in first_failures.take(3) {
        let first = review.longest.iter().find(|(o, _)| o.service == service.name);
        let said = match first {
            Some((o, _)) => format!("had no incident before, and one on {}.", zone.day(o.started_at, now)),
            None => "had no incident before.".to_owned(),
        };
        news.push((service.name.clone(), snapshot.service_url(&service.name, ""), said));
    }
    news.truncate(8);
    news
}
