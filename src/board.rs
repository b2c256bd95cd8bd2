//! What is known now: the state of every service in memory, as of the last commit.
//!
//! `/health` and the pages read it and never wait for the database. The store's writer posts to it after a commit. Only
//! while it cannot commit it posts what the checks see all the same, marked with the number of results that wait: the
//! trouble of the monitor is not that of its services. Whoever wants to be told of changes listens to it.

use crate::{
    calendar::Timetable,
    domain::{
        check::{CheckResult, Outcome},
        health::Confirmed,
        incident::Outage,
        service::Service,
        status::{Known, Overall, Status},
        time::UnixMs,
    },
};
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
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
    pub settings: Arc<serde_json::Value>,
    pub confirmed: Confirmed,
    /// When what `confirmed` (and, while up, whether degraded) says began; `None` before the first result.
    pub since: Option<UnixMs>,
    /// The latest result.
    pub last: Option<CheckResult>,
    /// The latest judged result: its time and outcome.
    pub judged: Option<(UnixMs, Outcome)>,
    /// How long it speaks by the settings that it was made under, in milliseconds.
    pub judged_validity_ms: i64,
    /// The outage under way, confirmed or not.
    pub outage: Option<Arc<Outage>>,
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
}

/// Something that has become known with a commit.
#[derive(Clone, Debug)]
pub struct News {
    /// Grows with time, also across restarts.
    pub id: u64,
    pub what: What,
    /// It is not stored yet.
    pub pending_store: bool,
}

/// What has become known.
#[derive(Clone, Debug)]
pub enum What {
    /// A service has a new result, its latest.
    Check { service: Arc<Service>, result: CheckResult },
    /// Its status is another one than before.
    Status { service: Arc<Service>, before: Status, now: Status, since: Option<UnixMs> },
    /// An incident was confirmed, or (with `resolved_at`) resolved, or its note is another one.
    Incident { outage: Arc<Outage>, resolved_at: Option<UnixMs> },
}

/// News that are kept for those who come back after a moment.
const KEPT: usize = 1024;

/// The latest news and those who listen.
#[derive(Debug)]
struct Wire {
    next_id: u64,
    kept: VecDeque<Arc<News>>,
    /// `None` after the end.
    sender: Option<broadcast::Sender<Arc<News>>>,
}

impl Default for Wire {
    fn default() -> Wire {
        Wire { next_id: 1, kept: VecDeque::new(), sender: Some(broadcast::Sender::new(KEPT)) }
    }
}

/// What a listener gets: what it missed, and what comes.
#[derive(Debug)]
pub struct Listening {
    /// `None` when what was missed is not known any more.
    pub missed: Option<Vec<Arc<News>>>,
    /// `None` after the end.
    pub coming: Option<broadcast::Receiver<Arc<News>>>,
}

/// All services of the configuration, in its order.
#[derive(Default, Debug)]
pub struct Board {
    services: RwLock<Vec<Arc<ServiceNow>>>,
    by_name: HashMap<String, usize>,
    by_id: HashMap<ServiceId, usize>,
    wire: Mutex<Wire>,
    changes: AtomicU64,
}

impl Board {
    /// A board with these services on it.
    ///
    /// `begun_at` is when this run began: news of this run have greater numbers than those of earlier ones.
    pub fn new(services: Vec<Arc<ServiceNow>>, begun_at: UnixMs) -> Board {
        let by_name = services.iter().enumerate().map(|(i, s)| (s.service.name.clone(), i)).collect();
        let by_id = services.iter().enumerate().map(|(i, s)| (s.id, i)).collect();
        let wire = Wire { next_id: begun_at.0.unsigned_abs() * 1000, ..Wire::default() };
        let services = RwLock::new(services);
        Board { services, by_name, by_id, wire: Mutex::new(wire), changes: AtomicU64::new(0) }
    }

    /// How often a status or an incident has changed.
    pub fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    /// Listens, from the news after the one with this number on, or from now on.
    pub fn listen(&self, after: Option<u64>) -> Listening {
        let wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        let missed = match after {
            None => Some(Vec::new()),
            // All that came after it must be here, and it must have been one of ours.
            Some(id) if id < wire.next_id && wire.kept.front().map_or(wire.next_id, |n| n.id) <= id + 1 => {
                Some(wire.kept.iter().filter(|n| n.id > id).cloned().collect())
            }
            Some(_) => None,
        };
        Listening { missed, coming: wire.sender.as_ref().map(broadcast::Sender::subscribe) }
    }

    /// Ends all listening.
    pub fn close(&self) {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner).sender = None;
    }

    /// Every service, in the order of the configuration.
    pub fn all(&self) -> Vec<Arc<ServiceNow>> {
        self.services.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The service of this name.
    pub fn get(&self, name: &str) -> Option<Arc<ServiceNow>> {
        let index = *self.by_name.get(name)?;
        self.services.read().unwrap_or_else(PoisonError::into_inner).get(index).cloned()
    }

    /// The service with this number.
    pub fn get_by_id(&self, id: ServiceId) -> Option<Arc<ServiceNow>> {
        let index = *self.by_id.get(&id)?;
        self.services.read().unwrap_or_else(PoisonError::into_inner).get(index).cloned()
    }

    /// What all of them add up to at `now`.
    pub fn overall(&self, now: UnixMs) -> Overall {
        Overall::of(self.all().iter().map(|s| (s.status(now), s.service.critical)))
    }

    /// Replaces what is known of some services, all at once, and tells those who listen.
    pub fn post(&self, news: impl IntoIterator<Item = Arc<ServiceNow>>) {
        let mut said = Vec::new();
        let mut pending = Vec::new();
        {
            let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
            for now in news {
                if let Some(slot) = self.by_id.get(&now.id).and_then(|&i| services.get_mut(i)) {
                    differences(slot, &now, &mut said);
                    pending.resize(said.len(), now.pending_store > 0);
                    *slot = now;
                }
            }
        }
        self.tell(said.into_iter().zip(pending).collect());
    }

    /// Tells those who listen that the notes of some outages are other ones.
    pub fn noted(&self, outages: Vec<Outage>) {
        let told = outages.into_iter().filter(Outage::is_incident);
        let news = told.map(|o| What::Incident { resolved_at: o.ended_at, outage: Arc::new(o) });
        self.tell(news.map(|what| (what, false)).collect());
    }

    /// Tells those who listen of news, each with whether it is not stored yet.
    fn tell(&self, said: Vec<(What, bool)>) {
        let changes = said.iter().filter(|(what, _)| !matches!(what, What::Check { .. })).count();
        self.changes.fetch_add(changes as u64, Relaxed);
        let mut wire = self.wire.lock().unwrap_or_else(PoisonError::into_inner);
        for (what, pending_store) in said {
            let news = Arc::new(News { id: wire.next_id, what, pending_store });
            wire.next_id += 1;
            if wire.kept.len() == KEPT {
                wire.kept.pop_front();
            }
            wire.kept.push_back(news.clone());
            if let Some(sender) = &wire.sender {
                // It fails where nobody listens.
                let _ = sender.send(news);
            }
        }
    }
}

/// What is new of a service.
fn differences(before: &ServiceNow, now: &ServiceNow, said: &mut Vec<What>) {
    let Some(last) = &now.last else { return };
    // What was seen and then refused by the store leaves an older one as the latest: no news.
    if before.last.as_ref().is_none_or(|b| b.at < last.at) {
        said.push(What::Check { service: now.service.clone(), result: last.clone() });
    }
    let (was, is) = (before.status(last.at), now.status(last.at));
    // Maintenance begins and ends by itself: what was said last is what there was at the last result.
    let said_last = before.last.as_ref().map_or(Status::Pending, |b| before.status(b.at));
    let in_it = |status| status == Status::Maintenance;
    let was = if in_it(said_last) != in_it(is) { said_last } else { was };
    if was != is {
        let since = now.status_since(last.at);
        said.push(What::Status { service: now.service.clone(), before: was, now: is, since });
    }
    let incident = |s: &ServiceNow| s.outage.clone().filter(|o| o.is_incident());
    match (incident(before), incident(now)) {
        (None, Some(outage)) => said.push(What::Incident { outage, resolved_at: None }),
        (Some(outage), None) => said.push(What::Incident { outage, resolved_at: now.since.or(Some(last.at)) }),
        (Some(old), Some(new)) if old.id != new.id => {
            said.push(What::Incident { outage: old, resolved_at: now.since });
            said.push(What::Incident { outage: new, resolved_at: None });
        }
        _ => {}
    }
}
