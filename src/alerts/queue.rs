//! The events of one channel on their way: which message is next, and what became of it.

use super::{
    compose::Composer,
    health::ChannelsHealth,
    last_message::{self, LastMessage},
    plan::{self, LOOK, Plan, Sent},
    settled::Settled,
};
use crate::{
    clock::Clock,
    domain::{time::DAY_MS, window::Window},
    history::figures,
    live::LiveState,
    notify::{Channel, Delivered, Failure, Notice, Place, Receipt},
    store::{Attempt, DueEvent, Event, Reader, SentMessage, Writer},
    threads::Pool,
};
use chrono_tz::Tz;
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::time::Instant;

/// The first pause after a failed attempt; doubled at each further one.
const FIRST_PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 10 * 60_000;
/// A pause is up to this part of it longer.
const JITTER: i64 = 5;
/// An event that could not be delivered for this long, and after so many attempts, is given up. Both are required: a
/// clock that was set must not suppress a notification.
const GIVE_UP_AFTER_MS: i64 = 7 * DAY_MS;
const GIVE_UP_AFTER_ATTEMPTS: u32 = 50;
/// A channel gives up a message that was refused so often: the messages behind it must not wait for it.
const REFUSALS: u32 = 4;
/// How soon a channel looks again whether its last message is recorded.
const COMMIT: Duration = Duration::from_millis(100);

/// What the channels have in common.
#[derive(Clone)]
pub struct Context {
    pub reader: Reader,
    pub writer: Writer,
    pub live: Arc<LiveState>,
    pub health: ChannelsHealth,
    pub clock: Clock,
    /// The zone of the times in messages.
    pub zone: Tz,
    /// Where the pages are, as others reach them, without a slash at its end; `None`: messages have no links.
    pub public_url: Option<String>,
}

/// The message that was tried last in this run and is to be tried again. What the outbox records of its events may be
/// older: their commit may still be to come.
pub(super) struct Tried {
    pub(super) events: Vec<DueEvent>,
    pub(super) notice: Notice,
    pub(super) place: Place,
    /// Attempts so far.
    attempts: u32,
    /// When it is to be tried again. On the timer's clock, which nobody sets.
    again: Instant,
}

/// Where the events of a channel are read.
pub(super) struct Outbox {
    pub(super) reader: Reader,
    pub(super) thread: Pool,
}

/// What is to be done next.
pub(super) enum Next {
    Deliver(Box<Tried>),
    /// Nobody is notified of these.
    Settle(Vec<DueEvent>),
    Wait(Duration),
}

/// The events of one channel on their way.
pub(super) struct Queue {
    pub(super) channel: Channel,
    pub(super) writer: Writer,
    pub(super) clock: Clock,
    pub(super) settled: Settled,
    outbox: Outbox,
    pub(super) composer: Composer,
    health: ChannelsHealth,
    tried: Option<Tried>,
    sent: Sent,
    /// `None` where nothing can be added to it.
    last: Option<LastMessage>,
    /// Until when nothing can change what is to be done, so that the outbox need not be read.
    quiet_until: Option<Instant>,
    /// How often users have requested another attempt for the events that were given up.
    retries: u64,
    /// The first event that waits, and since when it is known.
    first: Option<(String, Instant)>,
}

impl Queue {
    pub(super) fn new(channel: Channel, context: Context, settled: Settled) -> Queue {
        let Context { reader, writer, live, health, clock, zone, public_url } = context;
        // A thread of its own: whoever reads pages does not make an alert wait.
        let outbox = Outbox { reader, thread: Pool::new("outbox", 1, 1) };
        let (name, key) = (channel.name().clone(), writer.responses().link_key());
        let composer = Composer { live, zone, public_url, channel: name, key };
        let (sent, retries) = (Sent::default(), writer.retries());
        let (tried, last, quiet_until, first) = (None, None, None, None);
        Queue {
            channel,
            writer,
            clock,
            settled,
            outbox,
            composer,
            health,
            tried,
            sent,
            last,
            quiet_until,
            retries,
            first,
        }
    }

    /// What is to be done now.
    pub(super) async fn next(&mut self) -> Next {
        let retries = self.writer.retries();
        if retries != self.retries {
            self.retries = retries;
            self.settled.forget_given_up();
        }
        if let Some(until) = self.quiet_until.take_if(|until| *until > Instant::now()) {
            return self.quiet(until.duration_since(Instant::now()));
        }
        let mut waiting = match self.waiting().await {
            Some(waiting) => waiting,
            None => return Next::Wait(LOOK),
        };
        // A message that failed is tried again as it was, unless the history took one of its events back.
        if let Some(tried) = self.tried.take() {
            let ids: HashSet<&str> = waiting.iter().map(|event| event.event_id.as_str()).collect();
            let is_edit = matches!(tried.place, Place::Edit(_));
            let is_late = is_edit && !self.last.as_ref().is_some_and(|last| last.is_fresh(Instant::now()));
            if !is_late && tried.events.iter().all(|event| ids.contains(event.event_id.as_str())) {
                let pause = tried.again.saturating_duration_since(Instant::now());
                if pause.is_zero() {
                    return Next::Deliver(Box::new(tried));
                }
                self.tried = Some(tried);
                return self.quiet(pause);
            }
            if is_edit {
                // Another one could have its id and not its text.
                self.last = None;
            }
        }
        let (now, at) = (self.clock.now(), Instant::now());
        let first = waiting.first().map(|event| event.event_id.as_str());
        if first != self.first.as_ref().map(|(known, _)| known.as_str()) {
            self.first = first.map(|first| (first.to_owned(), at));
        }
        let since = self.first.as_ref().map_or(at, |(_, since)| *since);
        let ahead: Vec<bool> = waiting.iter().map(|event| self.settled.is_ahead_of_its_trigger(event)).collect();
        let must_wait = |members: &[usize]| self.writer.trouble().is_none() && members.iter().any(|n| ahead[*n]);
        self.settled.add_triggers(&mut waiting);
        let editable_at = self.last.as_ref().and_then(|last| last.editable_at(&waiting, at));
        let planned = plan::plan(&waiting, &self.channel.batching, &self.sent, editable_at, now, (since, at));
        let members = match planned {
            Plan::Idle => return Next::Wait(LOOK),
            // Where the receiver keeps state a resolve waits for nobody.
            Plan::Wait(pause) if self.channel.batching.keeps_state => return Next::Wait(pause.min(LOOK)),
            Plan::Wait(pause) => return self.quiet(pause),
            Plan::Edit => return self.edit(waiting),
            Plan::Send(members) | Plan::Settle(members) if must_wait(&members) => return Next::Wait(COMMIT),
            Plan::Settle(members) => return Next::Settle(members.iter().map(|n| waiting[*n].clone()).collect()),
            Plan::Send(members) => members,
        };
        let events: Vec<DueEvent> = members.iter().map(|n| waiting[*n].clone()).collect();
        // Tried by a run before this one. No pause is longer than the longest, unless the clock was set back.
        let first = events.first();
        match first.map_or(0, |first| first.next_at.since(now)) {
            pause if (1..=LONGEST_PAUSE_MS + LONGEST_PAUSE_MS / JITTER).contains(&pause) => {
                Next::Wait(Duration::from_millis(pause.unsigned_abs()).min(LOOK))
            }
            _ => {
                let attempts = first.map_or(0, |first| first.attempts);
                let uptime = self.uptime_of_the_day(&events).await;
                match self.composer.compose(&events.iter().collect::<Vec<_>>(), uptime) {
                    Some(notice) => {
                        let place = place(&events);
                        Next::Deliver(Box::new(Tried { events, notice, place, attempts, again: Instant::now() }))
                    }
                    None => Next::Wait(LOOK),
                }
            }
        }
    }

    /// Of a service that is up again: its uptime in the 24 hours before, a share of 1.
    async fn uptime_of_the_day(&self, events: &[DueEvent]) -> Option<f64> {
        let last = events.last().filter(|last| last.is_stored)?.incident()?;
        let (outage, end) = (&last.outage, last.outage.ended_at.filter(|_| last.event == Event::Resolved)?);
        if events.iter().any(|event| event.incident().is_none_or(|one| one.outage.id != outage.id)) {
            return None;
        }
        let (reader, service) = (self.outbox.reader.clone(), self.composer.live.get(&outage.service)?.id);
        let ask = move |_: &_| figures::uptime(&reader, service, Window::ending(end, DAY_MS), end);
        self.outbox.thread.run(ask).ok()?.await.ok()?.ok()?.uptime
    }

    /// Adds all that waits to the last message.
    fn edit(&self, waiting: Vec<DueEvent>) -> Next {
        let last = self.last.as_ref();
        let all: Vec<&DueEvent> = last.into_iter().flat_map(|last| &last.events).chain(&waiting).collect();
        match last.zip(self.composer.compose(&all, None)) {
            Some((last, notice)) => {
                let place = Place::Edit(last.receipt.clone());
                Next::Deliver(Box::new(Tried { events: waiting, notice, place, attempts: 0, again: Instant::now() }))
            }
            None => Next::Wait(LOOK),
        }
    }

    /// Waits, whatever comes: in a storm every event wakes every channel, and what waits is read whole.
    fn quiet(&mut self, pause: Duration) -> Next {
        let pause = pause.min(LOOK);
        self.quiet_until = Some(Instant::now() + pause);
        Next::Wait(pause)
    }

    /// The events that wait, in the order in which they happened.
    async fn waiting(&self) -> Option<Vec<DueEvent>> {
        let (reader, name, known) = (self.outbox.reader.clone(), self.channel.name().clone(), self.settled.clone());
        let health = self.health.clone();
        let read = self
            .outbox
            .thread
            .run(move |_| {
                let events = reader.pending_events(&name, plan::MOST, &|id| known.has(id));
                if health.is_due()
                    && let Ok(all) = reader.channels()
                {
                    health.set(all);
                }
                events
            })
            .ok()?;
        let stored = match read.await {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => {
                tracing::warn!("the outbox could not be read: {error}");
                Vec::new()
            }
            Err(_panic) => return None,
        };
        let is_settled = |id: &str| self.settled.has(id);
        let mut waiting = self.writer.unstored_events(self.channel.name(), true, &is_settled);
        waiting.extend(stored);
        waiting.extend(self.writer.unstored_events(self.channel.name(), false, &is_settled));
        Some(waiting)
    }

    /// The beginnings of open incidents that the channel was notified of.
    pub(super) async fn open_alerts(&self) -> Vec<DueEvent> {
        let (reader, name) = (self.outbox.reader.clone(), self.channel.name().clone());
        let Ok(read) = self.outbox.thread.run(move |_| reader.open_alerts(&name)) else { return Vec::new() };
        match read.await {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => {
                tracing::warn!("the open alerts could not be read: {error}");
                Vec::new()
            }
            Err(_panic) => Vec::new(),
        }
    }

    /// The message about an event that the channel was notified of, once more: as of now, under an id of its own.
    pub(super) fn again(&self, event: &DueEvent) -> Option<Notice> {
        let now = self.clock.now();
        let notice = self.composer.compose(&[event], None)?;
        Some(Notice { event_id: format!("{}-again-{}", notice.event_id, now.0 / 1000), at: now.to_string(), ..notice })
    }

    /// Notes how an attempt ended.
    pub(super) async fn note(&mut self, message: Tried, outcome: Result<Delivered, Failure>) {
        if matches!(message.place, Place::Edit(_)) {
            return self.note_edit(message, outcome).await;
        }
        let Tried { events, notice, place, attempts, .. } = message;
        let name = self.channel.name().clone();
        let mut sent = SentMessage { id: notice.event_id.clone(), ..SentMessage::default() };
        let service = notice.service.as_deref().unwrap_or("several");
        let oldest = events.iter().map(|event| event.created_at).min().unwrap_or(self.clock.now());
        let failure = match outcome {
            Ok(delivered) => {
                tracing::info!(channel = %name, service, event = notice.event, events = events.len(), "notified");
                self.sent.add(events.len(), Instant::now());
                sent.receipt = delivered.receipt.as_ref().map(|receipt| receipt.as_json().to_owned());
                self.settle(&events, Some(sent), Attempt::Delivered).await;
                let receipt = delivered.receipt.filter(|_| self.channel.can_edit() && !self.channel.batching.each);
                self.last = receipt.and_then(|receipt| LastMessage::new(events, receipt, Instant::now()));
                return;
            }
            // The message that it follows may be gone. It has to be delivered all the same.
            Err(Failure::Refused { why }) if matches!(place, Place::Below(_)) => {
                tracing::info!(channel = %name, service, "not taken as a reply, sent by itself: {why}");
                self.tried = Some(Tried { events, notice, place: Place::New, attempts, again: Instant::now() });
                return;
            }
            Err(failure) => failure,
        };
        let is_old = attempts >= GIVE_UP_AFTER_ATTEMPTS && self.clock.now().since(oldest) > GIVE_UP_AFTER_MS;
        let error = failure.why().to_owned();
        match failure {
            Failure::Refused { .. } if attempts + 1 >= REFUSALS => {
                tracing::error!(channel = %name, service, "notification given up, it is refused: {error}");
                self.settle(&events, Some(sent), Attempt::GivenUp { error }).await;
            }
            _ if is_old => {
                tracing::error!(channel = %name, service, "notification given up after seven days: {error}");
                self.settle(&events, Some(sent), Attempt::GivenUp { error }).await;
            }
            failure => {
                if attempts == 0 {
                    tracing::warn!(channel = %name, service, "notification failed, retrying: {error}");
                }
                let wished = match failure {
                    Failure::Later { after, .. } => after.map_or(0, |after| after.as_millis() as i64),
                    Failure::Refused { .. } => 0,
                };
                let pause = pause_ms(attempts, &notice.event_id).max(wished);
                let at = self.clock.now().plus(pause);
                let again = Instant::now() + Duration::from_millis(pause.unsigned_abs());
                self.writer.attempted(&events, &name, Some(sent), Attempt::Later { at, error }).await;
                self.tried = Some(Tried { events, notice, place, attempts: attempts + 1, again });
            }
        }
    }

    /// Notes how an edit ended. Its events are settled with it, or become a message of their own.
    async fn note_edit(&mut self, edit: Tried, outcome: Result<Delivered, Failure>) {
        let Tried { events, notice, place, attempts, .. } = edit;
        let name = self.channel.name().clone();
        let mut sent = SentMessage { id: notice.event_id.clone(), ..SentMessage::default() };
        let now = Instant::now();
        match outcome {
            Ok(_) => {
                tracing::info!(channel = %name, event = notice.event, events = events.len(), "added to the last message");
                if let Some(last) = &self.last {
                    sent.receipt = Some(last.receipt.as_json().to_owned());
                    sent.joined = last.events.iter().map(|event| event.event_id.clone()).collect();
                }
                self.settle(&events, Some(sent), Attempt::Delivered).await;
                if let Some(last) = &mut self.last {
                    last.add(events, now);
                }
            }
            Err(Failure::Refused { why }) => {
                tracing::info!(channel = %name, "the last message cannot be edited, a new one follows: {why}");
                self.last = None;
            }
            Err(Failure::Later { why: error, after }) => {
                let wished = after.map_or(0, |after| after.as_millis() as i64);
                let pause = pause_ms(attempts, &notice.event_id).max(wished);
                let at = self.clock.now().plus(pause);
                let again = now + Duration::from_millis(pause.unsigned_abs());
                tracing::warn!(channel = %name, "the last message could not be edited, retrying: {error}");
                // The events are still to be sent for the first time.
                self.writer.attempted(&[], &name, Some(sent), Attempt::Later { at, error }).await;
                if attempts + 1 < last_message::ATTEMPTS {
                    self.tried = Some(Tried { events, notice, place, attempts: attempts + 1, again });
                } else {
                    (self.last, self.quiet_until) = (None, Some(again));
                }
            }
        }
    }

    pub(super) async fn settle(&self, events: &[DueEvent], message: Option<SentMessage>, attempt: Attempt) {
        let given_up = matches!(attempt, Attempt::GivenUp { .. });
        let id = message.as_ref().map(|message| message.id.as_str());
        events.iter().for_each(|event| self.settled.add(&event.event_id, id, given_up));
        self.writer.attempted(events, self.channel.name(), message, attempt).await;
    }
}

/// Below the message that reported the beginning, where all of a message goes on with that one.
fn place(events: &[DueEvent]) -> Place {
    let trigger = |event: &DueEvent| event.incident()?.trigger.clone();
    let Some(first) = events.first().and_then(trigger) else { return Place::New };
    match first.receipt {
        Some(receipt)
            if events.iter().all(|event| trigger(event).is_some_and(|t| t.message_id == first.message_id)) =>
        {
            Place::Below(Receipt::kept(receipt))
        }
        _ => Place::New,
    }
}

/// The pause after so many failed attempts: it doubles, and is up to a fifth longer, so that many who failed together do
/// not come back together.
pub(super) fn pause_ms(attempts: u32, event_id: &str) -> i64 {
    let pause = (FIRST_PAUSE_MS << attempts.min(20)).min(LONGEST_PAUSE_MS);
    // FNV-1a: the same at every start, and another one for every event and attempt.
    let hash = event_id
        .bytes()
        .chain(attempts.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    pause + pause / JITTER * (hash % 1000) as i64 / 1000
}
