//! What the checks see while it cannot be written: where the services stand once all that waits is in the history.

use super::{
    numbers::Numbers,
    outbox::Event,
    track::{Record, Track},
};
use crate::{
    board::{ServiceId, ServiceNow},
    domain::incident::Outage,
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// The services of which results wait, ahead of the history.
#[derive(Default, Debug)]
pub(super) struct Seen {
    tracks: HashMap<ServiceId, Track>,
    /// Those that have changed since they were last shown.
    changed: HashSet<ServiceId>,
}

impl Seen {
    /// Takes one more result in that waits. `stored` is where the services stand in the history. Gives what somebody is to
    /// be told.
    pub(super) fn take(
        &mut self,
        record: &Record,
        stored: &HashMap<ServiceId, Track>,
        numbers: &Numbers,
    ) -> Option<(Event, Arc<Outage>)> {
        let id = record.service;
        let stored = stored.get(&id)?;
        let track = self.tracks.entry(id).or_insert_with(|| stored.clone());
        // One that comes late may stand in the history already, and says nothing of now.
        if track.now().last.as_ref().is_some_and(|last| last.at >= record.result.at) {
            return None;
        }
        let step = track.step(record, || numbers.of(id, record.result.at));
        Arc::make_mut(&mut track.now).pending_store += 1;
        self.changed.insert(id);
        step.event.zip(step.outage)
    }

    /// What has changed since this was asked last.
    pub(super) fn news(&mut self) -> Vec<Arc<ServiceNow>> {
        self.changed.drain().filter_map(|id| self.tracks.get(&id)).map(|track| track.now().clone()).collect()
    }

    /// The services that it speaks of.
    pub(super) fn services(&self) -> impl Iterator<Item = ServiceId> + '_ {
        self.tracks.keys().copied()
    }
}
