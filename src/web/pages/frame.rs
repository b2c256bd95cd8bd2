//! What every page has: templates, the frame around its content, and the page that says that something is wrong.

use super::{
    assets::Names,
    query::Query,
    shown::{self, Truth},
};
use crate::{
    domain::status::Overall,
    store::StoreError,
    web::{site::Site, view::View, words, zone::Moment},
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use minijinja::{Environment, UndefinedBehavior, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;
use std::sync::Arc;

/// The templates, read once.
#[derive(Clone, Debug)]
pub struct Templates {
    environment: Arc<Environment<'static>>,
    names: Arc<Names>,
}

impl Default for Templates {
    fn default() -> Templates {
        Templates::new()
    }
}

const EMBEDDED: [(&str, &str); 15] = [
    ("base.html", include_str!("../../../templates/base.html")),
    ("parts.html", include_str!("../../../templates/parts.html")),
    ("charts.html", include_str!("../../../templates/charts.html")),
    ("now.html", include_str!("../../../templates/now.html")),
    ("service.html", include_str!("../../../templates/service.html")),
    ("incidents.html", include_str!("../../../templates/incidents.html")),
    ("incident.html", include_str!("../../../templates/incident.html")),
    ("note.html", include_str!("../../../templates/note.html")),
    ("review.html", include_str!("../../../templates/review.html")),
    ("review_body.html", include_str!("../../../templates/review_body.html")),
    ("report.html", include_str!("../../../templates/report.html")),
    ("feed.xml", include_str!("../../../templates/feed.xml")),
    ("wall.html", include_str!("../../../templates/wall.html")),
    ("public.html", include_str!("../../../templates/public.html")),
    ("error.html", include_str!("../../../templates/error.html")),
];

impl Templates {
    /// Reads the embedded templates.
    ///
    /// # Panics
    /// When one of them is not well formed, which a test keeps from happening.
    pub fn new() -> Templates {
        let mut environment = Environment::new();
        // A name that the page does not have is a mistake, not an empty text.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Lines that hold only a tag leave no empty line behind.
        match SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
            Ok(syntax) => environment.set_syntax(syntax),
            Err(error) => panic!("the syntax of templates: {error:#}"),
        }
        for (name, text) in EMBEDDED {
            environment.add_template(name, text).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        }
        Templates { environment: Arc::new(environment), names: Arc::new(Names::new()) }
    }

    /// The names of the files.
    pub(super) fn files(&self) -> &Names {
        &self.names
    }

    /// Renders what is no page of the dashboard.
    pub(super) fn render_file(&self, name: &str, content: impl Serialize) -> Result<String, minijinja::Error> {
        self.environment.get_template(name)?.render(Serde(content))
    }

    fn render(&self, name: &str, frame: Frame<'_>, content: impl Serialize) -> Result<String, minijinja::Error> {
        #[derive(Serialize)]
        struct Context<'a, T> {
            frame: Frame<'a>,
            page: T,
        }
        let context = Context { frame, page: content };
        self.environment.get_template(name)?.render(Serde(context))
    }
}

/// What stands around the content of a page.
#[derive(Serialize)]
struct Frame<'a> {
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
    /// Results that are shown and not stored yet.
    pending_store: String,
    /// Whether the page is to stay fresh,
    live: bool,
    /// also where nothing is told.
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
pub(super) struct Framing {
    pub(super) title: String,
    pub(super) current: &'static str,
    pub(super) live: Live,
}

/// How a page stays fresh.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Live {
    /// It is what it is.
    No,
    /// Nothing on it goes on: it is made anew when something was told.
    WhenTold,
    /// Also by the clock.
    Always,
}

/// Renders a page into its frame.
pub(super) fn page(
    site: &Site,
    query: &Query,
    view: &View,
    framing: Framing,
    template: &str,
    content: impl Serialize,
) -> Result<Response, PageError> {
    Ok(whole(text(site, query, view, framing, template, content)?.into_response()))
}

/// The text of a page.
pub(super) fn text(
    site: &Site,
    query: &Query,
    view: &View,
    framing: Framing,
    template: &str,
    content: impl Serialize,
) -> Result<Html<String>, PageError> {
    html(site, query, view, framing, template, content).map(Html).map_err(|error| {
        tracing::error!("a page could not be made: {error:#}");
        PageError::broke()
    })
}

/// A page with the headers that every page has.
pub(super) fn whole(page: Response) -> Response {
    (no_store(), page).into_response()
}

fn age(ms: i64) -> String {
    if ms < 1000 { "just now".to_owned() } else { format!("{} ago", words::duration(ms / 1000 * 1000)) }
}

/// A page shows what is known now: nobody may keep it.
fn no_store() -> [(header::HeaderName, &'static str); 2] {
    [(header::CACHE_CONTROL, "no-store"), (header::VARY, "cookie")]
}

fn html(
    site: &Site,
    query: &Query,
    view: &View,
    framing: Framing,
    template: &str,
    content: impl Serialize,
) -> Result<String, minijinja::Error> {
    site.templates.render(template, frame(site, query, view, framing), content)
}

fn frame<'a>(site: &'a Site, query: &Query, view: &View, framing: Framing) -> Frame<'a> {
    let at = view.at;
    let last = view.services.iter().filter_map(|s| s.last.as_ref().map(|last| last.at)).max();
    let overall = Overall::of(view.services.iter().map(|s| (s.status(at), s.service.critical)));
    let then = view.past.then_some(at);
    let carried = query.carried(then);
    let some = |mark: &str| if carried.is_empty() { String::new() } else { format!("{mark}{carried}") };
    Frame {
        title: framing.title,
        product: &site.title,
        base: &site.base_path,
        assets: &site.templates.names,
        current: framing.current,
        theme: query.theme,
        zone: query.zone.name(),
        zone_is_default: query.zone_is_default,
        now: at.0,
        last_result: last.map(|last| LastResult { moment: query.zone.moment(last, at), age: age(at.since(last)) }),
        clock: query.zone.clock(at),
        health: overall.as_str(),
        health_code: if overall.is_ok() { 200 } else { 503 },
        trouble: if view.past { None } else { site.writer.trouble() },
        damage: site.scrub.state().damage,
        pending_store: words::count(view.services.iter().map(|s| s.pending_store).sum()),
        live: framing.live != Live::No && !view.past,
        ticks: framing.live == Live::Always && !view.past,
        past: then.map(|at| Past {
            said: format!("{} at {}", query.zone.date_said(at, site.clock.now()), query.zone.clock(at)),
            at: at.to_string(),
            back: query.with(&[("at", None)]),
        }),
        carried_more: some("&"),
        carried: some("?"),
        fields: query.carried_pairs(then),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// Why there is no such page, in words for the reader.
#[derive(Clone, Debug)]
pub(super) struct PageError {
    status: StatusCode,
    truth: String,
    after: String,
    /// What to do next: words and address.
    way_out: Option<(String, String)>,
}

impl PageError {
    fn new(status: StatusCode, truth: impl Into<String>, after: impl Into<String>) -> PageError {
        PageError { status, truth: truth.into(), after: after.into(), way_out: None }
    }

    /// 400: an address that makes no sense.
    pub(super) fn bad_request(truth: impl Into<String>, after: impl Into<String>) -> PageError {
        PageError::new(StatusCode::BAD_REQUEST, truth, after)
    }

    /// 422: one that makes sense and cannot be answered.
    pub(super) fn unprocessable(
        truth: impl Into<String>,
        after: impl Into<String>,
        way_out: Option<(String, String)>,
    ) -> PageError {
        PageError { way_out, ..PageError::new(StatusCode::UNPROCESSABLE_ENTITY, truth, after) }
    }

    /// 404, with what may have been meant.
    pub(super) fn not_found(truth: impl Into<String>, way_out: Option<(String, String)>) -> PageError {
        PageError { way_out, ..PageError::new(StatusCode::NOT_FOUND, truth, "") }
    }

    /// 503: it will be there.
    pub(super) fn not_yet(
        truth: impl Into<String>,
        after: impl Into<String>,
        way_out: Option<(String, String)>,
    ) -> PageError {
        PageError { way_out, ..PageError::new(StatusCode::SERVICE_UNAVAILABLE, truth, after) }
    }

    /// 404 for a path that leads nowhere.
    pub(super) fn nothing_here() -> PageError {
        PageError::new(
            StatusCode::NOT_FOUND,
            "There is nothing at this address",
            "The dashboard begins with the services.",
        )
    }

    /// 403: what the configuration does not allow.
    pub(super) fn forbidden(truth: impl Into<String>, after: impl Into<String>) -> PageError {
        PageError::new(StatusCode::FORBIDDEN, truth, after)
    }

    /// 503: too much is asked at once.
    pub(super) fn busy() -> PageError {
        PageError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many questions are put to the history at once",
            "Try again in a moment. Checks go on, and /health answers from memory.",
        )
    }

    /// 500: our mistake.
    pub(super) fn broke() -> PageError {
        PageError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "This page could not be made",
            "The log says why. Checks go on, and /health answers.",
        )
    }

    /// The page that says so.
    pub(super) fn page(self, site: &Site, query: &Query) -> Response {
        #[derive(Serialize)]
        struct Content {
            truth: Truth,
            after: String,
            way_out: Option<(String, String)>,
        }
        let view = View::now(site.board.all(), site.clock.now());
        let framing = Framing { title: self.truth.clone(), current: "", live: Live::No };
        let mut truth = Truth::plain(shown::Kind::Unknown, self.truth.clone());
        truth.glyph = false;
        let content = Content { truth, after: self.after.clone(), way_out: self.way_out.clone() };
        let mut response = match html(site, query, &view, framing, "error.html", content) {
            Ok(html) => (self.status, no_store(), Html(html)).into_response(),
            Err(error) => {
                tracing::error!("the page of an error could not be made: {error:#}");
                (self.status, no_store(), format!("{}. {}", self.truth, self.after)).into_response()
            }
        };
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl IntoResponse for PageError {
    /// A response that carries the error to where it is made a page.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> PageError {
        tracing::warn!("the history could not answer: {error}");
        PageError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The history cannot be read right now",
            format!("{error}. Checks go on, and /health answers from memory."),
        )
    }
}
