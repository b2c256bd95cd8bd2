//! The loop of one service that reports by itself: what comes becomes a result, and so does what does not.

use super::{
    due::{Due, Last, Now},
    report::{Delivery, Event, PushReport, Taken},
    runs::Runs,
};
use crate::{
    domain::{
        check::{CheckResult, Class, Outcome, PhaseTimes, Reason},
        service::Service,
        time::UnixMs,
    },
    probe::push::PushSpec,
    scheduler::{
        common::Common,
        judge,
        recorder::{Recorder, Seen},
        watch::Absences,
    },
    shutdown::{Restarts, Shutdown},
    store::ResumePoint,
};
use futures_util::FutureExt;
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// Reports of one service that are taken within a minute: each one is a row of the history.
const TAKEN: u32 = 120;
const MINUTE: Duration = Duration::from_secs(60);

pub(in crate::scheduler) struct PushLoop {
    recorder: Recorder,
    reports: PushSpec,
    inbox: mpsc::Receiver<Delivery>,
    common: Arc<Common>,
    due: Due,
    runs: Runs,
    /// How long a run may take.
    limit: Duration,
    /// When the last result was known: none is dated before it.
    known_at: Option<UnixMs>,
    absences: watch::Receiver<Absences>,
    /// Those that are considered already.
    absent: Absences,
    /// When this minute began, and how many came in it.
    minute: (Instant, u32),
}

/// How long something took, as a result has it.
fn micros(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

impl PushLoop {
    pub(in crate::scheduler) fn new(
        service: Service,
        reports: PushSpec,
        position: ResumePoint,
        inbox: mpsc::Receiver<Delivery>,
        common: Arc<Common>,
    ) -> PushLoop {
        let now = Now { instant: Instant::now(), clocks: common.clock.readings() };
        let limit = Duration::from_millis(reports.run_ms(&service.cadence).unsigned_abs());
        let last = position.last.as_ref().map(|last| Last {
            at: last.known_at(),
            was_missed: last.reason.as_ref().is_some_and(|reason| reason.class == Class::Timeout),
        });
        let interval_ms = service.cadence.interval_ms;
        let due = Due::resume(interval_ms, reports.grace_ms(interval_ms), reports.cron.clone(), limit, last, now);
        let mut absences = common.watch.absences();
        let absent = *absences.borrow_and_update();
        PushLoop {
            recorder: Recorder::new(service, position, common.clone()),
            reports,
            inbox,
            common,
            due,
            runs: Runs::default(),
            limit,
            known_at: last.map(|last| last.at),
            absences,
            absent,
            minute: (now.instant, 0),
        }
    }

    /// Takes what comes, and notices what does not, until shutdown.
    pub(in crate::scheduler) async fn run(mut self, mut shutdown: Shutdown) {
        let what = format!("the service “{}”", self.recorder.service.name);
        let mut restarts = Restarts::NONE;
        loop {
            // One broken turn must not be the last one of a service.
            match AssertUnwindSafe(self.turn(&mut shutdown)).catch_unwind().await {
                Ok(true) => restarts.went_well(&what),
                Ok(false) => return,
                Err(panic) => {
                    if !restarts.after(&what, panic, &mut shutdown).await {
                        return;
                    }
                }
            }
        }
    }

    /// Whether there is another turn.
    async fn turn(&mut self, shutdown: &mut Shutdown) -> bool {
        let deadline = self.deadline();
        let late = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shutdown.requested() => return false,
            delivery = self.inbox.recv() => match delivery {
                Some(Delivery { report, taken }) => {
                    let answer = self.take(report);
                    // Whoever does not wait for it any more does not hear it.
                    let _ = taken.send(answer);
                }
                None => return false,
            },
            _ = self.absences.changed() => self.consider_absences(),
            () = late => self.miss().await,
        }
        true
    }

    fn now(&self) -> Now {
        Now { instant: Instant::now(), clocks: self.common.clock.readings() }
    }

    /// While runs are under way it is their ends that are waited for.
    fn deadline(&self) -> Option<Instant> {
        self.runs.deadline().or_else(|| self.due.deadline(self.now()))
    }

    fn consider_absences(&mut self) {
        let (now, absences) = (self.now(), *self.absences.borrow_and_update());
        let before = std::mem::replace(&mut self.absent, absences);
        if absences.deaf > before.deaf {
            let longest_run = if self.runs.forgive() { self.limit } else { Duration::ZERO };
            self.due.was_deaf(now, longest_run);
        }
        if absences.steps > before.steps {
            self.due.was_set(now, absences.set_by_ms - before.set_by_ms);
        }
    }

    fn take(&mut self, report: PushReport) -> Taken {
        let now = self.now();
        if let Some(wait) = self.too_many(now.instant) {
            return Taken::TooMany(wait);
        }
        let PushReport { event, run, took, message, log } = report;
        match event {
            Event::Start => {
                self.runs.start(run, now.instant, self.limit, log);
                self.due.reported(now);
                return Taken::Noted;
            }
            Event::Log => {
                self.runs.log(run.as_deref(), log);
                return Taken::Noted;
            }
            Event::Passed | Event::Failed | Event::Exit(_) => {}
        }
        let run = self.runs.end(run.as_deref());
        let took = took.or_else(|| Some(now.instant - run.as_ref()?.started));
        self.due.reported(now);
        let outcome_and_reason = match (event, message) {
            (Event::Passed, _) => {
                let slow = took.and_then(|took| {
                    let us = i64::try_from(took.as_micros()).unwrap_or(i64::MAX);
                    judge::too_slow(&self.recorder.service, us)
                });
                if slow.is_some() { (Outcome::Degraded, slow) } else { (Outcome::Up, None) }
            }
            (Event::Exit(code), None) => failed(Class::ExitCode, format!("exit code {code}")),
            (Event::Exit(code), Some(message)) => failed(Class::ExitCode, format!("exit code {code}: {message}")),
            (_, message) => failed(Class::Content, message.unwrap_or_else(|| "it reported a failure".to_owned())),
        };
        let log = log.or(run.and_then(|run| run.log));
        let (outcome, arrival) = (outcome_and_reason.0, now.clocks.wall);
        let begun = took.map_or(arrival, |took| arrival.plus(-i64::from(micros(took) / 1000)));
        let mut result = self.result(begun, arrival, outcome_and_reason);
        if outcome.passed() == Some(true) {
            // However many runs overlap, this one took as long as it took.
            result.latency_us = took.map(micros);
        }
        let excerpt = log.filter(|_| outcome == Outcome::Down);
        self.common.health.started.fetch_add(1, Relaxed);
        match self.recorder.keep_awaited(Seen { excerpt, ..Seen::default() }, result) {
            Some(written) => Taken::Recorded { outcome, written },
            None => Taken::NoRoom { outcome },
        }
    }

    /// How long to wait where more came within a minute than are taken.
    fn too_many(&mut self, now: Instant) -> Option<Duration> {
        let (began, taken) = &mut self.minute;
        let past = now.saturating_duration_since(*began);
        if past >= MINUTE {
            (*began, *taken) = (now, 0);
        }
        *taken = taken.saturating_add(1);
        (*taken > TAKEN).then(|| MINUTE.saturating_sub(past))
    }

    /// Something should have come by now.
    async fn miss(&mut self) {
        // Before anything is held against the service: could we hear it?
        self.common.watch.look(&self.common.clock, &self.common.writer);
        if self.absences.has_changed().unwrap_or(false) {
            return self.consider_absences();
        }
        let now = self.now();
        let (due, message, log) = if let Some(run) = self.runs.expired(now.instant) {
            self.due.missed_a_run(now);
            let begun = now.clocks.wall.plus(-((now.instant - run.started).as_millis() as i64));
            (begun, self.reports.unfinished(&self.recorder.service.cadence), run.log)
        } else if let Some(due) = self.due.missed(now) {
            (due, self.reports.missed(self.recorder.service.cadence.interval_ms), None)
        } else {
            return;
        };
        let longest_ms = i64::from(u32::MAX / 1000);
        let due = due.max(now.clocks.wall.plus(-longest_ms));
        let mut result = self.result(due, now.clocks.wall, failed(Class::Timeout, message));
        if self.common.witnesses.contradict(&self.recorder.service, Class::Timeout).await {
            judge::cut_off(&mut result);
        }
        let excerpt = log.filter(|_| result.outcome == Outcome::Down);
        self.common.health.started.fetch_add(1, Relaxed);
        self.recorder.keep(Seen { excerpt, ..Seen::default() }, result);
    }

    /// A result of something that began at `begun` and is known at `known`. None is dated before the one before it was
    /// known.
    fn result(&mut self, begun: UnixMs, known: UnixMs, what: (Outcome, Option<Reason>)) -> CheckResult {
        let (outcome, reason) = what;
        let not_before = self.known_at.map_or(begun, |before| before.min(known));
        let at = self.recorder.time_for(begun.max(not_before));
        self.known_at = Some(known);
        let took_ms = known.since(at).max(0);
        CheckResult {
            at,
            outcome,
            latency_us: (took_ms > 0).then(|| u32::try_from(took_ms * 1000).unwrap_or(u32::MAX)),
            phases: PhaseTimes::default(),
            http_status: None,
            certificate_days: None,
            reason,
            recheck: false,
        }
    }
}

fn failed(class: Class, message: String) -> (Outcome, Option<Reason>) {
    (Outcome::Down, Some(Reason { class, phase: None, message }))
}
