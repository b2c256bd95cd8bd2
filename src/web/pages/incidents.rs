//! The incident log, by day.

use super::{
    Page, PageError,
    frame::{self, Framing},
    query::Query,
    shown::{self, Kind, OutageRow, Truth, names},
};
use crate::{
    board::ServiceId,
    domain::{incident::Outage, time::DAY_MS, time::UnixMs, window::Window},
    store::{Cursor, OutageFilter, OutageKind, StoreError},
    web::{site::Site, view::View, words, zone::Zone},
};
use axum::extract::State;
use serde::Serialize;

/// Incidents on a page.
const PAGE: u32 = 50;

/// Ranges of the log.
const RANGES: [(&str, &str, i64); 4] =
    [("24h", "24 h", DAY_MS), ("7d", "7 d", 7 * DAY_MS), ("30d", "30 d", 30 * DAY_MS), ("90d", "90 d", 90 * DAY_MS)];

#[derive(Serialize)]
struct Content {
    truth: Truth,
    after: String,
    ranges: Vec<(String, &'static str, bool)>,
    all_url: String,
    all_current: bool,
    services: Vec<(String, bool)>,
    kinds: Vec<(&'static str, &'static str, bool)>,
    days: Vec<Day>,
    older: Option<String>,
    newest: Option<String>,
    window: Option<String>,
}

#[derive(Serialize)]
struct Day {
    name: String,
    rows: Vec<OutageRow>,
}

/// Which outages the log shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Incidents,
    Open,
    All,
}

const SHOWS: [(Show, &str, &str); 3] = [
    (Show::Incidents, "", "Incidents"),
    (Show::Open, "open", "Open incidents"),
    (Show::All, "all", "Incidents and blips"),
];

/// `GET /dashboard/incidents`
pub(super) async fn page(State(site): State<Site>, query: Query) -> Page {
    let view = super::view(&site, &query).await?;
    // Without a range the log is whole.
    let ranged = query.get("window").is_some() || query.get("from").is_some();
    let window = query.window(view.at, 30 * DAY_MS)?;
    let window = ranged.then_some(window);
    let (asked, seen_from) = (query.clone(), view.clone());
    let content = super::blocking(&site, move |site| content(site, &asked, window, &seen_from)).await??;
    let framing = Framing { title: format!("Incidents · {}", site.title), current: "incidents", live: true };
    frame::page(&site, &query, &view, framing, "incidents.html", content)
}

fn content(
    site: &Site,
    query: &Query,
    window: Option<Window>,
    view: &View,
) -> Result<Result<Content, PageError>, StoreError> {
    let mut stored = site.reader.services()?;
    stored.retain(|service| !view.past || service.added_at <= view.at);
    let service = match query.get("service") {
        None => None,
        Some(name) => match stored.iter().find(|s| s.name == name) {
            Some(service) => Some(service.id),
            None => {
                let truth = format!("There is no service named “{}”", words::clipped(name, 80));
                let way_out = ("Show the incidents of all services".to_owned(), view.url("/dashboard/incidents", ""));
                return Ok(Err(PageError::not_found(truth, Some(way_out))));
            }
        },
    };
    let show = SHOWS.into_iter().find(|(_, word, _)| Some(*word) == query.get("show")).map_or(Show::Incidents, |s| s.0);
    let kind = if show == Show::All { OutageKind::All } else { OutageKind::Incidents };
    // What began after the moment that is shown was not known; whether one was over, the view knows.
    let until = if view.past { window.or(Window::new(UnixMs::MIN, view.at)) } else { window };
    let lasting = (show == Show::Open && !view.past).then_some(true);
    let filter = OutageFilter { service, window: until, kind, open: lasting };
    let cursor = query.get("cursor").and_then(Cursor::parse);
    let open = open(site, view, service)?;
    let found = site.reader.outages(&filter, cursor, PAGE)?;
    let older = found.last().filter(|_| found.len() == PAGE as usize).map(|last| {
        let cursor = Cursor { started_at: last.started_at, id: last.id }.to_string();
        query.with(&[("cursor", Some(&cursor))])
    });
    let mut outages = view.outages(found);
    outages.retain(|outage| show == Show::All || outage.is_incident());
    if show == Show::Open {
        outages.retain(|outage| outage.ended_at.is_none());
    }
    let down_ms = outages.iter().map(|o| shown::as_seen(view, o).duration_ms(view.at)).sum();
    let (mut truth, mut after) = say(&outages, down_ms, &open, older.is_some(), window);
    if view.past {
        truth = truth.in_the_past();
        // The name in front of it stays as it is.
        if let Some(name) = truth.rest.strip_suffix(" is down") {
            truth.rest = format!("{name} was down");
        }
        if outages.is_empty() {
            shown::past_words(&mut after);
        }
    }
    let current = query.get("window");
    let clean =
        |window: Option<&str>| query.with(&[("window", window), ("from", None), ("to", None), ("cursor", None)]);
    Ok(Ok(Content {
        truth,
        after,
        ranges: RANGES.iter().map(|(word, said, _)| (clean(Some(word)), *said, Some(*word) == current)).collect(),
        all_url: clean(None),
        all_current: window.is_none(),
        services: stored.iter().map(|s| (s.name.clone(), Some(s.name.as_str()) == query.get("service"))).collect(),
        kinds: SHOWS.iter().map(|(one, word, said)| (*word, *said, *one == show)).collect(),
        days: days(site, view, outages, query.zone)?,
        older,
        newest: cursor.map(|_| query.with(&[("cursor", None)])),
        window: current.map(str::to_owned),
    }))
}

/// The incidents that last, of all services or of one.
fn open(site: &Site, view: &View, service: Option<ServiceId>) -> Result<Vec<Outage>, StoreError> {
    if view.past {
        let mine = view.services.iter().filter(|s| s.service.enabled && service.is_none_or(|id| s.id == id));
        let open = mine.filter_map(|s| s.outage.as_deref()).filter(|outage| outage.is_incident());
        return Ok(open.cloned().collect());
    }
    let open = OutageFilter { service, open: Some(true), ..OutageFilter::default() };
    let mut open = site.reader.outages(&open, None, 1000)?;
    open.retain(|outage| !shown::left_open(view, outage));
    Ok(open)
}

fn say(shown: &[Outage], down_ms: i64, open: &[Outage], more: bool, window: Option<Window>) -> (Truth, String) {
    let truth = match open {
        [] => Truth { glyph: false, ..Truth::plain(Kind::Up, "No incident is open") },
        [one] => Truth {
            before: String::new(),
            strong: "1 incident is open".to_owned(),
            rest: format!(": {} is down", one.service),
            ..Truth::plain(Kind::Down, "")
        },
        many => Truth { strong: format!("{} incidents are open", many.len()), ..Truth::plain(Kind::Down, "") },
    };
    let incidents = shown.iter().filter(|o| o.is_incident());
    let count = incidents.count() as u64;
    let blips = shown.len() as u64 - count;
    let range = if window.is_some() { " in this range" } else { "" };
    let after = match (shown.len(), more) {
        (0, _) if window.is_some() => "Nothing failed long enough in this range to be an incident.".to_owned(),
        (0, _) => "Nothing has failed long enough to be an incident.".to_owned(),
        (_, true) => format!("The latest {} are shown{range}; older ones follow at the end.", shown.len()),
        _ => {
            let blips =
                if blips > 0 { format!(" and {}", words::counted(blips, "blip", "blips")) } else { String::new() };
            let total = words::duration(down_ms);
            format!("{}{blips}{range}, {total} all together.", words::counted(count, "incident", "incidents"))
        }
    };
    (truth, after)
}

fn days(site: &Site, view: &View, outages: Vec<Outage>, zone: Zone) -> Result<Vec<Day>, StoreError> {
    let mut days: Vec<(chrono::NaiveDate, Day)> = Vec::new();
    for outage in outages {
        let also =
            if outage.is_incident() { names(&view.outages(site.reader.failed_with(&outage)?)) } else { Vec::new() };
        let row = OutageRow::new(view, &outage, also, zone.time_of_day(outage.started_at));
        let date = zone.date(outage.started_at);
        match days.last_mut() {
            Some((last, day)) if *last == date => day.rows.push(row),
            _ => days.push((date, Day { name: zone.long_day(outage.started_at, view.at), rows: vec![row] })),
        }
    }
    Ok(days.into_iter().map(|(_, day)| day).collect())
}
