//! The state of a service, and how the next result changes it: the same whether the result is written at once or later.

use super::resume::Resumed;
use crate::{
    calendar::Timetable,
    domain::{
        check::{CheckResult, Outcome},
        health::{Began, Changes, Confirmed},
        incident::{Cause, Outage},
        service::Service,
        status::StatusSince,
        time::UnixMs,
        timeline::failed_until,
        window::Window,
    },
    live::{ServiceId, ServiceNow},
    settings::effective::EffectiveSettings,
    store::tables::{maintenance::Which, outbox::Event},
};
use std::sync::Arc;

/// A check result on its way into the history, with what it changed.
#[derive(Clone, Debug)]
pub struct Record {
    pub service: ServiceId,
    pub result: CheckResult,
    /// The beginning of the failing answer.
    pub excerpt: Option<String>,
    pub certificate_expires_at: Option<UnixMs>,
    /// What the state machine made of the result,
    pub changes: Changes,
    /// and its state after the result.
    pub confirmed: Confirmed,
}

/// What the writer keeps in memory for one service.
#[derive(Clone, Debug)]
pub(in crate::store) struct ServiceTrack {
    /// The live state has the same.
    pub(in crate::store) now: Arc<ServiceNow>,
    since: StatusSince,
    /// Hours before it are settled.
    pub(in crate::store) rolled_until: Option<UnixMs>,
    /// The validity of the last result, in milliseconds.
    pub(in crate::store) last_validity_ms: i64,
    /// Not watched until this run, by intent.
    pub(in crate::store) was_paused: bool,
}

impl ServiceTrack {
    /// The state of a service at the beginning of a run.
    pub(in crate::store) fn new(
        resumed: Resumed,
        service: Arc<Service>,
        settings: EffectiveSettings,
        depends_on: Arc<[ServiceId]>,
        timetable: Arc<Timetable>,
    ) -> ServiceTrack {
        let down_since = resumed.outage.as_ref().filter(|o| o.is_incident()).map(|o| o.started_at);
        ServiceTrack {
            now: Arc::new(ServiceNow {
                id: resumed.id,
                service,
                settings,
                depends_on,
                confirmed: resumed.health.confirmed,
                since: resumed.since.answer(resumed.health.confirmed, down_since),
                last: resumed.last,
                judged: resumed.judged,
                judged_validity_ms: resumed.judged_validity_ms,
                outage: resumed.outage.map(Arc::new),
                flapping: resumed.flapping,
                certificate_expires_at: resumed.certificate_expires_at,
                timetable,
                pending_store: 0,
            }),
            since: resumed.since,
            rolled_until: resumed.rolled_until,
            last_validity_ms: resumed.last_validity_ms,
            was_paused: resumed.was_paused,
        }
    }

    pub(in crate::store) fn now(&self) -> &Arc<ServiceNow> {
        &self.now
    }

    /// What a result counts as once maintenance is considered: for the state of the service, or for figures.
    pub(in crate::store) fn judged(&self, result: &CheckResult, which: Which) -> Outcome {
        if result.outcome != Outcome::Down {
            return result.outcome;
        }
        let Some(moment) = Window::new(result.at, result.at.plus(1)) else { return result.outcome };
        let overlay = match which {
            Which::Announced => self.now.timetable.announced(moment),
            Which::All => self.now.timetable.all(moment),
        };
        overlay.judged(result.at, result.outcome)
    }

    /// The time before a result at `next_at` for which no result is valid.
    pub(in crate::store) fn silence_before(&self, next_at: UnixMs) -> Option<(UnixMs, UnixMs)> {
        let from = self.now.last.as_ref()?.at.plus(self.last_validity_ms);
        (from < next_at).then_some((from, next_at))
    }

    /// Takes in the next result and reports what it changed. `number` gives the number of an outage that begins with
    /// the result.
    pub(in crate::store) fn step(&mut self, record: &Record, number: impl FnOnce() -> i64) -> Step {
        let Record { result, changes, confirmed, certificate_expires_at, .. } = record;
        self.end_speech(result.at);
        let judged = self.judged(result, Which::Announced);
        let mut step = Step { failed: judged == Outcome::Down, ..Step::default() };
        let now = Arc::make_mut(&mut self.now);
        if let Some(at) = changes.broken_off {
            // The outage was not confirmed when maintenance began: what comes after that is another outage.
            let over = now.outage.take_if(|outage| !outage.is_incident());
            step.broken_off = over.map(|outage| Outage { ended_at: Some(at), ..Arc::unwrap_or_clone(outage) });
        }
        // Should the record of a change ever have been lost (refused, or in a commit that broke), the next record makes
        // up for it: no outage stays unknown, and none stays open. In maintenance no outage begins and none ends.
        let began = changes.began.or_else(|| {
            let last_ok_at = now.judged.filter(|(_, o)| o.passed() == Some(true)).map(|(at, _)| at);
            (step.failed && now.outage.is_none()).then_some(Began { last_ok_at })
        });
        let passed = judged.passed() == Some(true) && *confirmed == Confirmed::Up;
        let up_again = passed && !now.timetable.contains(result.at);
        let ended = changes.ended.or(up_again.then_some(result.at));
        if let (Some(began), Some(why)) = (began, &result.reason) {
            step.began = true;
            now.outage = Some(Arc::new(Outage {
                id: number(),
                service: now.service.name.clone(),
                last_ok_at: began.last_ok_at,
                started_at: result.at,
                confirmed_at: None,
                ended_at: None,
                down_ms: 0,
                checks_failed: 0,
                cause: Cause {
                    reason: why.clone(),
                    http_status: result.http_status,
                    latency_us: result.latency_us,
                    phases: result.phases,
                    excerpt: record.excerpt.clone(),
                },
                left_open: false,
                note: None,
            }));
        }
        if let Some(outage) = now.outage.as_mut().map(Arc::make_mut) {
            if step.failed {
                outage.checks_failed += 1;
            }
            if *confirmed == Confirmed::Down && outage.confirmed_at.is_none() {
                outage.confirmed_at = Some(result.known_at());
                step.event = Some(Event::Confirmed);
            }
            if let Some(ended_at) = ended {
                outage.ended_at = Some(ended_at);
                step.event = outage.is_incident().then_some(Event::Resolved);
            }
        }
        step.outage.clone_from(&now.outage);
        if ended.is_some() {
            now.outage = None;
        }
        if certificate_expires_at.is_some() && *certificate_expires_at != now.certificate_expires_at {
            now.certificate_expires_at = *certificate_expires_at;
            step.certificate = *certificate_expires_at;
        }
        self.note_state(record, judged);
        step
    }

    /// The next result is there: now it is known how long the last result was valid.
    fn end_speech(&mut self, next_at: UnixMs) {
        let Some((last_at, outcome)) = self.now.last.as_ref().map(|last| (last.at, last.outcome)) else { return };
        let spoken_until = next_at.min(last_at.plus(self.last_validity_ms));
        if outcome == Outcome::Down
            && self.now.outage.is_some()
            && let Some(spoken) = Window::new(last_at, spoken_until)
        {
            let failed_until = failed_until(last_at, spoken_until, &self.now.timetable.all(spoken));
            if let Some(outage) = &mut Arc::make_mut(&mut self.now).outage {
                Arc::make_mut(outage).down_ms += failed_until.since(last_at);
            }
        }
    }

    fn note_state(&mut self, record: &Record, judged: Outcome) {
        let Record { result, changes, confirmed, .. } = record;
        let now = Arc::make_mut(&mut self.now);
        // A result that comes late does not report the current state.
        let newest = now.last.as_ref().is_none_or(|last| last.at < result.at);
        if newest && judged.passed().is_some() {
            now.judged = Some((result.at, judged));
            now.judged_validity_ms = now.service.cadence.validity_ms();
            self.since.judge(result.at, judged);
            now.flapping = now.flapping.observe(judged.passed() == Some(true));
        }
        if now.confirmed == Confirmed::Down && *confirmed == Confirmed::Up {
            self.since.recovered = changes.ended.or(Some(result.at));
        }
        now.confirmed = *confirmed;
        now.since = self.since.answer(*confirmed, now.outage.as_ref().map(|o| o.started_at));
        if newest {
            now.last = Some(result.clone());
            self.last_validity_ms = now.service.cadence.validity_ms();
        }
    }
}

/// What a result changed of its service, beside the current state of the service.
#[derive(Default, Debug)]
pub(in crate::store) struct Step {
    /// The outage that maintenance ended before it was confirmed, in its current state.
    pub(in crate::store) broken_off: Option<Outage>,
    /// The outage under way, or ended by this result, in its current state.
    pub(in crate::store) outage: Option<Arc<Outage>>,
    /// The outage began with this result.
    pub(in crate::store) began: bool,
    /// The result is one of the failed checks of the outage.
    pub(in crate::store) failed: bool,
    /// The event that channels are to be notified of.
    pub(in crate::store) event: Option<Event>,
    /// The end of the certificate, where it has changed.
    pub(in crate::store) certificate: Option<UnixMs>,
}
