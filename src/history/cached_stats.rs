//! The figures that a list of services shows of each, kept for a while: they cost some questions a service.

use super::overview::{self, OverviewRow};
use crate::{
    clock::Clock,
    domain::{
        time::{DAY_MS, UnixMs},
        timeline::Buckets,
        uptime::percent,
    },
    live::{LiveState, ServiceId},
    shutdown::Shutdown,
    store::{Reader, StoreError},
    threads::{self, Pool},
};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// Statistics that are older than this are made again when somebody asks.
pub const FRESH_MS: i64 = 15_000;
/// Those of a list are shown up to this age while new ones are made.
const STALE_MS: i64 = 5 * 60_000;
/// How often the figures are made without a query, so that no reader waits for all of them.
const KEEP: Duration = Duration::from_secs(240);

/// The windows of [`CachedStats::shares`], in milliseconds: 24 hours, 7, 30 and 90 days.
pub const WINDOWS_MS: [i64; 4] = [DAY_MS, 7 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS];

/// Uptime and coverage of a window, in per cent.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Share {
    pub uptime: Option<f64>,
    pub coverage: Option<f64>,
    /// What they are shares of, in milliseconds: up or degraded, judged at all, and the window without maintenance.
    good_ms: i64,
    judged_ms: i64,
    watched_ms: i64,
}

impl Share {
    fn new(good_ms: i64, judged_ms: i64, watched_ms: i64) -> Share {
        let (uptime, coverage) = (percent(good_ms, judged_ms), percent(judged_ms, watched_ms));
        Share { uptime, coverage, good_ms, judged_ms, watched_ms }
    }

    /// That of several services together: all their time, added up.
    pub fn together(shares: impl IntoIterator<Item = Share>) -> Share {
        let sums = shares.into_iter().fold((0, 0, 0), |(good, judged, watched), share| {
            (good + share.good_ms, judged + share.judged_ms, watched + share.watched_ms)
        });
        Share::new(sums.0, sums.1, sums.2)
    }
}

/// What a list of services shows of one service's history.
#[derive(Clone, PartialEq, Debug)]
pub struct CachedStats {
    /// Over [`WINDOWS_MS`], all ending when the figures were made.
    pub shares: [Share; 4],
    /// The last 90 days (UTC), today included, by day; without response times.
    pub days: Buckets,
    /// The last 24 hours, the one under way included, by hour.
    pub hours: Buckets,
}

impl CachedStats {
    /// Asks the history. It blocks.
    pub fn read(reader: &Reader, service: ServiceId, now: UnixMs) -> Result<CachedStats, StoreError> {
        let OverviewRow { windows, days, hours } = overview::of(reader, service, &WINDOWS_MS, 90, now)?;
        let mut shares = [Share::default(); 4];
        for (share, (window, sums)) in shares.iter_mut().zip(&windows) {
            let good = sums.up_ms + sums.degraded_ms;
            let judged = good + sums.down_ms;
            let watched = window.length_ms() - sums.maintenance_ms;
            *share = Share::new(good, judged, watched);
        }
        Ok(CachedStats { shares, days, hours })
    }
}

/// Statistics made in the last minutes, one set a service.
#[derive(Default, Debug)]
pub struct StatsCache {
    slots: Mutex<HashMap<ServiceId, Slot>>,
    /// Somebody is making those of a list anew.
    renewing: AtomicBool,
}

/// Locked while its figures are made, so that two pages at once make them once.
type Slot = Arc<Mutex<Option<(UnixMs, Arc<CachedStats>)>>>;

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StatsCache {
    /// The figures of a service, at most [`FRESH_MS`] old. It blocks.
    ///
    /// # Errors
    /// When the history cannot be queried.
    pub fn get(&self, reader: &Reader, service: ServiceId, now: UnixMs) -> Result<Arc<CachedStats>, StoreError> {
        self.get_or(service, now, FRESH_MS, || CachedStats::read(reader, service, now))
    }

    /// The figures of many services for a list, in their order. Where they are older than [`FRESH_MS`] they are shown
    /// once more, up to five minutes old, and made anew for the next one who asks. It blocks.
    ///
    /// # Errors
    /// When the history cannot be queried.
    pub fn list(
        self: &Arc<Self>,
        reader: &Reader,
        services: &[ServiceId],
        now: UnixMs,
    ) -> Result<Vec<Arc<CachedStats>>, StoreError> {
        let age = |id: &ServiceId| locked(&self.slot(*id)).as_ref().map_or(i64::MAX, |(made, _)| now.since(*made));
        let oldest = services.iter().map(age).max().unwrap_or(0);
        if (FRESH_MS..STALE_MS).contains(&oldest) && !self.renewing.swap(true, Relaxed) {
            // For the next one who asks: it goes on when this one has gone.
            let (cache, reader, services) = (self.clone(), reader.for_good(), services.to_vec());
            let thread = std::thread::Builder::new().name("figures".to_owned()).spawn(move || {
                threads::give_way();
                cache.renew(&reader, &services, now);
                cache.renewing.store(false, Relaxed);
            });
            if thread.is_err() {
                self.renewing.store(false, Relaxed);
            }
        }
        let read = |&id: &ServiceId| self.get_or(id, now, STALE_MS, || CachedStats::read(reader, id, now));
        services.iter().map(read).collect()
    }

    /// Makes the figures that are not fresh any more. What cannot be made stays as it is.
    fn renew(&self, reader: &Reader, services: &[ServiceId], now: UnixMs) {
        for &id in services {
            if let Err(error) = self.get(reader, id, now) {
                tracing::debug!("figures could not be made: {error}");
                return;
            }
        }
    }

    fn slot(&self, service: ServiceId) -> Slot {
        locked(&self.slots).entry(service).or_default().clone()
    }

    fn get_or(
        &self,
        service: ServiceId,
        now: UnixMs,
        fresh_ms: i64,
        make: impl FnOnce() -> Result<CachedStats, StoreError>,
    ) -> Result<Arc<CachedStats>, StoreError> {
        let slot = self.slot(service);
        let mut slot = locked(&slot);
        if let Some((made, figures)) = &*slot
            && (0..fresh_ms).contains(&now.since(*made))
        {
            return Ok(figures.clone());
        }
        let figures = Arc::new(make()?);
        *slot = Some((now, figures.clone()));
        Ok(figures)
    }
}

/// Keeps the figures of all services from growing old, until shutdown.
pub async fn keep(cache: Arc<StatsCache>, live: Arc<LiveState>, reader: Reader, clock: Clock, mut shutdown: Shutdown) {
    let thread = Pool::new("figures", 1, 1).giving_way();
    loop {
        let services: Vec<ServiceId> = live.all().iter().map(|s| s.id).collect();
        let (cache, reader, now) = (cache.clone(), reader.clone(), clock.now());
        if let Ok(renewed) = thread.run(move |_| cache.renew(&reader, &services, now)) {
            let _ = renewed.await;
        }
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            () = tokio::time::sleep(KEEP) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{time::HOUR_MS, window::Window};

    fn figures(now: UnixMs) -> CachedStats {
        CachedStats {
            shares: Default::default(),
            days: Buckets::new(Window::ending(now, 90 * DAY_MS), DAY_MS),
            hours: Buckets::new(Window::ending(now, DAY_MS), HOUR_MS),
        }
    }

    #[test]
    fn figures_are_made_again_only_when_they_are_no_longer_fresh() {
        let cache = StatsCache::default();
        let made = std::cell::Cell::new(0);
        let ask = |at: i64| {
            let now = UnixMs(100 * DAY_MS + at);
            cache.get_or(ServiceId(1), now, FRESH_MS, || {
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
        let cache = StatsCache::default();
        let now = UnixMs(100 * DAY_MS);
        let fails = || Err(StoreError::Place("busy".into()));
        assert!(cache.get_or(ServiceId(1), now, FRESH_MS, fails).is_err());
        assert!(cache.get_or(ServiceId(1), now, FRESH_MS, || Ok(figures(now))).is_ok());
    }
}
