//! What is known now: the state of every service in memory, as of the last commit.
//!
//! `/health` and the pages read it and never wait for the database. The store's writer posts to it after a commit
//! and never before: what is shown is what is stored.

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
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

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
    /// The outage under way, confirmed or not.
    pub outage: Option<Arc<Outage>>,
    /// When the certificate last seen ends.
    pub certificate_expires_at: Option<UnixMs>,
    /// When it is in maintenance.
    pub timetable: Arc<Timetable>,
}

impl ServiceNow {
    fn known(&self, now: UnixMs) -> Known {
        Known {
            enabled: self.service.enabled,
            maintenance: self.timetable.contains(now),
            confirmed: self.confirmed,
            judged: self.judged,
            validity_ms: self.service.cadence.validity_ms(),
        }
    }

    /// Its status at `now`.
    pub fn status(&self, now: UnixMs) -> Status {
        self.known(now).status(now)
    }

    /// Since when it has this status, where that is known.
    pub fn status_since(&self, now: UnixMs) -> Option<UnixMs> {
        match self.status(now) {
            Status::Unknown => self.judged.map(|(at, _)| at.plus(self.service.cadence.validity_ms())),
            Status::Maintenance => self.timetable.at(now).map(|window| window.from()),
            Status::Pending | Status::Paused => None,
            Status::Up | Status::Degraded | Status::Down => self.since,
        }
    }
}

/// All services of the configuration, in its order.
#[derive(Default, Debug)]
pub struct Board {
    services: RwLock<Vec<Arc<ServiceNow>>>,
    by_name: HashMap<String, usize>,
    by_id: HashMap<ServiceId, usize>,
}

impl Board {
    /// A board with these services on it.
    pub fn new(services: Vec<ServiceNow>) -> Board {
        let by_name = services.iter().enumerate().map(|(i, s)| (s.service.name.clone(), i)).collect();
        let by_id = services.iter().enumerate().map(|(i, s)| (s.id, i)).collect();
        Board { services: RwLock::new(services.into_iter().map(Arc::new).collect()), by_name, by_id }
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

    /// Replaces what is known of some services, all at once.
    pub fn post(&self, news: impl IntoIterator<Item = ServiceNow>) {
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        for now in news {
            if let Some(slot) = self.by_id.get(&now.id).and_then(|&i| services.get_mut(i)) {
                *slot = Arc::new(now);
            }
        }
    }
}
