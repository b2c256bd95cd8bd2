//! The layout around the content of every page, and the page that says that something is wrong.

use super::{error::PageError, query::Query};
use crate::{
    domain::{
        status::Overall,
        time::{MINUTE_MS, UnixMs},
    },
    format::{self, zone::Moment},
    history::as_of::Snapshot,
    http::state::AppState,
    render::{
        Names,
        view_model::{self, Headline},
    },
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde::Serialize;

/// What surrounds the content of a page.
#[derive(Serialize)]
struct Layout<'a> {
    title: String,
    /// The name of the product, as configured.
    product: &'a str,
    base: &'a str,
    assets: &'a Names,
    /// Which entry of the navigation is this page.
    current: &'static str,
    theme: Option<&'static str>,
    zone: &'static str,
    zone_is_default: bool,
    now: i64,
    /// The time of day at which it was made.
    clock: String,
    /// The latest result of all services.
    last_result: Option<LastResult>,
    /// What `/health` says.
    health: &'static str,
    health_code: u16,
    /// Why the history cannot be written, while it cannot.
    trouble: Option<String>,
    /// Where the history is damaged, once that was found.
    damage: Option<String>,
    /// Channels that no message has reached for a while, in words.
    silent: Option<String>,
    /// Results that are shown and not stored yet.
    pending_store: String,
    /// Whether the page is to stay fresh,
    live: bool,
    /// also where no event arrives.
    ticks: bool,
    /// The moment of the past that it shows: nothing on it goes on.
    past: Option<Past>,
    /// What links to other pages carry on: as a query, as more of a query, as fields of a form.
    carried: String,
    carried_more: String,
    fields: Vec<(&'static str, String)>,
    version: &'static str,
}

/// A moment of the past, and the way out of it.
#[derive(Serialize)]
struct Past {
    /// "16 November at 03:12:07"
    said: String,
    at: String,
    /// The same page, now.
    back: String,
}

#[derive(Serialize)]
struct LastResult {
    moment: Moment,
    age: String,
}

/// How a page is framed.
pub(super) struct LayoutOptions {
    pub(super) title: String,
    pub(super) current: &'static str,
    pub(super) live: Refresh,
}

/// How a page stays fresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refresh {
    /// The page is never made anew.
    Never,
    /// Nothing on the page runs on with the clock: it is made anew on an event.
    OnEvent,
    /// Also by the clock.
    OnEventAndClock,
}

/// Renders a page within the layout.
pub(super) fn page(
    app: &AppState,
    query: &Query,
    snapshot: &Snapshot,
    options: LayoutOptions,
    template: &str,
    content: impl Serialize,
) -> Result<Response, PageError> {
    Ok(whole(text(app, query, snapshot, options, template, content)?.into_response()))
}

/// The text of a page.
pub(super) fn text(
    app: &AppState,
    query: &Query,
    snapshot: &Snapshot,
    options: LayoutOptions,
    template: &str,
    content: impl Serialize,
) -> Result<Html<String>, PageError> {
    html(app, query, snapshot, options, template, content).map(Html).map_err(|error| {
        tracing::error!("a page could not be rendered: {error:#}");
        PageError::broke()
    })
}

/// A page with the headers that every page has.
pub(super) fn whole(page: Response) -> Response {
    (no_store(), page).into_response()
}

fn age(ms: i64) -> String {
    if ms < 1000 { "just now".to_owned() } else { format!("{} ago", format::duration(ms / 1000 * 1000)) }
}

/// A page shows what is known now: nobody may keep it.
fn no_store() -> [(header::HeaderName, &'static str); 2] {
    [(header::CACHE_CONTROL, "no-store"), (header::VARY, "cookie")]
}

fn html(
    app: &AppState,
    query: &Query,
    snapshot: &Snapshot,
    options: LayoutOptions,
    template: &str,
    content: impl Serialize,
) -> Result<String, minijinja::Error> {
    app.templates.render(template, frame(app, query, snapshot, options), content)
}

fn frame<'a>(app: &'a AppState, query: &Query, snapshot: &Snapshot, options: LayoutOptions) -> Layout<'a> {
    let at = snapshot.at;
    let last = snapshot.services.iter().filter_map(|s| s.last.as_ref().map(|last| last.at)).max();
    let overall = Overall::of(snapshot.services.iter().map(|s| (s.status(at), s.service.critical)));
    let then = snapshot.past.then_some(at);
    let carried = query.carried(then);
    let some = |mark: &str| if carried.is_empty() { String::new() } else { format!("{mark}{carried}") };
    Layout {
        title: options.title,
        product: &app.title,
        base: &app.base_path,
        assets: app.templates.files(),
        current: options.current,
        theme: query.theme,
        zone: query.zone.name(),
        zone_is_default: query.zone_is_default,
        now: at.0,
        last_result: last.map(|last| LastResult { moment: query.zone.moment(last, at), age: age(at.since(last)) }),
        clock: query.zone.clock(at),
        health: overall.as_str(),
        health_code: if overall.is_ok() { 200 } else { 503 },
        trouble: if snapshot.past { None } else { app.writer.trouble() },
        damage: app.scrub.state().damage,
        silent: if snapshot.past { None } else { silent(app, at) },
        pending_store: format::count(snapshot.services.iter().map(|s| s.pending_store).sum()),
        live: options.live != Refresh::Never && !snapshot.past,
        ticks: options.live == Refresh::OnEventAndClock && !snapshot.past,
        past: then.map(|at| Past {
            said: format!("{} at {}", query.zone.date_said(at, app.clock.now()), query.zone.clock(at)),
            at: at.to_string(),
            back: query.with(&[("at", None)]),
        }),
        carried_more: some("&"),
        carried: some("?"),
        fields: query.carried_pairs(then),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// A channel that fails for this long is shown on every page, in milliseconds.
const SILENT_MS: i64 = 10 * MINUTE_MS;

/// The channels that no message has reached for a while.
fn silent(app: &AppState, now: UnixMs) -> Option<String> {
    let health = app.channels_health.all();
    let fails = |name: &str| {
        let since = health.iter().find(|health| health.name == name)?.failing_since?;
        (now.since(since) > SILENT_MS).then(|| name.to_owned())
    };
    let names: Vec<String> = app.channels.iter().filter_map(|channel| fails(&channel.name)).collect();
    (!names.is_empty()).then(|| format::listed(&names))
}

/// The page that says what is wrong.
pub(super) fn error_page(error: PageError, app: &AppState, query: &Query) -> Response {
    #[derive(Serialize)]
    struct Content {
        truth: Headline,
        after: String,
        way_out: Option<(String, String)>,
    }
    let snapshot = Snapshot::now(app.live.all(), app.clock.now());
    let options = LayoutOptions { title: error.truth.clone(), current: "", live: Refresh::Never };
    let mut truth = Headline::plain(view_model::Kind::Unknown, error.truth.clone());
    truth.glyph = false;
    let content = Content { truth, after: error.after.clone(), way_out: error.way_out.clone() };
    let mut response = match html(app, query, &snapshot, options, "error.html", content) {
        Ok(html) => (error.status, no_store(), Html(html)).into_response(),
        Err(broken) => {
            tracing::error!("the page of an error could not be rendered: {broken:#}");
            (error.status, no_store(), format!("{}. {}", error.truth, error.after)).into_response()
        }
    };
    if error.status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}
