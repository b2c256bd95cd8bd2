//! What is normal for a service: the rule of [`crate::domain::normal`] over the history.

use crate::{
    domain::{
        check::{Phase, PhaseMedians},
        normal::{Band, Baseline, Hours, Sampling, WEEKS},
        time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs},
        window::Window,
    },
    live::ServiceId,
    store::{Columns, Latency, Outcomes, Reader, Result, Size, Tables, Walk},
};
use std::ops::ControlFlow;

/// Checks around this hour in each past week that say how long its phases take, at most.
const EACH_WEEK: usize = 100;
/// The least that a phase has to grow to be named: by a quarter.
const GROWN: f64 = 1.25;

/// What is normal on the day that begins at `day`.
///
/// # Errors
/// When the history cannot be read, as all functions here.
pub fn baseline(reader: &Reader, service: ServiceId, day: UnixMs, sampling: Sampling) -> Result<Baseline> {
    let hours = hours(reader, service, Baseline::window(day))?;
    Ok(hours.baseline(day, sampling))
}

/// What is normal in each hour of a window that is known enough, in the order of time.
pub fn bands(reader: &Reader, service: ServiceId, window: Window, sampling: Sampling) -> Result<Vec<(Window, Band)>> {
    let (first, last) = (window.from().floor(DAY_MS), window.to().plus(-1).floor(DAY_MS));
    let all = Baseline::window(first).zip(Baseline::window(last)).map(|(a, b)| (a.from(), b.to()));
    let hours = hours(reader, service, all.and_then(|(from, to)| Window::new(from, to)))?;
    let mut bands = Vec::new();
    let (mut day, mut hour) = (first, window.from().floor(HOUR_MS));
    while day <= last {
        let baseline = hours.baseline(day, sampling);
        while hour < window.to() && hour < day.plus(DAY_MS) {
            if let (Some(band), Some(part)) = (baseline.band(hour), window.clip(hour, hour.plus(HOUR_MS))) {
                bands.push((part, *band));
            }
            hour = hour.plus(HOUR_MS);
        }
        day = day.plus(DAY_MS);
    }
    Ok(bands)
}

fn hours(reader: &Reader, service: ServiceId, window: Option<Window>) -> Result<Hours> {
    let mut hours = Hours::default();
    if let Some(window) = window {
        reader.read(|tables| {
            tables.rollups(Size::Hour, service, window, Latency::Read, |at, sums| hours.add(at, sums))
        })?;
    }
    Ok(hours)
}

/// The response times of the latest passed checks before `at`, oldest first.
pub fn latest(reader: &Reader, service: ServiceId, at: UnixMs, sampling: Sampling) -> Result<Vec<(UnixMs, u32)>> {
    let walk = Walk::over(service).from(at.plus(-sampling.span_ms())).before(at).only(Outcomes::PASSED);
    let mut found = Vec::with_capacity(sampling.checks());
    reader.read(|tables| {
        tables.backward(walk.with(Columns::Latency), |row| {
            found.extend(row.latency_us.map(|us| (row.at, us)));
            Ok(go_on(found.len() < sampling.checks()))
        })
    })?;
    found.reverse();
    Ok(found)
}

/// The phase that makes the latest passed checks before `at` slower than those of past weeks at this hour, and how many
/// times longer it takes; `None` where no one phase does, or the rows of past weeks are not kept.
pub fn grown_phase(
    reader: &Reader,
    service: ServiceId,
    at: UnixMs,
    sampling: Sampling,
) -> Result<Option<(Phase, f64)>> {
    let (now, before) = reader.read(|tables| {
        let now = medians(tables, service, &[Window::ending(at, sampling.span_ms())], sampling.newest())?;
        let week = |n: usize| Window::ending(at.plus(30 * MINUTE_MS - n as i64 * 7 * DAY_MS), HOUR_MS);
        let weeks: Vec<Window> = (1..=WEEKS).map(week).collect();
        Ok((now, medians(tables, service, &weeks, EACH_WEEK)?))
    })?;
    Ok(grown(&now, &before))
}

/// The medians of the latest passed checks of each window, of all of them together.
fn medians(tables: Tables<'_>, service: ServiceId, windows: &[Window], each: usize) -> Result<PhaseMedians> {
    let mut checks = Vec::new();
    for window in windows {
        let walk = Walk::over(service).from(window.from()).before(window.to()).only(Outcomes::PASSED);
        let enough = checks.len() + each;
        tables.backward(walk.with(Columns::Phases), |row| {
            checks.extend(row.latency_us.map(|whole| (row.phases, whole)));
            Ok(go_on(checks.len() < enough))
        })?;
    }
    Ok(PhaseMedians::of(&checks))
}

fn go_on(does: bool) -> ControlFlow<()> {
    if does { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

/// The phase that has grown by more than all others together, and by how much.
fn grown(now: &PhaseMedians, before: &PhaseMedians) -> Option<(Phase, f64)> {
    let each = |m: &PhaseMedians| {
        let p = m.phases;
        [p.dns_us, p.connect_us, p.tls_us, p.ttfb_us, m.rest_us]
    };
    // What has no phases has nothing to name.
    if each(now)[..4].iter().all(Option::is_none) {
        return None;
    }
    let growths = Phase::ALL.into_iter().zip(each(now)).zip(each(before));
    let growths: Vec<(Phase, f64, f64)> = growths
        .filter_map(|((phase, now), before)| {
            let (now, before) = (f64::from(now?), f64::from(before?));
            Some((phase, now - before, now / before.max(1.0)))
        })
        .collect();
    let all: f64 = growths.iter().map(|(_, growth, _)| growth.max(0.0)).sum();
    let most = growths.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let (phase, growth, times) = most;
    (growth * 2.0 > all && times >= GROWN).then_some((phase, times))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::check::PhaseTimes;

    fn medians(connect: u32, ttfb: u32, rest: u32) -> PhaseMedians {
        let phases = PhaseTimes { connect_us: Some(connect), ttfb_us: Some(ttfb), ..PhaseTimes::default() };
        PhaseMedians { phases, rest_us: Some(rest) }
    }

    #[test]
    fn the_phase_is_named_that_grew_most_and_none_where_all_did() {
        let before = medians(1_000, 10_000, 1_000);
        assert_eq!(grown(&medians(1_000, 40_000, 1_200), &before), Some((Phase::Ttfb, 4.0)));
        assert_eq!(grown(&medians(9_000, 10_100, 1_000), &before), Some((Phase::Connect, 9.0)));
        assert_eq!(grown(&medians(11_000, 20_000, 11_000), &before), None);
        assert_eq!(grown(&before, &before), None);
        assert_eq!(grown(&before, &PhaseMedians::default()), None);
        let whole = |us| PhaseMedians { rest_us: Some(us), ..PhaseMedians::default() };
        assert_eq!(grown(&whole(9_000), &whole(1_000)), None);
    }
}
