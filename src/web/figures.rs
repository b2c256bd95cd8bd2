//! The figures that a list of services shows of each, kept for a few seconds: they cost six questions a service.

use crate::{
    board::ServiceId,
    domain::{
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::Buckets,
        uptime::Uptime,
        window::Window,
    },
    store::{Reader, StoreError},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How long figures are good for, in milliseconds.
pub const FRESH_MS: i64 = 15_000;

/// The windows of [`Figures::uptime`], in milliseconds: 24 hours, 7, 30 and 90 days.
pub const WINDOWS_MS: [i64; 4] = [DAY_MS, 7 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS];

/// What a list of services shows of one service's history.
#[derive(Clone, PartialEq, Debug)]
pub struct Figures {
    /// Over [`WINDOWS_MS`], all ending when the figures were made.
    pub uptime: [Uptime; 4],
    /// The last 90 days (UTC), today included, by day.
    pub days: Buckets,
    /// The last 24 hours, the one under way included, by hour.
    pub hours: Buckets,
}

impl Figures {
    /// Asks the history. It blocks.
    pub fn read(reader: &Reader, service: ServiceId, now: UnixMs) -> Result<Figures, StoreError> {
        let over = |length_ms| reader.uptime(service, Window::ending(now, length_ms), now);
        let [a, b, c, d] = WINDOWS_MS;
        // The bucket under way is cut off at `now`, so that time to come is not counted as a gap.
        let since = |size_ms: i64, count: i64| {
            let from = now.floor(size_ms).plus(-(count - 1) * size_ms);
            Window::new(from, now).unwrap_or(Window::ending(now, size_ms))
        };
        Ok(Figures {
            uptime: [over(a)?, over(b)?, over(c)?, over(d)?],
            days: reader.history_by(service, since(DAY_MS, 90), DAY_MS, now)?,
            hours: reader.history_by(service, since(HOUR_MS, 24), HOUR_MS, now)?,
        })
    }
}

/// Figures made in the last seconds, one set a service.
#[derive(Default, Debug)]
pub struct FigureCache {
    slots: Mutex<HashMap<ServiceId, Slot>>,
}

/// Locked while its figures are made, so that two pages at once make them once.
type Slot = Arc<Mutex<Option<(UnixMs, Arc<Figures>)>>>;

impl FigureCache {
    /// The figures of a service, at most [`FRESH_MS`] old. It blocks.
    pub fn get(&self, reader: &Reader, service: ServiceId, now: UnixMs) -> Result<Arc<Figures>, StoreError> {
        self.get_or(service, now, || Figures::read(reader, service, now))
    }

    fn get_or(
        &self,
        service: ServiceId,
        now: UnixMs,
        make: impl FnOnce() -> Result<Figures, StoreError>,
    ) -> Result<Arc<Figures>, StoreError> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(service).or_default().clone()
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, figures)) = &*slot
            && (0..FRESH_MS).contains(&now.since(*made))
        {
            return Ok(figures.clone());
        }
        let figures = Arc::new(make()?);
        *slot = Some((now, figures.clone()));
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::timeline::Tally;

    fn figures(now: UnixMs) -> Figures {
        let over = |ms| Uptime::new(Window::ending(now, ms), &Tally::default(), []);
        Figures {
            uptime: WINDOWS_MS.map(over),
            days: Buckets::new(Window::ending(now, 90 * DAY_MS), DAY_MS),
            hours: Buckets::new(Window::ending(now, DAY_MS), HOUR_MS),
        }
    }

    #[test]
    fn figures_are_made_again_only_when_they_are_no_longer_fresh() {
        let cache = FigureCache::default();
        let made = std::cell::Cell::new(0);
        let ask = |at: i64| {
            let now = UnixMs(100 * DAY_MS + at);
            cache.get_or(ServiceId(1), now, || {
                made.set(made.get() + 1);
                Ok(figures(now))
            })
        };
        ask(0).unwrap();
        ask(FRESH_MS - 1).unwrap();
        assert_eq!(made.get(), 1);
        ask(FRESH_MS).unwrap();
        assert_eq!(made.get(), 2);
        // A clock that was set back must not keep old figures alive for ever.
        ask(0).unwrap();
        assert_eq!(made.get(), 3);
    }

    #[test]
    fn a_failure_is_not_kept() {
        let cache = FigureCache::default();
        let now = UnixMs(100 * DAY_MS);
        assert!(cache.get_or(ServiceId(1), now, || Err(StoreError::Place("busy".into()))).is_err());
        assert!(cache.get_or(ServiceId(1), now, || Ok(figures(now))).is_ok());
    }
}
