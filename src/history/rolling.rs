//! What [`crate::domain::rolling`] knows of a service when the monitor begins.

use crate::{
    domain::{rolling::Rolling, time::UnixMs, window::Window},
    live::ServiceId,
    store::{Columns, OutageFilter, OutageKind, Outcomes, Reader, Result, Walk, Which},
};
use std::ops::ControlFlow;

/// Takes in the last checks of a service before `now`, as far as the rule looks.
///
/// # Errors
/// When the history cannot be read.
pub fn resume(reader: &Reader, service: ServiceId, rolling: &mut Rolling, now: UnixMs) -> Result<()> {
    let found = reader.read(|tables| {
        let latest = |kind| -> Result<_> {
            let filter = OutageFilter { service: Some(service), kind, ..OutageFilter::default() };
            Ok(tables.outages(&filter, None, 1)?.into_iter().next())
        };
        let incident = latest(OutageKind::Incidents)?;
        let since = match &incident {
            Some(incident) => match incident.ended_at {
                Some(end) => end,
                // It goes on.
                None => return Ok(None),
            },
            None => UnixMs(i64::MIN),
        };
        let walk = Walk::over(service).from(since).before(now.plus(1)).only(Outcomes::JUDGED).with(Columns::Everything);
        let (mut rows, wanted) = (Vec::new(), rolling.rule().of as usize);
        tables.backward(walk, |row| {
            if !row.recheck {
                rows.push((row.at, row.outcome));
            }
            Ok(if rows.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        let maintenance = match rows.last().and_then(|(first, _)| Window::new(*first, now.plus(1))) {
            Some(window) => tables.maintenance(service, window, Which::All)?,
            None => return Ok(None),
        };
        rows.retain(|(at, _)| !maintenance.contains(*at));
        Ok(Some((rows, latest(OutageKind::All)?.map(|outage| outage.cause.reason.class))))
    })?;
    if let Some((rows, class)) = found {
        rows.into_iter().rev().for_each(|(_, outcome)| rolling.observe(outcome, false, class));
    }
    Ok(())
}
