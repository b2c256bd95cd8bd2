//! What [`crate::domain::rolling`] knows of a service when the monitor begins.

use crate::{
    domain::{check::Outcome, maintenance::Overlay, rolling::Rolling, time::UnixMs, window::Window},
    live::ServiceId,
    store::{Columns, OutageFilter, OutageKind, Outcomes, Reader, Reasons, Result, Walk, Which},
};
use std::ops::ControlFlow;

/// Takes in the last checks of a service before `now`, as far as the rule looks.
///
/// # Errors
/// When the history cannot be read.
pub fn resume(reader: &Reader, service: ServiceId, rolling: &mut Rolling, now: UnixMs) -> Result<()> {
    let found = reader.read(|tables| {
        let filter = OutageFilter { service: Some(service), kind: OutageKind::Incidents, ..OutageFilter::default() };
        let incidents = tables.outages(&filter, None, 1)?;
        let since = match incidents.first() {
            Some(incident) => match incident.ended_at {
                Some(end) => end,
                // It goes on.
                None => return Ok(None),
            },
            None => UnixMs(i64::MIN),
        };
        // What fails in maintenance never counts, and takes no other check's place.
        let ever = Window::new(since.max(UnixMs(0)), now.plus(1));
        let maintenance = ever.map_or(Ok(Overlay::NONE), |window| tables.maintenance(service, window, Which::All))?;
        let walk = Walk::over(service).from(since).before(now.plus(1)).only(Outcomes::JUDGED).with(Columns::Everything);
        let (mut rows, mut reason, wanted) = (Vec::new(), None, rolling.rule().of as usize);
        tables.backward(walk, |row| {
            if !row.recheck && !maintenance.contains(row.at) {
                rows.push(row.outcome);
                if row.outcome == Outcome::Down {
                    reason = reason.or(row.reason);
                }
            }
            Ok(if rows.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let mut known = Reasons::default();
        let latest = reason.map(|id| tables.reason(&mut known, id)).transpose()?.flatten();
        Ok(Some((rows, latest.map(|reason| reason.class))))
    })?;
    if let Some((rows, class)) = found {
        rows.into_iter().rev().for_each(|outcome| rolling.observe(outcome, false, class));
    }
    Ok(())
}
