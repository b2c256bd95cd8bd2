//! The way through the past: a slider over the time of which the history has an answer, steps, and a field for a moment.

use super::query::Query;
use crate::{
    chart::TravelChart,
    domain::{
        time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, UnixMs},
        window::Window,
    },
    format,
    history::{as_of::Snapshot, bounds},
    http::state::AppState,
    store::StoreError,
};
use serde::Serialize;

/// The slider reaches back so far, unless an older moment is shown.
const REACH_MS: i64 = 90 * DAY_MS;

#[derive(Serialize)]
pub(super) struct Travel {
    /// The ends of the slider and its position, in milliseconds, to the minute.
    from: i64,
    to: i64,
    at: i64,
    /// This moment, as one of the past: the page stays as it is.
    here: String,
    /// What the field for a moment says, and its bounds.
    field: String,
    first: String,
    last: String,
    chart: TravelChart,
    /// What the strokes say, for who does not see them.
    said: String,
    earlier: Vec<Step>,
    later: Vec<Step>,
}

/// A link to a moment near by.
#[derive(Serialize)]
struct Step {
    id: &'static str,
    label: &'static str,
    /// `None`: there is nothing.
    url: Option<String>,
}

impl Travel {
    /// The way from the moment that is shown. It blocks. `None` where there is no past to travel through yet.
    pub(super) fn new(app: &AppState, query: &Query, snapshot: &Snapshot) -> Result<Option<Travel>, StoreError> {
        let (now, at, zone) = (app.clock.now(), snapshot.at, query.zone);
        let Some((_, told)) = bounds::retention_bounds(&app.reader)? else { return Ok(None) };
        let from = told.max(now.plus(-REACH_MS)).min(at).ceil(MINUTE_MS);
        let Some(window) = Window::new(from, now.floor(MINUTE_MS)) else { return Ok(None) };
        let confirmed = Window::new(from, now).map_or(Ok(Vec::new()), |whole| app.reader.confirmations(whole))?;
        let link = |to: UnixMs| {
            // A moment that is not past is now.
            let text = to.to_string();
            query.with(&[("at", (to < now).then_some(text.as_str()))])
        };
        let step = |id, label, ms: i64| {
            let to = at.plus(ms);
            let there = if ms < 0 { to >= told } else { snapshot.past };
            Step { id, label, url: there.then(|| link(to)) }
        };
        // An incident was known when the check ended that confirmed it; whole seconds make short addresses.
        let mut seen = confirmed.iter().map(|at| at.ceil(SECOND_MS));
        let before = seen.clone().rfind(|moment| *moment < at);
        let after = seen.find(|moment| *moment > at && *moment < now).filter(|_| snapshot.past);
        let incident = |id, label, to: Option<UnixMs>| Step { id, label, url: to.map(link) };
        Ok(Some(Travel {
            from: window.from().0,
            to: window.to().0,
            at: at.floor(MINUTE_MS).clamp(window.from(), window.to()).0,
            here: query.with(&[("at", Some(&at.floor(SECOND_MS).to_string()))]),
            field: zone.field_to_the_second(at),
            first: zone.field_to_the_second(told.ceil(SECOND_MS)),
            last: zone.field_to_the_second(now),
            said: format!(
                "{} since {}.",
                format::counted(confirmed.len() as u64, "incident", "incidents"),
                zone.long_day(from, now)
            ),
            chart: TravelChart::new(window, confirmed.iter().copied(), zone),
            earlier: vec![
                step("a-day-earlier", "− 1 day", -DAY_MS),
                step("an-hour-earlier", "− 1 h", -HOUR_MS),
                incident("incident-before", "Previous incident", before),
            ],
            later: vec![
                incident("incident-after", "Next incident", after),
                step("an-hour-later", "+ 1 h", HOUR_MS),
                step("a-day-later", "+ 1 day", DAY_MS),
            ],
        }))
    }
}
