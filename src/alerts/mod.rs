//! Notifies people of incidents: takes events out of the outbox, in their order, and tries until they are delivered.
//!
//! The outbox is written in the transaction of the incident, so that no event is lost and none is invented. While the
//! history cannot be written, a channel sends confirmed events from memory, under the ids that they will have in the
//! outbox. A channel sends an event again only when the answer to it was lost, and then under the same id.

mod compose;
pub mod heartbeat;
mod plan;

use self::{
    compose::Composer,
    plan::{Plan, Sent},
};
use crate::{
    clock::Clock,
    domain::time::{DAY_MS, UnixMs},
    live::LiveState,
    notify::{Channel, Delivered, Failure, Notice},
    shutdown::{Shutdown, restarting},
    store::{Attempt, ChannelHealth, DueEvent, Reader, Writer},
    threads::Pool,
};
use chrono_tz::Tz;
use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// A message that says that it is a test. `public_url` is where the pages are.
pub fn test_notice(now: UnixMs, public_url: Option<&str>) -> Notice {
    compose::test(now, public_url)
}

/// The first pause after a failed attempt; doubled at each further one.
const FIRST_PAUSE_MS: i64 = 1_000;
const LONGEST_PAUSE_MS: i64 = 10 * 60_000;
/// An event that could not be delivered for this long, and after so many attempts, is given up. Both are required: a
/// clock that was set must not suppress a notification.
const GIVE_UP_AFTER_MS: i64 = 7 * DAY_MS;
const GIVE_UP_AFTER_ATTEMPTS: u32 = 50;
/// A channel gives up a message that was refused so often: the messages behind it must not wait for it.
const REFUSALS: u32 = 4;
/// How often a channel reads the outbox without a wake-up.
const LOOK: Duration = Duration::from_secs(30);
/// Events that are remembered as settled, at most: for as long as that waits for its commit.
const SETTLED: usize = 10_000;
/// How long a channel waits for an answer that is under way when the program is to stop: the answer decides whether the
/// receiver was notified.
const LAST_ANSWER: Duration = Duration::from_secs(4);

/// The message that was tried last in this run and is to be tried again. What the outbox records of its events may be
/// older: their commit may still be to come.
struct Tried {
    events: Vec<DueEvent>,
    notice: Notice,
    /// Attempts so far.
    attempts: u32,
    /// When it is to be tried again. On the timer's clock, which nobody sets.
    again: Instant,
}

/// The events that were delivered or given up in this run: the outbox will know in a moment, or when the history can be
/// written again.
#[derive(Clone, Default)]
struct Settled(Arc<Mutex<SettledEvents>>);

#[derive(Default)]
struct SettledEvents {
    /// The latest last.
    order: VecDeque<String>,
    all: HashSet<String>,
    /// Those of them that were given up.
    given_up: Vec<String>,
}

impl Settled {
    fn add(&self, event_id: &str, given_up: bool) {
        let mut settled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if settled.order.len() == SETTLED
            && let Some(oldest) = settled.order.pop_front()
        {
            settled.all.remove(&oldest);
        }
        settled.order.push_back(event_id.to_owned());
        settled.all.insert(event_id.to_owned());
        if given_up {
            settled.given_up.push(event_id.to_owned());
        }
    }

    /// A user requested another attempt for the events that were given up.
    fn forget_given_up(&self) {
        let mut settled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for event_id in std::mem::take(&mut settled.given_up) {
            settled.all.remove(&event_id);
            settled.order.retain(|known| *known != event_id);
        }
    }

    fn has(&self, event_id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.contains(event_id)
    }
}

/// Where the events of a channel are read.
struct Outbox {
    reader: Reader,
    thread: Pool,
}

enum Next {
    Deliver(Box<Tried>),
    /// Nobody is notified of these.
    Settle(Vec<DueEvent>),
    Wait(Duration),
}

/// How the channels do, as it was known when one of them last looked into the outbox: half a minute ago at most. Cheap to
/// clone, and read without asking the history.
#[derive(Clone, Default, Debug)]
pub struct ChannelsHealth(Arc<Mutex<Vec<ChannelHealth>>>);

impl ChannelsHealth {
    /// By name; those that were never used and have nothing to deliver are not among them.
    pub fn all(&self) -> Vec<ChannelHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, all: Vec<ChannelHealth>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

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

/// Serves one channel until shutdown. A channel that hangs delays nothing but itself.
pub async fn run(channel: Channel, context: Context, shutdown: Shutdown) {
    let settled = Settled::default();
    restarting(format!("the alerts ({})", channel.name()), shutdown, |shutdown| {
        serve(channel.clone(), context.clone(), settled.clone(), shutdown)
    })
    .await;
}

async fn serve(channel: Channel, context: Context, settled: Settled, mut shutdown: Shutdown) {
    let Context { reader, writer, live, health, clock, zone, public_url } = context;
    let mut bell = writer.outbox_notify();
    // A thread of its own: whoever reads pages does not make an alert wait.
    let outbox = Outbox { reader, thread: Pool::new("outbox", 1, 1) };
    let composer = Composer { live, zone, public_url };
    let (tried, sent, retries) = (None, Sent::default(), writer.retries());
    let mut queue = Queue { channel, outbox, composer, writer, health, clock, settled, tried, sent, retries };
    let mut own = Own::default();
    while !shutdown.is_requested() {
        bell.mark_unchanged();
        // What is wrong with the monitor comes first: it bears on everything else.
        let own_pause = tokio::select! {
            biased;
            pause = own.tell(&queue) => pause,
            () = cut_off(&mut shutdown) => return,
        };
        match queue.next().await {
            Next::Deliver(message) => {
                for event in &message.events {
                    queue.writer.telling(event, queue.channel.name()).await;
                }
                let outcome = tokio::select! {
                    biased;
                    outcome = queue.channel.deliver(&message.notice) => outcome,
                    () = cut_off(&mut shutdown) => return,
                };
                queue.note(*message, outcome).await;
            }
            Next::Settle(events) => queue.settle(&events, None, Attempt::Delivered).await,
            Next::Wait(pause) => tokio::select! {
                biased;
                () = shutdown.requested() => return,
                _ = bell.changed() => {}
                () = sleep(pause.min(own_pause)) => {}
            },
        }
    }
}

/// The events of one channel on their way.
struct Queue {
    channel: Channel,
    outbox: Outbox,
    composer: Composer,
    writer: Writer,
    health: ChannelsHealth,
    clock: Clock,
    settled: Settled,
    tried: Option<Tried>,
    sent: Sent,
    /// How often users have requested another attempt for the events that were given up.
    retries: u64,
}

impl Queue {
    /// What is to be done now.
    async fn next(&mut self) -> Next {
        let retries = self.writer.retries();
        if retries != self.retries {
            self.retries = retries;
            self.settled.forget_given_up();
        }
        let waiting = match self.waiting().await {
            Some(waiting) => waiting,
            None => return Next::Wait(LOOK),
        };
        // A message that failed is tried again as it was, unless the history took one of its events back.
        if let Some(tried) = self.tried.take() {
            let ids: HashSet<&str> = waiting.iter().map(|event| event.event_id.as_str()).collect();
            if tried.events.iter().all(|event| ids.contains(event.event_id.as_str())) {
                let pause = tried.again.saturating_duration_since(Instant::now());
                if pause.is_zero() {
                    return Next::Deliver(Box::new(tried));
                }
                self.tried = Some(tried);
                return Next::Wait(pause.min(LOOK));
            }
        }
        let now = self.clock.now();
        let members = match plan::plan(&waiting, &self.channel.batching, &self.sent, now, Instant::now()) {
            Plan::Idle => return Next::Wait(LOOK),
            Plan::Wait(pause) => return Next::Wait(pause.min(LOOK)),
            Plan::Settle(members) => return Next::Settle(members.iter().map(|n| waiting[*n].clone()).collect()),
            Plan::Send(members) => members,
        };
        let events: Vec<DueEvent> = members.iter().map(|n| waiting[*n].clone()).collect();
        // Tried by a run before this one. No pause is longer than the longest, unless the clock was set back.
        let first = events.first();
        match first.map_or(0, |first| first.next_at.since(now)) {
            pause if (1..=LONGEST_PAUSE_MS).contains(&pause) => {
                Next::Wait(Duration::from_millis(pause.unsigned_abs()).min(LOOK))
            }
            _ => {
                let attempts = first.map_or(0, |first| first.attempts);
                match self.composer.compose(&events.iter().collect::<Vec<_>>()) {
                    Some(notice) => Next::Deliver(Box::new(Tried { events, notice, attempts, again: Instant::now() })),
                    None => Next::Wait(LOOK),
                }
            }
        }
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
                if let Ok(all) = reader.channels() {
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

    /// Notes how an attempt ended.
    async fn note(&mut self, message: Tried, outcome: Result<Delivered, Failure>) {
        let Tried { events, notice, attempts, .. } = message;
        let name = self.channel.name().clone();
        let id = Some(notice.event_id.clone());
        let service = notice.service.as_deref().unwrap_or("several");
        let oldest = events.iter().map(|event| event.created_at).min().unwrap_or(self.clock.now());
        let failure = match outcome {
            Ok(_) => {
                tracing::info!(channel = %name, service, event = notice.event, events = events.len(), "notified");
                self.sent.add(events.len(), Instant::now());
                return self.settle(&events, id, Attempt::Delivered).await;
            }
            Err(failure) => failure,
        };
        let is_old = attempts >= GIVE_UP_AFTER_ATTEMPTS && self.clock.now().since(oldest) > GIVE_UP_AFTER_MS;
        let error = failure.why().to_owned();
        match failure {
            Failure::Refused { .. } if attempts + 1 >= REFUSALS => {
                tracing::error!(channel = %name, service, "notification given up, it is refused: {error}");
                self.settle(&events, id, Attempt::GivenUp { error }).await;
            }
            _ if is_old => {
                tracing::error!(channel = %name, service, "notification given up after seven days: {error}");
                self.settle(&events, id, Attempt::GivenUp { error }).await;
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
                self.writer.attempted(&events, &name, id, Attempt::Later { at, error }).await;
                self.tried = Some(Tried { events, notice, attempts: attempts + 1, again });
            }
        }
    }

    async fn settle(&self, events: &[DueEvent], message_id: Option<String>, attempt: Attempt) {
        let given_up = matches!(attempt, Attempt::GivenUp { .. });
        events.iter().for_each(|event| self.settled.add(&event.event_id, given_up));
        self.writer.attempted(events, self.channel.name(), message_id, attempt).await;
    }
}

/// The pause after so many failed attempts: it doubles, and is up to a fifth longer, so that many who failed together do
/// not come back together.
fn pause_ms(attempts: u32, event_id: &str) -> i64 {
    let pause = (FIRST_PAUSE_MS << attempts.min(20)).min(LONGEST_PAUSE_MS);
    // FNV-1a: the same at every start, and another one for every event and attempt.
    let hash = event_id
        .bytes()
        .chain(attempts.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    pause + pause * (hash % 200) as i64 / 1000
}

/// How far a channel is with the alarms about the monitor itself. They lie in memory, and end with the run.
#[derive(Default)]
struct Own {
    /// The number of the last alarm that the channel is done with.
    told: u64,
    attempts: u32,
    again: Option<Instant>,
}

impl Own {
    /// Sends the notifications of the alarms that are due; returns how long until the next attempt.
    async fn tell(&mut self, queue: &Queue) -> Duration {
        let name = queue.channel.name();
        while let Some(alarm) = queue.writer.next_alarm(self.told) {
            if queue.settled.has(&alarm.event_id) || !alarm.channels.contains(name) {
                self.told = alarm.number;
                continue;
            }
            let pause = self.again.map_or(Duration::ZERO, |again| again.saturating_duration_since(Instant::now()));
            if !pause.is_zero() {
                return pause;
            }
            let notice = compose::of_the_monitor(&alarm, queue.clock.now());
            let event = notice.event.as_str();
            match queue.channel.deliver(&notice).await {
                Ok(_) => {
                    tracing::info!(channel = %name, event, "notified");
                    queue.settle(&[], Some(notice.event_id.clone()), Attempt::Delivered).await;
                    queue.settled.add(&notice.event_id, false);
                    *self = Own { told: alarm.number, ..Own::default() };
                }
                Err(failure) => {
                    if self.attempts == 0 {
                        tracing::warn!(channel = %name, event, "notification failed, retrying: {}", failure.why());
                    }
                    let pause = pause_ms(self.attempts, &notice.event_id);
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
