//! What takes results in: the side of the writer that everybody else has.

use super::{
    ahead::Ahead,
    alarms::{Alarm, Alarms},
    commit::{Announce, Note},
    respond::{Response, Responses, Tell},
    track::Record,
};
use crate::{
    domain::{
        diagnosis::Diagnosis,
        incident::{GapReason, StatedNote},
        time::UnixMs,
    },
    live::ServiceId,
    routing::{ChannelName, Facts, Routing},
    store::tables::{
        outbox::{Attempt, DueEvent, SentMessage},
        runs::Interruption,
    },
    threads::Pool,
};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

/// Results that may wait while the store fails.
pub(in crate::store) const CAPACITY: usize = 100_000;

pub(in crate::store) enum Message {
    /// A result, and who waits for its commit.
    Record(Box<Record>, Option<oneshot::Sender<()>>),
    /// A result that found no room.
    Lost(Box<Record>),
    Note(Note),
    /// A note whose commit a caller waits for.
    Awaited(Note, oneshot::Sender<()>),
    Stop,
}

/// Takes results in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    pub(in crate::store) sender: mpsc::UnboundedSender<Message>,
    pub(in crate::store) shared: Arc<Shared>,
    pub(in crate::store) ahead: Ahead,
    pub(in crate::store) responses: Responses,
    /// Writes what is noted beside the history: while the writer's own thread is stuck with the disk, alerts go on.
    pub(in crate::store) beside: Pool,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Message::Record(..) => "Record",
            Message::Lost(_) => "Lost",
            Message::Note(_) | Message::Awaited(..) => "Note",
            Message::Stop => "Stop",
        })
    }
}

#[derive(Debug)]
pub(in crate::store) struct Shared {
    /// Results taken in and not committed.
    pub(in crate::store) waiting: AtomicUsize,
    pub(in crate::store) committed: AtomicU64,
    pub(in crate::store) commits: AtomicU64,
    pub(in crate::store) dropped: AtomicU64,
    /// Results that may wait.
    pub(in crate::store) capacity: AtomicUsize,
    /// Calls for another try of what was given up.
    pub(in crate::store) retries: AtomicU64,
    /// Why the store fails, while it does.
    pub(in crate::store) trouble: Mutex<Option<String>>,
    /// Results that found no room since the last commit.
    pub(in crate::store) lost: Mutex<Option<Interruption>>,
    pub(in crate::store) alarms: Alarms,
    /// Changes when a channel is to be notified of something. The change wakes every channel.
    pub(in crate::store) events: watch::Sender<()>,
}

/// Figures about the writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WriterFigures {
    /// Results taken in and not committed.
    pub waiting: usize,
    pub committed: u64,
    pub commits: u64,
    /// Results that were made and could not be kept.
    pub dropped: u64,
}

pub(in crate::store) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    /// Whether one more result has room. Query this before the state machine sees the result: a result that is not kept
    /// must not move the state machine, so that the history and the states never disagree.
    pub fn has_room(&self) -> bool {
        self.shared.waiting.load(Relaxed) < self.shared.capacity.load(Relaxed)
    }

    /// Lets no more than so many results wait while the store fails.
    pub fn limit_waiting(&self, results: usize) {
        self.shared.capacity.store(results.min(CAPACITY), Relaxed);
    }

    /// Takes a result in; it is recorded when its commit has returned.
    pub fn record(&self, record: Record) {
        self.shared.waiting.fetch_add(1, Relaxed);
        // The receiver lives until `Stopping::stop`, after the last sender of results has ended.
        let _ = self.sender.send(Message::Record(Box::new(record), None));
    }

    /// The same; what comes back resolves when the result is committed, and fails where it never will be.
    pub fn record_awaited(&self, record: Record) -> oneshot::Receiver<()> {
        self.shared.waiting.fetch_add(1, Relaxed);
        let (done, written) = oneshot::channel();
        let _ = self.sender.send(Message::Record(Box::new(record), Some(done)));
        written
    }

    /// Takes in a result that found no room: the writer shows it, notifies channels of it, and never stores it. A state
    /// machine of its own has seen it, which goes on from the state machine of the results that are kept.
    pub fn record_dropped(&self, record: Record) {
        let at = record.result.at;
        self.shared.dropped.fetch_add(1, Relaxed);
        let mut lost = locked(&self.shared.lost);
        let so_far = lost.get_or_insert(Interruption { from: at, to: at, why: GapReason::NotStored, results: 0 });
        so_far.to = so_far.to.max(at);
        so_far.results += 1;
        drop(lost);
        let _ = self.sender.send(Message::Lost(Box::new(record)));
    }

    /// Notes what interrupted the observation.
    pub fn interrupted(&self, interruption: Interruption) {
        let _ = self.sender.send(Message::Note(Note::Interruption(interruption)));
    }

    /// The events of a channel that the outbox does not have yet, because the history cannot be written; `settled` are
    /// those that the channel has been notified of. What is in the outbox happened before them, unless they are `owed`:
    /// ends of outages that the channel was notified of and that never came into the history.
    pub fn unstored_events(&self, channel: &str, owed: bool, settled: &dyn Fn(&str) -> bool) -> Vec<DueEvent> {
        self.ahead.pending(channel, owed, settled)
    }

    /// A channel is about to be notified of an event. Where the event is not stored, the writer records this beside the
    /// history first, on a thread that may block.
    pub async fn telling(&self, event: &DueEvent, channel: &ChannelName) {
        if !event.is_stored {
            let (ahead, id, channel) = (self.ahead.clone(), event.event_id.clone(), channel.clone());
            self.beside(move || ahead.telling(&id, &channel)).await;
        }
    }

    /// Notes how an attempt to deliver events in a message ended; `None`: without one.
    pub async fn attempted(
        &self,
        events: &[DueEvent],
        channel: &ChannelName,
        message: Option<SentMessage>,
        attempt: Attempt,
    ) {
        if !matches!(attempt, Attempt::Later { .. }) {
            for event in events.iter().filter(|event| !event.is_stored) {
                let (ahead, id, channel) = (self.ahead.clone(), event.event_id.clone(), channel.clone());
                self.beside(move || ahead.told(&id, &channel)).await;
            }
        }
        let event_ids = events.iter().map(|event| event.event_id.clone()).collect();
        let channel = channel.clone();
        let _ = self.sender.send(Message::Note(Note::Attempt { event_ids, channel, message, attempt }));
    }

    /// Notifies channels of something beside incidents, once for each event id.
    pub fn announce(&self, announce: Announce) {
        let _ = self.sender.send(Message::Note(Note::Announce(Box::new(announce))));
    }

    /// Has something count as announced of which nobody is notified.
    pub fn note_announced(&self, event_id: String) {
        let _ = self.sender.send(Message::Note(Note::Announced(event_id)));
    }

    /// The channels that something of these facts goes to; none while it is silenced.
    pub fn recipients(&self, facts: &Facts<'_>, now: UnixMs) -> Vec<ChannelName> {
        self.ahead.recipients(facts, now)
    }

    /// Who is notified of what.
    pub fn routing(&self) -> Arc<Routing> {
        self.ahead.routing()
    }

    /// What people did about the alerts that there are.
    pub fn responses(&self) -> &Responses {
        &self.responses
    }

    /// Writes down what somebody does about alerts. `true` when it has been committed; `false` when it never will be. While
    /// the store fails this waits.
    pub async fn respond(&self, response: Response) -> bool {
        let (done, written) = oneshot::channel();
        let _ = self.sender.send(Message::Awaited(Note::Response(Box::new(response)), done));
        written.await.is_ok()
    }

    /// Notifies channels of an incident that goes on, for the first time or once more.
    pub fn tell(&self, tell: Tell) {
        let _ = self.sender.send(Message::Note(Note::Tell(Box::new(tell))));
    }

    /// Takes in what was found out when the outage of a service began that began at a moment.
    pub fn diagnosed(&self, service: ServiceId, started_at: UnixMs, diagnosis: Diagnosis) {
        let _ = self.sender.send(Message::Note(Note::Diagnosed(Box::new((service, started_at, diagnosis)))));
    }

    /// The id of the history, with which the ids of its events begin.
    pub fn history_id(&self) -> String {
        self.ahead.history()
    }

    /// Has events that were given up tried again, of one channel or of all. `true` when that has been committed.
    pub async fn retry_given_up(&self, channel: Option<ChannelName>) -> bool {
        let (done, written) = oneshot::channel();
        let _ = self.sender.send(Message::Awaited(Note::Retry { channel }, done));
        let is_written = written.await.is_ok();
        self.shared.retries.fetch_add(1, Relaxed);
        self.shared.events.send_replace(());
        is_written
    }

    /// How often [`Writer::retry_given_up`] was called in this run. What was given up before may be in the outbox again.
    pub fn retries(&self) -> u64 {
        self.shared.retries.load(Relaxed)
    }

    async fn beside(&self, work: impl FnOnce() + Send + 'static) {
        if let Ok(done) = self.beside.run(|_| work()) {
            let _ = done.await;
        }
    }

    /// Writes somebody's note on an outage (`None` removes it). `true` when it has been committed; `false` when it
    /// never will be. While the store fails this waits.
    pub async fn note_incident(&self, outage: i64, text: Option<String>) -> bool {
        let (done, written) = oneshot::channel();
        let _ = self.sender.send(Message::Awaited(Note::Incident { outage, text }, done));
        written.await.is_ok()
    }

    /// Writes the notes that the configuration has. The log reports those that fit no incident.
    pub fn state_notes(&self, notes: Vec<StatedNote>) {
        if !notes.is_empty() {
            let _ = self.sender.send(Message::Note(Note::Stated(notes)));
        }
    }

    /// The first alarm about the monitor itself after the alarm of this number.
    pub fn next_alarm(&self, after: u64) -> Option<Alarm> {
        self.shared.alarms.after(after)
    }

    /// Notifies every channel that something is wrong with the monitor itself, or is right again.
    pub(in crate::store) fn alarm(&self, is_over: bool, text: String, now: UnixMs) {
        let channels = self.ahead.recipients(&Facts::of_the_monitor(now), now);
        self.shared.alarms.raise(&self.ahead.history(), is_over, text, channels, now);
        self.shared.events.send_replace(());
    }

    /// Why the store fails, while it does.
    pub fn trouble(&self) -> Option<String> {
        locked(&self.shared.trouble).clone()
    }

    /// Figures for `/metrics`.
    pub fn figures(&self) -> WriterFigures {
        WriterFigures {
            waiting: self.shared.waiting.load(Relaxed),
            committed: self.shared.committed.load(Relaxed),
            commits: self.shared.commits.load(Relaxed),
            dropped: self.shared.dropped.load(Relaxed),
        }
    }

    /// Changes when an event has been written.
    pub fn outbox_notify(&self) -> watch::Receiver<()> {
        self.shared.events.subscribe()
    }
}

/// The running writer, for whoever has to end it.
#[derive(Debug)]
pub struct Stopping {
    pub(in crate::store) sender: mpsc::UnboundedSender<Message>,
    pub(in crate::store) task: JoinHandle<()>,
}

impl Stopping {
    /// Commits what has been taken in, notes a clean end and lets go of the file.
    pub async fn stop(self) {
        let _ = self.sender.send(Message::Stop);
        if let Err(panic) = self.task.await {
            tracing::error!("the writer panicked: {panic}");
        }
    }
}
