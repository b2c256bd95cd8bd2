//! A stretch of time looked back on: every service against the stretch before it, what went wrong together, what lasted
//! longest. One set of figures for the page, the JSON, the Markdown and the file.

use crate::{
    calendar::moments::Stretch,
    domain::{
        incident::{Gap, Outage},
        time::{DAY_MS, HOUR_MS, MINUTE_MS, UnixMs},
        timeline::Buckets,
        uptime::Uptime,
        window::Window,
    },
    format::zone::Zone,
    history::{as_of::Snapshot, figures},
    live::ServiceId,
    store::{OutageFilter, OutageKind, Reader, StoreError},
};
use chrono::{Datelike, Duration, IsoWeek, NaiveDate, NaiveTime, Weekday};

/// Outages in the list of the longest.
const LONGEST: usize = 8;
/// Certificates that end within so many days are worth a line.
const CERTIFICATE_DAYS: i64 = 45;
/// Outages that are looked at, of all services.
const OUTAGES: u32 = 5_000;

/// The stretch that is looked back on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    pub(crate) window: Window,
    /// As long, or the calendar's neighbour.
    pub(crate) before: Window,
    pub(crate) kind: PeriodKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PeriodKind {
    /// An ISO week.
    Week {
        year: i32,
        week: u32,
    },
    Month {
        year: i32,
        month: u32,
    },
    Free,
}

fn midnight(zone: Zone, date: NaiveDate) -> Option<UnixMs> {
    zone.at(date.and_time(NaiveTime::MIN))
}

fn between(zone: Zone, from: NaiveDate, to: NaiveDate) -> Option<Window> {
    Window::new(midnight(zone, from)?, midnight(zone, to)?)
}

fn monday(text: &str) -> Option<NaiveDate> {
    let (year, week) = text.split_once("-W").or_else(|| text.split_once("-w"))?;
    let digits = year.len() == 4 && week.len() == 2 && week.bytes().all(|b| b.is_ascii_digit());
    let (year, week) = (year.parse().ok()?, week.parse().ok().filter(|_| digits)?);
    NaiveDate::from_isoywd_opt(year, week, Weekday::Mon)
}

fn first_of_month(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok().filter(|_| text.len() == 7)
}

impl Period {
    /// The week that begins on this Monday.
    fn of_week(monday: NaiveDate, zone: Zone) -> Option<Period> {
        let week: IsoWeek = monday.iso_week();
        Some(Period {
            window: between(zone, monday, monday + Duration::days(7))?,
            before: between(zone, monday - Duration::days(7), monday)?,
            kind: PeriodKind::Week { year: week.year(), week: week.week() },
        })
    }

    /// Reads `2026-W47`.
    pub fn week(text: &str, zone: Zone) -> Option<Period> {
        Period::of_week(monday(text)?, zone)
    }

    /// Reads `2026-11`.
    pub fn month(text: &str, zone: Zone) -> Option<Period> {
        let first = first_of_month(text)?;
        let next = first.checked_add_months(chrono::Months::new(1))?;
        let last = first.checked_sub_months(chrono::Months::new(1))?;
        Some(Period {
            window: between(zone, first, next)?,
            before: between(zone, last, first)?,
            kind: PeriodKind::Month { year: first.year(), month: first.month() },
        })
    }

    /// Whether this names a week or a month, and only lies, with the one before it, where no date can be written.
    pub(crate) fn is_beyond(text: &str, zone: Zone) -> bool {
        (monday(text).is_some() && Period::week(text, zone).is_none())
            || (first_of_month(text).is_some() && Period::month(text, zone).is_none())
    }

    /// Any stretch; the one before is as long.
    pub fn free(window: Window) -> Period {
        let before = Window::ending(window.from(), window.length_ms());
        Period { window, before, kind: PeriodKind::Free }
    }

    /// What lies between two moments by the clocks of a zone, with what lies before.
    pub fn stretch(stretch: Stretch) -> Option<Period> {
        let window = Window::new(stretch.from, stretch.to)?;
        Some(Period { before: Window::new(stretch.before, stretch.from)?, ..Period::free(window) })
    }

    /// The last week that is over.
    pub fn last_week(now: UnixMs, zone: Zone) -> Period {
        let today = zone.date(now);
        let monday = today - Duration::days(i64::from(today.weekday().num_days_from_monday()) + 7);
        Period::of_week(monday, zone).unwrap_or(Period::free(Window::ending(now, 7 * DAY_MS)))
    }

    /// Its name, as the address of the page has it: `week=2026-W47`.
    pub(crate) fn word(&self) -> Option<(&'static str, String)> {
        match self.kind {
            PeriodKind::Week { year, week } => Some(("week", format!("{year}-W{week:02}"))),
            PeriodKind::Month { year, month } => Some(("month", format!("{year}-{month:02}"))),
            PeriodKind::Free => None,
        }
    }

    /// The part of it that is over: figures of what is still to come would be gaps.
    fn until(&self, now: UnixMs) -> Option<Window> {
        Window::new(self.window.from(), self.window.to().min(now))
    }
}

/// A service in the stretch.
#[derive(Clone, Debug)]
pub(crate) struct Reviewed {
    pub(crate) name: String,
    /// In per cent.
    pub(crate) objective: Option<f64>,
    pub(crate) uptime: Uptime,
    pub(crate) before: Uptime,
    /// By the hour (UTC's).
    pub(crate) hours: Buckets,
    /// Watched for the first time in this stretch.
    pub(crate) is_new: bool,
}

impl Reviewed {
    /// How far below its objective it was, in per cent; `None` where it met it or has none.
    pub(crate) fn missed_by(&self) -> Option<f64> {
        let below = self.objective? - self.uptime.uptime?;
        (below > 0.0).then_some(below)
    }
}

/// A certificate that ends before long.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Ending {
    pub(crate) service: String,
    pub(crate) at: UnixMs,
}

/// The look back.
#[derive(Clone, Debug)]
pub(crate) struct Review {
    pub(crate) period: Period,
    /// The part of the period that is over.
    pub(crate) window: Window,
    /// Worst first.
    pub(crate) services: Vec<Reviewed>,
    /// The incidents that lasted longest, with the services that failed with them.
    pub(crate) longest: Vec<(Outage, Vec<Outage>)>,
    /// When the monitor itself did not observe anything, longest first: the same gap of several services once.
    pub(crate) unobserved: Vec<Gap>,
    /// The hour in which most services failed, and how many.
    pub(crate) peak: Option<(UnixMs, usize)>,
    pub(crate) certificates: Vec<Ending>,
    /// Since when any service has been watched; `None`: none ever was.
    pub(crate) watched_from: Option<UnixMs>,
}

impl Review {
    /// Looks back on a period, from the moment of the snapshot. It blocks. `None` when it lies after that. `objective` knows
    /// those of the services.
    pub(crate) fn read(
        snapshot: &Snapshot,
        objective: &dyn Fn(&str) -> Option<f64>,
        reader: &Reader,
        period: Period,
    ) -> Result<Option<Review>, StoreError> {
        let now = snapshot.at;
        let Some(window) = period.until(now) else { return Ok(None) };
        let mut services = Vec::new();
        let mut unobserved: Vec<Gap> = Vec::new();
        let stored = reader.services()?;
        let watched_from = stored.iter().map(|service| service.added_at).min();
        for stored in stored {
            let watched = snapshot.get(&stored.name);
            // Services that were not watched in the period are left out.
            if stored.removed_at.is_some_and(|at| at <= window.from()) || stored.added_at >= window.to() {
                continue;
            }
            let uptime = figures::uptime(reader, stored.id, window, now)?;
            if uptime.checks == 0 && watched.as_ref().is_none_or(|w| !w.service.enabled) {
                continue;
            }
            for gap in snapshot.gaps(reader.gaps(stored.id, window, now)?) {
                // Of a gap that maintenance divides, a part may lie elsewhere.
                let within = window.clip(gap.from, gap.to.unwrap_or(now)).is_some();
                if !gap.why.is_monitors() || !within {
                    continue;
                }
                let length = |gap: &Gap| gap.to.unwrap_or(now).since(gap.from);
                let same = |known: &&mut Gap| known.from.since(gap.from).abs() < 10 * MINUTE_MS;
                match unobserved.iter_mut().find(same) {
                    Some(known) if length(known) >= length(&gap) => {}
                    Some(known) => *known = gap,
                    None => unobserved.push(gap),
                }
            }
            services.push(Reviewed {
                objective: objective(&stored.name),
                before: figures::uptime(reader, stored.id, period.before, now)?,
                hours: hours(reader, stored.id, window, now)?,
                is_new: stored.added_at >= window.from(),
                name: stored.name,
                uptime,
            });
        }
        worst_first(&mut services);
        unobserved.sort_by_key(|gap| std::cmp::Reverse(gap.to.unwrap_or(now).since(gap.from)));
        let filter = OutageFilter { window: Some(window), kind: OutageKind::Incidents, ..OutageFilter::default() };
        let mut incidents = snapshot.outages(reader.outages(&filter, None, OUTAGES)?);
        incidents.retain(Outage::is_incident);
        incidents.sort_by_key(|outage| std::cmp::Reverse(outage.duration_ms(now)));
        incidents.truncate(LONGEST);
        let longest = incidents
            .into_iter()
            .map(|outage| {
                let with = snapshot.outages(reader.failed_with(&outage)?);
                Ok((outage, with))
            })
            .collect::<Result<_, StoreError>>()?;
        let mut certificates: Vec<Ending> = snapshot
            .services
            .iter()
            .filter_map(|s| Some(Ending { service: s.service.name.clone(), at: s.certificate_expires_at? }))
            .filter(|ending| ending.at.since(now) < CERTIFICATE_DAYS * DAY_MS)
            .collect();
        certificates.sort_by_key(|ending| ending.at);
        Ok(Some(Review {
            peak: peak(&services),
            period,
            window,
            services,
            longest,
            unobserved,
            certificates,
            watched_from,
        }))
    }

    /// The mean time to repair of all incidents that are over, in milliseconds.
    pub(crate) fn mean_to_repair_ms(&self) -> Option<i64> {
        mean(self.services.iter().map(|s| (s.uptime.mttr_ms, s.uptime.resolved)))
    }

    /// The mean time from the first failed check of an incident to its confirmation, in milliseconds.
    pub(crate) fn mean_to_confirm_ms(&self) -> Option<i64> {
        mean(self.services.iter().map(|s| (s.uptime.mttd_ms, s.uptime.incidents)))
    }

    /// The same, with the objectives of what the snapshot shows.
    pub(crate) fn of(reader: &Reader, snapshot: &Snapshot, period: Period) -> Result<Option<Review>, StoreError> {
        let objective = |name: &str| snapshot.get(name).and_then(|s| s.service.objective);
        Review::read(snapshot, &objective, reader, period)
    }

    /// Services that have an objective, and how many of them missed it.
    pub(crate) fn missed(&self) -> (usize, usize) {
        let with = self.services.iter().filter(|s| s.objective.is_some() && s.uptime.uptime.is_some());
        (with.clone().filter(|s| s.missed_by().is_some()).count(), with.count())
    }
}

/// The mean of means: each counts as often as what it is the mean of.
fn mean(means: impl Iterator<Item = (Option<i64>, u64)>) -> Option<i64> {
    let (mut sum, mut count) = (0, 0);
    for (mean, of) in means {
        if let Some(mean) = mean {
            sum += i128::from(mean) * i128::from(of);
            count += i128::from(of);
        }
    }
    (count > 0).then(|| i64::try_from(sum / count).unwrap_or(i64::MAX))
}

fn hours(reader: &Reader, service: ServiceId, window: Window, now: UnixMs) -> Result<Buckets, StoreError> {
    figures::buckets_of(reader, service, window, HOUR_MS, now)
}

/// Furthest below its objective first, then the least uptime; who was not observed comes last.
fn worst_first(services: &mut [Reviewed]) {
    let key = |s: &Reviewed| {
        let missed = s.missed_by().unwrap_or(-1.0);
        (-missed, s.uptime.uptime.unwrap_or(f64::MAX))
    };
    services.sort_by(|a, b| {
        let ((am, au), (bm, bu)) = (key(a), key(b));
        am.total_cmp(&bm).then(au.total_cmp(&bu)).then_with(|| a.name.cmp(&b.name))
    });
}

fn peak(services: &[Reviewed]) -> Option<(UnixMs, usize)> {
    let mut counts: Vec<(UnixMs, usize)> = Vec::new();
    for service in services {
        for (hour, _) in service.hours.iter().filter(|(_, sums)| sums.down_ms > 0) {
            match counts.binary_search_by_key(&hour.from(), |(at, _)| *at) {
                Ok(i) => counts[i].1 += 1,
                Err(i) => counts.insert(i, (hour.from(), 1)),
            }
        }
    }
    // The first of the hours in which most failed.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMs {
        UnixMs::parse(text).unwrap()
    }

    #[test]
    fn a_week_is_seven_days_of_the_readers_calendar() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let week = Period::week("2026-W43", berlin).unwrap();
        assert_eq!(week.window, Window::new(at("2026-10-18T22:00:00Z"), at("2026-10-25T23:00:00Z")).unwrap());
        assert_eq!(week.window.length_ms(), 7 * DAY_MS + HOUR_MS, "the clocks go back in it");
        assert_eq!(week.before.to(), week.window.from());
        let length = |period: Option<Period>| period.unwrap().window.length_ms() as f64 / HOUR_MS as f64;
        let howe = Zone::parse("Australia/Lord_Howe").unwrap();
        let apia = Zone::parse("Pacific/Apia").unwrap();
        assert_eq!(length(Period::week("2026-W13", berlin)), 7.0 * 24.0 - 1.0, "and forward in this one");
        assert_eq!(length(Period::week("2026-W40", howe)), 7.0 * 24.0 - 0.5);
        assert_eq!(length(Period::week("2011-W52", apia)), 6.0 * 24.0, "a day was left out");
        assert_eq!(length(Period::month("2026-03", berlin)), 31.0 * 24.0 - 1.0);
        assert_eq!(length(Period::month("2026-10", berlin)), 31.0 * 24.0 + 1.0);
        // The Monday after, half an hour into it: by the clocks of before it would still be Sunday, or long be Monday.
        for (now, word) in [
            ("2026-10-25T23:30:00Z", "2026-W43"),
            ("2026-10-25T22:30:00Z", "2026-W42"),
            ("2026-03-29T22:30:00Z", "2026-W13"),
            ("2026-03-29T21:30:00Z", "2026-W12"),
        ] {
            assert_eq!(Period::last_week(at(now), berlin).word(), Some(("week", word.to_owned())), "{now}");
        }
        assert_eq!(week.word(), Some(("week", "2026-W43".to_owned())));
        let last = Period::last_week(at("2026-11-23T12:00:00Z"), Zone::UTC);
        assert_eq!(last.word(), Some(("week", "2026-W47".to_owned())));
        let sunday = Period::last_week(at("2026-11-22T23:59:59Z"), Zone::UTC);
        assert_eq!(sunday.word(), Some(("week", "2026-W46".to_owned())));
        for text in ["2026-W54", "2026-W00", "2026-47", "26-W47", "2026-W7", "", "W47"] {
            assert_eq!(Period::week(text, Zone::UTC), None, "{text}");
        }
    }

    #[test]
    fn a_mean_of_means_counts_each_incident_once() {
        assert_eq!(mean([(Some(1_000), 9), (Some(11_000), 1), (None, 5)].into_iter()), Some(2_000));
        assert_eq!(mean([(None, 0)].into_iter()), None);
    }

    #[test]
    fn a_month_is_compared_with_the_month_before() {
        let november = Period::month("2026-11", Zone::UTC).unwrap();
        assert_eq!(november.window, Window::new(at("2026-11-01"), at("2026-12-01")).unwrap());
        assert_eq!(november.before, Window::new(at("2026-10-01"), at("2026-11-01")).unwrap());
        for text in ["2026-13", "2026", "2026-1", "2026-11-01"] {
            assert_eq!(Period::month(text, Zone::UTC), None, "{text}");
        }
    }
}
