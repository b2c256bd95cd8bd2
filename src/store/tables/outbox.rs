//! Which channels are to be notified of which events. An event is written with the change that it reports, and settled
//! once the channel was notified.

use super::outages;
use crate::{
    domain::{incident::Outage, time::UnixMs},
    routing::{AlertKind, ChannelName},
    store::Result,
};
use rusqlite::{Connection, OptionalExtension, params};

/// What happened to an incident.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    Confirmed,
    Resolved,
}

impl Event {
    /// Its word in payloads and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Event::Confirmed => "confirmed",
            Event::Resolved => "resolved",
        }
    }

    /// What it is to routes.
    pub(in crate::store) fn kind(self) -> AlertKind {
        match self {
            Event::Confirmed => AlertKind::Down,
            Event::Resolved => AlertKind::Resolved,
        }
    }
}

/// An event that a channel has not been notified of yet.
#[derive(Clone, PartialEq, Debug)]
pub struct DueEvent {
    /// The same at every attempt, and in no other history.
    pub event_id: String,
    pub event: Event,
    pub outage: Outage,
    pub created_at: UnixMs,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is to be tried.
    pub next_at: UnixMs,
    /// Of a resolve: the message that notified the channel of the beginning, where that is known.
    pub trigger: Option<Trigger>,
    /// The event is stored in the outbox.
    pub is_stored: bool,
}

/// A message about the beginning of incidents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trigger {
    pub message_id: String,
    /// How many of its incidents are still open.
    pub open: u64,
}

/// How an attempt ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attempt {
    Delivered,
    /// Try again at this time.
    Later {
        at: UnixMs,
        error: String,
    },
    GivenUp {
        error: String,
    },
}

/// Writes an event for each channel. It is settled already where the channel was notified before it could be written.
pub(in crate::store) fn add(
    conn: &Connection,
    channels: &[ChannelName],
    outage: i64,
    event: Event,
    now: UnixMs,
    is_told: impl Fn(&str) -> bool,
) -> Result<()> {
    for channel in channels {
        let settled_at = is_told(channel).then_some(now.0);
        conn.prepare_cached(
            "INSERT INTO outbox (event_id, channel, event, outage_id, created_at, next_at, settled_at, attempts)
             SELECT value || '-' || ?1 || '-' || ?2, ?3, ?2, ?1, ?4, ?4, ?5, ?5 IS NOT NULL FROM fact WHERE name = 'id'
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![outage, event.as_str(), &**channel, now.0, settled_at])?;
    }
    Ok(())
}

/// Every channel that was notified of an incident that was open (`told_open`) is to be notified of the end that an
/// import brought.
pub(in crate::store) fn owe_ends(conn: &Connection) -> Result<()> {
    conn.execute(
        "INSERT INTO outbox (event_id, channel, event, outage_id, created_at, next_at)
         SELECT f.value || '-' || o.id || '-resolved', e.channel, 'resolved', o.id, o.ended_at, o.ended_at
         FROM told_open t JOIN outbox e ON e.id = t.event JOIN outage o ON o.id = e.outage_id
         JOIN fact f ON f.name = 'id'
         WHERE o.ended_at IS NOT NULL ORDER BY o.ended_at, e.id
         ON CONFLICT DO NOTHING",
        [],
    )?;
    Ok(())
}

/// The events of a channel that are not settled, due or not, oldest first, at most so many. `settled` are those that are,
/// and whose commit is still to come.
pub(in crate::store) fn pending(
    conn: &Connection,
    channel: &str,
    limit: usize,
    settled: &dyn Fn(&str) -> bool,
) -> Result<Vec<DueEvent>> {
    type Row = (String, String, i64, i64, u32, i64);
    let mut statement = conn.prepare_cached(
        "SELECT event_id, event, outage_id, created_at, attempts, next_at FROM outbox
         WHERE channel = ?1 AND settled_at IS NULL ORDER BY id",
    )?;
    let rows = statement
        .query_map([channel], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?)))?
        .filter(|row: &rusqlite::Result<Row>| !row.as_ref().is_ok_and(|row| settled(&row.0)))
        .take(limit);
    let mut events = Vec::new();
    for row in rows {
        let (event_id, event, number, created_at, attempts, next_at) = row?;
        let Some(outage) = outages::get(conn, number)? else { continue };
        let event = if event == "resolved" { Event::Resolved } else { Event::Confirmed };
        let trigger = match event {
            Event::Confirmed => None,
            Event::Resolved => trigger(conn, channel, number)?,
        };
        let (created_at, next_at) = (UnixMs(created_at), UnixMs(next_at));
        events.push(DueEvent { event_id, event, outage, created_at, attempts, next_at, trigger, is_stored: true });
    }
    Ok(events)
}

/// The message that notified a channel of the beginning of an incident.
fn trigger(conn: &Connection, channel: &str, outage: i64) -> Result<Option<Trigger>> {
    let message_id: Option<String> = conn
        .prepare_cached(
            "SELECT message_id FROM outbox
             WHERE channel = ?1 AND outage_id = ?2 AND event = 'confirmed' AND message_id IS NOT NULL LIMIT 1",
        )?
        .query_row(params![channel, outage], |row| row.get(0))
        .optional()?;
    let Some(message_id) = message_id else { return Ok(None) };
    let open = conn
        .prepare_cached(
            "SELECT count(*) FROM outbox e JOIN outage o ON o.id = e.outage_id
             WHERE e.channel = ?1 AND e.message_id = ?2 AND e.event = 'confirmed' AND o.ended_at IS NULL",
        )?
        .query_row(params![channel, message_id], |row| row.get::<_, i64>(0))?;
    Ok(Some(Trigger { message_id, open: open.unsigned_abs() }))
}

/// Notes how an attempt ended, in the message of this id. One that is not written yet is settled when it is.
pub(in crate::store) fn note(
    conn: &Connection,
    event_id: &str,
    channel: &str,
    message_id: Option<&str>,
    attempt: &Attempt,
    now: UnixMs,
) -> Result<()> {
    let (settled, next, error) = match attempt {
        Attempt::Delivered => (Some(now.0), now.0, None),
        Attempt::Later { at, error } => (None, at.0, Some(error)),
        Attempt::GivenUp { error } => (Some(now.0), now.0, Some(error)),
    };
    conn.prepare_cached(
        "UPDATE outbox SET attempts = attempts + 1, settled_at = ?3, next_at = ?4, last_error = ?5,
           message_id = coalesce(?6, message_id)
         WHERE event_id = ?1 AND channel = ?2 AND settled_at IS NULL",
    )?
    .execute(params![event_id, channel, settled, next, error, message_id])?;
    Ok(())
}

/// Has events that were given up tried again, of one channel or of all; how many.
pub(in crate::store) fn retry(conn: &Connection, channel: Option<&str>, now: UnixMs) -> Result<u64> {
    let changed = conn.execute(
        "UPDATE outbox SET settled_at = NULL, attempts = 0, next_at = ?2, last_error = NULL
         WHERE settled_at IS NOT NULL AND last_error IS NOT NULL AND (?1 IS NULL OR channel = ?1)",
        params![channel, now.0],
    )?;
    Ok(changed as u64)
}
