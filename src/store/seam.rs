//! What the history room reads of the tables: the seam. Each function is one question; no signature shows how the engine
//! answers it.

use super::{
    IncidentNote, Interruption, Result, RunHead,
    rows::{
        Columns, Row, Walk,
        sealing::{self, Fault as SealedFault},
    },
    tables::{
        channels::{self, ChannelHealth},
        diagnoses::{self, DiagnosisRecord},
        kept::{self, RetainedFrom},
        maintenance::{self, Maintenance, Which},
        notes,
        outages::{
            self, Cursor, OutageFilter,
            derived::{self, StoredOutage},
        },
        outbox::{self, DueEvent},
        reasons::Reasons,
        replay_input,
        responses::{self, ResponseRecords, SilencedIncident},
        results,
        rollups::{self, Latency, Size},
        runs::{self, Run, Runs},
        services::{self, StoredService},
        settings::{Setting, Settings},
        standing,
    },
};
use crate::{
    domain::{
        check::{CheckResult, Outcome, Reason},
        diagnosis::Diagnosis,
        health::Health,
        incident::{CauseChange, Gap, Outage},
        maintenance::Overlay,
        replay::{Input, Why},
        status::StatusSince,
        time::UnixMs,
        timeline::{Buckets, Observation, Tally},
        window::Window,
    },
    live::ServiceId,
    routing::{Acknowledgement, Silence},
};
use rusqlite::Connection;
use std::{
    collections::{BTreeMap, HashSet},
    ops::ControlFlow,
};

/// The tables of a history as they were at one moment: within [`super::Reader::read`] nothing that is read changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables<'a>(&'a Connection);

impl<'a> Tables<'a> {
    /// The connection is in a transaction, where the caller makes more than one query.
    pub(in crate::store) fn of(conn: &'a Connection) -> Tables<'a> {
        Tables(conn)
    }

    // Services, and what is kept of them.

    /// Every service ever configured, by name.
    pub(crate) fn services(self) -> Result<Vec<StoredService>> {
        services::all(self.0)
    }

    /// The service with this number.
    pub(crate) fn service(self, id: ServiceId) -> Result<Option<StoredService>> {
        services::by_id(self.0, id)
    }

    /// The service of this name.
    pub(crate) fn service_named(self, name: &str) -> Result<Option<StoredService>> {
        services::by_name(self.0, name)
    }

    /// When the certificate of a service ends that was seen last.
    pub(crate) fn certificate_expires_at(self, id: ServiceId) -> Result<Option<UnixMs>> {
        services::certificate_expires_at(self.0, id)
    }

    /// All that a service was ever set to.
    pub(crate) fn settings(self, id: ServiceId) -> Result<Settings> {
        Settings::of(self.0, id)
    }

    /// From when on rows and sums of a service are kept.
    pub(crate) fn kept(self, id: ServiceId) -> Result<RetainedFrom> {
        kept::of(self.0, id)
    }

    /// When the first service was added, and from when on the rows of all are kept.
    pub(crate) fn kept_of_all(self) -> Result<(Option<UnixMs>, Option<UnixMs>)> {
        kept::of_all(self.0)
    }

    /// The maintenance of a service that shares time with a window.
    pub(crate) fn maintenance(self, id: ServiceId, window: Window, which: Which) -> Result<Overlay> {
        maintenance::overlay(self.0, id, window, which)
    }

    /// The maintenance that a moment lies in, with the windows that touch it.
    pub(crate) fn maintenance_around(self, id: ServiceId, at: UnixMs, which: Which) -> Result<Overlay> {
        maintenance::whole_at(self.0, id, at, which)
    }

    /// Every window of maintenance that shares time with `window`, or with `None` every one there is, in the order of time.
    pub(crate) fn maintenance_log(self, window: Option<Window>) -> Result<Vec<Maintenance>> {
        maintenance::list(self.0, window)
    }

    // Check results.

    /// Hands `each` the rows of a walk, oldest first, until it has had enough.
    pub(crate) fn forward(self, walk: Walk, each: impl FnMut(Row) -> Result<ControlFlow<()>>) -> Result<()> {
        walk.forward(self.0, each)
    }

    /// Hands `each` the rows of a walk, newest first, until it has had enough.
    pub(crate) fn backward(self, walk: Walk, each: impl FnMut(Row) -> Result<ControlFlow<()>>) -> Result<()> {
        walk.backward(self.0, each)
    }

    /// When the oldest check of a walk started.
    pub(crate) fn first_at(self, walk: Walk) -> Result<Option<UnixMs>> {
        walk.first_at(self.0)
    }

    /// When the newest check of a walk started.
    pub(crate) fn last_at(self, walk: Walk) -> Result<Option<UnixMs>> {
        walk.last_at(self.0)
    }

    /// The reason of this number; those that were read before are in `known`.
    pub(crate) fn reason(self, known: &mut Reasons, id: i64) -> Result<Option<&Reason>> {
        known.of(self.0, id)
    }

    /// The numbers of the reasons that a check was slow, and nothing worse.
    pub(crate) fn slow_reasons(self) -> Result<HashSet<i64>> {
        replay_input::slow_reasons(self.0)
    }

    // Sums.

    /// Hands `each` the sums of hours or days whose start lies in the window.
    pub(crate) fn rollups(
        self,
        size: Size,
        id: ServiceId,
        window: Window,
        latency: Latency,
        each: impl FnMut(UnixMs, Tally),
    ) -> Result<()> {
        rollups::each(self.0, size, id, window, latency, each)
    }

    // Outages.

    /// The outages that a filter means, newest first, at most `limit`, after `cursor` where that is given.
    pub(crate) fn outages(self, filter: &OutageFilter, cursor: Option<Cursor>, limit: u32) -> Result<Vec<Outage>> {
        outages::list(self.0, filter, cursor, limit)
    }

    /// One outage.
    pub(crate) fn outage(self, id: i64) -> Result<Option<Outage>> {
        outages::get(self.0, id)
    }

    /// The numbers of the incidents of the same service before and after one.
    pub(crate) fn neighbours(self, outage: &Outage) -> Result<(Option<i64>, Option<i64>)> {
        outages::neighbours(self.0, outage)
    }

    /// Each change of cause while an outage lasted, oldest first.
    pub(crate) fn cause_changes(self, outage: i64) -> Result<Vec<CauseChange>> {
        outages::cause_changes(self.0, outage)
    }

    /// Outages of other services that failed with this one, by start.
    pub(crate) fn failed_with(self, outage: &Outage) -> Result<Vec<Outage>> {
        outages::failed_with(self.0, outage)
    }

    /// When the incidents that began in the window were confirmed, in the order of time.
    pub(crate) fn confirmations(self, window: Window) -> Result<Vec<UnixMs>> {
        outages::confirmations(self.0, window)
    }

    /// The notes of incidents of a service that overlap a window or began in it, removed ones among them.
    pub(crate) fn notes(self, id: ServiceId, window: Window) -> Result<Vec<IncidentNote>> {
        notes::list(self.0, id, window)
    }

    /// When the checks of a window started whose answer is kept, in order.
    pub(crate) fn excerpt_times(self, id: ServiceId, window: Window) -> Result<Vec<UnixMs>> {
        outages::excerpt_times(self.0, id, window)
    }

    /// The beginning of the answer that a check got, where it is kept.
    pub(crate) fn excerpt(self, id: ServiceId, at: UnixMs) -> Result<Option<String>> {
        outages::excerpt(self.0, id, at)
    }

    /// The last outage of a service that began before a moment.
    pub(crate) fn last_outage(self, id: ServiceId, before: UnixMs) -> Result<Option<Outage>> {
        outages::last_before(self.0, id, before)
    }

    // Alerts.

    /// The events of a channel that are not settled, oldest first, at most `limit`, but for those that `settled` knows.
    pub(crate) fn pending_events(
        self,
        channel: &str,
        limit: usize,
        settled: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<DueEvent>> {
        outbox::pending(self.0, channel, limit, settled)
    }

    /// When something was announced of this event id.
    pub(crate) fn announced_at(self, event_id: &str) -> Result<Option<UnixMs>> {
        outbox::announced_at(self.0, event_id)
    }

    /// The beginnings of open incidents that a channel was notified of, oldest first.
    pub(crate) fn open_alerts(self, channel: &str) -> Result<Vec<DueEvent>> {
        outbox::open(self.0, channel)
    }

    /// How every channel does that was ever tried or has something to deliver, by name.
    pub(crate) fn channels(self) -> Result<Vec<ChannelHealth>> {
        channels::all(self.0)
    }

    /// What was announced beside incidents, and when.
    pub(crate) fn announced(self) -> Result<Vec<(String, UnixMs)>> {
        outbox::announced(self.0)
    }

    /// The acknowledgements of the incident of a service that began at a moment, oldest first.
    pub(crate) fn acknowledgements(self, id: ServiceId, started_at: UnixMs) -> Result<Vec<Acknowledgement>> {
        responses::acknowledgements(self.0, id, started_at)
    }

    /// The silences because of which nobody was notified of it, oldest first.
    pub(crate) fn silenced(self, id: ServiceId, started_at: UnixMs) -> Result<Vec<SilencedIncident>> {
        responses::silenced(self.0, id, started_at)
    }

    /// What was found out when the outage of a service began.
    pub(crate) fn diagnosis(self, id: ServiceId, started_at: UnixMs) -> Result<Option<Diagnosis>> {
        diagnoses::of(self.0, id, started_at)
    }

    /// The same of all outages of a service that overlap a window or began in it.
    pub(crate) fn diagnoses(self, id: ServiceId, window: Window) -> Result<Vec<DiagnosisRecord>> {
        diagnoses::of_window(self.0, id, window)
    }

    /// What was done about the incidents of some services that overlap a window or began in it, and its silences.
    pub(crate) fn responses(self, ids: &[ServiceId], window: Window) -> Result<ResponseRecords> {
        let mut records = ResponseRecords::default();
        for id in ids {
            responses::of_window(self.0, *id, window, &mut records)?;
        }
        records.silences = responses::silences(self.0, window.from())?;
        records.silences.retain(|silence| silence.from < window.to());
        Ok(records)
    }

    /// Silences that end after a moment, in the order in which they begin.
    pub(crate) fn silences(self, after: UnixMs) -> Result<Vec<Silence>> {
        responses::silences(self.0, after)
    }

    // The monitor itself.

    /// The latest run.
    pub(crate) fn last_run(self) -> Result<Option<Run>> {
        runs::last_run(self.0)
    }

    /// Every run with the version that ran, in no order.
    pub(crate) fn run_heads(self) -> Result<Vec<RunHead>> {
        runs::heads(self.0)
    }

    /// What interrupted the observation, by time, each once.
    pub(crate) fn interruptions(self) -> Result<Vec<Interruption>> {
        runs::interruptions(self.0)
    }

    /// What interrupted the observation and was noted after the one of this number, without what ended before a moment.
    pub(crate) fn interruptions_after(self, after: i64, from: UnixMs) -> Result<Vec<(i64, Interruption)>> {
        runs::interruptions_after(self.0, after, from)
    }

    /// When the monitor ran and what interrupted it, ever: from this follows the reason of a gap.
    pub(crate) fn monitor_runs(self) -> Result<Runs> {
        Runs::of(self.0)
    }

    // What is made of the questions above. The writer needs it too, so it lies below.

    /// The results of a walk with their reasons, at most `limit`.
    pub(crate) fn checks(self, walk: Walk, newest_first: bool, limit: u32) -> Result<Vec<CheckResult>> {
        results::list(self.0, walk, newest_first, limit)
    }

    /// The last result before a moment.
    pub(crate) fn newest(self, id: ServiceId, before: UnixMs) -> Result<Option<CheckResult>> {
        results::newest(self.0, id, before)
    }

    /// The last judged result before a moment: its time and outcome.
    pub(crate) fn last_judged(self, id: ServiceId, before: UnixMs, which: Which) -> Result<Option<(UnixMs, Outcome)>> {
        results::last_judged(self.0, id, before, which)
    }

    /// The last passed result before a moment, in maintenance or not.
    pub(crate) fn last_passed(self, id: ServiceId, before: UnixMs) -> Result<Option<UnixMs>> {
        results::last_passed(self.0, id, before)
    }

    /// The last failed result before a moment that was not made in announced maintenance.
    pub(crate) fn last_failed(self, id: ServiceId, before: UnixMs) -> Result<Option<UnixMs>> {
        results::last_failed(self.0, id, before)
    }

    /// Hands `each` what bears on a window: the results in it, the last one before it, and the following ones up to the
    /// first judged one at or after its end. Gives the maintenance as far as they reach.
    pub(crate) fn observations(
        self,
        settings: &Settings,
        id: ServiceId,
        window: Window,
        need: Columns,
        each: impl FnMut(Observation),
    ) -> Result<Overlay> {
        results::walk_with(self.0, settings, id, window, need, each)
    }

    /// Hands `each` the results of a walk.
    pub(crate) fn observe(self, settings: &Settings, walk: Walk, each: impl FnMut(Observation)) -> Result<()> {
        results::observe(self.0, settings, walk, each)
    }

    /// Hands `each` the results of a service from a moment on as a replay hears them, until it has had enough.
    pub(crate) fn replay_inputs(
        self,
        id: ServiceId,
        settings: &Settings,
        from: UnixMs,
        each: impl FnMut(Input, &Setting) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        replay_input::each(self.0, id, settings, from, each)
    }

    /// The gaps of a service that overlap a window, oldest first, with the one that lasts at `now`.
    pub(crate) fn gaps(self, service: &StoredService, window: Window, now: UnixMs) -> Result<Vec<Gap>> {
        runs::gaps(self.0, service, window, now)
    }

    /// The hours of a window, computed from the rows.
    pub(crate) fn hours_of_rows(self, id: ServiceId, window: Window) -> Result<Buckets> {
        rollups::recompute(self.0, id, window)
    }

    /// Since when a service has its present state, by the results before `end`.
    pub(crate) fn status_since(
        self,
        id: ServiceId,
        judged: Option<(UnixMs, Outcome)>,
        end: UnixMs,
    ) -> Result<StatusSince> {
        standing::since(self.0, id, judged, end)
    }

    /// The health of a service without an outage, by the results before `end`.
    pub(crate) fn unfailing_health(self, id: ServiceId, end: UnixMs) -> Result<Health> {
        standing::unfailing_health(self.0, id, end)
    }

    // What is derived, as it is stored, to be compared with the rows.

    /// What is stored of hours or days of a window; `None` where a sum cannot be read.
    pub(crate) fn stored_rollups(
        self,
        size: Size,
        id: ServiceId,
        window: Window,
    ) -> Result<BTreeMap<UnixMs, Option<Tally>>> {
        rollups::stored(self.0, size, id, window)
    }

    /// The start of the oldest sum of a service.
    pub(crate) fn first_rollup(self, size: Size, id: ServiceId) -> Result<Option<UnixMs>> {
        rollups::first(self.0, size, id)
    }

    /// The start of the first sum, of an hour or a day, from a moment on.
    pub(crate) fn next_rollup(self, id: ServiceId, from: UnixMs) -> Result<Option<UnixMs>> {
        rollups::next(self.0, id, from)
    }

    /// The outages of a service by their start.
    pub(crate) fn stored_outages(self, id: ServiceId) -> Result<BTreeMap<UnixMs, Vec<StoredOutage>>> {
        derived::all(self.0, id)
    }

    /// The changes of cause of an outage, by time.
    pub(crate) fn outage_changes(self, outage: i64) -> Result<Vec<(UnixMs, Why)>> {
        derived::changes(self.0, outage)
    }

    /// The gaps of a service: by their start, with their end and the word of their reason.
    pub(crate) fn stored_gaps(self, id: ServiceId) -> Result<BTreeMap<UnixMs, (UnixMs, String)>> {
        runs::stored_gaps(self.0, id)
    }

    /// What is wrong in the stored descriptions of the sealed days of a service.
    pub(crate) fn sealed_faults(self, id: ServiceId) -> Result<Vec<SealedFault>> {
        sealing::faults(self.0, id)
    }
}
