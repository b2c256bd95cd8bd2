//! The loop of one service: wait for the slot, check, judge, hand over, and see when the next check is due.

use super::{common::Common, judge, pace::Pace};
use crate::{
    domain::{
        check::{CheckResult, Class, Outcome, Reason, Report, Verdict},
        health::{Changes, Health},
        maintenance::Overlay,
        sanitize::{LONGEST_MESSAGE, one_line},
        service::Service,
        time::UnixMs,
        window::Window,
    },
    probe::Probe,
    shutdown::{Restarts, Shutdown},
    store::{Record, ResumePoint},
};
use futures_util::FutureExt;
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

pub(super) struct ServiceLoop {
    service: Service,
    probe: Probe,
    position: ResumePoint,
    health: Health,
    /// What it would be with the results that found no room. Only while they find none.
    unstored: Option<Health>,
    common: Arc<Common>,
    /// Called before a result is handed over, for a test that wants to know of it, or to break the loop.
    #[cfg(test)]
    pub(super) seam: Box<dyn Fn(&CheckResult) + Send>,
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

impl ServiceLoop {
    pub(super) fn new(service: Service, probe: Probe, position: ResumePoint, common: Arc<Common>) -> ServiceLoop {
        ServiceLoop {
            service,
            probe,
            health: position.health,
            position,
            unstored: None,
            common,
            #[cfg(test)]
            seam: Box::new(|_| ()),
        }
    }

    /// Checks at `first`, then at `slot` and every interval after it, until shutdown.
    pub(super) async fn run(mut self, first: Instant, slot: Instant, mut shutdown: Shutdown) {
        let interval = ms(self.service.cadence.interval_ms);
        let mut pace = Pace::new(interval, ms(self.service.cadence.retry_interval_ms), slot);
        // The next check: in its slot, or a recheck before it.
        let (mut due, mut recheck) = (first, false);
        let what = format!("the service “{}”", self.service.name);
        let mut restarts = Restarts::NONE;
        loop {
            tokio::select! {
                biased;
                () = shutdown.requested() => return,
                () = sleep_until(due) => {}
            }
            let permit = tokio::select! {
                biased;
                () = shutdown.requested() => return,
                permit = self.common.slots.clone().acquire_owned() => permit,
            };
            let started = Instant::now();
            // One broken turn must not be the last one of a service.
            match AssertUnwindSafe(self.turn(started.saturating_duration_since(due), recheck)).catch_unwind().await {
                Ok(()) => restarts.went_well(&what),
                Err(panic) => {
                    drop(permit);
                    if !restarts.after(&what, panic, &mut shutdown).await {
                        return;
                    }
                }
            }
            (due, recheck) = pace.next(started, Instant::now(), self.shown().rechecking());
        }
    }

    /// What is done in a slot, `lag` after it.
    async fn turn(&mut self, lag: Duration, recheck: bool) {
        self.common.health.note_lag(lag);
        if lag > ms(self.service.cadence.interval_ms) {
            self.common.health.missed.fetch_add(1, Relaxed);
            self.keep(None, judge::unjudged(self.common.clock.now(), "the check started too late to count"));
        } else {
            self.check(recheck).await;
        }
    }

    async fn check(&mut self, recheck: bool) {
        let at = self.common.clock.now();
        self.common.health.started.fetch_add(1, Relaxed);
        let timeout = ms(self.service.cadence.timeout_ms);
        // A probe that breaks must not stop the record; one that ignores its deadline must not stop the loop.
        let run = AssertUnwindSafe(self.probe.run(timeout)).catch_unwind();
        let report = match tokio::time::timeout(timeout + Duration::from_secs(1), run).await {
            Ok(Ok(report)) => report,
            Ok(Err(_panic)) => return self.keep(None, judge::unjudged(at, "the probe itself panicked")),
            Err(_late) => return self.keep(None, judge::unjudged(at, "the probe did not keep its deadline")),
        };
        let mut result = judge::judge(&self.service, &report, at, recheck);
        if let Verdict::Failed(reason) = &report.verdict
            && self.common.witnesses.contradict(reason.class).await
        {
            result.outcome = Outcome::Unknown;
            result.reason = Some(Reason {
                class: Class::Monitor,
                phase: None,
                message: format!("no witness answers either, so this monitor may be cut off ({})", reason.message),
            });
        }
        self.keep(Some(report), result);
    }

    /// Shows the result to the state machine and hands both to the writer.
    fn keep(&mut self, report: Option<Report>, mut result: CheckResult) {
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
        let (excerpt, certificate_expires_at) = report.map_or((None, None), |r| (r.excerpt, r.certificate_expires_at));
        let record = Record {
            service: self.position.id,
            result,
            excerpt,
            certificate_expires_at,
            changes,
            confirmed: health.confirmed,
        };
        self.position.last_at = Some(at);
        if has_room {
            self.common.writer.record(record);
            (self.health, self.unstored) = (health, None);
        } else {
            self.common.writer.record_dropped(record);
            self.unstored = Some(health);
        }
    }

    /// The state as it is shown.
    fn shown(&self) -> Health {
        self.unstored.unwrap_or(self.health)
    }

    /// The time under which a result is kept. Results follow one another: after the clock was set back, until it has
    /// come again to where it was, each is kept a millisecond after the one before. The time that passes twice is
    /// recorded once, but outages in it have to be detected, shown and notified.
    fn time_for(&self, at: UnixMs) -> UnixMs {
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
