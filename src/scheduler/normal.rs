//! Whether a service is slower than normal, for those that are asked to be `degraded` then. What is normal on a day is read
//! from the history ahead of it, of one service after the other: a thousand of them are no burst.

use crate::{
    clock::Clock,
    domain::{
        check::{CheckResult, Class, Outcome, Phase, Reason},
        normal::{Band, Baseline, Latest, SETTLED_MS, Sampling, Unusual, WORDS},
        time::{DAY_MS, HOUR_MS, UnixMs},
    },
    history::normal,
    live::ServiceId,
    shutdown::Shutdown,
    store::{Reader, Result},
    threads::Pool,
};
use chrono::Datelike;
use chrono_tz::Tz;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::sleep};

/// Between two services whose day has begun, between two whose next day is read ahead, and when there is nothing to do.
const SOON: Duration = Duration::from_millis(100);
const AHEAD: Duration = Duration::from_secs(5);
/// After a failure nothing is read of a service for so long.
const FAILED_MS: i64 = 10 * 60_000;
const IDLE: Duration = Duration::from_secs(60);
/// A day is read this long before it begins: an hour after what it is made of.
const AHEAD_MS: i64 = SETTLED_MS - HOUR_MS;

/// What is read for one service.
#[derive(Debug)]
pub(super) struct Asking {
    id: ServiceId,
    sampling: Sampling,
    /// Whether its last check before this run was one of unusual ones.
    was_unusual: bool,
    known: Mutex<Known>,
    wake: Arc<Notify>,
}

#[derive(Default, Debug)]
struct Known {
    /// Of today, and of tomorrow where that is read already.
    days: Vec<Baseline>,
    /// The checks before this run, until they are taken.
    before: Option<Vec<(UnixMs, u32)>>,
    has_before: bool,
    /// Which phase has grown: since when that is to be found out, and what was found.
    asked_at: Option<UnixMs>,
    /// With the moment as of which it was found.
    grown: Option<(UnixMs, Phase, f64)>,
    /// When its past could not be read.
    failed_at: Option<UnixMs>,
}

impl Asking {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a day is to be read. One service whose past cannot be read must not keep the others waiting.
    fn lacks(&self, day: UnixMs, now: UnixMs) -> bool {
        let failed = self.known().failed_at.is_some_and(|at| (0..FAILED_MS).contains(&now.since(at)));
        !failed && !self.has(day)
    }

    fn has(&self, day: UnixMs) -> bool {
        self.known().days.iter().any(|known| known.day() == day)
    }

    fn read(&self, what: Work, reader: &Reader) -> Result<()> {
        match what {
            Work::Day(day, now) => {
                let baseline = normal::baseline(reader, self.id, day, self.sampling)?;
                let has_before = self.known().has_before;
                let before = if has_before { None } else { Some(normal::latest(reader, self.id, now, self.sampling)?) };
                let mut known = self.known();
                known.days.retain(|other| now.floor(DAY_MS) <= other.day() && other.day() != day);
                known.days.push(baseline);
                known.has_before = true;
                known.before = before.or(known.before.take());
            }
            Work::Phase(at) => {
                let grown = normal::grown_phase(reader, self.id, at, self.sampling)?;
                self.known().grown = grown.map(|(phase, times)| (at, phase, times));
            }
        }
        Ok(())
    }
}

/// What is to be read of a service.
#[derive(Clone, Copy)]
enum Work {
    /// What is normal on a day, as of now.
    Day(UnixMs, UnixMs),
    /// Which phase has grown, in the checks before a moment.
    Phase(UnixMs),
}

/// The services that ask what is normal for them.
#[derive(Default)]
pub(super) struct Askings {
    all: Vec<Arc<Asking>>,
    wake: Arc<Notify>,
}

impl Askings {
    /// Takes in a service that is checked so often, and whose last check said this.
    pub(super) fn add(
        &mut self,
        id: ServiceId,
        interval_ms: i64,
        last: Option<&CheckResult>,
        zone: Tz,
    ) -> Option<Normal> {
        let sampling = Sampling::of(interval_ms)?;
        let was_unusual =
            last.and_then(|last| last.reason.as_ref()).is_some_and(|reason| reason.message.contains(WORDS));
        let asking = Asking { id, sampling, was_unusual, known: Mutex::default(), wake: self.wake.clone() };
        let asking = Arc::new(asking);
        self.all.push(asking.clone());
        Some(Normal { asking, latest: Latest::new(sampling), said: None, zone })
    }

    /// Those whose state is at stake come first.
    pub(super) fn into_all(mut self) -> Option<Arc<Askings>> {
        self.all.sort_by_key(|asking| !asking.was_unusual);
        (!self.all.is_empty()).then(|| Arc::new(self))
    }
}

/// Reads what services ask for, until shutdown.
pub(super) async fn keep(askings: Arc<Askings>, reader: Reader, clock: Clock, mut shutdown: Shutdown) {
    let thread = Pool::new("normal", 1, 1).giving_way();
    let mut has_warned = false;
    loop {
        let pause = match next(&askings.all, clock.now()) {
            None => IDLE,
            Some((asking, work, pause)) => {
                let (reader, of) = (reader.clone(), asking.clone());
                let done = match thread.run(move |_| asking.read(work, &reader)) {
                    Ok(done) => done.await.map_err(|broken| broken.to_string()),
                    Err(busy) => Err(busy.to_string()),
                };
                match done.and_then(|read| read.map_err(|error| error.to_string())) {
                    Ok(()) => {
                        has_warned = false;
                        pause
                    }
                    Err(error) => {
                        if !std::mem::replace(&mut has_warned, true) {
                            tracing::warn!("what is normal could not be read, so nothing is unusual: {error}");
                        }
                        of.known().failed_at = Some(clock.now());
                        AHEAD
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            () = askings.wake.notified() => {}
            () = sleep(pause) => {}
        }
    }
}

/// What is to be read next, and how long to wait after it.
fn next(all: &[Arc<Asking>], now: UnixMs) -> Option<(Arc<Asking>, Work, Duration)> {
    let asks = all.iter().find_map(|asking| Some((asking, asking.known().asked_at.take()?)));
    if let Some((asking, at)) = asks {
        return Some((asking.clone(), Work::Phase(at), SOON));
    }
    let today = now.floor(DAY_MS);
    let lacking = |day: UnixMs| all.iter().find(|asking| asking.lacks(day, now)).cloned();
    if let Some(asking) = lacking(today) {
        return Some((asking, Work::Day(today, now), SOON));
    }
    let tomorrow = today.plus(DAY_MS);
    let is_near = tomorrow.since(now) <= AHEAD_MS;
    let asking = is_near.then(|| lacking(tomorrow)).flatten()?;
    Some((asking, Work::Day(tomorrow, now), AHEAD))
}

/// Whether one service is slower than normal.
pub(super) struct Normal {
    asking: Arc<Asking>,
    latest: Latest,
    /// What was said of the latest check, while they are unusual.
    said: Option<Said>,
    zone: Tz,
}

/// What is said of unusual checks. It stays the same until there is more to say: each text is kept once.
struct Said {
    /// The first of them.
    since: UnixMs,
    hour: UnixMs,
    /// How many times slower, rounded.
    times: f64,
    /// Where one phase is it: how many times slower that is.
    grown: Option<(Phase, f64)>,
}

impl Normal {
    /// Makes the result of a passed check `degraded` where it is one of unusual ones.
    pub(super) fn judge(&mut self, result: &mut CheckResult) {
        let (Some(true), Some(us)) = (result.outcome.passed(), result.latency_us) else { return };
        let (band, before) = self.known(result.at);
        if let Some(before) = before {
            self.latest.resume(&before, self.asking.was_unusual);
        }
        let unusual = self.latest.observe(result.at, us, band.as_ref());
        let Some(unusual) = unusual else {
            if self.said.take().is_some() {
                self.asking.known().asked_at = None;
            }
            return;
        };
        let reason = self.reason(result.at, unusual);
        // What is degraded for another reason stays so.
        if result.outcome == Outcome::Up {
            (result.outcome, result.reason) = (Outcome::Degraded, Some(reason));
        }
    }

    fn known(&self, at: UnixMs) -> (Option<Band>, Option<Vec<(UnixMs, u32)>>) {
        let mut known = self.asking.known();
        let band = known.days.iter().find_map(|day| day.band(at)).copied();
        (band, known.before.take())
    }

    fn reason(&mut self, at: UnixMs, unusual: Unusual) -> Reason {
        let (hour, times) = (at.floor(HOUR_MS), rounded(unusual.times));
        let mut known = self.asking.known();
        let is_more = self.said.as_ref().is_none_or(|said| said.hour != hour || times > said.times);
        if is_more {
            let (since, grown) = self.said.as_ref().map_or((at, None), |said| (said.since, said.grown));
            self.said = Some(Said { since, hour, times, grown });
            known.asked_at = Some(at.plus(1));
            self.asking.wake.notify_one();
        }
        let said = self.said.get_or_insert(Said { since: at, hour, times, grown: None });
        // What was found out about earlier ones may come late.
        let found = known.grown.take().filter(|(as_of, ..)| *as_of > said.since);
        said.grown = found.map(|(_, phase, times)| (phase, rounded(times))).or(said.grown);
        let day = weekday(at, self.zone);
        let (what, times) = match said.grown {
            Some((phase, times)) => (phase_takes(phase), times),
            None => ("takes", said.times),
        };
        let message = format!("{what} {times} times {WORDS}{day} at this hour");
        Reason { class: Class::Slow, phase: said.grown.map(|(phase, _)| phase), message }
    }
}

/// How many times, as people say it: few different numbers, since each text is kept.
fn rounded(times: f64) -> f64 {
    match times {
        ..1.95 => (times * 10.0).round() / 10.0,
        ..9.5 => times.round(),
        ..95.0 => (times / 10.0).round() * 10.0,
        _ => (times / 100.0).round().min(1000.0) * 100.0,
    }
}

fn phase_takes(phase: Phase) -> &'static str {
    match phase {
        Phase::Dns => "resolving the name takes",
        Phase::Connect => "connecting takes",
        Phase::Tls => "the TLS handshake takes",
        Phase::Ttfb => "first byte takes",
        Phase::Body => "the rest of the answer takes",
    }
}

fn weekday(at: UnixMs, zone: Tz) -> &'static str {
    let days = ["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"];
    days[at.utc().with_timezone(&zone).weekday().num_days_from_monday() as usize % days.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_round_and_few() {
        let said: Vec<String> =
            [1.25, 1.949, 1.95, 2.49, 4.2, 9.6, 44.0, 120.0, 1e9].map(|t| rounded(t).to_string()).into();
        assert_eq!(said, ["1.3", "1.9", "2", "2", "4", "10", "40", "100", "100000"]);
    }

    #[test]
    fn the_day_is_that_of_the_zone() {
        let at = UnixMs::parse("2026-11-20T23:30:00Z").unwrap();
        assert_eq!((weekday(at, Tz::UTC), weekday(at, Tz::Asia__Tokyo)), ("Fridays", "Saturdays"));
    }
}
