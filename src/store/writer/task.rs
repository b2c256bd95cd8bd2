//! The one writer: gathers what comes in a moment, commits it together, and then acknowledges it. While it cannot
//! commit, it shows what waits as it will be, marked as not stored (`pending`).

use super::{
    ahead::Ahead,
    alarms::Alarms,
    commit::{Committed, Note, Rescued, WriteState},
    handle::{CAPACITY, Message, Shared, Stopping, Writer, locked},
    numbers::Numbers,
    pending_state::PendingState,
    refused::{Rest, note_lost, one_by_one},
    rescue::Rescue,
    track::{Record, ServiceTrack},
};
use crate::{
    clock::Clock,
    domain::incident::StatedNote,
    live::{LiveState, ServiceId},
    routing::Facts,
    store::{
        StoreError,
        procedures::{
            prune_reasons::Pruning,
            retention::{RetentionPolicy, RetentionProgress},
        },
        tables::{outages, outbox::Attempt},
    },
    threads::{Broken, Pool},
};
use futures_util::FutureExt;
use std::{
    collections::{HashMap, VecDeque},
    io,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{
        mpsc::{self, error::TryRecvError},
        oneshot, watch,
    },
    time::{Instant, sleep, sleep_until, timeout},
};

/// How long the first result of a commit waits for others.
const GATHER: Duration = Duration::from_millis(200);
/// How often the writer looks in that time whether there are enough, or whether the end has come.
pub(in crate::store) const LISTEN: Duration = Duration::from_millis(100);
/// Results that are committed together at most.
const BATCH: usize = 2_000;
/// A commit that takes longer is one more way in which the store fails.
const LATE: Duration = Duration::from_secs(3);
/// Between two attempts while the store fails.
pub(in crate::store) const RETRY: Duration = Duration::from_secs(1);
/// How often an idle monitor looks whether its file is where it was.
const WATCH: Duration = Duration::from_secs(2);
/// How often an idle monitor notes that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often the writer looks for what is too old.
const RETIRE_EVERY: Duration = Duration::from_secs(3600);
/// How long the end of the program waits for a store that fails.
const LAST_ATTEMPTS: Duration = Duration::from_secs(3);

/// Starts the writer.
///
/// # Errors
/// When the system has no threads for it.
pub(in crate::store) fn start(
    core: WriteState,
    live: Arc<LiveState>,
    clock: Clock,
    keep: RetentionPolicy,
) -> io::Result<(Writer, Stopping)> {
    let (thread, beside) = (Pool::single("write")?, Pool::single("write-beside")?);
    let (sender, receiver) = mpsc::unbounded_channel();
    let (ahead, responses) = (core.ahead.clone(), core.responses.clone());
    let shared = Arc::new(Shared {
        waiting: AtomicUsize::new(0),
        committed: AtomicU64::new(0),
        commits: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
        retries: AtomicU64::new(0),
        capacity: AtomicUsize::new(CAPACITY),
        trouble: Mutex::default(),
        lost: Mutex::default(),
        alarms: Alarms::default(),
        events: watch::Sender::default(),
    });
    let task = Task {
        thread,
        tracks: core.tracks.clone(),
        seen: None,
        numbers: core.numbers.clone(),
        ahead: core.ahead.clone(),
        core: Arc::new(Mutex::new(core)),
        receiver,
        shared: shared.clone(),
        live,
        clock,
        keep,
        sweep: RetentionProgress::default(),
        pruning: Pruning::default(),
        under_way: Arc::default(),
        records: VecDeque::new(),
        notes: Vec::new(),
        awaited: Vec::new(),
        awaited_records: Vec::new(),
        stopping: false,
        rescue: Rescue::default(),
    };
    let broken = shared.clone();
    let task = AssertUnwindSafe(task.run()).catch_unwind().map(move |ended| {
        // What the writer had in memory is lost with it: the writer cannot be started again.
        if ended.is_err() {
            tracing::error!("the writer of the history panicked: nothing is recorded until the service is restarted");
            *locked(&broken.trouble) = Some("the writer panicked; restart the service".to_owned());
        }
    });
    let stopping = Stopping { sender: sender.clone(), task: tokio::spawn(task) };
    Ok((Writer { sender, shared, ahead, responses, beside }, stopping))
}

pub(in crate::store) struct Task {
    /// Blocking work runs on this thread, and nothing else does: no reader and no name server can take it.
    pub(in crate::store) thread: Pool,
    pub(in crate::store) core: Arc<Mutex<WriteState>>,
    /// The state of every service as of the last commit. The core has the same, but a commit may hold the core.
    pub(in crate::store) tracks: HashMap<ServiceId, ServiceTrack>,
    /// The state of the services with what waits, while the store fails.
    pub(in crate::store) seen: Option<PendingState>,
    pub(in crate::store) numbers: Numbers,
    pub(in crate::store) ahead: Ahead,
    pub(in crate::store) receiver: mpsc::UnboundedReceiver<Message>,
    pub(in crate::store) shared: Arc<Shared>,
    pub(in crate::store) live: Arc<LiveState>,
    pub(in crate::store) clock: Clock,
    pub(in crate::store) keep: RetentionPolicy,
    pub(in crate::store) sweep: RetentionProgress,
    pub(in crate::store) pruning: Pruning,
    /// What is being committed,
    pub(in crate::store) under_way: Arc<Vec<Record>>,
    /// and what waits for it.
    pub(in crate::store) records: VecDeque<Record>,
    pub(in crate::store) notes: Vec<Note>,
    /// Who waits for some of the notes.
    pub(in crate::store) awaited: Vec<oneshot::Sender<()>>,
    /// Who waits for some of the records. Where one was not kept, nobody is promised anything.
    pub(in crate::store) awaited_records: Vec<oneshot::Sender<()>>,
    pub(in crate::store) stopping: bool,
    pub(in crate::store) rescue: Rescue,
}

impl Task {
    async fn run(mut self) {
        let mut retire_at = Instant::now() + Duration::from_secs(60);
        let mut beat_at = Instant::now() + HEARTBEAT;
        let mut is_pruning = false;
        while !self.stopping {
            let is_idle = self.records.is_empty() && self.notes.is_empty();
            let patience = if self.records.is_empty() { WATCH } else { Duration::ZERO };
            match timeout(patience, self.receiver.recv()).await {
                Ok(Some(message)) => {
                    self.take(message);
                    self.gather().await;
                }
                Ok(None) => self.stopping = true,
                // There is nothing to write, and the file is where it was.
                Err(_quiet) if is_idle && Instant::now() < beat_at && self.is_in_place().await => continue,
                Err(_quiet) => {}
            }
            beat_at = Instant::now() + HEARTBEAT;
            self.flush().await;
            self.compact().await;
            if self.stopping {
                break;
            }
            if Instant::now() >= retire_at {
                if !self.retire().await {
                    retire_at = Instant::now() + RETIRE_EVERY;
                    is_pruning = true;
                }
            } else if is_pruning {
                is_pruning = self.prune().await;
            }
        }
        self.finish().await;
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Record(record, done) => {
                self.see_one(&record);
                self.records.push_back(*record);
                self.awaited_records.extend(done);
            }
            Message::Lost(record) => self.see_lost(&record),
            Message::Note(note) => self.notes.push(note),
            Message::Awaited(note, done) => {
                self.notes.push(note);
                self.awaited.push(done);
            }
            Message::Stop => self.stopping = true,
        }
    }

    /// Takes in what comes within a moment. The writer sleeps meanwhile and does not listen: to be woken for each of a
    /// thousand results a second would cost as much as to write them.
    async fn gather(&mut self) {
        let until = Instant::now() + GATHER;
        loop {
            self.take_all();
            let now = Instant::now();
            if self.stopping || self.records.len() >= BATCH || now >= until {
                return;
            }
            sleep_until(until.min(now + LISTEN)).await;
        }
    }

    /// Takes in what has come.
    pub(in crate::store) fn take_all(&mut self) {
        loop {
            match self.receiver.try_recv() {
                Ok(message) => self.take(message),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
            }
        }
    }

    /// Commits all that waits; while the store fails, keeps what waits, shows it, and tries again at the next turn.
    async fn flush(&mut self) {
        loop {
            let count = self.records.len().min(BATCH);
            let mut rest = self.records.split_off(count);
            rest.reserve(count);
            let records: Vec<Record> = std::mem::replace(&mut self.records, rest).into();
            let mut notes = std::mem::take(&mut self.notes);
            if let Some(lost) = locked(&self.shared.lost).take() {
                note_lost(&mut notes, lost);
            }
            let (mut done, rest) = self.commit(records, notes).await;
            let failed = rest.is_some();
            if let Some(rest) = rest {
                self.note_trouble(&rest.error);
                if matches!(rest.error, StoreError::Gone(_)) {
                    self.rescue(&rest.error).await;
                }
                rest.records.into_iter().rev().for_each(|record| self.records.push_front(record));
                self.notes = rest.notes;
            }
            let noted = std::mem::take(&mut done.noted);
            self.show(done, failed);
            self.live.noted(noted);
            if failed {
                self.note_answers().await;
                self.look_ahead().await;
                return;
            }
            let settled = self.ahead.committed(&self.tracks);
            settled.into_iter().for_each(|service| self.numbers.carry_on_none(service));
            if self.records.is_empty() {
                acknowledge(std::mem::take(&mut self.awaited_records));
                self.numbers.all_written();
                if self.ahead.has_written() {
                    let ahead = self.ahead.clone();
                    let free = ahead.lose_unstored(&self.tracks);
                    free.iter().for_each(|(service, number)| self.numbers.carry_on(*service, *number));
                    let core = self.core.clone();
                    let work = move || {
                        // Before the number may be forgotten, the history records that it is taken.
                        let last = free.into_iter().map(|(_, number)| number).max();
                        if let Some(Err(error)) = last.map(|number| outages::take_id(&locked(&core).conn, number)) {
                            tracing::warn!("the id of a lost incident could not be recorded: {error}");
                        }
                        ahead.all_written();
                    };
                    let _ = self.blocking(work).await;
                }
                return;
            }
        }
    }

    /// Records beside the history which channels were notified of what, while the history cannot record it.
    async fn note_answers(&mut self) {
        let answers = self.notes.iter().filter_map(|note| match note {
            Note::Attempt { attempt: Attempt::Later { .. }, .. } => None,
            Note::Attempt { event_ids, channel, .. } => Some(event_ids.iter().map(move |id| (id.as_str(), &**channel))),
            _ => None,
        });
        if self.ahead.answered(answers.flatten()) {
            let ahead = self.ahead.clone();
            let _ = self.blocking(move || ahead.save()).await;
        }
    }

    /// Runs `work` on the writer's thread. The work may take long where the disk is the trouble.
    pub(in crate::store) async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Broken> {
        let mut work = self.thread.run(|_| work())?;
        let late_at = Instant::now() + LATE;
        loop {
            match timeout(LISTEN, &mut work).await {
                Ok(done) => return done,
                Err(_under_way) if self.seen.is_none() && !self.under_way.is_empty() && Instant::now() >= late_at => {
                    self.say_trouble(format!("a commit takes longer than {} s", LATE.as_secs()));
                    self.take_all();
                    self.see();
                }
                Err(_under_way) => self.show_what_comes(),
            }
        }
    }

    /// Commits the records. Returns the result of the commit, and what could not be committed.
    async fn commit(&mut self, records: Vec<Record>, notes: Vec<Note>) -> (Committed, Option<Rest>) {
        let (core, now, count) = (self.core.clone(), self.clock.now(), records.len());
        let awaited = std::mem::take(&mut self.awaited);
        let records = Arc::new(records);
        self.under_way = records.clone();
        let work = move || {
            let mut core = locked(&core);
            match core.commit(&records, &notes, now) {
                Ok(done) => (done, None),
                Err(error) if error.is_of_data() => one_by_one(&mut core, records.to_vec(), notes, now),
                Err(error) => (Committed::default(), Some(Rest { error, records: records.to_vec(), notes })),
            }
        };
        let done = self.blocking(work).await;
        self.under_way = Arc::default();
        match &done {
            // The notes were not written: whoever waits for them waits on.
            Ok((_, Some(rest))) if !rest.notes.is_empty() => self.awaited = awaited,
            Ok(_) => acknowledge(awaited),
            Err(_panic) => {}
        }
        let (mut done, rest) = done.unwrap_or_else(|panic| {
            // A record that makes the store panic must not come back for ever.
            tracing::error!(lost = count, "panic in a commit, its results are lost: {panic}");
            (Committed { refused: count, ..Committed::default() }, None)
        });
        if done.repeated > 0 {
            tracing::warn!(results = done.repeated, "results of a time that has one already were not kept");
        }
        let count = count - rest.as_ref().map_or(0, |rest| rest.records.len());
        let not_kept = done.repeated + done.refused;
        if not_kept > 0 {
            self.awaited_records.clear();
        }
        self.shared.dropped.fetch_add(not_kept as u64, Relaxed);
        self.shared.committed.fetch_add((count - not_kept) as u64, Relaxed);
        self.shared.waiting.fetch_sub(count, Relaxed);
        for (StatedNote { service, at, .. }, other) in std::mem::take(&mut done.unfit) {
            let why = match other {
                None => "fits no incident: none of this service lasted at this time".to_owned(),
                Some(id) => format!("is one too many: another one before it is of incident {id} as well"),
            };
            tracing::warn!(service, %at, "a note of the configuration ([[incident_notes]]) {why}");
        }
        if done.events {
            self.shared.events.send_replace(());
        }
        if rest.is_some() {
            return (done, rest);
        }
        self.shared.commits.fetch_add(1, Relaxed);
        if locked(&self.shared.trouble).take().is_some() {
            let (waiting, dropped) = (self.records.len() + count, self.shared.dropped.load(Relaxed));
            tracing::info!(results = waiting, dropped, "the history can be written again");
            if std::mem::take(&mut self.rescue).is_told {
                self.alarm(true, "the history is written again".to_owned());
            }
        }
        (done, None)
    }

    async fn is_in_place(&mut self) -> bool {
        let core = self.core.clone();
        self.blocking(move || locked(&core).look().is_ok()).await.unwrap_or(false)
    }

    /// Notifies every channel of an alarm about the monitor itself.
    pub(in crate::store) fn alarm(&self, is_over: bool, text: String) {
        let now = self.clock.now();
        let channels = self.ahead.recipients(&Facts::of_the_monitor(now), now);
        self.shared.alarms.raise(&self.ahead.history(), is_over, text, channels, now);
        self.shared.events.send_replace(());
    }

    fn note_trouble(&self, error: &StoreError) {
        let reason = match (error, self.rescue.said()) {
            (StoreError::Gone(_), Some(said)) => format!("{error}; {said}"),
            _ => error.to_string(),
        };
        self.say_trouble(reason);
    }

    fn say_trouble(&self, reason: String) {
        let mut trouble = locked(&self.shared.trouble);
        if trouble.as_deref() != Some(&reason) {
            tracing::error!("the history cannot be written: {reason}; checks go on, their results wait");
        }
        *trouble = Some(reason);
    }

    /// Does a small piece of what keeps the newest rows in order.
    async fn compact(&mut self) {
        // The query costs less than to wake a thread for nothing. Nobody else holds the core now.
        if locked(&self.shared.trouble).is_some() || !locked(&self.core).needs_compaction() {
            return;
        }
        let core = self.core.clone();
        if let Ok(Err(error)) = self.blocking(move || locked(&core).compact()).await {
            tracing::warn!(
                "the newest results could not be moved out of the write buffer, they stay readable: {error}"
            );
        }
    }

    /// Retires one small piece; whether there may be more.
    async fn retire(&mut self) -> bool {
        if locked(&self.shared.trouble).is_some() {
            return false;
        }
        let (core, keep, now, mut sweep) =
            (self.core.clone(), self.keep, self.clock.now(), std::mem::take(&mut self.sweep));
        let step = move || (sweep.step(&mut locked(&core).conn, keep, now), sweep);
        let Ok((more, sweep)) = self.blocking(step).await else { return false };
        self.sweep = sweep;
        more.unwrap_or_else(|error| {
            tracing::warn!("expired results could not be deleted: {error}");
            false
        })
    }

    /// Looks through one small piece for reasons that no result has any more; whether there is more.
    async fn prune(&mut self) -> bool {
        if locked(&self.shared.trouble).is_some() {
            return true;
        }
        let (core, now, mut pruning) = (self.core.clone(), self.clock.now(), std::mem::take(&mut self.pruning));
        let step = move || (pruning.step(&mut locked(&core).conn, now), pruning);
        let Ok((more, pruning)) = self.blocking(step).await else { return false };
        self.pruning = pruning;
        more.unwrap_or_else(|error| {
            tracing::warn!("the texts of failures that no result has any more could not be deleted: {error}");
            false
        })
    }

    async fn finish(mut self) {
        while let Ok(message) = self.receiver.try_recv() {
            self.take(message);
        }
        let deadline = Instant::now() + LAST_ATTEMPTS;
        loop {
            self.flush().await;
            if let Some(done) = self.rescue.done.take() {
                // The last commits go where the rest is safe.
                let (core, to) = (self.core.clone(), done.clone());
                if let Ok(Ok(())) = self.blocking(move || locked(&core).go_on_in(&to)).await {
                    locked(&self.shared.trouble).take();
                    if let Rescued::Copied(path) = done {
                        tracing::info!("this run is written to its end in {}", path.display());
                    }
                    continue;
                }
            }
            let in_place = locked(&self.core).look().is_ok();
            if in_place && self.records.is_empty() && self.notes.is_empty() {
                break;
            }
            if Instant::now() >= deadline {
                tracing::error!(results = self.records.len(), "the history could not be written before the end");
                locked(&self.core).let_go();
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
        let (core, now) = (self.core.clone(), self.clock.now());
        if let Ok(Err(error)) = self.blocking(move || locked(&core).finish(now)).await {
            tracing::warn!("the end of this run could not be recorded: {error}");
        }
    }
}

/// Tells those who waited for a commit. Whoever has given up waiting does not hear it.
fn acknowledge(awaited: Vec<oneshot::Sender<()>>) {
    awaited.into_iter().for_each(|done| done.send(()).unwrap_or_default());
}
