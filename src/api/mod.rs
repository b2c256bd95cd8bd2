//! The JSON interface: one file per subject. Handlers fetch and say; the arithmetic is elsewhere.

mod alerts;
mod body;
mod checks;
mod events;
mod export;
mod health;
mod history;
mod incidents;
pub(crate) mod maintenance;
mod metrics;
mod push;
mod responses;
mod review;
mod services;
mod uptime;

use crate::http::{self, state::AppState};
use axum::{
    Router,
    routing::{delete, get, post},
};

/// Everything but the pages.
pub(crate) fn routes() -> Router<AppState> {
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
            get(incidents::one).patch(incidents::annotate).fallback(http::error::not_allowed_of_incidents),
        )
        .route(
            "/api/v1/incidents/{id}/acknowledge",
            post(responses::acknowledge).delete(responses::take_back).fallback(http::error::not_allowed_of_incidents),
        )
        .route("/api/v1/silences", get(responses::list).post(responses::silence))
        .route("/api/v1/silences/{id}", delete(responses::end_silence))
        .route("/api/v1/maintenance", get(maintenance::list))
        .route("/api/v1/export", get(export::download))
        .route("/api/v1/alerts/channels", get(alerts::channels))
        .route("/api/v1/alerts/retry", post(alerts::retry))
        .route("/api/v1/review", get(review::review))
        .route("/api/v1/events", get(events::stream))
        .method_not_allowed_fallback(http::error::not_allowed)
}

/// Where services report by themselves. Their bodies are logs, which have a bound of their own.
pub(crate) fn reports() -> Router<AppState> {
    let push = || get(push::push).post(push::push).fallback(push::not_allowed);
    Router::new().route("/api/v1/push/{token}", push()).route("/api/v1/push/{token}/{event}", push())
}
