//! Telling people of incidents: takes events out of the outbox, in their order, and tries until they are delivered.
//!
//! The outbox is written in the transaction of the incident, so that no event is lost and none is invented. While the
//! history cannot be written, what is confirmed is told from memory, under the id that it will have in the outbox. An event
//! is told again only when the answer to it was lost, and then under the same id.

use crate::{
    clock::Clock,
    domain::{
        incident::Outage,
        plain::{LONGEST_MESSAGE, one_line},
        time::{DAY_MS, UnixMs},
    },
    notify::{Channel, Notice},
    shutdown::{Shutdown, restarting},
    store::{Attempt, DueEvent, Event, Reader, Writer},
    threads::Pool,
};
use serde_json::json;
use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// The first pause after a failed attempt; doubled at each further one.
const FIRST_PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 10 * 60_000;
/// What could not be told for this long, and so often, is old news. Both: a clock that was set must not silence anybody.
const GIVE_UP_AFTER_MS: i64 = 7 * DAY_MS;
const GIVE_UP_AFTER_ATTEMPTS: u32 = 50;
/// How often the outbox is looked into without being rung for.
const LOOK: Duration = Duration::from_secs(30);
/// Events that are remembered as settled, at most: for as long as that waits for its commit.
const SETTLED: usize = 10_000;
/// How long an answer that is under way is waited for when the program is to stop: it decides whether somebody was told.
const LAST_ANSWER: Duration = Duration::from_secs(4);

/// The last event that was tried in this run. What the outbox says of it may be older: its commit may still be to come.
struct Tried {
    event_id: String,
    /// Attempts so far, this one included.
    attempts: u32,
    /// When it is to be tried again. On the timer's clock, which nobody sets.
    again: Instant,
}

/// The events that were told or given up in this run, the latest last.
#[derive(Clone, Default)]
struct Settled(Arc<Mutex<(VecDeque<String>, HashSet<String>)>>);

impl Settled {
    fn add(&self, event_id: &str) {
        let mut settled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (order, all) = &mut *settled;
        if order.len() == SETTLED
            && let Some(oldest) = order.pop_front()
        {
            all.remove(&oldest);
        }
        order.push_back(event_id.to_owned());
        all.insert(event_id.to_owned());
    }

    /// Whether an event is settled: the outbox will know in a moment, or when the history can be written again.
    fn has(&self, event_id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.contains(event_id)
    }
}

/// Where the events of a channel are read.
struct Outbox {
    reader: Reader,
    thread: Pool,
}

enum Next {
    Tell(Box<DueEvent>),
    Wait(Duration),
}

/// Serves one channel until shutdown. A channel that hangs delays nothing but itself.
pub async fn run(channel: Channel, reader: Reader, writer: Writer, clock: Clock, shutdown: Shutdown) {
    let settled = Settled::default();
    restarting(format!("the alerts ({})", channel.name()), shutdown, |shutdown| {
        serve(channel.clone(), reader.clone(), writer.clone(), clock.clone(), settled.clone(), shutdown)
    })
    .await;
}

async fn serve(
    channel: Channel,
    reader: Reader,
    writer: Writer,
    clock: Clock,
    settled: Settled,
    mut shutdown: Shutdown,
) {
    let mut bell = writer.outbox_notify();
    let mut tried: Option<Tried> = None;
    let mut own = Own::default();
    // A thread of its own: whoever reads pages does not make an alert wait.
    let outbox = Outbox { reader, thread: Pool::new("outbox", 1, 1) };
    while !shutdown.is_requested() {
        bell.mark_unchanged();
        // What is wrong with the monitor comes first: it bears on everything else.
        let own_pause = tokio::select! {
            biased;
            pause = own.tell(&channel, &writer, &settled) => pause,
            () = cut_off(&mut shutdown) => return,
        };
        match next(&channel, &outbox, &writer, &clock, tried.as_ref(), &settled).await {
            Next::Tell(event) => {
                writer.telling(&event, channel.name()).await;
                let attempt = tokio::select! {
                    biased;
                    attempt = tell(&channel, &event, &clock) => attempt,
                    () = cut_off(&mut shutdown) => return,
                };
                tried = match &attempt {
                    Attempt::Later { at, .. } => {
                        let pause = Duration::from_millis(at.since(clock.now()).max(0).unsigned_abs());
                        let (event_id, attempts) = (event.event_id.clone(), event.attempts + 1);
                        Some(Tried { event_id, attempts, again: Instant::now() + pause })
                    }
                    Attempt::Delivered | Attempt::GivenUp { .. } => {
                        settled.add(&event.event_id);
                        None
                    }
                };
                writer.attempted(&event, channel.name(), attempt).await;
            }
            Next::Wait(pause) => tokio::select! {
                biased;
                () = shutdown.requested() => return,
                _ = bell.changed() => {}
                () = sleep(pause.min(own_pause)) => {}
            },
        }
    }
}

/// How far a channel is with the alarms about the monitor itself. They lie in memory, and end with the run.
#[derive(Default)]
struct Own {
    /// The last one that it was told of.
    told: u64,
    attempts: u32,
    again: Option<Instant>,
}

impl Own {
    /// Tells of those that are due; how long until the next attempt.
    async fn tell(&mut self, channel: &Channel, writer: &Writer, settled: &Settled) -> Duration {
        while let Some(alarm) = writer.next_alarm(self.told) {
            if settled.has(&alarm.event_id) {
                self.told = alarm.number;
                continue;
            }
            let pause = self.again.map_or(Duration::ZERO, |again| again.saturating_duration_since(Instant::now()));
            if !pause.is_zero() {
                return pause;
            }
            let event = if alarm.is_over { "monitor.recovered" } else { "monitor.failing" };
            let notice = Notice {
                event_id: alarm.event_id,
                event: event.to_owned(),
                text: format!("The monitor itself: {}", one_line(&alarm.text, LONGEST_MESSAGE)),
                service: None,
                incident: serde_json::Value::Null,
            };
            match channel.deliver(&notice).await {
                Ok(()) => {
                    tracing::info!(channel = channel.name(), event, "notified");
                    settled.add(&notice.event_id);
                    *self = Own { told: alarm.number, ..Own::default() };
                }
                Err(error) => {
                    if self.attempts == 0 {
                        tracing::warn!(channel = channel.name(), event, "notification failed, retrying: {error}");
                    }
                    let pause = (FIRST_PAUSE_MS << self.attempts.min(20)).min(LONGEST_PAUSE_MS);
                    self.attempts += 1;
                    self.again = Some(Instant::now() + Duration::from_millis(pause.unsigned_abs()));
                }
            }
        }
        LOOK
    }
}

async fn cut_off(shutdown: &mut Shutdown) {
    shutdown.requested().await;
    sleep(LAST_ANSWER).await;
}

/// What is to be done now: the events of a channel are told in their order, so it depends on the first alone.
async fn next(
    channel: &Channel,
    outbox: &Outbox,
    writer: &Writer,
    clock: &Clock,
    tried: Option<&Tried>,
    settled: &Settled,
) -> Next {
    let (asked, name, known) = (outbox.reader.clone(), channel.name(), settled.clone());
    let Ok(first) = outbox.thread.run(move |_| asked.next_event(name, &|id| known.has(id))) else {
        return Next::Wait(LOOK);
    };
    let stored = match first.await {
        Ok(Ok(event)) => event,
        Ok(Err(error)) => {
            tracing::warn!("the outbox could not be read: {error}");
            None
        }
        Err(_panic) => return Next::Wait(LOOK),
    };
    let unstored = |owed| writer.next_unstored_event(name, owed, &|id| settled.has(id));
    let Some(mut event) = unstored(true).or(stored).or_else(|| unstored(false)) else {
        return Next::Wait(LOOK);
    };
    match tried.filter(|tried| tried.event_id == event.event_id) {
        Some(Tried { again, attempts, .. }) => {
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
            tracing::info!(channel = name, service, event = event.event.as_str(), "notified");
            Attempt::Delivered
        }
        Err(error)
            if event.attempts >= GIVE_UP_AFTER_ATTEMPTS && clock.now().since(event.created_at) > GIVE_UP_AFTER_MS =>
        {
            tracing::error!(channel = name, service, "notification given up after seven days: {error}");
            Attempt::GivenUp { error }
        }
        Err(error) => {
            let pause = (FIRST_PAUSE_MS << event.attempts.min(20)).min(LONGEST_PAUSE_MS);
            let at = clock.now().plus(pause);
            if event.attempts == 0 {
                tracing::warn!(channel = name, service, "notification failed, retrying: {error}");
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
        service: Some(outage.service.clone()),
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
