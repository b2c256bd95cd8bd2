//! Figures over time: uptime, and buckets for charts.

use crate::{
    domain::{
        incident::Outage,
        maintenance::Overlay,
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::{Buckets, Observation},
        uptime::Uptime,
        window::Window,
    },
    live::ServiceId,
    store::{Columns, Latency, OutageFilter, OutageKind, Reader, Result, Size, Tables, Which},
};

/// The figures of one service over a window that ends at `now` at the latest.
///
/// Where rows or hour rollups have been retired, the window of the answer is larger: whole hours, whole days.
///
/// # Errors
/// When the history cannot be read, as all functions here.
pub fn uptime(reader: &Reader, service: ServiceId, window: Window, now: UnixMs) -> Result<Uptime> {
    reader.read(|tables| uptime_in(tables, service, window, now))
}

fn uptime_in(tables: Tables<'_>, service: ServiceId, window: Window, now: UnixMs) -> Result<Uptime> {
    let window = tables.kept(service)?.widen(window, now);
    let tally = fill(tables, service, Buckets::new(window, window.length_ms()), now)?.total();
    let filter =
        OutageFilter { service: Some(service), window: Some(window), kind: OutageKind::All, ..OutageFilter::default() };
    let outages = tables.outages(&filter, None, u32::MAX)?;
    // What lay in maintenance from its beginning to its end was none that counts.
    let whole = |o: &Outage| Window::new(o.started_at, o.ended_at.unwrap_or(now).max(o.started_at.plus(1)));
    let maintenance = match outages.iter().filter_map(whole).map(|w| w.from()).min() {
        Some(first) => tables.maintenance(service, Window::new(first, UnixMs::MAX).unwrap_or(window), Which::All)?,
        None => Overlay::NONE,
    };
    let counted = outages.iter().filter(|o| !whole(o).is_some_and(|w| maintenance.covers(w)));
    let counted = counted.map(|outage| outage.times().known_at(now));
    Ok(Uptime::new(window, &tally, counted))
}

/// A window in at most about `count` (1 to 2000) equal buckets.
///
/// Buckets of an hour and more are whole hours, so that rollups can answer; the window of the answer may then be
/// a little larger than the requested one.
pub fn buckets(reader: &Reader, service: ServiceId, window: Window, count: u32, now: UnixMs) -> Result<Buckets> {
    let count = i64::from(count.clamp(1, 2000));
    let size = (window.length_ms() + count - 1) / count;
    buckets_of(reader, service, window, if size < HOUR_MS { size } else { nice_hours(size) }, now)
}

/// A window in buckets of `size_ms`; of whole hours or days, aligned to UTC's, where the size is that or the rows
/// have been retired. The bucket under way ends at `now`.
pub fn buckets_of(reader: &Reader, service: ServiceId, window: Window, size_ms: i64, now: UnixMs) -> Result<Buckets> {
    reader.read(|tables| {
        let finest = tables.kept(service)?.resolution_ms(window.from());
        let size = if finest == 1 { size_ms.max(1) } else { nice_hours(size_ms.max(finest)) };
        let grid = [DAY_MS, HOUR_MS].into_iter().find(|grid| size % grid == 0).unwrap_or(1);
        let (from, to) = (window.from().floor(grid), window.to().ceil(grid).min(now.max(window.to())));
        let window = Window::new(from, to).unwrap_or(window);
        fill(tables, service, Buckets::new(window, size), now)
    })
}

/// Confirmed downtime of a window, in milliseconds: how long the failed checks of its incidents are valid inside it.
pub fn confirmed_down_ms(reader: &Reader, service: ServiceId, window: Window, now: UnixMs) -> Result<i64> {
    let filter = OutageFilter {
        service: Some(service),
        window: Some(window),
        kind: OutageKind::Incidents,
        ..OutageFilter::default()
    };
    let mut sum = 0;
    for outage in reader.outages(&filter, None, u32::MAX)? {
        let inside = window.from() <= outage.started_at && outage.ended_at.is_some_and(|end| end <= window.to());
        sum += match window.clip(outage.started_at, outage.ended_at.unwrap_or(now)) {
            _ if inside => outage.down_ms,
            Some(part) => uptime(reader, service, part, now)?.down_ms,
            None => 0,
        };
    }
    Ok(sum)
}

/// The next of the bucket sizes that divide a day, or whole days.
fn nice_hours(ms: i64) -> i64 {
    let hours = (ms + HOUR_MS - 1) / HOUR_MS;
    match [1, 2, 3, 4, 6, 8, 12, 24].into_iter().find(|&nice| nice >= hours) {
        Some(nice) => nice * HOUR_MS,
        None => (ms + DAY_MS - 1) / DAY_MS * DAY_MS,
    }
}

/// Fills the buckets: whole days and hours from rollups where they stand and where buckets are not finer, the rest from
/// the rows.
fn fill(tables: Tables<'_>, service: ServiceId, mut buckets: Buckets, now: UnixMs) -> Result<Buckets> {
    let window = buckets.window();
    let maintenance = tables.maintenance(service, window, Which::All)?;
    let rolled_until = tables.service(service)?.and_then(|s| s.rolled_until);
    let coarse = buckets.size_ms() >= HOUR_MS
        && (buckets.size_ms() == window.length_ms()
            || (buckets.size_ms() % HOUR_MS == 0 && window.from() == window.from().floor(HOUR_MS)));
    let hours = match rolled_until {
        Some(until) if coarse => Window::new(window.from().ceil(HOUR_MS), window.to().floor(HOUR_MS).min(until)),
        _ => None,
    };
    let Some(hours) = hours else {
        return Ok(rows(tables, service, buckets, window, now)?.lay(&maintenance));
    };
    // Days only where no bucket's edge lies inside one.
    let whole_days = buckets.size_ms() == window.length_ms()
        || (buckets.size_ms() % DAY_MS == 0 && window.from() == window.from().floor(DAY_MS));
    let days = if whole_days { Window::new(hours.from().ceil(DAY_MS), hours.to().floor(DAY_MS)) } else { None };
    let mut merge = |size: Size, part: Option<Window>| match part {
        Some(part) => tables.rollups(size, service, part, Latency::Read, |start, tally| buckets.merge(start, &tally)),
        None => Ok(()),
    };
    match days {
        Some(days) => {
            merge(Size::Hour, Window::new(hours.from(), days.from()))?;
            merge(Size::Day, Some(days))?;
            merge(Size::Hour, Window::new(days.to(), hours.to()))?;
        }
        None => merge(Size::Hour, Some(hours))?,
    }
    for edge in [Window::new(window.from(), hours.from()), Window::new(hours.to(), window.to())].into_iter().flatten() {
        buckets = rows(tables, service, buckets, edge, now)?;
    }
    Ok(buckets.lay(&maintenance))
}

fn rows(tables: Tables<'_>, service: ServiceId, buckets: Buckets, part: Window, now: UnixMs) -> Result<Buckets> {
    let mut seen: Vec<Observation> = Vec::new();
    let maintenance =
        tables.observations(&tables.settings(service)?, service, part, Columns::Latency, |row| seen.push(row))?;
    Ok(buckets.fill(part, seen, &maintenance, now))
}
