//! The JSON interface: one file per subject. Handlers fetch and say; the arithmetic is elsewhere.

pub mod arrival;
mod checks;
pub mod document;
mod error;
mod events;
mod export;
mod health;
mod history;
mod incidents;
mod json;
mod line;
pub(crate) mod maintenance;
mod metrics;
mod named;
mod params;
pub(crate) mod review;
mod services;
mod uptime;

use super::site::{Site, Unanswered};
use crate::{
    board::ServiceNow,
    domain::time::UnixMs,
    store::{StoreError, Then},
};
use axum::{Router, routing::get};
use std::sync::Arc;

pub(crate) use error::{ApiError, as_problem};
pub(super) use named::Named;
pub(super) use params::Params;

/// A result of a handler.
pub(super) type Answer<T> = Result<T, ApiError>;

/// Everything but the pages.
pub(super) fn routes() -> Router<Site> {
    Router::new()
        .route("/health", get(health::all))
        .route("/health/{service}", get(health::one))
        .route("/livez", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::text))
        .route("/api/v1/services", get(services::list))
        .route("/api/v1/services/{name}", get(services::one))
        .route("/api/v1/services/{name}/uptime", get(uptime::one))
        .route("/api/v1/services/{name}/history", get(history::buckets))
        .route("/api/v1/services/{name}/checks", get(checks::list))
        .route("/api/v1/uptime", get(uptime::all))
        .route("/api/v1/incidents", get(incidents::list))
        .route(
            "/api/v1/incidents/{id}",
            get(incidents::one).patch(incidents::annotate).fallback(error::not_allowed_of_incidents),
        )
        .route("/api/v1/maintenance", get(maintenance::list))
        .route("/api/v1/export", get(export::download))
        .route("/api/v1/review", get(review::review))
        .route("/api/v1/events", get(events::stream))
        .method_not_allowed_fallback(error::not_allowed)
}

/// How the services stood at a moment of the past.
async fn then(site: &Site, at: UnixMs) -> Answer<Vec<Arc<ServiceNow>>> {
    match ask(site, move |site| site.reader.then(at, &site.board.all())).await? {
        Then::Known(services) => Ok(services),
        Then::Retired(from) => Err(ApiError::window(format!(
            "single checks are kept from {from} on, so what was known at {at} can no longer be told"
        ))),
        // Nobody said anything of it then: neither that it was well nor that it was not.
        Then::Before(Some(first)) => Err(ApiError::window(format!(
            "{at} lies before the history, which begins with {first}: nothing was watched before"
        ))),
        Then::Before(None) => {
            Err(ApiError::window("nothing has been watched yet, so there is no history to tell from"))
        }
    }
}

/// Asks the history on a thread that may block.
pub(super) async fn ask<T: Send + 'static>(
    site: &Site,
    question: impl FnOnce(&Site) -> Result<T, StoreError> + Send + 'static,
) -> Answer<T> {
    site.ask(question).await.map_err(|unanswered| match unanswered {
        Unanswered::Busy(_) => ApiError::busy(unanswered.to_string()),
        Unanswered::Store(error) => error.into(),
        Unanswered::Broken(panic) => {
            tracing::error!("a question to the history broke: {panic}");
            ApiError::internal()
        }
    })
}
