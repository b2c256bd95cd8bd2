//! What is normal for the service, in the hours of its chart.

use super::subject::Subject;
use crate::{
    domain::{
        normal::{Band, Sampling},
        time::DAY_MS,
        window::Window,
    },
    history::normal,
    http::state::AppState,
    store::StoreError,
};

/// What is normal in the hours of a range, of a service that is compared with it. In a longer range nobody sees hours.
pub(super) fn bands(app: &AppState, subject: &Subject, window: Window) -> Result<Vec<(Window, Band)>, StoreError> {
    let service = subject.now.as_ref().map(|now| &now.service).filter(|service| service.is_degraded_when_unusual);
    let sampling = service.and_then(|service| Sampling::of(service.cadence.interval_ms));
    match sampling.filter(|_| window.length_ms() <= 8 * DAY_MS) {
        Some(sampling) => normal::bands(&app.reader, subject.id, window, sampling),
        None => Ok(Vec::new()),
    }
}
