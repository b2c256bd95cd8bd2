//! While the store fails: the writer shows what waits as it will be, and still notifies the channels.

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
    /// Sees what one more result that waits changes, and wakes the channels where one is to be notified of it.
    pub(in crate::store) fn see_one(&mut self, record: &Record) {
        let mut rings = false;
        if let Some(seen) = &mut self.seen
            && let Some((event, outage)) = seen.take(record, &self.tracks, &self.numbers)
        {
            rings |= self.notify_ahead(event, &outage, record.service, self.seen.as_ref());
        }
        self.watch_lost_ends(record, rings);
    }

    /// Takes in an outage that was confirmed, or is over, and is not in the outbox yet. Returns whether a channel is to
    /// be notified.
    fn notify_ahead(&self, event: Event, outage: &Outage, service: ServiceId, seen: Option<&PendingState>) -> bool {
        let (track, now) = (self.tracks.get(&service), self.clock.now());
        let find = |id| seen.and_then(|seen| seen.now(id)).or_else(|| self.tracks.get(&id).map(|t| t.now().clone()));
        let is_due = track.is_some_and(|track| {
            let is_behind = track.now().failed_dependencies(now, find).iter().any(|one| self.ahead.tells(one, now));
            self.ahead.add(event, outage, track.now(), is_behind, now)
        });
        if event == Event::Confirmed {
            self.numbers.carry_on_none(service);
        }
        is_due
    }

    /// Sees what a result changes that will never be stored.
    pub(in crate::store) fn see_lost(&mut self, record: &Record) {
        let now = self.clock.now();
        let mut rings = false;
        // Where the history can be written again, the next result will be there in a moment.
        if let Some(seen) = &mut self.seen
            && let Some((event, outage)) = seen.take_lost(record, &self.tracks, &self.numbers)
        {
            let is_known = !seen.began_lost(outage.id);
            let track = self.tracks.get(&record.service);
            rings |= track.is_some_and(|t| self.ahead.add_lost(event, &outage, t.now(), is_known, now));
        }
        self.watch_lost_ends(record, rings);
    }

    /// Looks for the end of an outage that channels were notified of and that was lost. Wakes the channels for that
    /// end, or because one is to be notified of something else.
    fn watch_lost_ends(&self, record: &Record, mut rings: bool) {
        if let Some(track) = self.tracks.get(&record.service) {
            let is_over = self.ahead.watch(record, track.now().service.thresholds.success, self.clock.now());
            if is_over {
                // Channels are notified under its number once more. Then no outage has the number.
                self.numbers.carry_on_none(record.service);
            }
            rings |= is_over;
        }
        if rings {
            self.shared.events.send_replace(());
        }
    }

    /// Shows the state of the services after a commit. What has been seen of them beyond the commit stays shown until
    /// it is written, so that nothing runs backwards. Then the history has the same, and no channel is notified again.
    pub(in crate::store) fn show(&mut self, done: Committed, failed: bool) {
        let refused = done.refused + done.repeated > 0;
        let in_part = failed && !done.tracks.is_empty();
        let committed: HashSet<ServiceId> = done.tracks.iter().map(|track| track.now().id).collect();
        self.tracks.extend(done.tracks.into_iter().map(|track| (track.now().id, track)));
        let Some(seen) = self.seen.take() else {
            return self.post(committed);
        };
        if self.records.is_empty() {
            // What is shown beyond the commit was lost, and is shown until there is something newer.
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

    /// Posts the stored state of services.
    fn post(&self, services: HashSet<ServiceId>) {
        self.live.post(services.iter().filter_map(|id| self.tracks.get(id)).map(|track| track.now().clone()));
    }

    /// Sees the state of the services with all that waits.
    pub(in crate::store) fn see(&mut self) {
        let (mut seen, mut rings) = (PendingState::default(), false);
        for record in self.under_way.iter().chain(&self.records) {
            if let Some((event, outage)) = seen.take(record, &self.tracks, &self.numbers) {
                rings |= self.notify_ahead(event, &outage, record.service, Some(&seen));
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
