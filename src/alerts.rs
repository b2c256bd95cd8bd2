//! Telling people of incidents: takes events out of the outbox, in their order, and tries until they are delivered.
//!
//! The outbox is written in the transaction of the incident, so that no event is lost and none is invented. An event is
//! told again only when the answer to it was lost, and then under the same id.

use crate::{
    clock::Clock,
    domain::{
        incident::Outage,
        plain::{LONGEST_MESSAGE, one_line},
        time::{DAY_MS, UnixMs},
    },
    notify::{Channel, Notice},
    shutdown::Shutdown,
    store::{Attempt, DueEvent, Event, Reader, Writer},
};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The first pause after a failed attempt; doubled at each further one.
const FIRST_PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 10 * 60_000;
/// What could not be told for this long, and so often, is old news. Both: a clock that was set must not silence anybody.
const GIVE_UP_AFTER_MS: i64 = 7 * DAY_MS;
const GIVE_UP_AFTER_ATTEMPTS: u32 = 50;
/// How often the outbox is looked into without being rung for.
const LOOK: Duration = Duration::from_secs(30);
/// How often it is looked into while the outcome of an attempt waits for its commit.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long an answer that is under way is waited for when the program is to stop: it decides whether somebody was told.
const LAST_ANSWER: Duration = Duration::from_secs(4);

/// The last event that was tried in this run. What the outbox says of it may be older: its commit may still be to come.
struct Tried {
    id: i64,
    /// Attempts so far, this one included.
    attempts: u32,
    /// When it is to be tried again; `None`: it is settled. On the timer's clock, which nobody sets.
    again: Option<Instant>,
}

enum Next {
    Tell(Box<DueEvent>),
    Wait(Duration),
}

/// Serves one channel until shutdown. A channel that hangs delays nothing but itself.
pub async fn run(channel: Channel, reader: Reader, writer: Writer, clock: Clock, mut shutdown: Shutdown) {
    let mut bell = writer.bell();
    let mut tried: Option<Tried> = None;
    while !shutdown.is_requested() {
        bell.mark_unchanged();
        match next(&channel, &reader, &clock, tried.as_ref()).await {
            Next::Tell(event) => {
                let attempt = tokio::select! {
                    biased;
                    attempt = tell(&channel, &event, &clock) => attempt,
                    () = cut_off(&mut shutdown) => return,
                };
                let again = match &attempt {
                    Attempt::Later { at, .. } => {
                        Some(Instant::now() + Duration::from_millis(at.since(clock.now()).max(0).unsigned_abs()))
                    }
                    Attempt::Delivered | Attempt::GivenUp { .. } => None,
                };
                tried = Some(Tried { id: event.id, attempts: event.attempts + 1, again });
                writer.attempted(event.id, attempt);
            }
            Next::Wait(pause) => tokio::select! {
                biased;
                () = shutdown.requested() => return,
                _ = bell.changed() => {}
                () = sleep(pause) => {}
            },
        }
    }
}

async fn cut_off(shutdown: &mut Shutdown) {
    shutdown.requested().await;
    sleep(LAST_ANSWER).await;
}

/// What is to be done now: the events of a channel are told in their order, so it depends on the first alone.
async fn next(channel: &Channel, reader: &Reader, clock: &Clock, tried: Option<&Tried>) -> Next {
    let (asked, name) = (reader.clone(), channel.name());
    let mut event = match tokio::task::spawn_blocking(move || asked.next_event(name)).await {
        Ok(Ok(Some(event))) => event,
        Ok(Ok(None)) | Err(_) => return Next::Wait(LOOK),
        Ok(Err(error)) => {
            tracing::warn!("the outbox could not be read: {error}");
            return Next::Wait(LOOK);
        }
    };
    match tried.filter(|tried| tried.id == event.id) {
        // Told, or given up; the outbox will know in a moment, or when the history can be written again.
        Some(Tried { again: None, .. }) => Next::Wait(LOOK_AGAIN),
        Some(Tried { again: Some(again), attempts, .. }) => {
            event.attempts = event.attempts.max(*attempts);
            match again.saturating_duration_since(Instant::now()) {
                Duration::ZERO => Next::Tell(Box::new(event)),
                pause => Next::Wait(pause.min(LOOK)),
            }
        }
        // Tried by a run before this one. No pause is longer than the longest, unless the clock was set back.
        None => match event.next_at.since(clock.now()) {
            pause if (1..=LONGEST_PAUSE_MS).contains(&pause) => {
                Next::Wait(Duration::from_millis(pause.unsigned_abs()).min(LOOK))
            }
            _ => Next::Tell(Box::new(event)),
        },
    }
}

async fn tell(channel: &Channel, event: &DueEvent, clock: &Clock) -> Attempt {
    let (name, service) = (channel.name(), event.outage.service.as_str());
    match channel.deliver(&notice(event)).await {
        Ok(()) => {
            tracing::info!(channel = name, service, event = event.event.as_str(), "told");
            Attempt::Delivered
        }
        Err(error)
            if event.attempts >= GIVE_UP_AFTER_ATTEMPTS && clock.now().since(event.created_at) > GIVE_UP_AFTER_MS =>
        {
            tracing::error!(channel = name, service, "given up after seven days: {error}");
            Attempt::GivenUp { error }
        }
        Err(error) => {
            let pause = (FIRST_PAUSE_MS << event.attempts.min(20)).min(LONGEST_PAUSE_MS);
            let at = clock.now().plus(pause);
            if event.attempts == 0 {
                tracing::warn!(channel = name, service, "could not be told, trying again: {error}");
            }
            Attempt::Later { at, error }
        }
    }
}

/// What is told of an event: made of what was known when it happened, so that every attempt says the same.
fn notice(event: &DueEvent) -> Notice {
    let outage = &event.outage;
    let resolved_at = outage.ended_at.filter(|_| event.event == Event::Resolved);
    Notice {
        event_id: event.event_id.clone(),
        event: format!("incident.{}", event.event.as_str()),
        text: sentence(outage, resolved_at),
        service: outage.service.clone(),
        incident: json!({
            "id": outage.id,
            "status": if resolved_at.is_some() { "resolved" } else { "open" },
            "last_ok_at": outage.last_ok_at.map(|t| t.to_string()),
            "started_at": outage.started_at.to_string(),
            "confirmed_at": outage.confirmed_at.map(|t| t.to_string()),
            "resolved_at": resolved_at.map(|t| t.to_string()),
            "duration_ms": resolved_at.map(|end| end.since(outage.started_at)),
            "cause": {
                "class": outage.cause.reason.class.as_str(),
                "phase": outage.cause.reason.phase.map(|p| p.as_str()),
                "message": outage.cause.reason.message,
                "http_status": outage.cause.http_status,
            },
        }),
    }
}

fn sentence(outage: &Outage, resolved_at: Option<UnixMs>) -> String {
    let (service, why) = (&outage.service, one_line(&outage.cause.reason.message, LONGEST_MESSAGE));
    let began = outage.started_at.utc().format("%Y-%m-%d %H:%M:%S UTC");
    match resolved_at {
        None => format!("{service} is down since {began}: {why}"),
        Some(end) => {
            let seconds = end.since(outage.started_at) / 1000;
            format!("{service} is up again after {seconds} s; it was down since {began}: {why}")
        }
    }
}
