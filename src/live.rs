//! What is known now: the state of every service in memory, as of the last commit.
//!
//! `/health` and the pages read it and never wait for the database. The store's writer posts to it after a commit. Only
//! while it cannot commit it posts what the checks see all the same, marked with the number of results that wait: the
//! trouble of the monitor is not that of its services. A subscription receives the changes.
//!
//! Some statuses change by themselves: results stop and the last one expires, maintenance begins and ends. Such a
//! change is published before it is shown: each query of the live state first catches up with the time, and without a query
//! [`keep_up`] does so at the moment of the change.

use crate::{
    calendar::Timetable,
    clock::Clock,
    domain::{
        check::{CheckResult, Outcome},
        flapping::Flapping,
        health::Confirmed,
        incident::Outage,
        service::Service,
        status::{Known, Overall, STALE_GRACE_MS, Status},
        time::UnixMs,
    },
    settings::effective::EffectiveSettings,
    shutdown::Shutdown,
};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::broadcast;

/// A service's number in the history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServiceId(pub i64);

/// One service as it is known now.
#[derive(Clone, Debug)]
pub struct ServiceNow {
    pub id: ServiceId,
    pub service: Arc<Service>,
    /// Its effective settings as the API shows them, credentials redacted.
    pub settings: EffectiveSettings,
    /// What it depends on, directly and through others, the nearest first.
    pub depends_on: Arc<[ServiceId]>,
    pub confirmed: Confirmed,
    /// When what `confirmed` (and, while up, whether degraded) says began; `None` before the first result.
    pub since: Option<UnixMs>,
    /// The latest result.
    pub last: Option<CheckResult>,
    /// The latest judged result: its time and outcome.
    pub judged: Option<(UnixMs, Outcome)>,
    /// How long it is valid, by the settings that it was made under, in milliseconds.
    pub judged_validity_ms: i64,
    /// The outage under way, confirmed or not.
    pub outage: Option<Arc<Outage>>,
    /// Whether its checks pass and fail by turns.
    pub flapping: Flapping,
    /// When the certificate last seen ends.
    pub certificate_expires_at: Option<UnixMs>,
    /// When it is in maintenance.
    pub timetable: Arc<Timetable>,
    /// Results that this takes in and that are not stored yet. Only while the history cannot be written.
    pub pending_store: u64,
}

impl ServiceNow {
    /// The incident under way of this number, where it is seen and may not be stored yet.
    pub fn waiting_incident(&self, id: i64) -> Option<&Outage> {
        let outage = self.outage.as_deref().filter(|_| self.pending_store > 0)?;
        (outage.id == id && outage.is_incident()).then_some(outage)
    }

    fn known(&self, now: UnixMs) -> Known {
        Known {
            enabled: self.service.enabled,
            maintenance: self.timetable.contains(now),
            confirmed: self.confirmed,
            judged: self.judged,
            validity_ms: self.judged_validity_ms,
        }
    }

    /// Its status at `now`.
    pub fn status(&self, now: UnixMs) -> Status {
        self.known(now).status(now)
    }

    /// Since when it has this status, where that is known.
    pub fn status_since(&self, now: UnixMs) -> Option<UnixMs> {
        match self.status(now) {
            Status::Unknown => self.judged.map(|(at, _)| at.plus(self.judged_validity_ms)),
            Status::Maintenance => self.timetable.at(now).map(|window| window.from()),
            Status::Pending | Status::Paused => None,
            Status::Up | Status::Degraded | Status::Down => self.since,
        }
    }

    /// Whether what depends on it can be expected to fail: it is down, or fails and is not confirmed yet, or its checks fail
    /// in maintenance. While nobody knows how it is, that explains nothing.
    pub fn has_failed(&self, now: UnixMs) -> bool {
        match self.status(now) {
            Status::Down => true,
            Status::Up | Status::Degraded | Status::Pending => self.outage.is_some(),
            Status::Maintenance => self.last.as_ref().is_some_and(|last| last.outcome == Outcome::Down),
            Status::Unknown | Status::Paused => false,
        }
    }

    /// What it depends on and has failed, less what has failed behind another of them: the first causes, the nearest first.
    pub fn failed_dependencies(
        &self,
        now: UnixMs,
        find: impl Fn(ServiceId) -> Option<Arc<ServiceNow>>,
    ) -> Vec<Arc<ServiceNow>> {
        let mut failed: Vec<_> =
            self.depends_on.iter().filter_map(|id| find(*id)).filter(|one| one.has_failed(now)).collect();
        let ids: HashSet<ServiceId> = failed.iter().map(|one| one.id).collect();
        failed.retain(|one| !one.depends_on.iter().any(|id| ids.contains(id)));
        failed
    }

    /// The first moment after `now` at which its status may be another one without a new result.
    fn next_change(&self, now: UnixMs) -> UnixMs {
        if !self.service.enabled {
            return UnixMs::MAX;
        }
        let stale_at = self.judged.map(|(at, _)| at.plus(self.judged_validity_ms + STALE_GRACE_MS));
        self.timetable.next_boundary(now).min(stale_at.filter(|at| *at > now).unwrap_or(UnixMs::MAX))
    }
}

/// Something that has become known with a commit.
#[derive(Clone, Debug)]
pub struct StateChange {
    /// Grows with time, also across restarts.
    pub id: u64,
    pub change: Change,
    /// The change is not stored yet.
    pub pending_store: bool,
}

/// What has become known.
#[derive(Clone, Debug)]
pub enum Change {
    /// A service has a new result, its latest.
    Check { service: Arc<Service>, result: CheckResult },
    /// Its status is another one than before.
    Status { service: Arc<Service>, before: Status, now: Status, since: Option<UnixMs> },
    /// An incident was confirmed, or (with `resolved_at`) resolved, or its note is another one.
    Incident { outage: Arc<Outage>, resolved_at: Option<UnixMs> },
}

/// Changes that are kept for those who come back after a moment.
const KEPT: usize = 1024;

/// The latest changes and their listeners.
#[derive(Debug)]
struct Wire {
    next_id: u64,
    kept: VecDeque<Arc<StateChange>>,
    /// `None` after the end.
    sender: Option<broadcast::Sender<Arc<StateChange>>>,
}

impl Default for Wire {
    fn default() -> Wire {
        Wire { next_id: 1, kept: VecDeque::new(), sender: Some(broadcast::Sender::new(KEPT)) }
    }
}

/// What a listener gets: what it missed, and what comes.
#[derive(Debug)]
pub struct Subscription {
    /// `None` when what was missed is not known any more.
    pub missed: Option<Vec<Arc<StateChange>>>,
    /// `None` after the end.
    pub coming: Option<broadcast::Receiver<Arc<StateChange>>>,
}

/// A service, and the status that subscribers received last.
#[derive(Debug)]
struct Slot {
    now: Arc<ServiceNow>,
    told: Status,
}

/// All services of the configuration, in its order.
#[derive(Debug)]
pub struct LiveState {
    clock: Clock,
    slots: RwLock<Vec<Slot>>,
    by_name: HashMap<String, usize>,
    by_id: HashMap<ServiceId, usize>,
    wire: Mutex<Wire>,
    changes: AtomicU64,
    /// When it caught up with the time, in Unix milliseconds,
    caught_up_at: AtomicI64,
    /// and until when no status changes by itself.
    holds_until: AtomicI64,
}

/// A clock that is behind by less than this was read by somebody else a moment ago; by more, it was set back.
const SAME_MOMENT_MS: i64 = 1_500;
/// How often it is looked at least whether the clock was set.
const LOOK: Duration = Duration::from_secs(1);

/// Makes the live state catch up at every moment at which a status changes by itself, until the program ends.
pub async fn keep_up(live: Arc<LiveState>, mut shutdown: Shutdown) {
    loop {
        live.catch_up();
        let wait_ms = live.holds_until.load(Relaxed).saturating_sub(live.clock.now().0).max(1);
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            () = tokio::time::sleep(LOOK.min(Duration::from_millis(wait_ms.unsigned_abs()))) => {}
        }
    }
}

impl LiveState {
    /// A live state with these services. Changes of this run have greater numbers than those of runs that began earlier.
    pub fn new(services: Vec<Arc<ServiceNow>>, clock: Clock) -> LiveState {
        let now = clock.now();
        let by_name = services.iter().enumerate().map(|(i, s)| (s.service.name.clone(), i)).collect();
        let by_id = services.iter().enumerate().map(|(i, s)| (s.id, i)).collect();
        let wire = Wire { next_id: now.0.unsigned_abs() * 1000, ..Wire::default() };
        let slots = services.into_iter().map(|service| Slot { told: service.status(now), now: service }).collect();
        LiveState {
            clock,
            slots: RwLock::new(slots),
            by_name,
            by_id,
            wire: Mutex::new(wire),
            changes: AtomicU64::new(0),
            caught_up_at: AtomicI64::new(now.0),
            // The first look finds out.
            holds_until: AtomicI64::new(now.0),
        }
    }

    /// How often a status or an incident has changed.
    pub fn changes(&self) -> u64 {
        self.catch_up();
        self.changes.load(Relaxed)
    }

    /// Notifies the listeners of the statuses that have changed by themselves.
    fn catch_up(&self) {
        let now = self.clock.now();
        if self.holds_at(now) {
            return;
        }
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        self.catch_up_to(&mut slots, now);
    }

    fn holds_at(&self, now: UnixMs) -> bool {
        now.0 >= self.caught_up_at.load(Relaxed).saturating_sub(SAME_MOMENT_MS)
            && now.0 < self.holds_until.load(Relaxed)
    }

    /// The moment for which the slots are right after it: `now`, or a moment later where somebody was faster.
    fn catch_up_to(&self, slots: &mut [Slot], now: UnixMs) -> UnixMs {
        if self.holds_at(now) {
            let now = now.max(UnixMs(self.caught_up_at.load(Relaxed)));
            self.caught_up_at.store(now.0, Relaxed);
            return now;
        }
        let (mut said, mut holds_until) = (Vec::new(), UnixMs::MAX);
        for slot in slots {
            status_difference(slot, now, &mut said);
            holds_until = holds_until.min(slot.now.next_change(now));
        }
        self.caught_up_at.store(now.0, Relaxed);
        self.holds_until.store(holds_until.0, Relaxed);
        self.tell(said);
        now
    }

    /// Subscribes to the changes after the one with this number, or to those from now on.
    pub fn listen(&self, after: Option<u64>) -> Subscription {
        let wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = match after {
            None => Some(Vec::new()),
            // All that came after it must be here, and it must have been one of ours.
            Some(id) if id < wire.next_id && wire.kept.front().map_or(wire.next_id, |n| n.id) <= id + 1 => {
                Some(wire.kept.iter().filter(|n| n.id > id).cloned().collect())
            }
            Some(_) => None,
        };
        Subscription { missed, coming: wire.sender.as_ref().map(broadcast::Sender::subscribe) }
    }

    /// Ends all listening.
    pub fn close(&self) {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner).sender = None;
    }

    /// Every service, in the order of the configuration.
    pub fn all(&self) -> Vec<Arc<ServiceNow>> {
        self.catch_up();
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.iter().map(|slot| slot.now.clone()).collect()
    }

    /// The status of a service now; `None` where there is none of this name.
    pub fn status(&self, name: &str) -> Option<Status> {
        Some(self.get(name)?.status(self.clock.now()))
    }

    /// The service of this name.
    pub fn get(&self, name: &str) -> Option<Arc<ServiceNow>> {
        self.at(*self.by_name.get(name)?)
    }

    /// The service with this number.
    pub fn get_by_id(&self, id: ServiceId) -> Option<Arc<ServiceNow>> {
        self.at(*self.by_id.get(&id)?)
    }

    fn at(&self, index: usize) -> Option<Arc<ServiceNow>> {
        self.catch_up();
        self.slots.read().unwrap_or_else(PoisonError::into_inner).get(index).map(|slot| slot.now.clone())
    }

    /// What a service depends on and has failed: see [`ServiceNow::failed_dependencies`].
    pub fn behind(&self, service: &ServiceNow, now: UnixMs) -> Vec<Arc<ServiceNow>> {
        service.failed_dependencies(now, |id| self.get_by_id(id))
    }

    /// What all of them add up to at `now`.
    pub fn overall(&self, now: UnixMs) -> Overall {
        Overall::of(self.all().iter().map(|s| (s.status(now), s.service.critical)))
    }

    /// Replaces what is known of some services, all at once, and notifies the listeners.
    pub fn post(&self, news: impl IntoIterator<Item = Arc<ServiceNow>>) {
        let now = self.clock.now();
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.catch_up_to(&mut slots, now);
        let (mut said, mut holds_until) = (Vec::new(), self.holds_until.load(Relaxed));
        for service in news {
            if let Some(slot) = self.by_id.get(&service.id).and_then(|&i| slots.get_mut(i)) {
                holds_until = holds_until.min(service.next_change(now).0);
                let before = std::mem::replace(&mut slot.now, service);
                differences(&before, slot, now, &mut said);
            }
        }
        self.holds_until.store(holds_until, Relaxed);
        // Before anybody can see it.
        self.tell(said);
    }

    /// Notifies the listeners that the notes of some outages have changed.
    pub fn noted(&self, outages: Vec<Outage>) {
        let told = outages.into_iter().filter(Outage::is_incident);
        let news = told.map(|o| Change::Incident { resolved_at: o.ended_at, outage: Arc::new(o) });
        self.tell(news.map(|what| (what, false)).collect());
    }

    /// Notifies the listeners of changes, each with whether it is not stored yet.
    fn tell(&self, said: Vec<(Change, bool)>) {
        if said.is_empty() {
            return;
        }
        let changes = said.iter().filter(|(what, _)| !matches!(what, Change::Check { .. })).count();
        self.changes.fetch_add(changes as u64, Relaxed);
        let mut wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        for (change, pending_store) in said {
            let news = Arc::new(StateChange { id: wire.next_id, change, pending_store });
            wire.next_id += 1;
            if wire.kept.len() == KEPT {
                wire.kept.pop_front();
            }
            wire.kept.push_back(news.clone());
            if let Some(sender) = &wire.sender {
                // The send fails where nobody listens.
                let _ = sender.send(news);
            }
        }
    }
}

/// Whether a service has another status than subscribers received last.
fn status_difference(slot: &mut Slot, now: UnixMs, said: &mut Vec<(Change, bool)>) {
    let (service, status) = (&slot.now, slot.now.status(now));
    let before = std::mem::replace(&mut slot.told, status);
    if before != status {
        let since = service.status_since(now);
        let what = Change::Status { service: service.service.clone(), before, now: status, since };
        said.push((what, service.pending_store > 0));
    }
}

/// What is new of a service.
fn differences(before: &ServiceNow, slot: &mut Slot, at: UnixMs, said: &mut Vec<(Change, bool)>) {
    let now = slot.now.clone();
    let Some(last) = &now.last else { return };
    let pending_store = now.pending_store > 0;
    // What was seen and then refused by the store leaves an older result as the latest: no change.
    if before.last.as_ref().is_none_or(|b| b.at < last.at) {
        said.push((Change::Check { service: now.service.clone(), result: last.clone() }, pending_store));
    }
    status_difference(slot, at, said);
    let mut tell = |outage, resolved_at| said.push((Change::Incident { outage, resolved_at }, pending_store));
    let incident = |s: &ServiceNow| s.outage.clone().filter(|o| o.is_incident());
    match (incident(before), incident(&now)) {
        (None, Some(outage)) => tell(outage, None),
        (Some(outage), None) => tell(outage, now.since.or(Some(last.at))),
        (Some(old), Some(new)) if old.id != new.id => {
            tell(old, now.since);
            tell(new, None);
        }
        _ => {}
    }
}
