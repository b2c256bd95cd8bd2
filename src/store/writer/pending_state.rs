//! What the checks see while the history cannot be written: the state of the services once all that waits is in the
//! history.

use super::{
    numbers::Numbers,
    track::{Record, ServiceTrack},
};
use crate::{
    domain::{incident::Outage, time::UnixMs},
    live::{ServiceId, ServiceNow},
    store::tables::outbox::Event,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// The services of which results wait, ahead of the history.
#[derive(Default, Debug)]
pub(crate) struct PendingState {
    tracks: HashMap<ServiceId, ServiceTrack>,
    /// The services that have changed since they were last shown.
    changed: HashSet<ServiceId>,
    /// Outages that began with a result that will never be stored.
    began_lost: HashSet<i64>,
    /// The latest result of a service that will never be stored.
    lost_until: HashMap<ServiceId, UnixMs>,
}

impl PendingState {
    /// Takes in one more result that waits. `stored` is the state of the services in the history. Returns the event
    /// that channels are to be notified of.
    pub(crate) fn take(
        &mut self,
        record: &Record,
        stored: &HashMap<ServiceId, ServiceTrack>,
        numbers: &Numbers,
    ) -> Option<(Event, Arc<Outage>)> {
        let (event, outage, _) = self.step(record, stored, numbers, |pending| pending + 1)?;
        Some((event?, outage?))
    }

    /// The same for a result that found no room.
    pub(crate) fn take_lost(
        &mut self,
        record: &Record,
        stored: &HashMap<ServiceId, ServiceTrack>,
        numbers: &Numbers,
    ) -> Option<(Event, Arc<Outage>)> {
        // The result does not wait; but what is shown of the service is not stored.
        let (event, outage, began) = self.step(record, stored, numbers, |pending| pending.max(1))?;
        self.lost_until.insert(record.service, record.result.at);
        if began {
            self.began_lost.extend(outage.iter().map(|outage| outage.id));
        }
        Some((event?, outage?))
    }

    fn step(
        &mut self,
        record: &Record,
        stored: &HashMap<ServiceId, ServiceTrack>,
        numbers: &Numbers,
        pending: impl Fn(u64) -> u64,
    ) -> Option<(Option<Event>, Option<Arc<Outage>>, bool)> {
        let id = record.service;
        let stored = stored.get(&id)?;
        let track = self.tracks.entry(id).or_insert_with(|| stored.clone());
        // A result that comes late may be in the history already, and does not report the current state.
        if track.now().last.as_ref().is_some_and(|last| last.at >= record.result.at) {
            return None;
        }
        let step = track.step(record, || numbers.of(id, record.result.at));
        let now = Arc::make_mut(&mut track.now);
        now.pending_store = pending(now.pending_store);
        self.changed.insert(id);
        Some((step.event, step.outage, step.began))
    }

    /// Whether an outage began with a result that will never be stored.
    pub(crate) fn began_lost(&self, outage: i64) -> bool {
        self.began_lost.contains(&outage)
    }

    /// Whether the service has a shown result that is later than its stored state and will never be stored.
    pub(crate) fn is_ahead(&self, stored: &ServiceTrack) -> bool {
        let last = stored.now().last.as_ref().map(|last| last.at);
        self.lost_until.get(&stored.now().id).copied() > last
    }

    /// A service as it will be, where results of it wait.
    pub(crate) fn now(&self, id: ServiceId) -> Option<Arc<ServiceNow>> {
        self.tracks.get(&id).map(|track| track.now().clone())
    }

    /// The services that have changed since the last query.
    pub(crate) fn news(&mut self) -> Vec<Arc<ServiceNow>> {
        self.changed.drain().filter_map(|id| self.tracks.get(&id)).map(|track| track.now().clone()).collect()
    }

    /// The services whose state it has.
    pub(crate) fn services(&self) -> impl Iterator<Item = ServiceId> + '_ {
        self.tracks.keys().copied()
    }
}
