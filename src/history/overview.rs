//! What an overview shows of a service, in one query: the pieces that its windows share are read once.

use crate::{
    domain::{
        histogram::Histogram,
        maintenance::Overlay,
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::{Buckets, Observation, Tally},
        window::Window,
    },
    live::ServiceId,
    store::{Columns, Latency, Reader, Result, Settings, Size, Tables, Which},
};

/// The sums of some windows that end together, the last days and the last hours.
#[derive(Clone, PartialEq, Debug)]
pub struct OverviewRow {
    /// Without response times. Where rows have been retired, a window is larger than the requested one.
    pub windows: Vec<(Window, Tally)>,
    /// Days (UTC), the one under way included and cut off; without response times.
    pub days: Buckets,
    /// Hours, the one under way included and cut off.
    pub hours: Buckets,
}

/// What an overview shows of a service: the sums of windows of these lengths that end at `now`, the last `days` days, the
/// last 24 hours.
///
/// # Errors
/// When the history cannot be read.
pub fn of(reader: &Reader, service: ServiceId, lengths_ms: &[i64], days: i64, now: UnixMs) -> Result<OverviewRow> {
    reader.read(|tables| overview(tables, service, lengths_ms, days, now))
}

/// The windows of these lengths that end at `now`, the last `days` days and the last 24 hours.
fn overview(tables: Tables<'_>, service: ServiceId, lengths_ms: &[i64], days: i64, now: UnixMs) -> Result<OverviewRow> {
    let since = |size_ms: i64, count: i64| {
        let from = now.floor(size_ms).plus(-(count - 1) * size_ms);
        // The bucket under way is cut off at `now`, so that time to come is not counted as a gap.
        Buckets::new(Window::new(from, now).unwrap_or(Window::ending(now, size_ms)), size_ms)
    };
    let (mut by_day, mut by_hour) = (since(DAY_MS, days), since(HOUR_MS, 24));
    let kept = tables.kept(service)?;
    let windows: Vec<Window> = lengths_ms.iter().map(|length| kept.widen(Window::ending(now, *length), now)).collect();
    let rows = Rows { tables, service, settings: tables.settings(service)?, now };
    // What is maintenance is not among the sums: it is laid over them at the end.
    let oldest = windows.iter().map(|w| w.from()).min().unwrap_or(now).min(by_day.window().from());
    let oldest = oldest.min(by_hour.window().from());
    let maintenance = match Window::new(oldest, now) {
        Some(all) => tables.maintenance(service, all, Which::All)?,
        None => Overlay::NONE,
    };
    let laid = |sums: Tally, window: Window| Tally { maintenance_ms: maintenance.ms_in(window), ..sums };
    // Hours before it are settled; with none, everything comes from the rows.
    let settled = tables.service(service)?.and_then(|s| s.rolled_until).map(|until| until.min(now.floor(HOUR_MS)));
    let Some(settled) = settled else {
        let whole = by_day.window();
        let (seen, overlay) = rows.observations(whole, Columns::Latency)?;
        by_day = by_day.fill(whole, seen.iter().map(untimed), &overlay, now).lay(&maintenance);
        by_hour = by_hour.fill(whole, seen, &overlay, now).lay(&maintenance);
        let windows = windows.into_iter().map(|w| Ok((w, laid(rows.tally(w)?, w)))).collect::<Result<Vec<_>>>()?;
        return Ok(OverviewRow { windows, days: by_day, hours: by_hour });
    };
    let today = settled.floor(DAY_MS);

    // What is not settled yet, from the rows: a part of every window.
    let mut tail = Tally::default();
    let unsettled = Window::new(settled, now);
    if let Some(part) = unsettled {
        let (seen, overlay) = rows.observations(part, Columns::Latency)?;
        tail = Buckets::new(part, part.length_ms()).fill(part, seen.iter().map(untimed), &overlay, now).total();
        by_day = by_day.fill(part, seen.iter().map(untimed), &overlay, now);
        by_hour = by_hour.fill(part, seen, &overlay, now);
    }
    // The settled hours of its day, and those of the last 24 hours with the one in which these began.
    let known_from = by_hour.window().from().plus(-HOUR_MS).min(today);
    let mut tail_hours = Tally::default();
    let mut hours: Vec<(UnixMs, Tally)> = Vec::with_capacity(48);
    if let Some(part) = Window::new(known_from, settled) {
        tables.rollups(Size::Hour, service, part, Latency::Read, |start, sums| {
            by_hour.merge(start, &sums);
            let sums = Tally { latency: Histogram::default(), min_us: None, max_us: None, ..sums };
            if start >= today {
                by_day.merge(start, &sums);
                tail_hours.merge(&sums);
            }
            hours.push((start, sums));
        })?;
    }
    // Whole days, oldest first.
    let mut whole_days: Vec<(UnixMs, Tally)> = Vec::with_capacity(96);
    if let Some(part) = Window::new(oldest.floor(DAY_MS), today) {
        tables.rollups(Size::Day, service, part, Latency::Skip, |start, sums| whole_days.push((start, sums)))?;
    }
    whole_days.iter().for_each(|(start, sums)| by_day.merge(*start, sums));

    let mut sums = Vec::with_capacity(windows.len());
    for window in windows {
        let (first_hour, first_day) = (window.from().ceil(HOUR_MS), window.from().ceil(DAY_MS));
        if first_hour >= settled {
            sums.push((window, laid(rows.tally(window)?, window)));
            continue;
        }
        // The sums begin at the nearer edge of the hour, and of the day, in which the window begins; what is too much or
        // missing then is less than half of either.
        let (begin, hour, day) = (window.from(), window.from().floor(HOUR_MS), window.from().floor(DAY_MS));
        let early = begin.since(hour) < first_hour.since(begin);
        let edge = if early { hour } else { first_hour };
        let between = match Window::new(edge.min(begin), edge.max(begin)) {
            Some(part) => rows.tally(part)?,
            None => Tally::default(),
        };
        let whole_day = first_day <= today && begin.since(day) < first_day.since(begin);
        let part = if whole_day { Window::new(day, edge) } else { Window::new(edge, first_day.min(settled)) };
        let mut all = Tally::default();
        match part {
            Some(part) if part.from() >= known_from => {
                hours.iter().filter(|(start, _)| part.contains(*start)).for_each(|(_, sums)| all.merge(sums));
            }
            Some(part) => {
                tables.rollups(Size::Hour, service, part, Latency::Skip, |_, sums| all.merge(&sums))?;
            }
            None => {}
        }
        if whole_day == early {
            all.merge(&between);
        } else {
            all = all.without(&between);
        }
        if whole_day {
            let sums = whole_days.iter().find(|(start, _)| *start == day);
            all = sums.map_or(Tally::default(), |(_, sums)| sums.clone().without(&all));
        }
        if first_day < settled {
            whole_days.iter().filter(|(start, _)| *start >= first_day).for_each(|(_, day)| all.merge(day));
            all.merge(&tail_hours);
        }
        all.merge(&tail);
        sums.push((window, laid(all, window)));
    }
    Ok(OverviewRow { windows: sums, days: by_day.lay(&maintenance), hours: by_hour.lay(&maintenance) })
}

/// The check results of one service.
struct Rows<'a> {
    tables: Tables<'a>,
    service: ServiceId,
    settings: Settings,
    now: UnixMs,
}

impl Rows<'_> {
    /// What bears on a window, with the maintenance as far as it reaches.
    fn observations(&self, window: Window, need: Columns) -> Result<(Vec<Observation>, Overlay)> {
        let mut seen = Vec::with_capacity(256);
        let each = |row| seen.push(row);
        let overlay = self.tables.observations(&self.settings, self.service, window, need, each)?;
        Ok((seen, overlay))
    }

    /// Without response times, and without what is maintenance.
    fn tally(&self, window: Window) -> Result<Tally> {
        let (seen, overlay) = self.observations(window, Columns::Outcome)?;
        let whole = Buckets::new(window, window.length_ms());
        Ok(whole.fill(window, seen, &overlay, self.now).total())
    }
}

/// Sorting response times into a histogram is most of the work where nobody asks for them.
fn untimed(seen: &Observation) -> Observation {
    Observation { latency_us: None, ..*seen }
}
