//! What attempts to notify channels leave in the history.

use crate::{
    domain::time::UnixMs,
    routing::ChannelName,
    store::{
        Result,
        tables::{
            channels,
            outbox::{self, Attempt, SentMessage},
            receipts,
        },
    },
};
use rusqlite::Connection;

/// Notes how an attempt to notify a channel of events ended.
pub(super) fn note(
    conn: &Connection,
    event_ids: &[String],
    channel: &ChannelName,
    message: Option<&SentMessage>,
    attempt: &Attempt,
    now: UnixMs,
) -> Result<()> {
    for event_id in event_ids {
        outbox::note(conn, event_id, channel, message.map(|message| message.id.as_str()), attempt, now)?;
    }
    if let Some(SentMessage { id, receipt, joined }) = message {
        channels::note(conn, channel, attempt, now)?;
        if let Some(receipt) = receipt {
            receipts::keep(conn, channel, id, receipt, now)?;
        }
        for event_id in joined {
            outbox::join(conn, event_id, channel, id)?;
        }
    }
    Ok(())
}

/// A channel was notified of events before these could be written, and they are written now: their ends have to find the message.
pub(super) fn name_message(
    conn: &Connection,
    event_ids: &[String],
    channel: &ChannelName,
    message: &SentMessage,
) -> Result<()> {
    for event_id in event_ids {
        outbox::name(conn, event_id, channel, &message.id)?;
    }
    Ok(())
}
