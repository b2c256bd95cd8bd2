//! Check results, and how long their phases took.

use crate::{
    domain::{
        check::{CheckResult, Outcome, PhaseMedians, Usual},
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    store::{
        Reader, Result,
        rows::{Columns, Outcomes, Row, Walk},
    },
};
use std::ops::ControlFlow;

impl Reader {
    /// Check results of the window, newest first, at most `limit`, older than `before` where that is given.
    pub fn checks(
        &self,
        service: ServiceId,
        window: Window,
        outcome: Option<Outcome>,
        before: Option<UnixMs>,
        limit: u32,
    ) -> Result<Vec<CheckResult>> {
        let to = before.map_or(window.to(), |before| before.min(window.to()));
        let outcomes = outcome.map_or(Outcomes::ALL, Outcomes::only);
        let walk = Walk::over(service).from(window.from()).before(to).only(outcomes);
        self.read(|tables| tables.checks(walk, true, limit))
    }

    /// Check results of the window, oldest first, at most `limit`.
    pub fn checks_forward(&self, service: ServiceId, window: Window, limit: u32) -> Result<Vec<CheckResult>> {
        let walk = Walk::over(service).from(window.from()).before(window.to());
        self.read(|tables| tables.checks(walk, false, limit))
    }

    /// The medians of each phase of passed checks, in buckets of `size_ms`; of the first `sample` of them in each. A bucket
    /// in which none passed has none.
    pub fn phases(
        &self,
        service: ServiceId,
        window: Window,
        size_ms: i64,
        sample: u32,
    ) -> Result<Vec<(Window, PhaseMedians)>> {
        self.read(|tables| {
            let mut found = Vec::new();
            let mut from = window.from();
            while let Some(part) = window.clip(from, from.plus(size_ms.max(1))) {
                let mut checks = Vec::new();
                tables.forward(timed(service, part), |row| {
                    checks.extend(row.latency_us.map(|whole| (row.phases, whole)));
                    Ok(if checks.len() < sample as usize { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
                })?;
                if !checks.is_empty() {
                    found.push((part, PhaseMedians::of(&checks)));
                }
                from = part.to();
            }
            Ok(found)
        })
    }

    /// What is usual of each phase (in their order, the last one what the others leave) of passed checks in a window, of at
    /// most ten thousand of them, the latest.
    pub fn usual(&self, service: ServiceId, window: Window) -> Result<[Option<Usual>; 5]> {
        let mut times: [Vec<u32>; 5] = Default::default();
        let each = |row: Row| {
            let (Some(whole), phases) = (row.latency_us, row.phases) else { return Ok(ControlFlow::Continue(())) };
            let rest = u64::from(whole).saturating_sub(phases.sum_us()) as u32;
            let each = [phases.dns_us, phases.connect_us, phases.tls_us, phases.ttfb_us, Some(rest)];
            times.iter_mut().zip(each).for_each(|(times, us)| times.extend(us));
            let enough = times.last().is_some_and(|rest| rest.len() >= USUAL_OF);
            Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        self.read(|tables| tables.backward(timed(service, window), each))?;
        Ok(times.map(Usual::of))
    }

    /// The first result of a service that is kept.
    pub fn first_check_at(&self, service: ServiceId) -> Result<Option<UnixMs>> {
        self.read(|tables| tables.first_at(Walk::over(service)))
    }
}

/// Checks that say what is usual, at most.
const USUAL_OF: usize = 10_000;

/// The passed checks of a window with the times of their phases.
fn timed(service: ServiceId, window: Window) -> Walk {
    Walk::over(service).from(window.from()).before(window.to()).only(Outcomes::PASSED).with(Columns::Phases)
}
