//! Why there is no page.

use crate::{domain::time::UnixMs, http::state::ReadError};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Why there is no such page, in words for the reader.
#[derive(Clone, Debug)]
pub(super) struct PageError {
    pub(super) status: StatusCode,
    pub(super) truth: String,
    pub(super) after: String,
    /// What to do next: words and address.
    pub(super) way_out: Option<(String, String)>,
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

    /// Why the history gives no answer. `show` writes a moment as the reader is used to.
    pub(super) fn reading(error: &ReadError, show: impl Fn(UnixMs) -> String) -> PageError {
        let before = "This moment lies before the history";
        let (truth, after) = match error {
            ReadError::Busy(_) => (
                "Too many queries of the history at once",
                "Try again in a moment. Checks go on, and /health answers from memory.".to_owned(),
            ),
            ReadError::Store(error) => (
                "The history cannot be read right now",
                format!("{error}. Checks go on, and /health answers from memory."),
            ),
            ReadError::Broken(_) => return PageError::broke(),
            ReadError::BeforeHistory { first, .. } => {
                (before, format!("It begins with {}; nothing was watched before.", show(*first)))
            }
            ReadError::NoHistory => (before, "Nothing has been watched yet.".to_owned()),
            ReadError::Retired { at, from } => (
                "What was known then can no longer be told",
                format!("This is about {}, and single checks are kept from {} on.", show(*at), show(*from)),
            ),
        };
        PageError::new(error.status(), truth, after)
    }

    /// 500: our mistake.
    pub(super) fn broke() -> PageError {
        PageError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "This page could not be made",
            "The log says why. Checks go on, and /health answers.",
        )
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

impl From<ReadError> for PageError {
    fn from(error: ReadError) -> PageError {
        PageError::reading(&error, |at| at.to_string())
    }
}
