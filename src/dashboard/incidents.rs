//! The incident log, by day.

use super::{
    error::PageError,
    layout::{self, LayoutOptions, Refresh},
    query::Query,
    request::{self, Page},
};
use crate::{
    domain::{
        check::Class,
        incident::{Outage, OutageState},
        time::{DAY_MS, UnixMs},
        window::{Window, parse_duration},
    },
    format::{self, zone::Zone},
    history::as_of::Snapshot,
    http::{
        incident_filter::{self, Filters},
        proxy_headers::PageState,
        state::AppState,
    },
    live::ServiceId,
    render::view_model::{self, Headline, Kind, OutageRow, names},
    store::{Cursor, OutageFilter, OutageKind, StoreError},
};
use serde::Serialize;

/// Incidents on a page, and how many queries at most fill one.
const PAGE: u32 = 50;
const READS: usize = 40;

/// Ranges of the log.
const RANGES: [(&str, &str, i64); 4] =
    [("24h", "24 h", DAY_MS), ("7d", "7 d", 7 * DAY_MS), ("30d", "30 d", 30 * DAY_MS), ("90d", "90 d", 90 * DAY_MS)];

#[derive(Serialize)]
struct Content {
    truth: Headline,
    after: String,
    ranges: Vec<(String, &'static str, bool)>,
    all_url: String,
    all_current: bool,
    services: Vec<(String, bool)>,
    kinds: Vec<(&'static str, &'static str, bool)>,
    classes: Vec<(&'static str, &'static str, bool)>,
    /// What the shortest and the longest may be chosen from: as the address has it, and in words.
    least: Vec<(String, String, bool)>,
    most: Vec<(String, String, bool)>,
    from: Option<String>,
    to: Option<String>,
    /// The log without what was chosen, where something was.
    clear: Option<String>,
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
const SHOWS: [(&str, &str, OutageKind, Option<OutageState>); 5] = [
    ("", "Incidents", OutageKind::Incidents, None),
    ("open", "Open incidents", OutageKind::Incidents, Some(OutageState::Open)),
    ("left_open", "Incidents left open", OutageKind::Incidents, Some(OutageState::LeftOpen)),
    ("resolved", "Resolved incidents", OutageKind::Incidents, Some(OutageState::Resolved)),
    ("all", "Incidents and blips", OutageKind::All, None),
];

/// What breaks, as the list of causes has it.
fn class_word(class: Class) -> &'static str {
    match class {
        Class::Dns => "Name (DNS)",
        Class::Connect => "Connection",
        Class::Tls => "TLS",
        Class::Timeout => "Timeout",
        Class::HttpStatus => "HTTP status",
        Class::Content => "Content",
        Class::Protocol => "Protocol",
        Class::Query => "Database query",
        Class::ExitCode => "Exit code",
        Class::Slow | Class::Certificate | Class::Monitor => "Other",
    }
}

const DURATIONS: [&str; 6] = ["1m", "5m", "15m", "1h", "6h", "1d"];

/// The usual durations, with the one that the address has.
fn durations(chosen: Option<&str>) -> Vec<(String, String, bool)> {
    let mut all: Vec<&str> = DURATIONS.to_vec();
    all.extend(chosen.filter(|text| !DURATIONS.contains(text)));
    all.sort_by_key(|text| parse_duration(text));
    let said = |text: &str| parse_duration(text).map_or(text.to_owned(), format::duration);
    all.into_iter().map(|text| (text.to_owned(), said(text), Some(text) == chosen)).collect()
}

/// `GET /dashboard/incidents`
pub(super) async fn page(PageState(app): PageState, query: Query) -> Page {
    query.only(
        &[&["service", "show", "window", "from", "to", "cursor", "at", "tz"], &incident_filter::NAMES[..]].concat(),
        &[],
    )?;
    let snapshot = request::snapshot(&app, &query).await?;
    // Without a range the log is whole.
    let ranged = query.get("window").is_some() || query.get("from").is_some();
    let window = query.window(snapshot.at, 30 * DAY_MS)?;
    let window = ranged.then_some(window);
    let filters = Filters::read(|name| query.get(name)).map_err(|wrong| {
        let after = format!("“{}” {}.", wrong.name, wrong.takes);
        PageError::bad_request(
            format!("“{}” is nothing to choose incidents by", format::clipped(&wrong.value, 40)),
            after,
        )
    })?;
    let (asked, seen_from) = (query.clone(), snapshot.clone());
    let content = app.ask(move |app| content(app, &asked, (window, filters), &seen_from)).await??;
    let options = LayoutOptions {
        title: format!("Incidents · {}", app.title),
        current: "incidents",
        live: Refresh::OnEventAndClock,
    };
    layout::page(&app, &query, &snapshot, options, "incidents.html", content)
}

fn content(
    app: &AppState,
    query: &Query,
    (window, filters): (Option<Window>, Filters),
    snapshot: &Snapshot,
) -> Result<Result<Content, PageError>, StoreError> {
    let mut stored = app.reader.services()?;
    stored.retain(|service| !snapshot.past || service.added_at <= snapshot.at);
    let service = match query.get("service") {
        None => None,
        Some(name) => match stored.iter().find(|s| s.name == name) {
            Some(service) => Some(service.id),
            None => {
                let truth = format!("There is no service named “{}”", format::clipped(name, 80));
                let way_out =
                    ("Show the incidents of all services".to_owned(), snapshot.url("/dashboard/incidents", ""));
                return Ok(Err(PageError::not_found(truth, Some(way_out))));
            }
        },
    };
    let show = SHOWS.into_iter().find(|(word, ..)| Some(*word) == query.get("show")).unwrap_or(SHOWS[0]);
    let (_, _, kind, state) = show;
    // What began after the moment that is shown was not known; in which state one was and how long it had lasted, the
    // view knows.
    let until = if snapshot.past { window.or(Window::new(UnixMs::MIN, snapshot.at)) } else { window };
    let filter = match snapshot.past {
        true => OutageFilter { service, window: until, kind, class: filters.class, ..OutageFilter::default() },
        false => {
            let lasted = filters.lasted(snapshot.at);
            OutageFilter { service, window: until, kind, state, class: filters.class, lasted }
        }
    };
    let cursor = query.get("cursor").and_then(Cursor::parse);
    let open = open(app, snapshot, service)?;
    let (outages, next) = read(app, snapshot, &filter, cursor, |outage| {
        !snapshot.past
            || (kind == OutageKind::All || outage.is_incident())
                && state.is_none_or(|state| outage.state() == state)
                && filters.hold(outage, snapshot.at)
    })?;
    let older = next.map(|next| query.with(&[("cursor", Some(&next.to_string()))]));
    let down_ms = outages.iter().map(|o| view_model::as_seen(o).duration_ms(snapshot.at)).sum();
    let chosen = !filters.is_none() || show.0 == "left_open" || show.0 == "resolved" || show.0 == "open";
    let (mut truth, mut after) =
        say(&outages, down_ms, &open, (older.is_some(), cursor.is_some()), (window.is_some(), chosen));
    if snapshot.past {
        truth = truth.in_the_past();
        // The name in front of it stays as it is.
        if let Some(name) = truth.rest.strip_suffix(" is down") {
            truth.rest = format!("{name} was down");
        }
        if outages.is_empty() {
            view_model::past_words(&mut after);
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
        kinds: SHOWS.iter().map(|(word, said, ..)| (*word, *said, *word == show.0)).collect(),
        classes: Class::FAILURES
            .iter()
            .map(|class| (class.as_str(), class_word(*class), Some(*class) == filters.class))
            .collect(),
        least: durations(query.get("min_duration")),
        most: durations(query.get("max_duration")),
        from: query.get("from").map(str::to_owned),
        to: query.get("to").map(str::to_owned),
        clear: (chosen || service.is_some()).then(|| {
            let all = incident_filter::NAMES.iter().chain(&["service", "show", "cursor"]);
            query.with(&all.map(|name| (*name, None)).collect::<Vec<_>>())
        }),
        days: days(app, snapshot, outages, query.zone)?,
        older,
        newest: cursor.map(|_| query.with(&[("cursor", None)])),
        window: current.map(str::to_owned),
    }))
}

/// A page of outages as they were known, and where the next one begins. What the history holds and the snapshot does not know
/// (yet) is passed over, so that a page of the past is as long as any other.
fn read(
    app: &AppState,
    snapshot: &Snapshot,
    filter: &OutageFilter,
    mut cursor: Option<Cursor>,
    holds: impl Fn(&Outage) -> bool,
) -> Result<(Vec<Outage>, Option<Cursor>), StoreError> {
    let mut shown = Vec::new();
    for _ in 0..READS {
        let found = app.reader.outages(filter, cursor, PAGE)?;
        let more = found.len() == PAGE as usize;
        for outage in found {
            cursor = Some(Cursor { started_at: outage.started_at, id: outage.id });
            shown.extend(snapshot.outage(outage).filter(&holds));
            if shown.len() == PAGE as usize {
                return Ok((shown, cursor));
            }
        }
        if !more {
            return Ok((shown, None));
        }
    }
    Ok((shown, cursor))
}

/// The incidents that last, of all services or of one.
fn open(app: &AppState, snapshot: &Snapshot, service: Option<ServiceId>) -> Result<Vec<Outage>, StoreError> {
    if snapshot.past {
        let mine = snapshot.services.iter().filter(|s| s.service.enabled && service.is_none_or(|id| s.id == id));
        let open = mine.filter_map(|s| s.outage.as_deref()).filter(|outage| outage.is_incident());
        return Ok(open.cloned().collect());
    }
    let open = OutageFilter { service, state: Some(OutageState::Open), ..OutageFilter::default() };
    app.reader.outages(&open, None, 1000)
}

fn say(
    shown: &[Outage],
    down_ms: i64,
    open: &[Outage],
    (more, older): (bool, bool),
    (ranged, chosen): (bool, bool),
) -> (Headline, String) {
    let truth = match open {
        [] => Headline { glyph: false, ..Headline::plain(Kind::Up, "No incident is open") },
        [one] => Headline {
            before: String::new(),
            strong: "1 incident is open".to_owned(),
            rest: format!(": {} is down", one.service),
            ..Headline::plain(Kind::Down, "")
        },
        many => Headline { strong: format!("{} incidents are open", many.len()), ..Headline::plain(Kind::Down, "") },
    };
    let incidents = shown.iter().filter(|o| o.is_incident());
    let count = incidents.count() as u64;
    let blips = shown.len() as u64 - count;
    let range = if ranged { " in this range" } else { "" };
    let such = if chosen { " like this" } else { "" };
    let after = match (shown.len(), more || older) {
        (0, _) if older => "There is nothing older.".to_owned(),
        (0, _) if chosen => format!("There is no incident like this{range}."),
        (0, _) if ranged => "Nothing failed long enough in this range to be an incident.".to_owned(),
        (0, _) => "Nothing has failed long enough to be an incident.".to_owned(),
        (n, true) if older => match more {
            true => format!("{n} older ones{such} are shown{range}; more follow at the end."),
            false => format!("The oldest {n}{such} are shown{range}."),
        },
        (n, true) => format!("The latest {n}{such} are shown{range}; older ones follow at the end."),
        _ => {
            let blips =
                if blips > 0 { format!(" and {}", format::counted(blips, "blip", "blips")) } else { String::new() };
            let total = format::duration(down_ms);
            format!("{}{blips}{such}{range}, {total} all together.", format::counted(count, "incident", "incidents"))
        }
    };
    (truth, after)
}

fn days(app: &AppState, snapshot: &Snapshot, outages: Vec<Outage>, zone: Zone) -> Result<Vec<Day>, StoreError> {
    let mut days: Vec<(chrono::NaiveDate, Day)> = Vec::new();
    for outage in outages {
        let also =
            if outage.is_incident() { names(&snapshot.outages(app.reader.failed_with(&outage)?)) } else { Vec::new() };
        let row = OutageRow::new(snapshot, &outage, also, zone.time_of_day(outage.started_at));
        let date = zone.date(outage.started_at);
        match days.last_mut() {
            Some((last, day)) if *last == date => day.rows.push(row),
            _ => days.push((date, Day { name: zone.long_day(outage.started_at, snapshot.at), rows: vec![row] })),
        }
    }
    Ok(days.into_iter().map(|(_, day)| day).collect())
}
