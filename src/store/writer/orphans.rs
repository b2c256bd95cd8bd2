//! What a run before this one notified channels of, and never came into the history.

use super::notified::Notified;
use crate::{
    domain::time::UnixMs,
    store::{
        Result,
        tables::{
            outages,
            outbox::{self, Attempt, Event},
        },
    },
};
use rusqlite::Connection;

/// The notifications whose event the history does not have. Where the history has the event, they are recorded in it.
pub(in crate::store) fn orphans(conn: &Connection, noted: Vec<Notified>, now: UnixMs) -> Result<Vec<Notified>> {
    let mut orphans: Vec<Notified> = Vec::new();
    for told in noted {
        let end = outages::end(conn, told.number)?;
        let written = outbox::has(conn, &told.event_id)?;
        if told.event.is_empty() && !written {
            continue;
        }
        let is_over = matches!(end, Some(Some(_)));
        if written || is_over {
            for (channel, _) in told.channels.iter().filter(|(_, answered)| *answered) {
                outbox::note(conn, &told.event_id, channel, None, &Attempt::Delivered, now)?;
            }
        } else if told.is(Event::Confirmed) || end.is_some() {
            orphans.push(Notified { orphan: true, ..told });
        } else if let Some(begun) = orphans.iter_mut().find(|begun| begun.number == told.number) {
            // These channels were notified of the end as well.
            begun.channels.retain(|(channel, _)| !told.was_told(channel));
        }
    }
    orphans.retain(|told| !told.channels.is_empty());
    Ok(orphans)
}
