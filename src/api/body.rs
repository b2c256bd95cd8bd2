//! The bodies of requests that change something.

use crate::http::error::{Answer, ApiError};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

/// Reads a body in JSON, sent as `application/json` or as one of `also`; `example` is what is taken here.
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8], also: &[&str], example: &str) -> Answer<T> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind != "application/json" && !also.contains(&kind.as_str()) {
        let detail = format!("the change is sent as Content-Type: application/json, as {example}");
        return Err(ApiError::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::refused(StatusCode::BAD_REQUEST, format!("what is taken here is {example}: {error}"))
    })
}
