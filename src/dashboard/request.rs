//! What handlers of pages share: what is asked for, and the history asked on a thread that may block.

use super::{error::PageError, query::Query};
use crate::{
    domain::time::UnixMs,
    history::as_of::Snapshot,
    http::state::{AppState, ReadError},
    store::{AsOf, StoreError},
};
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
    response::Response,
};

/// A page, or why there is none.
pub(super) type Page = Result<Response, PageError>;

/// What a part of the path names, decoded. What does not decode to UTF-8 names nothing, as a path that leads nowhere.
pub(super) struct Named(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, PageError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Named(name)),
            Err(_) => Err(PageError::nothing_here()),
        }
    }
}

/// What an address asks to see: what is known now, or what was known at a moment of the past.
pub(super) async fn snapshot(app: &AppState, query: &Query) -> Result<Snapshot, PageError> {
    let now = app.clock.now();
    let Some(at) = query.at(now)? else {
        return Ok(Snapshot::now(app.live.all(), now).linking(app.base_path.clone(), query.carried(None)));
    };
    let (reach, then) = blocking(app, move |app| {
        let reach = app.reader.retention_bounds()?;
        Ok((reach, app.reader.as_of(at, &app.live.all())?))
    })
    .await?;
    let day = |at| query.zone.dated(at, now).text;
    let show = |at: UnixMs| (format!("Show {}", day(at)), query.with(&[("at", Some(&at.to_string()))]));
    let told = reach.map(|(_, told)| told);
    match then {
        AsOf::Before(Some(first)) => Err(PageError::unprocessable(
            "This moment lies before the history",
            format!("It begins with {}; nothing was watched before.", day(first)),
            Some(show(told.unwrap_or(first))),
        )),
        AsOf::Before(None) => Err(PageError::unprocessable(
            "This moment lies before the history",
            "Nothing has been watched yet.",
            Some(("Back to now".to_owned(), query.with(&[("at", None)]))),
        )),
        AsOf::Retired(from) => Err(PageError::unprocessable(
            "What was known then can no longer be told",
            format!("This is about {}, and single checks are kept from {} on.", day(at), day(from)),
            Some(show(from)),
        )),
        AsOf::Known(services) => {
            Ok(Snapshot::then(services, at).linking(app.base_path.clone(), query.carried(Some(at))))
        }
    }
}

/// Makes a page on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    app: &AppState,
    make: impl FnOnce(&AppState) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, PageError> {
    app.ask(make).await.map_err(|unanswered| match unanswered {
        ReadError::Busy(_) => PageError::busy(),
        ReadError::Store(error) => error.into(),
        ReadError::Broken(panic) => {
            tracing::error!("panic while making a page: {panic}");
            PageError::broke()
        }
    })
}
