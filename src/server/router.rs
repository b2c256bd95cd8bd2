//! All routes, and what holds for each of them.

use super::admission;
use crate::{
    api,
    dashboard::{self, Query, badges},
    http::{
        error::{self, ApiError},
        proxy_headers::{self, PageState},
        state::AppState,
    },
};
use axum::{
    Router,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::time::Duration;
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, limit::RequestBodyLimitLayer,
    set_header::SetResponseHeaderLayer, timeout::TimeoutLayer,
};

/// Nothing but our own files, no inline script or style, and nobody may frame us.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// How long an answer may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);

/// The whole interface. It answers under the base path and without it: a proxy may strip it or not.
pub fn router(app: AppState) -> Router {
    let base = app.base_path.clone();
    let all = api::routes().merge(badges::routes());
    let all = if app.dashboard { all.merge(dashboard::routes(&app)) } else { all };
    // `/status/`, which a proxy makes of `/status`, is neither of the nested router's paths nor of the other's.
    let front = if app.dashboard && !base.is_empty() { dashboard::front(&app) } else { Router::new() };
    let all = all.layer(RequestBodyLimitLayer::new(64 * 1024)).merge(api::reports());
    let all = all.fallback(nothing_here).with_state(app.clone());
    let all = if base.is_empty() { all } else { Router::new().nest(&base, all.clone()).merge(all) };
    let all = all.merge(front.with_state(app.clone()));
    let fixed = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    // The last one is the outermost: whatever answers, the headers are on it.
    all.layer(axum::middleware::from_fn_with_state(app.clone(), admission::admit))
        .layer(axum::middleware::from_fn_with_state(app, proxy_headers::note))
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PATIENCE))
        .layer(CatchPanicLayer::custom(broke))
        .layer(axum::middleware::map_response(error::as_problem))
        .layer(fixed("content-security-policy", POLICY))
        .layer(fixed("x-content-type-options", "nosniff"))
        .layer(fixed("x-frame-options", "DENY"))
        .layer(fixed("referrer-policy", "same-origin"))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::SERVER,
            HeaderValue::from_static("healthcheck_dashboard"),
        ))
}

async fn nothing_here(PageState(app): PageState, query: Query, headers: HeaderMap) -> Response {
    let browser = headers.get(header::ACCEPT).is_some_and(|a| a.to_str().is_ok_and(|a| a.contains("text/html")));
    if browser && app.dashboard {
        dashboard::nothing_here(&app, &query)
    } else {
        ApiError::nothing_here().into_response()
    }
}

fn broke(_panic: Box<dyn std::any::Any + Send>) -> Response {
    ApiError::internal().into_response()
}
