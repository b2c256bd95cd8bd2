//! What becomes of a result: the state machine sees it, and the writer gets both.

use super::common::Common;
use crate::{
    domain::{
        check::CheckResult,
        health::{Changes, Health},
        maintenance::Overlay,
        sanitize::{LONGEST_MESSAGE, one_line},
        service::Service,
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    store::{Record, ResumePoint, Writer},
};
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

/// The state of one service, and what it hands its results on to.
pub(super) struct Recorder {
    pub(super) service: Service,
    position: ResumePoint,
    health: Health,
    /// What it would be with the results that found no room. Only while they find none.
    unstored: Option<Health>,
    common: Arc<Common>,
    /// Called before a result is handed over, for a test that wants to know of it, or to break the loop.
    #[cfg(test)]
    pub(super) seam: Box<dyn Fn(&CheckResult) + Send>,
}

/// What was seen beside the result.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) excerpt: Option<String>,
    pub(super) certificate_expires_at: Option<UnixMs>,
}

impl Recorder {
    pub(super) fn new(service: Service, position: ResumePoint, common: Arc<Common>) -> Recorder {
        Recorder {
            service,
            health: position.health,
            position,
            unstored: None,
            common,
            #[cfg(test)]
            seam: Box::new(|_| ()),
        }
    }

    /// Shows the result to the state machine and hands both to the writer.
    pub(super) fn keep(&mut self, seen: Seen, result: CheckResult) {
        self.hand_over(seen, result, |writer, record| writer.record(record));
    }

    /// The same, for a caller who waits for the commit; `None` where the result found no room.
    pub(super) fn keep_awaited(&mut self, seen: Seen, result: CheckResult) -> Option<oneshot::Receiver<()>> {
        self.hand_over(seen, result, Writer::record_awaited)
    }

    fn hand_over<T>(
        &mut self,
        seen: Seen,
        mut result: CheckResult,
        record_with: impl FnOnce(&Writer, Record) -> T,
    ) -> Option<T> {
        let at = self.time_for(result.at);
        result.at = at;
        self.common.watch.look(&self.common.clock, &self.common.writer);
        // What is not kept must not move the state of what is: it moves one of its own, that is shown.
        let has_room = self.common.writer.has_room();
        // On a copy: what breaks before the result is handed over must not have moved the state.
        let before = if has_room { self.health } else { self.shown() };
        let mut health = before;
        let maintenance = self.maintenance(&before, at);
        let changes = health.observe(self.service.thresholds, at, result.outcome, &maintenance);
        #[cfg(test)]
        (self.seam)(&result);
        self.log(&result, &before, &health, changes);
        let record = Record {
            service: self.position.id,
            result,
            excerpt: seen.excerpt,
            certificate_expires_at: seen.certificate_expires_at,
            changes,
            confirmed: health.confirmed,
        };
        self.position.last_at = Some(at);
        if before.failing.is_none() && health.failing.is_some() {
            self.ask_dependencies();
        }
        if has_room {
            let handed_over = record_with(&self.common.writer, record);
            (self.health, self.unstored) = (health, None);
            Some(handed_over)
        } else {
            self.common.writer.record_dropped(record);
            self.unstored = Some(health);
            None
        }
    }

    /// Has those checked that it depends on: whether they fail is to be known when this failure is confirmed.
    fn ask_dependencies(&self) {
        for asked in self.position.depends_on.iter().filter_map(|id| self.common.asked.get(id)) {
            asked.notify_one();
        }
    }

    /// The last result before this run.
    pub(super) fn last(&self) -> Option<&CheckResult> {
        self.position.last.as_ref()
    }

    pub(super) fn is_in_maintenance(&self, at: UnixMs) -> bool {
        self.position.timetable.contains(at)
    }

    pub(super) fn id(&self) -> ServiceId {
        self.position.id
    }

    /// Where it is asked for a check ahead of its slot, if others depend on it.
    pub(super) fn asked(&self) -> Option<Arc<Notify>> {
        self.common.asked.get(&self.position.id).cloned()
    }

    /// The state as it is shown.
    pub(super) fn shown(&self) -> Health {
        self.unstored.unwrap_or(self.health)
    }

    /// The time under which a result is kept. Results follow one another: after the clock was set back, until it has
    /// come again to where it was, each is kept a millisecond after the one before. The time that passes twice is
    /// recorded once, but outages in it have to be detected, shown and notified.
    pub(super) fn time_for(&self, at: UnixMs) -> UnixMs {
        self.position.last_at.map_or(at, |last| at.max(last.plus(1)))
    }

    /// The maintenance between the last result and this one.
    fn maintenance(&self, health: &Health, at: UnixMs) -> Overlay {
        let since = health.last_at.unwrap_or(at);
        Window::new(since, at.plus(1)).map_or(Overlay::NONE, |window| self.position.timetable.announced(window))
    }

    /// `health` is what the result made of `before`.
    fn log(&self, result: &CheckResult, before: &Health, health: &Health, changes: Changes) {
        let service = &self.service.name;
        // One result, one line; twice a message, for one that quotes another.
        let message = || result.reason.as_ref().map_or(String::new(), |r| one_line(&r.message, 2 * LONGEST_MESSAGE));
        let resolved = changes.ended.filter(|_| health.confirmed != before.confirmed);
        if changes.confirmed {
            let since = health.failing.map_or(result.at, |f| f.started_at);
            tracing::warn!(service, %since, "down: {}", message());
        } else if let Some(at) = resolved.filter(|_| health.failing.is_none()) {
            tracing::info!(service, since = %at, "up again");
        } else {
            tracing::debug!(service, outcome = result.outcome.as_str(), "{}", message());
        }
    }
}
