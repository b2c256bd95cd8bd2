//! While the store fails: what waits is shown as it will be, and whoever is to be told is told.

use super::{
    commit::Committed,
    pending_state::PendingState,
    task::{LISTEN, RETRY, Task},
    track::Record,
};
use crate::{domain::incident::Outage, live::ServiceId, store::tables::outbox::Event};
use std::collections::HashSet;
use tokio::time::{Instant, sleep_until};

impl Task {
    /// Sees what one more result that waits changes, and rings where somebody is to be told of it.
    pub(in crate::store) fn see_one(&mut self, record: &Record) {
        let mut rings = false;
        if let Some(seen) = &mut self.seen
            && let Some((event, outage)) = seen.take(record, &self.tracks, &self.numbers)
        {
            rings |= self.notify_ahead(event, &outage, record.service);
        }
        self.watch_lost_ends(record, rings);
    }

    /// Something was confirmed, or is over, that is not in the outbox yet. Whether somebody is to be told.
    fn notify_ahead(&self, event: Event, outage: &Outage, service: ServiceId) -> bool {
        let track = self.tracks.get(&service);
        let is_due = track.is_some_and(|track| self.ahead.add(event, outage, track.now(), self.clock.now()));
        if event == Event::Confirmed {
            self.numbers.carry_on_none(service);
        }
        is_due
    }

    /// Sees what a result changes that will never be stored.
    pub(in crate::store) fn see_lost(&mut self, record: &Record) {
        let now = self.clock.now();
        let mut rings = false;
        // Where it can be written again, the next result will be there in a moment.
        if let Some(seen) = &mut self.seen
            && let Some((event, outage)) = seen.take_lost(record, &self.tracks, &self.numbers)
        {
            let is_known = !seen.began_lost(outage.id);
            let track = self.tracks.get(&record.service);
            rings |= track.is_some_and(|t| self.ahead.add_lost(event, &outage, t.now(), is_known, now));
        }
        self.watch_lost_ends(record, rings);
    }

    /// Looks for the end of what was told and lost, and rings for it, or because there is something else to be told.
    fn watch_lost_ends(&self, record: &Record, mut rings: bool) {
        if let Some(track) = self.tracks.get(&record.service) {
            let is_over = self.ahead.watch(record, track.now().service.thresholds.success, self.clock.now());
            if is_over {
                // Its number is told once more, and then it is nobody's.
                self.numbers.carry_on_none(record.service);
            }
            rings |= is_over;
        }
        if rings {
            self.shared.events.send_replace(());
        }
    }

    /// Shows where the services stand after a commit. What has been seen of them beyond it stays shown until it is written,
    /// so that nothing runs backwards; then the history says the same, and nothing is told again.
    pub(in crate::store) fn show(&mut self, done: Committed, failed: bool) {
        let refused = done.refused + done.repeated > 0;
        let in_part = failed && !done.tracks.is_empty();
        let committed: HashSet<ServiceId> = done.tracks.iter().map(|track| track.now().id).collect();
        self.tracks.extend(done.tracks.into_iter().map(|track| (track.now().id, track)));
        let Some(seen) = self.seen.take() else {
            return self.post(committed);
        };
        if self.records.is_empty() {
            // What is shown beyond it was lost, and is shown until there is something newer.
            let is_newer = |id: &ServiceId| self.tracks.get(id).is_some_and(|track| !seen.is_ahead(track));
            self.post(seen.services().chain(committed).filter(is_newer).collect());
        } else if refused || in_part {
            // What was shown is stored now, or never will be: the truth is what is stored, and what waits.
            self.see();
            let waits: HashSet<ServiceId> = self.seen.iter().flat_map(PendingState::services).collect();
            self.post(seen.services().filter(|id| !waits.contains(id)).collect());
        } else {
            self.seen = Some(seen);
        }
    }

    /// Posts services as they stand in the history.
    fn post(&self, services: HashSet<ServiceId>) {
        self.live.post(services.iter().filter_map(|id| self.tracks.get(id)).map(|track| track.now().clone()));
    }

    /// Sees where the services stand with all that waits.
    pub(in crate::store) fn see(&mut self) {
        let (mut seen, mut rings) = (PendingState::default(), false);
        for record in self.under_way.iter().chain(&self.records) {
            if let Some((event, outage)) = seen.take(record, &self.tracks, &self.numbers) {
                rings |= self.notify_ahead(event, &outage, record.service);
            }
        }
        self.seen = Some(seen);
        if rings {
            self.shared.events.send_replace(());
        }
    }

    /// Takes in what has come and shows it, while the store fails.
    pub(in crate::store) fn show_what_comes(&mut self) {
        if self.seen.is_some() {
            self.take_all();
        }
        if let Some(seen) = &mut self.seen {
            self.live.post(seen.news());
        }
    }

    /// Until the next attempt: shows what waits, and what comes.
    pub(in crate::store) async fn look_ahead(&mut self) {
        if self.seen.is_none() {
            self.see();
        }
        let until = Instant::now() + RETRY;
        loop {
            self.show_what_comes();
            let now = Instant::now();
            if self.stopping || now >= until {
                return;
            }
            sleep_until(until.min(now + LISTEN)).await;
        }
    }
}
