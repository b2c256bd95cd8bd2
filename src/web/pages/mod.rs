//! The dashboard: pages made on the server, one file each. They need no script; with one they stay fresh by themselves.

mod assets;
mod cache;
mod feed;
mod frame;
mod incident;
mod incidents;
mod note;
mod now;
mod public;
mod query;
pub(in crate::web) mod review;
mod service;
mod service_changes;
mod service_phases;
mod service_uptime;
mod services;
mod shown;
mod summary;
mod travel;
mod wall;

use super::{
    forwarded::Here,
    site::{Site, Unanswered},
    view::View,
};
use crate::store::{StoreError, Then};
use axum::{
    Router,
    extract::{FromRequestParts, Path, Request},
    http::{StatusCode, header, request::Parts},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use frame::PageError;

pub use cache::PageCache;
pub use frame::Templates;
pub(crate) use query::Query;

/// A page, or the page that says why not.
type Page = Result<Response, PageError>;

/// All pages.
pub(super) fn routes(site: &Site) -> Router<Site> {
    let pages = Router::new()
        .route("/", get(home))
        .route("/dashboard", get(now::page))
        .route("/dashboard/", get(home))
        .route("/dashboard/services/{name}", get(service::page))
        .route("/dashboard/incidents", get(incidents::page))
        .route("/dashboard/incidents.atom", get(feed::atom))
        .route("/dashboard/incidents/{id}", get(incident::page))
        .route("/dashboard/incidents/{id}/note", get(note::page).post(note::save))
        .route("/dashboard/wall", get(wall::page))
        .route("/dashboard/review", get(review::page))
        .route("/dashboard/assets/{name}", get(assets::asset))
        .route("/favicon.ico", get(favicon));
    // A proxy lets outsiders have what lies below this path, and nothing else.
    let pages = match site.public {
        Some(_) => pages.route("/public", get(public::page)).route("/public/assets/{name}", get(assets::asset)),
        None => pages,
    };
    pages.layer(from_fn_with_state(site.clone(), explain))
}

/// The base path with a slash at its end.
pub(super) fn front(site: &Site) -> Router<Site> {
    Router::new().route(&format!("{}/", site.base_path), get(home))
}

/// What a part of the path names, decoded. What does not decode to UTF-8 names nothing, as a path that leads nowhere.
struct Named(String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, PageError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Named(name)),
            Err(_) => Err(PageError::nothing_here()),
        }
    }
}

/// Makes the page of an error: only here are the site and the reader's wishes at hand.
async fn explain(Here(site): Here, query: Query, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    match response.extensions().get::<PageError>() {
        Some(error) => error.clone().page(&site, &query),
        None => response,
    }
}

/// A path that leads nowhere, asked for by a browser.
pub(super) fn nothing_here(site: &Site, query: &Query) -> Response {
    PageError::nothing_here().page(site, query)
}

async fn home(Here(site): Here) -> Redirect {
    Redirect::temporary(&format!("{}/dashboard", site.base_path))
}

/// Browsers ask for it unbidden; the pages name a better one.
async fn favicon() -> Response {
    (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "public, max-age=86400")]).into_response()
}

/// What an address asks to see: what is known now, or what was known at a moment of the past.
async fn view(site: &Site, query: &Query) -> Result<View, PageError> {
    let now = site.clock.now();
    let Some(at) = query.at(now)? else {
        return Ok(View::now(site.board.all(), now).linking(site.base_path.clone(), query.carried(None)));
    };
    let (reach, then) = blocking(site, move |site| {
        let reach = site.reader.reach()?;
        Ok((reach, site.reader.then(at, &site.board.all())?))
    })
    .await?;
    let day = |at| query.zone.dated(at, now).text;
    let show =
        |at: crate::domain::time::UnixMs| (format!("Show {}", day(at)), query.with(&[("at", Some(&at.to_string()))]));
    let told = reach.map(|(_, told)| told);
    match then {
        Then::Before(Some(first)) => Err(PageError::unprocessable(
            "This moment lies before the history",
            format!("It begins with {}; nothing was watched before.", day(first)),
            Some(show(told.unwrap_or(first))),
        )),
        Then::Before(None) => Err(PageError::unprocessable(
            "This moment lies before the history",
            "Nothing has been watched yet.",
            Some(("Back to now".to_owned(), query.with(&[("at", None)]))),
        )),
        Then::Retired(from) => Err(PageError::unprocessable(
            "What was known then can no longer be told",
            format!("This is about {}, and single checks are kept from {} on.", day(at), day(from)),
            Some(show(from)),
        )),
        Then::Known(services) => Ok(View::then(services, at).linking(site.base_path.clone(), query.carried(Some(at)))),
    }
}

/// Makes a page on a thread that may block.
async fn blocking<T: Send + 'static>(
    site: &Site,
    make: impl FnOnce(&Site) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, PageError> {
    site.ask(make).await.map_err(|unanswered| match unanswered {
        Unanswered::Busy(_) => PageError::busy(),
        Unanswered::Store(error) => error.into(),
        Unanswered::Broken(panic) => {
            tracing::error!("a page broke: {panic}");
            PageError::broke()
        }
    })
}
