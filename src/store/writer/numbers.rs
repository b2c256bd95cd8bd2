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
    /// Those that were told before a restart that lost their outage, for the next one of the same service.
    lost: HashMap<ServiceId, i64>,
    /// Those of outages whose first result is not written yet.
    unwritten: HashMap<(ServiceId, UnixMs), i64>,
}

impl Numbers {
    /// Numbers from this one on, and these for the next outages of some services.
    pub(in crate::store) fn from(next: i64, lost: impl IntoIterator<Item = (ServiceId, i64)>) -> Numbers {
        let lost = lost.into_iter().collect();
        Numbers(Arc::new(Mutex::new(Given { next, lost, unwritten: HashMap::new() })))
    }

    /// The number of the outage of a service that began with the result of this time: the same as often as it is asked
    /// for until it is written. What was seen before a commit keeps its number in it, and in the one after a failed one.
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

    /// An outage of a service was told under this number and never came into the history: its next one carries it on.
    pub(in crate::store) fn carry_on(&self, service: ServiceId, number: i64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lost.insert(service, number);
    }

    /// There is none to be carried on.
    pub(in crate::store) fn carry_on_none(&self, service: ServiceId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lost.remove(&service);
    }

    /// All that was taken in has been written.
    pub(in crate::store) fn all_written(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).unwritten.clear();
    }
}
