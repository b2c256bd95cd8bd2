//! Who is let in: a request needs a place, unless it only asks how things are.

use crate::http::{error::ApiError, limits::Crowded, proxy_headers::RequestOrigin, state::AppState};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Lets a request in where there is a place for it.
pub(crate) async fn admit(
    State(app): State<AppState>,
    origin: RequestOrigin,
    request: Request,
    next: Next,
) -> Response {
    if asks_how_things_are(&request, &app.base_path) {
        return next.run(request).await;
    }
    if let Some(Crowded(full)) = request.extensions().get() {
        return ApiError::full(*full, "connections").into_response();
    }
    match app.limits.requests.take(origin.client) {
        Ok(_place) => next.run(request).await,
        Err(full) => ApiError::full(full, "requests").into_response(),
    }
}

/// Whether it is answered from memory: how things are now, and not what the history knows of a moment.
fn asks_how_things_are(request: &Request, base: &str) -> bool {
    let path = request.uri().path();
    let path = path.strip_prefix(base).filter(|rest| rest.starts_with('/')).unwrap_or(path);
    let known = ["/livez", "/readyz", "/health"].contains(&path) || path.starts_with("/health/");
    known && !request.uri().query().is_some_and(|query| query.contains("at"))
}
