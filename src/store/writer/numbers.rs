//! The numbers of outages: given in memory, before they are written, and each only once.

use crate::{domain::time::UnixMs, live::ServiceId};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Gives numbers. Nothing else gives any while the writer runs.
#[derive(Clone, Debug)]
pub(in crate::store) struct Numbers(Arc<Mutex<Given>>);

#[derive(Debug)]
struct Given {
    next: i64,
    /// Numbers that channels were notified of before a restart lost their outage. The next outage of the same service
    /// takes the number.
    lost: HashMap<ServiceId, i64>,
    /// The numbers of outages whose first result is not written yet.
    unwritten: HashMap<(ServiceId, UnixMs), i64>,
}

impl Numbers {
    /// Numbers from this one on, and these for the next outages of some services.
    pub(in crate::store) fn from(next: i64, lost: impl IntoIterator<Item = (ServiceId, i64)>) -> Numbers {
        let lost = lost.into_iter().collect();
        Numbers(Arc::new(Mutex::new(Given { next, lost, unwritten: HashMap::new() })))
    }

    /// The number of the outage of a service that began with the result of this time. Every query gives the same number
    /// until the outage is written. An outage that was seen before a commit keeps its number in that commit. After a
    /// failed commit it keeps the number in the next one.
    pub(in crate::store) fn of(&self, service: ServiceId, started_at: UnixMs) -> i64 {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Given { next, lost, unwritten } = &mut *given;
        *unwritten.entry((service, started_at)).or_insert_with(|| {
            lost.remove(&service).unwrap_or_else(|| {
                *next += 1;
                *next - 1
            })
        })
    }

    /// Channels were notified of an outage of a service under this number, and the outage never came into the history.
    /// The next outage of the service carries it on.
    pub(in crate::store) fn carry_on(&self, service: ServiceId, number: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lost.insert(service, number);
    }

    /// The service has no outage to be carried on.
    pub(in crate::store) fn carry_on_none(&self, service: ServiceId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lost.remove(&service);
    }

    /// All that was taken in has been written.
    pub(in crate::store) fn all_written(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unwritten.clear();
    }
}
