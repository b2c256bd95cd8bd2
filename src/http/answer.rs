//! What handlers answer, and the history asked on a thread that may block.

use super::{
    error::ApiError,
    state::{AppState, ReadError},
};
use crate::{
    domain::time::UnixMs,
    live::ServiceNow,
    store::{AsOf, StoreError},
};
use std::sync::Arc;

/// A result of a handler.
pub(crate) type Answer<T> = Result<T, ApiError>;

/// How the services stood at a moment of the past.
pub(crate) async fn then(app: &AppState, at: UnixMs) -> Answer<Vec<Arc<ServiceNow>>> {
    match ask(app, move |app| app.reader.as_of(at, &app.live.all())).await? {
        AsOf::Known(services) => Ok(services),
        AsOf::Retired(from) => Err(ApiError::window(format!(
            "single checks are kept from {from} on, so what was known at {at} can no longer be told"
        ))),
        // Nobody said anything of it then: neither that it was well nor that it was not.
        AsOf::Before(Some(first)) => Err(ApiError::window(format!(
            "{at} lies before the history, which begins with {first}: nothing was watched before"
        ))),
        AsOf::Before(None) => {
            Err(ApiError::window("nothing has been watched yet, so there is no history to tell from"))
        }
    }
}

/// Asks the history on a thread that may block.
pub(crate) async fn ask<T: Send + 'static>(
    app: &AppState,
    question: impl FnOnce(&AppState) -> Result<T, StoreError> + Send + 'static,
) -> Answer<T> {
    app.ask(question).await.map_err(|unanswered| match unanswered {
        ReadError::Busy(_) => ApiError::busy(unanswered.to_string()),
        ReadError::Store(error) => error.into(),
        ReadError::Broken(panic) => {
            tracing::error!("panic in a query of the history: {panic}");
            ApiError::internal()
        }
    })
}
