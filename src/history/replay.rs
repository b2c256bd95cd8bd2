//! What the incidents would have been with other thresholds.

use crate::{
    domain::{
        check::{Class, Outcome, Reason},
        incident::{Cause, Outage},
        maintenance::Overlay,
        replay::{Input, Replay, ReplayedOutage},
        time::UnixMs,
        timeline::{ObservationState, Piece},
        window::Window,
    },
    live::ServiceId,
    store::{
        OutageFilter, OutageKind, Outcomes, Reader, Reasons, Result, Setting, StoredService, Tables, Walk, Which,
        may_have_gone,
    },
};
use std::{collections::HashSet, ops::ControlFlow};

/// What is to be other than it was; `None`: as it was set at the time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Rules {
    pub failure_threshold: Option<u32>,
    pub success_threshold: Option<u32>,
    pub degraded_after_ms: Option<i64>,
}

/// One service's past, as it was and as it would have been.
#[derive(Clone, PartialEq, Debug)]
pub struct Replayed {
    /// From when on the two can be compared: the window's beginning, or later where rows have been retired. `None`:
    /// nowhere.
    pub from: Option<UnixMs>,
    /// The results that were run through, those before the window that its beginning depends on among them.
    pub results: u64,
    pub had: ReplayOutcome,
    pub would: ReplayOutcome,
}

/// The outages that overlap the window, by start, and for how long the service was degraded inside it.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct ReplayOutcome {
    /// Those that would have been have the number 0.
    pub outages: Vec<Outage>,
    pub degraded_ms: i64,
}

impl ReplayOutcome {
    fn add(&mut self, window: Window, piece: Piece) {
        if let (ObservationState::Observed(Outcome::Degraded), Some(part)) =
            (piece.says, window.clip(piece.from, piece.to))
        {
            self.degraded_ms += part.length_ms();
        }
    }
}

impl Rules {
    fn apply(&self, mut told: Input, setting: &Setting, slow: &HashSet<i64>) -> Input {
        told.thresholds.failure = self.failure_threshold.unwrap_or(told.thresholds.failure);
        told.thresholds.success = self.success_threshold.unwrap_or(told.thresholds.success);
        // What is degraded for another reason stays so.
        let judged_by_time = match told.outcome {
            Outcome::Up => true,
            Outcome::Degraded => told.why.is_some_and(|why| slow.contains(&why.reason)),
            _ => false,
        };
        if let (true, Some(limit_ms)) = (judged_by_time, self.degraded_after_ms)
            && self.degraded_after_ms != setting.degraded_after_ms
        {
            let slow = told.latency_us.is_some_and(|us| i64::from(us) > limit_ms * 1000);
            told.outcome = if slow { Outcome::Degraded } else { Outcome::Up };
        }
        told
    }
}

/// Runs the stored results of a service through the state machine again, with other thresholds. `None` where there is no
/// such service.
///
/// # Errors
/// When the history cannot be read.
pub fn replay(
    reader: &Reader,
    service: ServiceId,
    window: Window,
    rules: Rules,
    now: UnixMs,
) -> Result<Option<Replayed>> {
    reader.read(|tables| match tables.service(service)? {
        Some(service) => self::service(tables, &service, window, rules, now).map(Some),
        None => Ok(None),
    })
}

fn service(tables: Tables<'_>, service: &StoredService, window: Window, rules: Rules, now: UnixMs) -> Result<Replayed> {
    let settings = tables.settings(service.id)?;
    let first = tables.first_at(Walk::over(service.id))?;
    let mut replayed =
        Replayed { from: None, results: 0, had: ReplayOutcome::default(), would: ReplayOutcome::default() };
    let Some(first) = first else { return Ok(replayed) };
    let kept = tables.kept(service.id)?;
    // After so many passed results in a row the service is up, by either rules.
    let success = settings.iter().map(|(_, s)| s.thresholds.success).chain(rules.success_threshold).max().unwrap_or(1);
    let ever = Window::new(first, UnixMs::MAX).unwrap_or(window);
    let announced = tables.maintenance(service.id, ever, Which::Announced)?;
    let all = tables.maintenance(service.id, ever, Which::All)?;
    let calm = calm_before(tables, service.id, window.from(), success, &announced)?;
    let retired = may_have_gone(service, kept, Some(first));
    let mut telling = if retired && calm.is_none() { Replay::from_the_middle() } else { Replay::from_the_beginning() };
    telling = telling.with_maintenance(announced, all.clone());
    let slow = tables.slow_reasons()?;
    let mut retold: Vec<ReplayedOutage> = Vec::new();
    let mut last: Option<Input> = None;
    tables.replay_inputs(service.id, &settings, calm.unwrap_or(first), |told, setting| {
        // An outage that lasts beyond the window is replayed to its end.
        if told.at >= window.to() && last.is_some_and(|last| last.at >= window.to()) && telling.open().is_none() {
            return Ok(ControlFlow::Break(()));
        }
        let heard = telling.observe(rules.apply(told, setting, &slow));
        if let (Some(piece), Some(last)) = (heard.spoken, last) {
            replayed.add(window, piece, last, &all);
        }
        retold.extend(heard.ended);
        last = Some(told);
        replayed.results += 1;
        Ok(ControlFlow::Continue(()))
    })?;
    if let (Some(piece), Some(last)) = (telling.last_speech(now), last) {
        replayed.add(window, piece, last, &all);
    }
    retold.extend(telling.open().cloned());
    let Some(known) = telling.known_from() else { return Ok(replayed) };
    // Incidents may have been retired as far as the rows were promised; what is left of both is compared.
    let from = if retired { kept.rows_from.max(Some(known)).unwrap_or(known) } else { first };
    let Some(window) = window.clip(from, window.to()) else { return Ok(replayed) };
    replayed.from = Some(window.from());
    let filter = OutageFilter {
        service: Some(service.id),
        window: Some(window),
        kind: OutageKind::All,
        ..OutageFilter::default()
    };
    replayed.had.outages = tables.outages(&filter, None, u32::MAX)?;
    replayed.had.outages.reverse();
    for one in retold {
        let overlaps = one.first.at < window.to() && one.ended_at.is_none_or(|ended| ended > window.from());
        if overlaps {
            let had = replayed.had.outages.iter().find(|had| had.started_at == one.first.at);
            let id = had.map_or(0, |had| had.id);
            replayed.would.outages.push(outage(tables, id, service, one)?);
        }
    }
    // An outage that began before the first known state can be on neither side.
    let known = |outage: &Outage| outage.started_at > known;
    replayed.had.outages.retain(known);
    replayed.would.outages.retain(known);
    Ok(replayed)
}

impl Replayed {
    /// Adds the time that a result is valid for: by the rules, and as it was.
    fn add(&mut self, window: Window, piece: Piece, stored: Input, maintenance: &Overlay) {
        for piece in piece.outside(maintenance) {
            self.would.add(window, piece);
        }
        for piece in (Piece { says: ObservationState::Observed(stored.outcome), ..piece }).outside(maintenance) {
            self.had.add(window, piece);
        }
    }
}

fn outage(tables: Tables<'_>, id: i64, service: &StoredService, one: ReplayedOutage) -> Result<Outage> {
    let reason = tables.reason(&mut Reasons::default(), one.why.reason)?.cloned();
    Ok(Outage {
        id,
        service: service.name.clone(),
        last_ok_at: one.last_ok_at,
        started_at: one.first.at,
        confirmed_at: one.confirmed_at,
        ended_at: one.ended_at,
        down_ms: one.down_ms,
        checks_failed: one.checks_failed,
        cause: Cause {
            reason: reason.unwrap_or(Reason { class: Class::Protocol, phase: None, message: String::new() }),
            http_status: one.why.http_status,
            latency_us: one.first.latency_us,
            phases: one.first.phases,
            excerpt: None,
        },
        left_open: false,
        note: None,
    })
}

/// The first of the last `count` results in a row before `at` that passed: from it on the state is known without the
/// results before. `None` when there were never so many. In announced maintenance none counts, and no run carries over
/// its beginning.
fn calm_before(
    tables: Tables<'_>,
    service: ServiceId,
    at: UnixMs,
    count: u32,
    announced: &Overlay,
) -> Result<Option<UnixMs>> {
    let (mut in_a_row, mut later, mut found) = (0, at, None);
    tables.backward(Walk::over(service).before(at).only(Outcomes::JUDGED), |row| {
        if announced.contains(row.at) {
            return Ok(ControlFlow::Continue(()));
        }
        if announced.first_start(row.at, later).is_some() {
            in_a_row = 0;
        }
        later = row.at;
        in_a_row = if row.outcome.passed() == Some(true) { in_a_row + 1 } else { 0 };
        if in_a_row < count {
            return Ok(ControlFlow::Continue(()));
        }
        found = Some(row.at);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}
