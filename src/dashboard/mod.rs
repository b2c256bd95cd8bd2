//! The dashboard: pages made on the server, one file each. They need no script; with one they stay fresh by themselves.

mod acknowledge;
mod alerts;
mod annotation;
mod assets;
pub(crate) mod badges;
mod error;
mod feed;
mod forms;
mod incident;
mod incidents;
mod layout;
mod overview;
mod public;
mod query;
mod request;
mod review;
mod service;
mod services;
mod silences;
mod summary;
mod travel;
mod wall;

use self::error::PageError;
use crate::http::{named::NamesNothing, proxy_headers::PageState, state::AppState};
use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

pub(crate) use query::Query;

/// All pages.
pub(crate) fn routes(app: &AppState) -> Router<AppState> {
    let pages = Router::new()
        .route("/", get(home))
        .route("/dashboard", get(overview::page))
        .route("/dashboard/", get(home))
        .route("/dashboard/services/{name}", get(service::page))
        .route("/dashboard/incidents", get(incidents::page))
        .route("/dashboard/incidents.atom", get(feed::atom))
        .route("/dashboard/incidents/{id}", get(incident::page))
        .route("/dashboard/incidents/{id}/note", get(annotation::page).post(annotation::save))
        .route("/dashboard/acknowledge", get(acknowledge::page).post(acknowledge::save))
        .route("/dashboard/alerts", get(alerts::page))
        .route("/dashboard/silences/new", get(silences::page).post(silences::make))
        .route("/dashboard/silences/{id}", get(silences::one).post(silences::end))
        .route("/dashboard/wall", get(wall::page))
        .route("/dashboard/review", get(review::page))
        .route("/dashboard/assets/{name}", get(assets::asset))
        .route("/favicon.ico", get(favicon));
    // A proxy lets outsiders have what lies below this path, and nothing else.
    let pages = match app.public {
        Some(_) => pages.route("/public", get(public::page)).route("/public/assets/{name}", get(assets::asset)),
        None => pages,
    };
    pages.layer(from_fn_with_state(app.clone(), explain))
}

/// The base path with a slash at its end.
pub(crate) fn front(app: &AppState) -> Router<AppState> {
    Router::new().route(&format!("{}/", app.base_path), get(home))
}

/// Makes the page of an error: only here are the site and the reader's wishes at hand.
async fn explain(PageState(app): PageState, query: Query, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let error = match response.extensions().get::<PageError>() {
        Some(error) => error.clone(),
        None if response.extensions().get::<NamesNothing>().is_some() => PageError::nothing_here(),
        None => return response,
    };
    layout::error_page(error, &app, &query)
}

/// A path that leads nowhere, requested by a browser.
pub(crate) fn nothing_here(app: &AppState, query: &Query) -> Response {
    layout::error_page(PageError::nothing_here(), app, query)
}

async fn home(PageState(app): PageState) -> Redirect {
    Redirect::temporary(&format!("{}/dashboard", app.base_path))
}

/// Browsers ask for it unbidden; the pages name a better one.
async fn favicon() -> Response {
    (StatusCode::NO_CONTENT, [(header::CACHE_CONTROL, "public, max-age=86400")]).into_response()
}
