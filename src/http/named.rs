//! What a path names: a service, an incident.

use super::error::ApiError;
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    response::{IntoResponse, Response},
};

/// The decoded part of the path.
#[derive(Clone, Debug)]
pub(crate) struct Named(pub(crate) String);

/// The part of the path does not decode to UTF-8, so it names nothing. The response carries this, so that a page can be
/// made of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamesNothing;

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = NamesNothing;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, NamesNothing> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Named(name)),
            Err(_) => Err(NamesNothing),
        }
    }
}

impl IntoResponse for NamesNothing {
    fn into_response(self) -> Response {
        let problem = ApiError::not_found("the name in this path is not percent-encoded UTF-8");
        let mut response = problem.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
