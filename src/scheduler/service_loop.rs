//! The loop of one service: wait for the slot, check, judge, hand over, and see when the next check is due.

use super::{
    common::Common,
    judge,
    normal::{Askings, Normal},
    pace::Pace,
    recorder::{Recorder, Seen},
};
use crate::{
    domain::{check::Verdict, health::Confirmed, rolling::Rolling, service::Service, time::UnixMs},
    history::rolling,
    probe::Probe,
    shutdown::{Restarts, Shutdown},
    store::{Reader, ResumePoint},
};
use chrono_tz::Tz;
use futures_util::FutureExt;
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

pub(super) struct ServiceLoop {
    probe: Arc<Probe>,
    pub(super) recorder: Recorder,
    common: Arc<Common>,
    /// Of a service that is `degraded` while it is slower than normal.
    normal: Option<Normal>,
    /// Of a service that is `degraded` while too many of its last checks failed.
    rolling: Option<Rolling>,
}

/// Somebody asks for a check; never, where nothing depends on the service.
async fn is_asked(asked: Option<&Notify>) {
    match asked {
        Some(asked) => asked.notified().await,
        None => std::future::pending().await,
    }
}

fn ms(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

impl ServiceLoop {
    pub(super) fn new(service: Service, probe: Probe, position: ResumePoint, common: Arc<Common>) -> ServiceLoop {
        let recorder = Recorder::new(service, position, common.clone());
        ServiceLoop { probe: Arc::new(probe), recorder, common, normal: None, rolling: None }
    }

    /// Asks for what is normal, where the service is to be compared with it.
    pub(super) fn compare_with_past(&mut self, askings: &mut Askings, zone: Tz) {
        let service = &self.recorder.service;
        if service.is_degraded_when_unusual {
            self.normal = askings.add(self.recorder.id(), service.cadence.interval_ms, self.recorder.last(), zone);
        }
    }

    /// Takes in how the last checks before this run went, where the service is judged by them. A history that cannot be
    /// read is no reason not to go on.
    pub(super) fn look_back(&mut self, reader: &Reader) {
        if let Some(rule) = self.recorder.service.at_most {
            let mut known = Rolling::new(rule);
            if let Err(error) = rolling::resume(reader, self.recorder.id(), &mut known, self.common.clock.now()) {
                let service = &self.recorder.service.name;
                tracing::warn!(
                    service,
                    "how its last checks went could not be read, so `at_most` begins anew: {error}"
                );
            }
            self.rolling = Some(known);
        }
    }

    /// Checks at `first`, then at `slot` and every interval after it, until shutdown.
    pub(super) async fn run(mut self, first: Instant, slot: Instant, mut shutdown: Shutdown) {
        let interval = ms(self.recorder.service.cadence.interval_ms);
        let mut pace = Pace::new(interval, ms(self.recorder.service.cadence.retry_interval_ms), slot);
        // The next check: in its slot, or a recheck before it.
        let (mut due, mut recheck) = (first, false);
        let what = format!("the service “{}”", self.recorder.service.name);
        let mut restarts = Restarts::NONE;
        let asked = self.recorder.asked();
        let retry = ms(self.recorder.service.cadence.retry_interval_ms);
        let mut last = None;
        loop {
            tokio::select! {
                biased;
                () = shutdown.requested() => return,
                () = sleep_until(due) => {}
                () = is_asked(asked.as_deref()) => {
                    let soon = last.map_or(due, |last| Instant::now().max(last + retry));
                    if soon < due {
                        (due, recheck) = (soon, true);
                    }
                    continue;
                }
            }
            let permit = tokio::select! {
                biased;
                () = shutdown.requested() => return,
                permit = self.common.slots.clone().acquire_owned() => permit,
            };
            let started = Instant::now();
            last = Some(started);
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
            (due, recheck) = pace.next(started, Instant::now(), self.recorder.shown().rechecking());
        }
    }

    /// What is done in a slot, `lag` after it.
    async fn turn(&mut self, lag: Duration, recheck: bool) {
        self.common.health.note_lag(lag);
        if lag > ms(self.recorder.service.cadence.interval_ms) {
            self.common.health.missed.fetch_add(1, Relaxed);
            self.recorder
                .keep(Seen::default(), judge::unjudged(self.common.clock.now(), "the check started too late to count"));
        } else {
            self.check(recheck).await;
        }
    }

    async fn check(&mut self, recheck: bool) {
        let at = self.common.clock.now();
        self.common.health.started.fetch_add(1, Relaxed);
        let timeout = ms(self.recorder.service.cadence.timeout_ms);
        // A probe that breaks must not stop the record; one that ignores its deadline must not stop the loop.
        let run = AssertUnwindSafe(self.probe.run(timeout)).catch_unwind();
        let report = match tokio::time::timeout(timeout + Duration::from_secs(1), run).await {
            Ok(Ok(report)) => report,
            Ok(Err(_panic)) => {
                return self.recorder.keep(Seen::default(), judge::unjudged(at, "the probe itself panicked"));
            }
            Err(_late) => {
                return self.recorder.keep(Seen::default(), judge::unjudged(at, "the probe did not keep its deadline"));
            }
        };
        let mut result = judge::judge(&self.recorder.service, &report, at, recheck);
        if let Some(normal) = &mut self.normal {
            normal.judge(&mut result);
        }
        if let Some(rolling) = &self.rolling {
            rolling.judge(&mut result);
        }
        if let Verdict::Failed(reason) = &report.verdict
            && self.common.witnesses.contradict(&self.recorder.service, reason.class).await
        {
            judge::cut_off(&mut result);
        }
        let seen = Seen { excerpt: report.excerpt, certificate_expires_at: report.certificate_expires_at };
        let was_failing = self.recorder.shown().failing.is_some();
        let (outcome, class) = (result.outcome, result.reason.as_ref().map(|reason| reason.class));
        self.recorder.keep(seen, result);
        if let Some(rolling) = &mut self.rolling {
            match self.recorder.shown().confirmed {
                Confirmed::Down => rolling.forget(),
                _ if self.recorder.is_in_maintenance(at) => {}
                _ => rolling.observe(outcome, recheck, class),
            }
        }
        if let Some(failing) = self.recorder.shown().failing.filter(|_| !was_failing) {
            self.diagnose(failing.started_at);
        }
    }

    /// Finds out beside the checks what is wrong, once for an outage, unless that is done for many already.
    fn diagnose(&self, started_at: UnixMs) {
        let Ok(permit) = self.common.diagnoses.clone().try_acquire_owned() else { return };
        let (probe, common, id) = (self.probe.clone(), self.common.clone(), self.recorder.id());
        let service = self.recorder.service.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let Some(mut found) = probe.diagnose(common.clock.now()).await else { return };
            found.witness = common.witnesses.ask_one(&service).await;
            common.writer.diagnosed(id, started_at, found);
        });
    }
}
