//! Telling people of incidents: takes events out of the outbox, in their order, and tries until they are delivered.
//!
//! The outbox is written in the transaction of the incident, so that no event is lost and none is invented. An event is
//! told again only when the answer to it was lost, and then under the same id.

use crate::{
    clock::Clock,
    domain::{
        incident::Outage,
        time::{DAY_MS, UnixMs},
    },
    notify::{Channel, Notice},
    shutdown::Shutdown,
    store::{Attempt, DueEvent, Event, Reader, Writer},
};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;

/// The first pause after a failed attempt; doubled at each further one.
const FIRST_PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 10 * 60_000;
/// What could not be told for this long is old news.
const GIVE_UP_AFTER_MS: i64 = 7 * DAY_MS;
/// How often the outbox is looked into without being rung for.
const LOOK: Duration = Duration::from_secs(30);

/// Serves one channel until shutdown. A channel that hangs delays nothing but itself.
pub async fn run(channel: Channel, reader: Reader, writer: Writer, clock: Clock, mut shutdown: Shutdown) {
    loop {
        let pause = tokio::select! {
            biased;
            () = shutdown.requested() => return,
            pause = deliver_due(&channel, &reader, &writer, &clock) => pause,
        };
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            () = writer.events() => {}
            () = sleep(pause) => {}
        }
    }
}

/// Delivers what is due, one after the other; how long nothing will be.
async fn deliver_due(channel: &Channel, reader: &Reader, writer: &Writer, clock: &Clock) -> Duration {
    // What has been tried here and whose outcome may not be committed yet.
    let mut settled_up_to = 0;
    loop {
        let (asked, name, now) = (reader.clone(), channel.name(), clock.now());
        let due = tokio::task::spawn_blocking(move || match asked.due_event(name, now)? {
            Some(due) => Ok((Some(due), None)),
            None => Ok((None, asked.next_due_at(name)?)),
        })
        .await;
        let event = match due {
            Ok(Ok((Some(event), _))) if event.id > settled_up_to => event,
            Ok(Ok((Some(_), _))) => {
                sleep(Duration::from_millis(50)).await;
                continue;
            }
            Ok(Ok((None, next))) => {
                let wait = next.map_or(LOOK, |at| Duration::from_millis(at.since(clock.now()).max(50).unsigned_abs()));
                return wait.min(LOOK);
            }
            Ok(Err::<_, crate::store::StoreError>(error)) => {
                tracing::warn!("the outbox could not be read: {error}");
                return LOOK;
            }
            Err(_panic) => return LOOK,
        };
        let attempt = tell(channel, &event, clock).await;
        let again = matches!(attempt, Attempt::Later { .. });
        writer.attempted(event.id, attempt);
        if again {
            // Its time is committed in a moment; until then it would seem due.
            return Duration::from_millis(FIRST_PAUSE_MS.unsigned_abs());
        }
        settled_up_to = event.id;
    }
}

async fn tell(channel: &Channel, event: &DueEvent, clock: &Clock) -> Attempt {
    let (name, service) = (channel.name(), event.outage.service.as_str());
    match channel.deliver(&notice(event)).await {
        Ok(()) => {
            tracing::info!(channel = name, service, event = event.event.as_str(), "told");
            Attempt::Delivered
        }
        Err(error) if clock.now().since(event.created_at) > GIVE_UP_AFTER_MS => {
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
    let (service, why) = (&outage.service, &outage.cause.reason.message);
    let began = outage.started_at.utc().format("%Y-%m-%d %H:%M:%S UTC");
    match resolved_at {
        None => format!("{service} is down since {began}: {why}"),
        Some(end) => {
            let seconds = end.since(outage.started_at) / 1000;
            format!("{service} is up again after {seconds} s; it was down since {began}: {why}")
        }
    }
}
