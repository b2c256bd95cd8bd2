//! The table of services on the overview: what is searched, filtered and sorted, and a row for each.

use super::query::Query;
use crate::{
    chart::{Days, Spark},
    domain::{service::Commands, status::Status, time::UnixMs, timeline::Buckets},
    format,
    history::{
        as_of::Snapshot,
        cached_stats::{CachedStats, Share},
    },
    live::ServiceNow,
    probe,
    render::view_model::{self, Kind, LiveDuration},
};
use serde::Serialize;
use std::sync::Arc;
use std::{cmp::Reverse, collections::BTreeMap};

/// The table of services and what chooses among them.
#[derive(Serialize)]
pub(super) struct List {
    total: usize,
    shown: usize,
    chips: Vec<Chip>,
    groups: Vec<(String, bool)>,
    sorts: Vec<(&'static str, &'static str, bool)>,
    q: String,
    state: Option<&'static str>,
    sections: Vec<Section>,
    /// Why the table is empty, when a filter is why.
    empty: Option<String>,
    pub(super) all_url: String,
}

#[derive(Serialize)]
struct Chip {
    kind: Option<Kind>,
    text: String,
    url: String,
    current: bool,
}

#[derive(Serialize)]
struct Section {
    name: Option<String>,
    /// The worst state in it, and how many services are in each, worst first.
    kind: Kind,
    said: String,
    /// Over 24 hours, 7, 30 and 90 days, all its services together.
    uptime: [Cell; 4],
    /// The address at which it is opened or folded; `None` where it cannot be folded: something in it is not up.
    fold_url: Option<String>,
    folded: bool,
    /// The worst of each of 90 days, of a folded one.
    days: Option<Days>,
    days_said: String,
    /// None of a folded one.
    pub(super) rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    kind: Kind,
    word: &'static str,
    name: String,
    url: String,
    sub: String,
    since: Option<LiveDuration>,
    since_short: Option<String>,
    last: Option<String>,
    spark: Spark,
    /// Over 24 hours, 7, 30 and 90 days.
    uptime: [Cell; 4],
    days: Days,
    days_said: String,
    days_url: String,
}

#[derive(Serialize)]
struct Cell {
    text: String,
    /// Shown where much of the window was not observed.
    title: Option<String>,
    none: bool,
}

/// Where there are more services than this, a group that is all up is folded until it is opened.
const FOLDED_FROM: usize = 60;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Worst,
    Name,
    Response,
    Uptime,
}

const SORTS: [(Sort, &str, &str); 4] = [
    (Sort::Worst, "worst", "Worst first"),
    (Sort::Name, "name", "Name"),
    (Sort::Response, "response", "Slowest first"),
    (Sort::Uptime, "uptime", "Least uptime first"),
];

/// A service and what is needed to show it.
pub(super) struct Seen {
    pub(super) now: Arc<ServiceNow>,
    pub(super) status: Status,
    pub(super) figures: Arc<CachedStats>,
    /// What it depends on and has failed as well, in words.
    pub(super) behind: Option<String>,
}

impl Seen {
    pub(super) fn new(snapshot: &Snapshot, service: &Arc<ServiceNow>, figures: Arc<CachedStats>) -> Seen {
        let (status, behind) = (service.status(snapshot.at), snapshot.behind(service));
        Seen { status, behind, now: service.clone(), figures }
    }
}

pub(super) fn list(snapshot: &Snapshot, seen: &[Seen], query: &Query, commands: Commands) -> List {
    let q = query.get("q").unwrap_or("").to_owned();
    let state = query.get("state").and_then(Status::parse);
    let group = query.get("group");
    let sort = SORTS.into_iter().find(|(_, word, _)| Some(*word) == query.get("sort")).map_or(Sort::Worst, |s| s.0);
    let needle = q.to_lowercase();
    let matches = |s: &Seen, with_state: bool| {
        let service = &s.now.service;
        let text = |t: &str| t.to_lowercase().contains(&needle);
        (needle.is_empty()
            || text(&service.name)
            || text(service.target.shown(service.kind, commands))
            || service.group.as_deref().is_some_and(text))
            && group.is_none_or(|g| service.group.as_deref().unwrap_or("") == g)
            && (!with_state || state.is_none_or(|state| s.status == state))
    };
    let mut chips = vec![Chip {
        kind: None,
        text: format!("All {}", seen.iter().filter(|s| matches(s, false)).count()),
        url: query.with(&[("state", None)]),
        current: state.is_none(),
    }];
    for status in Status::WORST_FIRST {
        let count = seen.iter().filter(|s| s.status == status && matches(s, false)).count();
        if count > 0 || state == Some(status) {
            chips.push(Chip {
                kind: Some(Kind::of(status)),
                text: format!("{} {count}", view_model::status_word(status)),
                url: query.with(&[("state", Some(status.as_str()))]),
                current: state == Some(status),
            });
        }
    }
    let mut names: Vec<&str> = Vec::new();
    for s in seen {
        let name = s.now.service.group.as_deref().unwrap_or("");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let grouped = names.iter().any(|name| !name.is_empty());
    // Who searches or filters sees what is found.
    let chosen = !needle.is_empty() || state.is_some() || group.is_some();
    let mut shown = 0;
    let mut sections: Vec<(usize, Section)> = names
        .iter()
        .filter_map(|name| {
            let all = || seen.iter().filter(|s| s.now.service.group.as_deref().unwrap_or("") == *name);
            let mut mine: Vec<&Seen> = all().filter(|s| matches(s, true)).collect();
            if mine.is_empty() {
                return None;
            }
            order(&mut mine, sort);
            shown += mine.len();
            let worst = mine.iter().map(|s| s.status.rank()).min().unwrap_or(usize::MAX);
            let title = if name.is_empty() { "Other" } else { name };
            // What is not up is never hidden.
            let foldable = grouped && !chosen && mine.iter().all(|s| s.status == Status::Up);
            let many = seen.len() > FOLDED_FROM;
            let word = if many { "open" } else { "fold" };
            let folded = foldable && query.all(word).any(|name| name == title) != many;
            let section = Section {
                name: grouped.then(|| title.to_owned()),
                kind: all().map(|s| s.status).min_by_key(|status| status.rank()).map_or(Kind::Up, Kind::of),
                said: group_said(all()),
                uptime: [0, 1, 2, 3].map(|i| cell(Share::together(all().map(|s| s.figures.shares[i])))),
                fold_url: foldable.then(|| query.toggled(word, title)),
                folded,
                days: folded.then(|| Days::worst(all().map(|s| &s.figures.days))),
                days_said: days_said(all().map(|s| &s.figures.days)),
                rows: if folded { Vec::new() } else { mine.into_iter().map(|s| row(snapshot, s, commands)).collect() },
            };
            Some((worst, section))
        })
        .collect();
    if sort == Sort::Worst {
        sections.sort_by_key(|(worst, _)| *worst);
    }
    let mut groups: Vec<(String, bool)> =
        names.iter().filter(|name| !name.is_empty()).map(|name| ((*name).to_owned(), group == Some(*name))).collect();
    groups.sort();
    List {
        total: seen.len(),
        shown,
        chips,
        groups,
        sorts: SORTS.map(|(one, word, said)| (word, said, one == sort)).to_vec(),
        state: state.map(Status::as_str),
        empty: (shown == 0 && !seen.is_empty()).then(|| nothing_found(&q, state, group)),
        all_url: snapshot.url("/dashboard", ""),
        q,
        sections: sections.into_iter().map(|(_, section)| section).collect(),
    }
}

fn nothing_found(q: &str, state: Option<Status>, group: Option<&str>) -> String {
    let state = state.map_or(String::new(), |s| format!(" that is {}", view_model::status_word(s).to_lowercase()));
    let group = group.map_or(String::new(), |g| format!(" in the group “{g}”"));
    let name = if q.is_empty() { String::new() } else { format!(" has “{q}” in its name or address") };
    if name.is_empty() {
        format!("There is no service{state}{group}.")
    } else {
        format!("No service{state}{group}{name}.")
    }
}

/// How many are in each state, worst first.
fn group_said<'a>(services: impl Iterator<Item = &'a Seen> + Clone) -> String {
    let of = |status: Status| services.clone().filter(|s| s.status == status).count();
    let counts = Status::WORST_FIRST.map(|status| (view_model::status_word(status).to_lowercase(), of(status)));
    let said: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    said.join(", ")
}

fn order(services: &mut [&Seen], sort: Sort) {
    let least = |s: &Seen| s.figures.shares[1].uptime.map_or(i64::MAX, |u| (u * 1e4) as i64);
    services.sort_by(|a, b| {
        let by_name = || a.now.service.name.cmp(&b.now.service.name);
        let key = match sort {
            Sort::Worst => a.status.rank().cmp(&b.status.rank()),
            Sort::Name => std::cmp::Ordering::Equal,
            Sort::Response => {
                let us = |s: &Seen| Reverse(s.now.last.as_ref().and_then(|l| l.latency_us).unwrap_or(0));
                us(a).cmp(&us(b))
            }
            Sort::Uptime => least(a).cmp(&least(b)),
        };
        key.then_with(by_name)
    });
}

fn row(snapshot: &Snapshot, seen: &Seen, commands: Commands) -> Row {
    let now = snapshot.at;
    let service = &seen.now.service;
    let since = seen.now.status_since(now);
    Row {
        kind: Kind::of(seen.status),
        word: view_model::status_word(seen.status),
        name: service.name.clone(),
        url: snapshot.service_url(&service.name, ""),
        sub: sub(seen, now, commands),
        since: since.map(|at| LiveDuration::new(at, now)),
        since_short: since.map(|at| format::duration_short(now.since(at) / 1000 * 1000)),
        last: seen.now.last.as_ref().and_then(|l| l.latency_us).map(|us| format::response_time(f64::from(us))),
        spark: Spark::new(&seen.figures.hours),
        uptime: [0, 1, 2, 3].map(|i| cell(seen.figures.shares[i])),
        days: Days::new(&seen.figures.days),
        days_url: snapshot.service_url(&service.name, "window=90d"),
        days_said: format!("{}: {}", service.name, days_said(std::iter::once(&seen.figures.days))),
    }
}

/// On how many days something failed of those on which something was watched.
fn days_said<'a>(all: impl Iterator<Item = &'a Buckets>) -> String {
    let mut days: BTreeMap<UnixMs, bool> = BTreeMap::new();
    for (day, tally) in all.flat_map(Buckets::iter).filter(|(_, tally)| tally.spoken_ms() > 0) {
        *days.entry(day.from()).or_default() |= tally.failures > 0;
    }
    let bad = days.values().filter(|failed| **failed).count();
    format!("something failed on {bad} of {} days", days.len())
}

fn cell(share: Share) -> Cell {
    let partly = share.coverage.filter(|c| *c < 98.0 && share.uptime.is_some());
    Cell {
        text: format::percent(share.uptime, 3),
        title: partly.map(|c| format!("{} of the time was observed", format::percent(Some(c), 1))),
        none: share.uptime.is_none(),
    }
}

/// The text beside a service's name: what is wrong, or what is watched.
fn sub(seen: &Seen, now: UnixMs, commands: Commands) -> String {
    let target = || short_target(seen.now.service.target.shown(seen.now.service.kind, commands));
    let reason = || seen.now.last.as_ref().and_then(|l| l.reason.as_ref()).map(|r| format::clipped(&r.message, 100));
    let behind = seen.behind.as_ref().map(|name| format!("behind {name}: ")).unwrap_or_default();
    match seen.status {
        Status::Down => match &seen.now.outage {
            Some(outage) => behind + &format::clipped(&outage.cause.reason.message, 100),
            None => reason().unwrap_or_default(),
        },
        Status::Degraded => reason().unwrap_or_default(),
        Status::Unknown => match &seen.now.last {
            Some(last) => format!("latest result {} ago", format::duration(now.since(last.at) / 1000 * 1000)),
            None => "no result".to_owned(),
        },
        Status::Pending if seen.now.outage.is_some() => reason().unwrap_or_default(),
        Status::Pending => "no result yet".to_owned(),
        Status::Maintenance => match &seen.now.last {
            Some(last) if last.outcome.passed() == Some(false) => format!("failing: {}", reason().unwrap_or_default()),
            _ => target(),
        },
        Status::Paused => "not checked: enabled = false".to_owned(),
        Status::Up if seen.now.outage.is_some() => {
            format!("failing, checked again: {behind}{}", reason().unwrap_or_default())
        }
        Status::Up => target(),
    }
}

/// A target without the scheme of its kind.
fn short_target(target: &str) -> String {
    let short = match target.split_once("://") {
        Some((scheme, rest)) if probe::KINDS.of_scheme(scheme).is_some() => rest,
        _ => target,
    };
    format::clipped(short, 80)
}
