//! The seconds in which an outage began: the last passed check, the span nobody saw, the failed ones, the moment it
//! was sure.

use super::Axis;
use crate::{
    domain::{check::CheckResult, incident::Outage, time::UnixMs, window::Window},
    format::{self, zone::Zone},
};
use serde::Serialize;

#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct OnsetChart {
    pub(crate) last_ok: String,
    pub(crate) first_failed: String,
    /// The width of the doubt.
    pub(crate) doubt: String,
    /// The width of what follows the first failed check.
    pub(crate) rest: String,
    /// The middle of the doubt, where its label is.
    pub(crate) middle: String,
    pub(crate) label: String,
    pub(crate) failed: Vec<String>,
    pub(crate) confirmed: Option<String>,
    /// The moment it was sure lies so far to the right that its word goes to the left, to stay on a phone.
    pub(crate) confirmed_late: bool,
    pub(crate) last_ok_text: String,
    pub(crate) first_failed_text: String,
}

impl OnsetChart {
    /// Draws the beginning of an outage with the checks around it; `None` when no check had passed before it.
    pub(crate) fn new(outage: &Outage, checks: &[CheckResult], zone: Zone) -> Option<OnsetChart> {
        let (from, to) = (outage.last_ok_at?, outage.started_at);
        let doubt = to.since(from);
        // The doubt is a good third of the picture, unless it took longer to be sure.
        let sure = outage.confirmed_at.map_or(doubt, |at| at.since(to));
        let (before, after) = (doubt * 2 / 5, (sure * 6 / 5).max(doubt * 4 / 5));
        let axis = Axis(Window::new(from.plus(-before), to.plus(after.max(1)))?);
        let drawn = |at: UnixMs| axis.0.contains(at);
        Some(OnsetChart {
            last_ok: axis.percent(from),
            first_failed: axis.percent(to),
            doubt: axis.stretch(from, to)?.width,
            rest: axis.stretch(to, axis.0.to())?.width,
            middle: axis.percent(from.plus(doubt / 2)),
            label: format!("it began in these {}", format::duration(doubt)),
            failed: checks
                .iter()
                .filter(|c| c.outcome.passed() == Some(false) && c.at >= to && drawn(c.at))
                .map(|c| axis.percent(c.at))
                .collect(),
            confirmed_late: outage.confirmed_at.is_some_and(|at| at.since(axis.0.from()) > axis.0.length_ms() / 10 * 7),
            confirmed: outage.confirmed_at.filter(|at| drawn(*at)).map(|at| axis.percent(at)),
            last_ok_text: zone.time_of_day(from).text,
            first_failed_text: zone.time_of_day(to).text,
        })
    }
}
