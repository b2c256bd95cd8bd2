//! The channels: when each last provably worked, what waits, what failed and why.

use super::{
    layout::{self, LayoutOptions, Refresh},
    query::Query,
    request::{Page, known_now},
    silences,
};
use crate::{
    format::{self, zone::Moment},
    http::{proxy_headers::PageState, state::AppState},
    notify::ChannelInfo,
    render::view_model::{Headline, Kind},
    store::ChannelHealth,
};
use serde::Serialize;

#[derive(Serialize)]
struct Content {
    truth: Headline,
    after: String,
    channels: Vec<Row>,
    silences: Vec<silences::Row>,
    /// Where alerts are silenced, where that is allowed.
    silence_url: Option<String>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    service: String,
    /// `up`, `down`, or `unknown` where nothing was ever sent.
    kind: &'static str,
    state: &'static str,
    last_success: Option<Moment>,
    failing_since: Option<Moment>,
    error: Option<String>,
    waiting: String,
    given_up: u64,
    sent: String,
}

/// `GET /dashboard/alerts`
pub(super) async fn page(PageState(app): PageState, query: Query) -> Page {
    query.only(&[], &[])?;
    let snapshot = known_now(&app, &query);
    let health = app.ask(|app| app.reader.channels()).await?;
    let rows: Vec<Row> = app.channels.iter().map(|channel| row(channel, &health, &query, snapshot.at)).collect();
    let (truth, after) = say(&app, &rows);
    let options =
        LayoutOptions { title: format!("Alerts · {}", app.title), current: "alerts", live: Refresh::OnEventAndClock };
    let silences = silences::rows(&app, &snapshot, &query);
    let silence_url =
        (app.token.is_some() && !app.channels.is_empty()).then(|| snapshot.url("/dashboard/silences/new", ""));
    let content = Content { truth, after, channels: rows, silences, silence_url };
    layout::page(&app, &query, &snapshot, options, "alerts.html", content)
}

fn row(channel: &ChannelInfo, health: &[ChannelHealth], query: &Query, now: crate::domain::time::UnixMs) -> Row {
    let health = health.iter().find(|health| *health.name == *channel.name).cloned().unwrap_or_default();
    let (kind, state) = match (health.failing_since, health.last_success_at) {
        (Some(_), _) => ("down", "fails"),
        (None, Some(_)) => ("up", "works"),
        (None, None) => ("unknown", "never used"),
    };
    Row {
        name: channel.name.to_string(),
        service: channel.service.clone(),
        kind,
        state,
        last_success: health.last_success_at.map(|at| query.zone.moment(at, now)),
        failing_since: health.failing_since.map(|at| query.zone.moment(at, now)),
        error: health.failing_since.and(health.last_error),
        waiting: match health.oldest_waiting_at {
            Some(oldest) => format!(
                "{}, the oldest for {}",
                format::counted(health.waiting, "event", "events"),
                format::duration(now.since(oldest).max(0))
            ),
            None => "nothing".to_owned(),
        },
        given_up: health.given_up,
        sent: format::count(health.sent),
    }
}

fn say(app: &AppState, rows: &[Row]) -> (Headline, String) {
    let failing = rows.iter().filter(|row| row.kind == "down").count() as u64;
    let unproved = rows.iter().filter(|row| row.kind == "unknown").count() as u64;
    if rows.is_empty() {
        let truth = Headline { glyph: false, ..Headline::plain(Kind::Unknown, "Nobody is notified") };
        return (truth, "The configuration has no channel below [alerts], or alerts are not enabled.".to_owned());
    }
    let all = format::counted(rows.len() as u64, "channel", "channels");
    let truth = match (failing, unproved) {
        (0, 0) => Headline::plain(Kind::Up, "Every channel works"),
        (0, _) => Headline::plain(Kind::Unknown, "Not every channel has been used yet"),
        (1, _) => Headline::plain(Kind::Down, "1 channel fails"),
        (n, _) => Headline::plain(Kind::Down, format!("{n} channels fail")),
    };
    let hint = if unproved > 0 { " “healthcheck_dashboard alerts test” sends each a message." } else { "" };
    let waiting =
        if app.writer.trouble().is_some() { " The history cannot be written: what waits is not counted." } else { "" };
    let of_them: Vec<String> = rows.iter().filter(|row| row.kind == "down").map(|row| row.name.clone()).collect();
    let which = match of_them.as_slice() {
        [] => format!("{all}."),
        names => format!("Failing: {}. There are {all} in all.", format::listed(names)),
    };
    (truth, format!("{which}{hint}{waiting}"))
}
