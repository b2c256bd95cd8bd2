//! Errors as `application/problem+json` (RFC 9457).

use super::{
    changes::{self, Refused},
    limits::Full,
    state::ReadError,
};
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

/// A result of a handler.
pub(crate) type Answer<T> = Result<T, ApiError>;

/// What went wrong with a request, in words for the one who made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    detail: String,
    /// The query parameter at fault.
    parameter: Option<String>,
    /// In how many seconds it may be tried again.
    after_s: Option<i64>,
}

impl ApiError {
    fn new(status: StatusCode, detail: impl Into<String>) -> ApiError {
        ApiError { status, detail: detail.into(), parameter: None, after_s: None }
    }

    /// 400: a parameter that makes no sense.
    pub(crate) fn parameter(name: &str, takes: impl Into<String>) -> ApiError {
        ApiError { parameter: Some(name.to_owned()), ..ApiError::new(StatusCode::BAD_REQUEST, takes) }
    }

    /// 404.
    pub(crate) fn not_found(detail: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, detail)
    }

    /// 422: a window that ends before it begins.
    pub(crate) fn window(detail: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// Any other refusal of a change.
    pub(crate) fn refused(status: StatusCode, detail: impl Into<String>) -> ApiError {
        ApiError::new(status, detail)
    }

    /// Any refusal that ends in some seconds.
    pub(crate) fn later(status: StatusCode, detail: impl Into<String>, after_s: i64) -> ApiError {
        ApiError { after_s: Some(after_s), ..ApiError::new(status, detail) }
    }

    /// 503: try again later.
    pub(crate) fn busy(detail: impl Into<String>) -> ApiError {
        ApiError { after_s: Some(5), ..ApiError::new(StatusCode::SERVICE_UNAVAILABLE, detail) }
    }

    /// 503 where all places are taken, 429 where one client has as many as it may have; `what` there are too many of.
    pub(crate) fn full(full: Full, what: &str) -> ApiError {
        match full {
            Full::All => ApiError::busy(format!("too many {what} at once: try again later")),
            Full::Client(most) => ApiError {
                after_s: Some(5),
                ..ApiError::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    format!(
                        "too many {what} at once from this address, which may have {most}. Where it is a reverse proxy \
                         with many clients behind it, name it in `trusted_proxies`"
                    ),
                )
            },
        }
    }

    /// 404 for a path that leads nowhere.
    pub(crate) fn nothing_here() -> ApiError {
        ApiError::not_found(
            "there is nothing at this path; the interface begins at /health, /api/v1/services and /dashboard",
        )
    }

    /// 405: hardly anything here is changed from outside.
    fn not_allowed() -> ApiError {
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "this path is only read: GET or HEAD")
    }

    /// 500: our mistake; the log says which.
    pub(crate) fn internal() -> ApiError {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "this answer could not be made; the log says why")
    }
}

/// Answers a method that a path does not take.
pub(crate) async fn not_allowed() -> ApiError {
    ApiError::not_allowed()
}

/// The same, of an incident.
pub(crate) async fn not_allowed_of_incidents() -> ApiError {
    let detail =
        "an incident is read with GET or HEAD, its note is changed with PATCH, and POST …/acknowledge acknowledges it";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// Makes a problem of an answer that is an error and says nothing: those of the layers around the handlers.
pub(crate) async fn as_problem(response: Response) -> Response {
    let status = response.status();
    let says = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let silent = says.is_none_or(|kind| kind.starts_with("text/plain"));
    if !silent || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let detail = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "this request is too large",
        StatusCode::SERVICE_UNAVAILABLE => "this answer took too long: ask for less, or later",
        _ => "this request cannot be answered",
    };
    ApiError::new(status, detail).into_response()
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> ApiError {
        let (status, after_s) = (refused.status(), refused.retry_after_s());
        let detail = match refused {
            Refused::Closed => changes::CLOSED.to_owned(),
            Refused::OtherSite => changes::OTHER_SITE.to_owned(),
            Refused::WrongToken => {
                "the token that is configured as [dashboard] token is needed: Authorization: Bearer …".to_owned()
            }
            Refused::TooMany(_) => "too many wrong tokens came from this address: wait a minute".to_owned(),
            Refused::Missing => "there is no such incident".to_owned(),
            Refused::Text(why) | Refused::Later(why) => why,
        };
        ApiError { after_s, ..ApiError::new(status, detail) }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> ApiError {
        match error {
            ReadError::Broken(_) => ApiError::internal(),
            error => ApiError::new(error.status(), error.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut body = Map::from_iter([
            ("type".to_owned(), json!("about:blank")),
            ("title".to_owned(), json!(self.status.canonical_reason().unwrap_or("Error"))),
            ("status".to_owned(), json!(self.status.as_u16())),
            ("detail".to_owned(), Value::String(self.detail)),
        ]);
        if let Some(parameter) = self.parameter {
            body.insert("parameter".to_owned(), Value::String(parameter));
        }
        let mut response = (self.status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, changes::SCHEME);
        }
        let after_s = self.after_s.or((self.status == StatusCode::SERVICE_UNAVAILABLE).then_some(5));
        if let Some(seconds) = after_s {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
        }
        response
    }
}
