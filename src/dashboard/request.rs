//! What handlers of pages share.

use super::{error::PageError, query::Query};
use crate::{
    domain::time::UnixMs,
    history::{as_of::Snapshot, bounds},
    http::state::{AppState, Queries, ReadError},
};
use axum::{extract::FromRef, response::Response};

/// A page, or why there is none.
pub(super) type Page = Result<Response, PageError>;

/// What is known now: what is changed by a form is changed of that.
pub(super) fn known_now(app: &AppState, query: &Query) -> Snapshot {
    Snapshot::now(app.live.all(), app.clock.now()).linking(app.base_path.clone(), query.carried(None))
}

/// What an address asks to see: what is known now, or what was known at a moment of the past.
pub(super) async fn snapshot(app: &AppState, query: &Query) -> Result<Snapshot, PageError> {
    let now = app.clock.now();
    let Some(at) = query.at(now)? else {
        return Ok(known_now(app, query));
    };
    let day = |at| query.zone.dated(at, now).text;
    let show = |at: UnixMs| (format!("Show {}", day(at)), query.with(&[("at", Some(&at.to_string()))]));
    match Queries::from_ref(app).as_of(&app.live, at).await {
        Ok(services) => Ok(Snapshot::then(services, at).linking(app.base_path.clone(), query.carried(Some(at)))),
        Err(error) => {
            let way_out = match error {
                ReadError::BeforeHistory { first, .. } => {
                    let bounds = app.ask(|app| bounds::retention_bounds(&app.reader)).await?;
                    Some(show(bounds.map_or(first, |(_, told)| told)))
                }
                ReadError::NoHistory => Some(("Back to now".to_owned(), query.with(&[("at", None)]))),
                ReadError::Retired { from, .. } => Some(show(from)),
                ReadError::Busy(_) | ReadError::Store(_) | ReadError::Broken(_) => None,
            };
            Err(PageError { way_out, ..PageError::reading(&error, day) })
        }
    }
}
