//! What is announced once in a period, whatever restarts: the event ids follow from the period, and the history knows
//! which of them were announced.

use super::queue::Context;
use crate::{
    domain::time::{DAY_MS, UnixMs},
    store::StoreError,
};

/// When an event of this id was announced. `None`: it was not.
///
/// # Errors
/// When the history cannot be read.
pub async fn announced_at(context: &Context, event_id: String) -> Result<Option<UnixMs>, StoreError> {
    let reader = context.reader.clone();
    let read = tokio::task::spawn_blocking(move || reader.read_one(|tables| tables.announced_at(&event_id)));
    read.await.unwrap_or(Err(StoreError::GivenUp))
}

/// Since when something of this name has been configured: from the first start with it on. What was due before that is
/// not announced.
///
/// # Errors
/// When the history cannot be read.
pub async fn configured_since(context: &Context, name: &str) -> Result<UnixMs, StoreError> {
    let (event_id, now) = (format!("{}-{name}-since", context.writer.history_id()), context.clock.now());
    match announced_at(context, event_id.clone()).await? {
        // The clock was wrong then.
        Some(since) if since > now.plus(DAY_MS) => Ok(now),
        Some(since) => Ok(since),
        None => {
            context.writer.note_announced(event_id);
            Ok(now)
        }
    }
}
