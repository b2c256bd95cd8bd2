//! Writes the past: the checks that a monitor would have made, through the same state machine and the same store.

use super::past::{self, Dice, Fault, Past};
use crate::{
    clock::Clock,
    config::{Config, Endpoint},
    domain::{
        check::{CheckResult, Class, Outcome, PhaseTimes, Reason},
        health::Health,
        maintenance::Overlay,
        service::CheckSchedule,
        time::{DAY_MS, UnixMs},
        window::Window,
    },
    live::ServiceId,
    store::{Backfill, Configured, MaintenanceMarker, Mark, Record, WatchedService},
};

/// Results written in one transaction.
const BATCH: usize = 20_000;
/// Between rechecks, in milliseconds.
const RETRY_MS: i64 = 2_000;
const TIMEOUT_MS: i64 = 2_000;

/// The state of the walk over one service's past.
struct Walker {
    id: ServiceId,
    past: Past,
    health: Health,
    endpoint: Endpoint,
    dice: Dice,
    /// The check that is due, and the one before it.
    at: UnixMs,
    last_at: UnixMs,
}

/// What is left of the present while the past is made is made too, until so little is left, in milliseconds.
const CAUGHT_UP_MS: i64 = 1_000;

/// Makes the past of every enabled endpoint, up to the moment at which it is done.
pub(super) fn make(config: &Config, clock: &Clock) -> anyhow::Result<()> {
    let now = clock.now();
    let (off_from, off_to) = past::off(now);
    let begin = now.plus(-super::past::DAYS * DAY_MS);
    let mut walkers: Vec<Walker> = Vec::new();
    // Its settings were changed now and then, and to take them up the monitor was started again.
    let changes = past::changes(now);
    let mut starts = vec![begin];
    starts.extend(changes);
    let mut runs: Vec<(UnixMs, UnixMs)> = starts.windows(2).map(|pair| (pair[0], pair[1])).collect();
    runs.extend([(changes[changes.len() - 1], off_from), (off_to, now.plus(-1))]);
    let last_run = runs.len() - 1;
    for (number, (from, to)) in runs.into_iter().enumerate() {
        let watched = config.checks.endpoints.iter().map(|endpoint| watched(endpoint, from, now)).collect();
        let mut backfill = Backfill::open(&config.storage.path, watched, from)?;
        if walkers.is_empty() {
            let all = config.checks.endpoints.iter().zip(&backfill.ids);
            walkers = all.filter(|(e, _)| e.service.enabled).map(|(e, &id)| Walker::new(e, id, now)).collect();
        }
        for walker in &mut walkers {
            walker.at = walker.at.max(from.plus(walker.dice_offset()));
        }
        write(&mut backfill, &mut walkers, to, now)?;
        if number < last_run {
            backfill.finish(to)?;
            continue;
        }
        // It took some seconds: a newcomer should not see services of which nothing has been heard since it began.
        let mut done = to;
        while clock.now().since(done) > CAUGHT_UP_MS {
            done = clock.now().plus(-1);
            write(&mut backfill, &mut walkers, done, now)?;
        }
        for walker in &mut walkers {
            walker.at = walker.at.min(done.max(walker.last_at.plus(1)));
        }
        write(&mut backfill, &mut walkers, done.plus(1), now)?;
        backfill.finish(done.plus(1))?;
    }
    let (window, services, reason) = past::maintenance(now);
    let services = Some(services.map(str::to_owned).to_vec());
    if let Some(window) = Window::new(window.0, window.1) {
        MaintenanceMarker::open(&config.storage.path)?.add(
            &Mark { window, services, reason: reason.to_owned() },
            now,
            |_, _| {},
        )?;
    }
    Ok(())
}

/// Writes the checks that are due before a moment.
fn write(backfill: &mut Backfill, walkers: &mut [Walker], to: UnixMs, now: UnixMs) -> anyhow::Result<()> {
    let mut records = Vec::with_capacity(BATCH);
    for walker in walkers {
        while walker.at < to {
            records.push(walker.check(now));
            if records.len() == BATCH {
                backfill.write(&records)?;
                records.clear();
            }
        }
    }
    Ok(backfill.write(&records)?)
}

/// An endpoint as it was checked then: less often than the demonstration checks it now.
fn watched(endpoint: &Endpoint, at: UnixMs, now: UnixMs) -> WatchedService {
    let mut service = endpoint.service.clone();
    let past = past::of(&service.name, now);
    let settings = past.settings(endpoint, at, now);
    service.cadence =
        CheckSchedule { interval_ms: settings.interval_ms, timeout_ms: TIMEOUT_MS, retry_interval_ms: RETRY_MS };
    (service.thresholds, service.degraded_after_ms) = (settings.thresholds, settings.degraded_after_ms);
    WatchedService {
        configured: Configured { service, renamed_from: None, depends_on: Vec::new() },
        settings: endpoint.shown.clone(),
    }
}

impl Walker {
    fn new(endpoint: &Endpoint, id: ServiceId, now: UnixMs) -> Walker {
        let past = past::of(&endpoint.service.name, now);
        Walker {
            id,
            health: Health::NEW,
            dice: Dice::of(&endpoint.service.name),
            at: past.since,
            last_at: past.since.plus(-1),
            past,
            endpoint: endpoint.clone(),
        }
    }

    /// Services are not all checked at the same moment.
    fn dice_offset(&mut self) -> i64 {
        (self.dice.share() * self.past.interval_ms.min(10_000) as f64) as i64
    }

    /// The check that is due, and when the next one is.
    fn check(&mut self, now: UnixMs) -> Record {
        let (at, recheck) = (self.at, self.health.rechecking());
        self.last_at = at;
        let active = self.past.troubles.iter().rev().find(|t| t.from <= at && at < t.to).map(|t| t.fault);
        let settings = self.past.settings(&self.endpoint, at, now);
        let result = self.result(at, recheck, active, settings.degraded_after_ms);
        let excerpt = match active {
            Some(Fault::Status(503)) => {
                Some("{\"error\":\"pool timed out while waiting for an open connection\"}".to_owned())
            }
            Some(Fault::Status(_)) => Some("<html><head><title>Bad gateway</title></head></html>".to_owned()),
            _ => None,
        };
        let changes = self.health.observe(settings.thresholds, at, result.outcome, &Overlay::NONE);
        let pace = if self.health.rechecking() { RETRY_MS } else { settings.interval_ms };
        // A check is seldom exactly in its slot.
        self.at = at.plus(pace + (self.dice.share() * 6.0) as i64);
        // What a trouble would fall between two checks, the demonstration meets all the same.
        if let Some(next) = self.past.troubles.iter().find(|t| t.from > at && t.from < self.at)
            && !matches!(next.fault, Fault::Slow(_))
        {
            self.at = next.from.min(now.plus(-2));
        }
        let confirmed = self.health.confirmed;
        Record { service: self.id, result, excerpt, certificate_expires_at: None, changes, confirmed }
    }

    fn result(&mut self, at: UnixMs, recheck: bool, active: Option<Fault>, limit_ms: Option<i64>) -> CheckResult {
        let hour = (at.0.rem_euclid(DAY_MS)) as f64 / DAY_MS as f64;
        // Busier by day; now and then one answer is much slower.
        let busy = 1.0 + 0.22 * (std::f64::consts::TAU * (hour - 0.35)).sin();
        let spread = 1.0 + 0.5 * self.dice.share().powi(4);
        let spike = if self.dice.share() > 0.9985 { 3.0 + 3.0 * self.dice.share() } else { 1.0 };
        let slow = match active {
            Some(Fault::Slow(factor)) => factor,
            _ => 1.0,
        };
        let mut total_ms = self.past.base_ms * busy * spread * spike * slow;
        let failed = active.and_then(Fault::reason);
        match active {
            Some(Fault::Timeout) => total_ms = TIMEOUT_MS as f64,
            Some(Fault::Refused) => total_ms = 0.9,
            Some(Fault::Status(_)) => total_ms *= 6.0,
            _ => {}
        }
        let us = |ms: f64| (ms * 1000.0) as u32;
        // What grows slower is the service, not the way to it.
        let (connect_ms, rest_ms) = match self.past.http {
            true => (self.past.base_ms * 0.14 * spread, self.past.base_ms * 0.07),
            false => (self.past.base_ms.min(4.0) * 0.3, self.past.base_ms.min(4.0) * 0.05),
        };
        let ttfb_ms = total_ms - connect_ms - rest_ms;
        let phases = PhaseTimes {
            dns_us: None,
            connect_us: (!matches!(active, Some(Fault::Refused)) && self.past.reserved.is_none())
                .then(|| us(connect_ms)),
            tls_us: None,
            ttfb_us: (self.past.http && !matches!(active, Some(Fault::Timeout))).then(|| us(ttfb_ms.max(0.1))),
        };
        let reason = |class, phase, message: String| Some(Reason { class, phase, message });
        let (outcome, reason) = match failed {
            Some((class, phase, message)) => (Outcome::Down, reason(class, phase, message)),
            None => match self.past.reserved {
                Some((from, said)) if at >= from => {
                    (Outcome::Degraded, reason(Class::ExitCode, None, format!("exit code 75: {said}")))
                }
                _ => match limit_ms.filter(|limit| total_ms > *limit as f64) {
                    Some(limit) => (Outcome::Degraded, reason(Class::Slow, None, format!("slower than {limit} ms"))),
                    None => (Outcome::Up, None),
                },
            },
        };
        let http_status = match active {
            Some(Fault::Status(status)) => Some(status),
            Some(Fault::Timeout | Fault::Refused) => None,
            _ => self.past.http.then_some(200),
        };
        CheckResult {
            at,
            outcome,
            latency_us: Some(us(total_ms).max(1)),
            phases,
            http_status,
            certificate_days: None,
            reason,
            recheck,
        }
    }
}
