//! Which channels are to be notified of which events. An event is written with the change that it reports, and settled
//! once the channel was notified.

use super::{circumstances, outages, receipts};
use crate::{
    domain::{circumstances::Circumstances, incident::Outage, time::UnixMs},
    routing::{AlertKind, Announcement, ChannelName},
    store::{Result, StoreError},
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// What happened to an incident.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    Confirmed,
    /// It has lasted for so many minutes since it was confirmed.
    Reminder(u32),
    Resolved,
}

impl Event {
    /// Its word in payloads and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Event::Confirmed => "confirmed",
            Event::Reminder(_) => "reminder",
            Event::Resolved => "resolved",
        }
    }

    /// Its end of an event id.
    fn suffix(self) -> String {
        match self {
            Event::Reminder(n) => format!("reminder-{n}"),
            _ => self.as_str().to_owned(),
        }
    }

    /// What it is to routes.
    pub(in crate::store) fn kind(self) -> AlertKind {
        match self {
            Event::Confirmed | Event::Reminder(_) => AlertKind::Down,
            Event::Resolved => AlertKind::Resolved,
        }
    }

    fn read(word: &str, event_id: &str) -> Event {
        match word {
            "resolved" => Event::Resolved,
            "reminder" => Event::Reminder(event_id.rsplit('-').next().and_then(|n| n.parse().ok()).unwrap_or(1)),
            _ => Event::Confirmed,
        }
    }
}

/// An event that a channel has not been notified of yet.
#[derive(Clone, PartialEq, Debug)]
pub struct DueEvent {
    /// The same at every attempt, and in no other history.
    pub event_id: String,
    pub about: About,
    pub created_at: UnixMs,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is to be tried.
    pub next_at: UnixMs,
    /// The event is stored in the outbox.
    pub is_stored: bool,
}

/// What an event is about.
#[derive(Clone, PartialEq, Debug)]
pub enum About {
    Incident(Box<IncidentEvent>),
    Announcement(Box<Announcement>),
}

/// Something that happened to an incident.
#[derive(Clone, PartialEq, Debug)]
pub struct IncidentEvent {
    pub event: Event,
    pub outage: Outage,
    /// Of a resolve and a reminder: the message that notified the channel of the beginning, where that is known.
    pub trigger: Option<Trigger>,
    /// Why the channel is notified of it only now, where it is late.
    pub late: Option<String>,
    /// Of a beginning: what was known then, where that was kept.
    pub circumstances: Option<Circumstances>,
}

impl DueEvent {
    /// What happened to an incident, where it is about one.
    pub fn incident(&self) -> Option<&IncidentEvent> {
        match &self.about {
            About::Incident(incident) => Some(incident),
            About::Announcement(_) => None,
        }
    }

    /// Whether something is over.
    pub fn is_end(&self) -> bool {
        match &self.about {
            About::Incident(incident) => incident.event == Event::Resolved,
            About::Announcement(announcement) => announcement.is_over,
        }
    }
}

/// A message about the beginning of incidents.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trigger {
    pub message_id: String,
    /// How many of its incidents are still open.
    pub open: u64,
    /// What its service names it by, as JSON, where that is known.
    pub receipt: Option<String>,
}

/// A message that a channel was sent, as the outbox knows it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SentMessage {
    pub id: String,
    /// What its service names it by, as JSON, where it was taken and the service says so.
    pub receipt: Option<String>,
    /// The events that were in it before it was edited, under another id.
    pub joined: Vec<String>,
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

/// Writes an event for each channel; how many are new. `late` says why channels are notified of it only now. It is settled
/// already where the channel was notified before it could be written.
pub(in crate::store) fn add(
    conn: &Connection,
    channels: &[ChannelName],
    outage: i64,
    event: Event,
    late: Option<&str>,
    now: UnixMs,
    is_told: impl Fn(&str) -> bool,
) -> Result<usize> {
    let mut added = 0;
    for channel in channels {
        let settled_at = is_told(channel).then_some(now.0);
        added += conn
            .prepare_cached(
                "INSERT INTO outbox (event_id, channel, event, outage_id, created_at, next_at, settled_at, attempts, content)
                 SELECT value || '-' || ?1 || '-' || ?6, ?3, ?2, ?1, ?4, ?4, ?5, ?5 IS NOT NULL, ?7
                 FROM fact WHERE name = 'id'
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![outage, event.as_str(), &**channel, now.0, settled_at, event.suffix(), late])?;
    }
    Ok(added)
}

/// Notes that something is announced. `false` when it was before.
pub(in crate::store) fn note_announced(conn: &Connection, event_id: &str, now: UnixMs) -> Result<bool> {
    let new = conn
        .prepare_cached("INSERT INTO announced (event_id, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![event_id, now.0])?;
    Ok(new > 0)
}

/// Writes an announcement for a channel.
pub(in crate::store) fn announce(
    conn: &Connection,
    channel: &str,
    event_id: &str,
    announcement: &Announcement,
    now: UnixMs,
) -> Result<()> {
    let content = serde_json::to_string(announcement).map_err(|e| StoreError::Content(e.to_string()))?;
    conn.prepare_cached(
        "INSERT INTO announcement (event_id, channel, content, created_at, next_at) VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![event_id, channel, content, now.0])?;
    Ok(())
}

/// The channels that are notified of the beginning of an incident because of an escalation, or because a silence ended.
pub(in crate::store) fn told_late(conn: &Connection, outage: i64) -> Result<Vec<String>> {
    let mut statement = conn.prepare_cached(
        "SELECT channel FROM outbox WHERE outage_id = ?1 AND event = 'confirmed' AND content IS NOT NULL ORDER BY id",
    )?;
    let rows = statement.query_map([outage], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Whether an event is in the outbox.
pub(in crate::store) fn has(conn: &Connection, event_id: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM outbox WHERE event_id = ?1 LIMIT 1";
    Ok(conn.prepare_cached(sql)?.query_row([event_id], |_| Ok(())).optional()?.is_some())
}

/// Whether a channel is to be notified, or was, of the beginning of an incident.
pub(in crate::store) fn has_beginning(conn: &Connection, outage: i64, channel: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM outbox WHERE outage_id = ?1 AND channel = ?2 AND event = 'confirmed'";
    Ok(conn.prepare_cached(sql)?.query_row(params![outage, channel], |_| Ok(())).optional()?.is_some())
}

/// What was announced, and when.
pub(in crate::store) fn announced(conn: &Connection) -> Result<Vec<(String, UnixMs)>> {
    let mut statement = conn.prepare_cached("SELECT event_id, at FROM announced")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, UnixMs(row.get(1)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// When something was announced of this event id, also where nobody was to be notified.
pub(in crate::store) fn announced_at(conn: &Connection, event_id: &str) -> Result<Option<UnixMs>> {
    let at = conn
        .prepare_cached("SELECT at FROM announced WHERE event_id = ?1")?
        .query_row([event_id], |row| row.get(0).map(UnixMs))
        .optional()?;
    Ok(at)
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
    type Row = (i64, String, String, i64, i64, u32, i64, Option<String>, Option<String>);
    let mut statement = conn.prepare_cached(
        "SELECT id, event_id, event, o.outage_id, created_at, attempts, next_at, o.content, c.content
         FROM outbox o LEFT JOIN circumstances c ON c.outage_id = o.outage_id AND o.event = 'confirmed'
         WHERE channel = ?1 AND settled_at IS NULL ORDER BY id",
    )?;
    let read = |r: &rusqlite::Row<'_>| {
        Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?, r.get(5)?, r.get(6)?, r.get(7)?, r.get(8)?))
    };
    let rows: Vec<Row> = statement
        .query_map([channel], read)?
        .filter(|row: &rusqlite::Result<Row>| !row.as_ref().is_ok_and(|row| settled(&row.1)))
        .take(limit)
        .collect::<rusqlite::Result<_>>()?;
    // All at once: asked for one by one they take three times as long.
    let outages = match rows.last() {
        Some((last, ..)) => outages::of_waiting(conn, channel, *last)?,
        None => HashMap::new(),
    };
    let (mut events, mut triggers) = (Vec::with_capacity(rows.len()), HashMap::new());
    for (_, event_id, event, number, created_at, attempts, next_at, late, known) in rows {
        let Some(outage) = outages.get(&number).cloned() else { continue };
        let event = Event::read(&event, &event_id);
        let trigger = match event {
            Event::Confirmed => None,
            Event::Reminder(_) | Event::Resolved => trigger(conn, channel, number, &mut triggers)?,
        };
        let circumstances = known.as_deref().and_then(circumstances::read);
        let about = About::Incident(Box::new(IncidentEvent { event, outage, trigger, late, circumstances }));
        let (created_at, next_at) = (UnixMs(created_at), UnixMs(next_at));
        events.push(DueEvent { event_id, about, created_at, attempts, next_at, is_stored: true });
    }
    let mut events = merged(events, announcements(conn, channel, limit, settled)?);
    events.truncate(limit);
    Ok(events)
}

/// Both by the time at which they happened, and each in its order: where the clock was set back, an end stays behind its
/// beginning.
fn merged(events: Vec<DueEvent>, announcements: Vec<DueEvent>) -> Vec<DueEvent> {
    let mut merged = Vec::with_capacity(events.len() + announcements.len());
    let mut announcements = announcements.into_iter().peekable();
    for event in events {
        while let Some(earlier) = announcements.next_if(|other| other.created_at < event.created_at) {
            merged.push(earlier);
        }
        merged.push(event);
    }
    merged.extend(announcements);
    merged
}

/// The beginnings of open incidents that a channel was notified of, oldest first.
pub(in crate::store) fn open(conn: &Connection, channel: &str) -> Result<Vec<DueEvent>> {
    // Few incidents are open, and the outbox may be long.
    let mut statement = conn.prepare_cached(
        "SELECT e.event_id, e.outage_id, e.created_at, c.content FROM outage o CROSS JOIN outbox e ON e.outage_id = o.id
         LEFT JOIN circumstances c ON c.outage_id = o.id
         WHERE o.ended_at IS NULL AND e.channel = ?1 AND e.event = 'confirmed'
           AND e.settled_at IS NOT NULL AND e.last_error IS NULL ORDER BY e.id",
    )?;
    let read =
        |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, UnixMs(row.get(2)?), row.get::<_, Option<String>>(3)?));
    let rows = statement.query_map([channel], read)?;
    let mut events = Vec::new();
    for row in rows {
        let (event_id, number, created_at, known) = row?;
        let Some(outage) = outages::get(conn, number)? else { continue };
        let circumstances = known.as_deref().and_then(circumstances::read);
        let incident = IncidentEvent { event: Event::Confirmed, outage, trigger: None, late: None, circumstances };
        let about = About::Incident(Box::new(incident));
        events.push(DueEvent { event_id, about, created_at, attempts: 0, next_at: created_at, is_stored: true });
    }
    Ok(events)
}

fn announcements(
    conn: &Connection,
    channel: &str,
    limit: usize,
    settled: &dyn Fn(&str) -> bool,
) -> Result<Vec<DueEvent>> {
    let mut statement = conn.prepare_cached(
        "SELECT event_id, content, created_at, attempts, next_at FROM announcement
         WHERE channel = ?1 AND settled_at IS NULL ORDER BY id",
    )?;
    let rows = statement.query_map([channel], |row| {
        let content: String = row.get(1)?;
        let event_id: String = row.get(0)?;
        // One of a newer version is not understood, and kept.
        let announcement = serde_json::from_str::<Announcement>(&content);
        let times = (UnixMs(row.get(2)?), row.get(3)?, UnixMs(row.get(4)?));
        Ok(announcement.ok().map(|announcement| {
            let about = About::Announcement(Box::new(announcement));
            let (created_at, attempts, next_at) = times;
            DueEvent { event_id, about, created_at, attempts, next_at, is_stored: true }
        }))
    })?;
    let waits = |event: &rusqlite::Result<DueEvent>| !event.as_ref().is_ok_and(|event| settled(&event.event_id));
    Ok(rows.filter_map(rusqlite::Result::transpose).filter(waits).take(limit).collect::<rusqlite::Result<_>>()?)
}

/// The message that notified a channel of the beginning of an incident. `known` are those that were looked up before: the ends
/// of a storm have one message, with as many incidents.
fn trigger(
    conn: &Connection,
    channel: &str,
    outage: i64,
    known: &mut HashMap<String, Trigger>,
) -> Result<Option<Trigger>> {
    let message_id: Option<String> = conn
        .prepare_cached(
            "SELECT message_id FROM outbox
             WHERE channel = ?1 AND outage_id = ?2 AND event = 'confirmed' AND message_id IS NOT NULL
               AND settled_at IS NOT NULL LIMIT 1",
        )?
        .query_row(params![channel, outage], |row| row.get(0))
        .optional()?;
    let Some(message_id) = message_id else { return Ok(None) };
    if let Some(trigger) = known.get(&message_id) {
        return Ok(Some(trigger.clone()));
    }
    let open = conn
        .prepare_cached(
            "SELECT count(*) FROM outbox e JOIN outage o ON o.id = e.outage_id
             WHERE e.channel = ?1 AND e.message_id = ?2 AND e.event = 'confirmed' AND o.ended_at IS NULL",
        )?
        .query_row(params![channel, message_id], |row| row.get::<_, i64>(0))?;
    let receipt = receipts::of(conn, channel, &message_id)?;
    let trigger = Trigger { message_id, open: open.unsigned_abs(), receipt };
    known.insert(trigger.message_id.clone(), trigger.clone());
    Ok(Some(trigger))
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
    for table in ["outbox", "announcement"] {
        let changed = conn
            .prepare_cached(&format!(
                "UPDATE {table} SET attempts = attempts + 1, settled_at = ?3, next_at = ?4, last_error = ?5,
                   message_id = coalesce(?6, message_id)
                 WHERE event_id = ?1 AND channel = ?2 AND settled_at IS NULL"
            ))?
            .execute(params![event_id, channel, settled, next, error, message_id])?;
        if changed > 0 {
            break;
        }
    }
    Ok(())
}

/// Notes the message of an event that was delivered before it could be written.
pub(in crate::store) fn name(conn: &Connection, event_id: &str, channel: &str, message_id: &str) -> Result<()> {
    conn.prepare_cached(
        "UPDATE outbox SET message_id = ?3
         WHERE event_id = ?1 AND channel = ?2 AND message_id IS NULL AND settled_at IS NOT NULL",
    )?
    .execute(params![event_id, channel, message_id])?;
    Ok(())
}

/// Notes that an event that was delivered is in another message now.
pub(in crate::store) fn join(conn: &Connection, event_id: &str, channel: &str, message_id: &str) -> Result<()> {
    conn.prepare_cached("UPDATE outbox SET message_id = ?3 WHERE event_id = ?1 AND channel = ?2")?
        .execute(params![event_id, channel, message_id])?;
    Ok(())
}

/// Has events that were given up tried again, of one channel or of all; how many. Where the end was delivered meanwhile it is
/// delivered once more, after the beginning: nobody may be left with the beginning of what is over.
pub(in crate::store) fn retry(conn: &Connection, channel: Option<&str>, now: UnixMs) -> Result<u64> {
    let mut changed = 0;
    for table in ["outbox", "announcement"] {
        changed += conn.execute(
            &format!(
                "UPDATE {table} SET settled_at = NULL, attempts = 0, next_at = ?2, last_error = NULL
                 WHERE settled_at IS NOT NULL AND last_error IS NOT NULL AND (?1 IS NULL OR channel = ?1)"
            ),
            params![channel, now.0],
        )?;
    }
    conn.execute(
        "UPDATE outbox SET settled_at = NULL, attempts = 0, next_at = ?2
         WHERE settled_at IS NOT NULL AND event = 'resolved' AND (?1 IS NULL OR channel = ?1) AND EXISTS (
           SELECT 1 FROM outbox b WHERE b.settled_at IS NULL AND b.channel = outbox.channel
             AND b.event_id = substr(outbox.event_id, 1, length(outbox.event_id) - length('resolved')) || 'confirmed')",
        params![channel, now.0],
    )?;
    Ok(changed as u64)
}
