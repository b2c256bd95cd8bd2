//! The style sheet, the scripts and the icon.

use crate::{
    http::named::{Named, NamesNothing},
    render,
};
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// `GET /dashboard/assets/{name}`, and `/public/assets/{name}`
pub(super) async fn asset(named: Result<Named, NamesNothing>) -> Response {
    match named.ok().and_then(|Named(name)| render::find_asset(&name)) {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.text).into_response()
        }
        // A page of another version asks for what this one does not have. Outsiders must not learn more.
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
