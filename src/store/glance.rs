//! What an overview shows of a service, asked for in one go: the pieces that its windows share are read once.

use super::{
    Result,
    maintenance::{self, Which},
    reader::widen,
    results,
    rollups::{self, Latency, Size},
    services,
};
use crate::{
    board::ServiceId,
    domain::{
        maintenance::Overlay,
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::{Buckets, Observation, Tally},
        window::Window,
    },
};
use rusqlite::Connection;

/// The sums of some windows that end together, the last days and the last hours.
#[derive(Clone, PartialEq, Debug)]
pub struct Glance {
    /// Without response times. Where rows have been retired, a window is larger than it was asked for.
    pub windows: Vec<(Window, Tally)>,
    /// Days (UTC), the one under way included and cut off; without response times.
    pub days: Buckets,
    /// Hours, the one under way included and cut off.
    pub hours: Buckets,
}

/// The windows of these lengths that end at `now`, the last `days` days and the last 24 hours.
pub(super) fn glance(
    conn: &Connection,
    service: ServiceId,
    lengths_ms: &[i64],
    days: i64,
    now: UnixMs,
) -> Result<Glance> {
    let since = |size_ms: i64, count: i64| {
        let from = now.floor(size_ms).plus(-(count - 1) * size_ms);
        // The bucket under way is cut off at `now`, so that time to come is not counted as a gap.
        Buckets::new(Window::new(from, now).unwrap_or(Window::ending(now, size_ms)), size_ms)
    };
    let (mut by_day, mut by_hour) = (since(DAY_MS, days), since(HOUR_MS, 24));
    let windows: Vec<Window> = lengths_ms
        .iter()
        .map(|length| widen(conn, service, Window::ending(now, *length), now))
        .collect::<Result<_>>()?;
    // What is maintenance is not among the sums: it is laid over them at the end.
    let oldest = windows.iter().map(|w| w.from()).min().unwrap_or(now).min(by_day.window().from());
    let oldest = oldest.min(by_hour.window().from());
    let maintenance = match Window::new(oldest, now) {
        Some(all) => maintenance::overlay(conn, service, all, Which::All)?,
        None => Overlay::NONE,
    };
    let laid = |sums: Tally, window: Window| Tally { maintenance_ms: maintenance.ms_in(window), ..sums };
    // Hours before it are settled; with none, everything comes from the rows.
    let settled =
        services::by_id(conn, service)?.and_then(|s| s.rolled_until).map(|until| until.min(now.floor(HOUR_MS)));
    let Some(settled) = settled else {
        let whole = by_day.window();
        let (seen, overlay) = observations(conn, service, whole)?;
        by_day = by_day.fill(whole, seen.iter().copied(), &overlay, now).lay(&maintenance);
        by_hour = by_hour.fill(whole, seen, &overlay, now).lay(&maintenance);
        let windows =
            windows.into_iter().map(|w| Ok((w, laid(rows(conn, service, w, now)?, w)))).collect::<Result<Vec<_>>>()?;
        return Ok(Glance { windows, days: by_day, hours: by_hour });
    };
    let today = settled.floor(DAY_MS);

    // What is not settled yet, from the rows: a part of every window.
    let mut tail = Tally::default();
    let unsettled = Window::new(settled, now);
    if let Some(part) = unsettled {
        let (seen, overlay) = observations(conn, service, part)?;
        by_day = by_day.fill(part, seen.iter().copied(), &overlay, now);
        by_hour = by_hour.fill(part, seen.iter().copied(), &overlay, now);
        tail = Buckets::new(part, part.length_ms()).fill(part, seen, &overlay, now).total();
    }
    // The settled hours of its day, and those of the last 24 hours.
    let first_hour = by_hour.window().from().min(today);
    let mut tail_hours = Tally::default();
    if let Some(part) = Window::new(first_hour, settled) {
        rollups::each(conn, Size::Hour, service, part, Latency::Read, |start, sums| {
            by_hour.merge(start, &sums);
            if start >= today {
                by_day.merge(start, &sums);
                tail_hours.merge(&sums);
            }
        })?;
    }
    // Whole days, oldest first.
    let mut whole_days: Vec<(UnixMs, Tally)> = Vec::new();
    if let Some(part) = Window::new(oldest.floor(DAY_MS), today) {
        rollups::each(conn, Size::Day, service, part, Latency::Skip, |start, sums| whole_days.push((start, sums)))?;
    }
    whole_days.iter().for_each(|(start, sums)| by_day.merge(*start, sums));

    let mut sums = Vec::with_capacity(windows.len());
    for window in windows {
        let (first_hour, first_day) = (window.from().ceil(HOUR_MS), window.from().ceil(DAY_MS));
        let mut all = Tally::default();
        if first_hour >= settled {
            sums.push((window, laid(rows(conn, service, window, now)?, window)));
            continue;
        }
        if let Some(edge) = Window::new(window.from(), first_hour) {
            all.merge(&rows(conn, service, edge, now)?);
        }
        // The hours up to the first whole day, or all settled ones where there is none.
        if let Some(part) = Window::new(first_hour, first_day.min(settled)) {
            rollups::each(conn, Size::Hour, service, part, Latency::Skip, |_, hour| all.merge(&hour))?;
        }
        if first_day < settled {
            whole_days.iter().filter(|(start, _)| *start >= first_day).for_each(|(_, day)| all.merge(day));
            all.merge(&tail_hours);
        }
        all.merge(&tail);
        sums.push((window, laid(all, window)));
    }
    Ok(Glance { windows: sums, days: by_day.lay(&maintenance), hours: by_hour.lay(&maintenance) })
}

/// What bears on a window, with the maintenance as far as it reaches.
fn observations(conn: &Connection, service: ServiceId, window: Window) -> Result<(Vec<Observation>, Overlay)> {
    let mut seen = Vec::new();
    let overlay = results::walk(conn, service, window, |row| seen.push(row))?;
    Ok((seen, overlay))
}

/// The sums of a window from the rows, without what is maintenance.
fn rows(conn: &Connection, service: ServiceId, window: Window, now: UnixMs) -> Result<Tally> {
    let (seen, overlay) = observations(conn, service, window)?;
    Ok(Buckets::new(window, window.length_ms()).fill(window, seen, &overlay, now).total())
}
