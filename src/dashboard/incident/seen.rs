//! Whether a service failed in this way before.

use crate::{
    domain::{incident::Outage, time::UnixMs, window::Window},
    http::state::AppState,
    store::{OutageFilter, OutageKind, StoreError, StoredService},
};

/// Earlier incidents of the same cause that are shown.
const SEEN: usize = 5;

/// Earlier incidents of the service that failed in the same way.
pub(super) fn seen_before(app: &AppState, service: &StoredService, outage: &Outage) -> Result<Vec<Outage>, StoreError> {
    let Some(window) = Window::new(UnixMs::MIN, outage.started_at) else { return Ok(Vec::new()) };
    let filter = OutageFilter {
        service: Some(service.id),
        window: Some(window),
        kind: OutageKind::Incidents,
        ..OutageFilter::default()
    };
    let same = |o: &Outage| {
        o.id != outage.id
            && o.cause.reason.class == outage.cause.reason.class
            && o.cause.http_status == outage.cause.http_status
    };
    Ok(app.reader.outages(&filter, None, 200)?.into_iter().filter(same).take(SEEN).collect())
}

pub(super) fn seen_said(name: &str, seen: &[Outage]) -> String {
    match seen.len() {
        0 => format!("{name} has not gone down in this way before."),
        1 => format!("{name} has gone down in this way once before."),
        SEEN => format!("{name} has gone down in this way before; these are the latest {SEEN} times."),
        n => format!("{name} has gone down in this way {n} times before."),
    }
}
