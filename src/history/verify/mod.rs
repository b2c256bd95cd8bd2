//! Proves what is derived: computes every rollup, outage and gap of a service again, from the rows, and compares.
//!
//! The writer keeps rows and what follows from them in one transaction, so within one moment of the database they agree,
//! also while the service runs.

mod words;

use self::words::{Field, fields, in_fields, retold_fields, stored_fields};
use crate::{
    domain::{
        replay::{Replay, ReplayedOutage},
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::Tally,
        window::Window,
    },
    live::ServiceId,
    store::{
        Cause, Damage, Examiner, Fix, Result, RetainedFrom, SealedFault, Size, StoredOutage, StoredService, Tables,
        Walk, Which, may_have_gone,
    },
};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Something that is stored and does not follow from the rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// `None`: it is the file that is damaged.
    pub service: Option<String>,
    /// In words, with its time.
    pub what: String,
    pub stored: String,
    pub recomputed: String,
}

/// What was compared of one service.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Compared {
    pub results: u64,
    pub hours: u64,
    pub days: u64,
    pub outages: u64,
    pub gaps: u64,
    /// The first result that is kept; `None` where there is none.
    pub rows_from: Option<UnixMs>,
    /// Whether results before it have been retired, so that only what followed them could be computed again.
    pub retired: bool,
    /// Where results have been retired: outages that began after this moment were compared; `None`: none could be.
    pub outages_from: Option<UnixMs>,
    /// Day sums of before the rows, compared with the hour sums that are kept.
    pub days_by_hours: u64,
}

/// What SQLite says of the file and of its references. The quick way does not compare indexes with their tables.
///
/// # Errors
/// When the file cannot be read.
pub fn file(examiner: &Examiner, quick: bool) -> Result<Vec<Difference>> {
    let damage = examiner.integrity(quick)?.into_iter();
    let difference = |d: Damage| Difference {
        service: None,
        what: d.what.to_owned(),
        stored: d.found,
        recomputed: d.expected.to_owned(),
    };
    Ok(damage.map(difference).collect())
}

/// Computes all that is derived of one service again, within one moment of the history, and hands `found` what
/// differs. `None` when the service has gone meanwhile.
///
/// # Errors
/// When the history cannot be read.
pub fn service(examiner: &mut Examiner, id: ServiceId, mut found: impl FnMut(Difference)) -> Result<Option<Compared>> {
    let mut note = |difference, _fix| {
        found(difference);
        Ok(())
    };
    examiner.read(|tables| compare(tables, id, &mut note))
}

/// Receives each difference and the fix that removes it.
pub(super) type Found<'a> = dyn FnMut(Difference, Fix) -> Result<()> + 'a;

/// Computes all that follows from the rows of a service and compares it with what is stored.
pub(super) fn compare(tables: Tables<'_>, id: ServiceId, found: &mut Found<'_>) -> Result<Option<Compared>> {
    let Some(service) = tables.service(id)? else { return Ok(None) };
    if sealed_days(tables, &service, found)? {
        // A walk over rows that are not where the records place them would give other results.
        return Ok(Some(Compared::default()));
    }
    let kept = tables.kept(id)?;
    let rows = Rows::of(tables, &service, kept)?;
    let mut examination = Examination { tables, service: &service, kept, rows, compared: Compared::default(), found };
    examination.compared.rows_from = rows.first;
    examination.compared.retired = rows.retired;
    examination.sums()?;
    examination.story()?;
    Ok(Some(examination.compared))
}

/// Compares what is recorded about sealed days with what is in them; returns whether something differs.
fn sealed_days(tables: Tables<'_>, service: &StoredService, found: &mut Found<'_>) -> Result<bool> {
    let faults = tables.sealed_faults(service.id)?;
    let any = !faults.is_empty();
    for SealedFault { day, what, stored, recomputed, readable } in faults {
        let name = readable.then(|| service.name.clone());
        let what = match readable {
            true => format!("{what} of the sealed day {day}"),
            false => format!("{what} of the sealed day {day} of {}", service.name),
        };
        let fix = if readable { Fix::Seal(day) } else { Fix::Nothing };
        found(Difference { service: name, what, stored, recomputed }, fix)?;
    }
    Ok(any)
}

/// Which rows there are.
#[derive(Clone, Copy, Debug)]
struct Rows {
    first: Option<UnixMs>,
    last_judged: Option<UnixMs>,
    /// Whether there may have been others before the first.
    retired: bool,
}

impl Rows {
    fn of(tables: Tables<'_>, service: &StoredService, kept: RetainedFrom) -> Result<Rows> {
        let first = tables.first_at(Walk::over(service.id))?;
        let last_judged = tables.last_judged(service.id, UnixMs(i64::MAX), Which::All)?.map(|(at, _)| at);
        let retired = may_have_gone(service, kept, first);
        Ok(Rows { first, last_judged, retired })
    }

    /// Up to where hours should be settled.
    fn rolled_until(&self) -> Option<UnixMs> {
        let first = self.first?.floor(HOUR_MS);
        Some(self.last_judged.map_or(first, |last| first.max(last.floor(HOUR_MS))))
    }
}

struct Examination<'a, 'f> {
    tables: Tables<'a>,
    service: &'a StoredService,
    kept: RetainedFrom,
    rows: Rows,
    compared: Compared,
    found: &'a mut Found<'f>,
}

/// Before everything.
const EVER: UnixMs = UnixMs(i64::MIN);

impl Examination<'_, '_> {
    fn differs(&mut self, what: String, stored: String, recomputed: String, fix: Fix) -> Result<()> {
        let service = Some(self.service.name.clone());
        (self.found)(Difference { service, what, stored, recomputed }, fix)
    }

    fn id(&self) -> ServiceId {
        self.service.id
    }

    fn fields(&self, outage: &StoredOutage) -> Result<Vec<Field>> {
        Ok(stored_fields(outage, &self.tables.outage_changes(outage.id)?))
    }

    /// The rollups that are stored in this time; `None` where one cannot be read.
    fn stored_sums(&self, size: Size, from: UnixMs, to: UnixMs) -> Result<BTreeMap<UnixMs, Option<Tally>>> {
        match Window::new(from, to) {
            Some(window) => self.tables.stored_rollups(size, self.id(), window),
            None => Ok(BTreeMap::new()),
        }
    }

    /// Compares the rollups of a stretch of time; where something has been retired, what is missing may be.
    fn compare_sums(
        &mut self,
        size: Size,
        (from, to): (UnixMs, UnixMs),
        recomputed: &BTreeMap<UnixMs, Tally>,
        may_be_missing: Option<UnixMs>,
    ) -> Result<u64> {
        let stored = self.stored_sums(size, from, to)?;
        let nothing = Tally::default();
        let mut count = 0;
        for (&start, tally) in recomputed.iter().filter(|(_, tally)| **tally != nothing) {
            count += 1;
            match stored.get(&start) {
                Some(Some(stored)) if stored == tally => {}
                None if may_be_missing.is_some_and(|before| start < before) => {}
                other => self.sum_differs(size, start, other.map(Option::as_ref), tally)?,
            }
        }
        for (&start, tally) in stored.iter().filter(|(start, _)| recomputed.get(start).is_none_or(|t| *t == nothing)) {
            self.sum_differs(size, start, Some(tally.as_ref()), &nothing)?;
        }
        Ok(count)
    }

    fn sum_differs(&mut self, size: Size, start: UnixMs, stored: Option<Option<&Tally>>, tally: &Tally) -> Result<()> {
        let name = match size {
            Size::Hour => "hour",
            Size::Day => "day",
        };
        let nothing = Tally::default();
        let (mut stored, recomputed) = match stored {
            None => in_fields(&fields(&nothing), &fields(tally)),
            Some(None) => ("something that cannot be read".to_owned(), "sums that can".to_owned()),
            Some(Some(stored)) => in_fields(&fields(stored), &fields(tally)),
        };
        if stored.is_empty() {
            stored = "no such row".to_owned();
        }
        let fix = Fix::Sum { size, start, tally: Box::new(tally.clone()) };
        self.differs(format!("{name} {start}"), stored, recomputed, fix)
    }

    /// Hours and days.
    fn sums(&mut self) -> Result<()> {
        let until = self.rows.rolled_until();
        if until != self.service.rolled_until {
            let word = |until: Option<UnixMs>| until.map_or("nothing".to_owned(), |until| until.to_string());
            let (stored, recomputed) = (word(self.service.rolled_until), word(until));
            self.differs("hours settled up to".to_owned(), stored, recomputed, Fix::RolledUntil(until))?;
        }
        let (Some(first), Some(until)) = (self.rows.first, until) else {
            // Without rows nothing can be summed up, unless it was before they were retired.
            if !self.rows.retired {
                self.compare_sums(Size::Hour, (EVER, UnixMs(i64::MAX)), &BTreeMap::new(), None)?;
                self.compare_sums(Size::Day, (EVER, UnixMs(i64::MAX)), &BTreeMap::new(), None)?;
            }
            return Ok(());
        };
        // Where rows have been retired, the results before the first row are not known.
        let begin = if self.rows.retired { first.ceil(HOUR_MS) } else { first.floor(HOUR_MS) };
        let whole_days = if self.rows.retired { begin.ceil(DAY_MS) } else { begin.floor(DAY_MS) };
        let hours_kept = self.kept.hours_from.map(|from| from.min(until.floor(DAY_MS)));
        if !self.rows.retired {
            self.compare_sums(Size::Hour, (EVER, begin), &BTreeMap::new(), None)?;
            self.compare_sums(Size::Day, (EVER, whole_days), &BTreeMap::new(), None)?;
        }
        let mut day = begin.floor(DAY_MS);
        while day < until {
            let end = day.plus(DAY_MS);
            let (from, to) = (day.max(begin), end.min(until));
            if let Some(window) = Window::new(from, to) {
                let hours: BTreeMap<UnixMs, Tally> = self
                    .tables
                    .hours_of_rows(self.id(), window)?
                    .iter()
                    .map(|(hour, tally)| (hour.from(), tally.clone()))
                    .collect();
                self.compared.hours += self.compare_sums(Size::Hour, (from, to), &hours, hours_kept)?;
                if day >= whole_days && end <= until {
                    let mut sum = Tally::default();
                    hours.values().for_each(|tally| sum.merge(tally));
                    let days = BTreeMap::from([(day, sum)]);
                    self.compared.days += self.compare_sums(Size::Day, (day, end), &days, self.kept.days_from)?;
                }
            }
            day = self.next_day_with_rows(end)?;
        }
        // Nothing is settled that cannot be yet.
        self.compare_sums(Size::Hour, (until, UnixMs(i64::MAX)), &BTreeMap::new(), None)?;
        self.compare_sums(Size::Day, (until.floor(DAY_MS), UnixMs(i64::MAX)), &BTreeMap::new(), None)?;
        if self.rows.retired {
            self.days_by_hours(whole_days.min(until.floor(DAY_MS)), hours_kept)?;
        }
        Ok(())
    }

    /// Where nothing was checked for years there is nothing to add up: the next day in which a result lies or may
    /// still be valid, or for which something is stored.
    fn next_day_with_rows(&self, day: UnixMs) -> Result<UnixMs> {
        let results = Walk::over(self.id());
        if self.tables.last_at(results.from(day.plus(-LONGEST_VALIDITY_MS)).before(day))?.is_some() {
            return Ok(day);
        }
        let summed = self.tables.next_rollup(self.id(), day)?;
        let next = self.tables.first_at(results.from(day))?.into_iter().chain(summed).min();
        Ok(next.unwrap_or(UnixMs(i64::MAX)).floor(DAY_MS).max(day))
    }

    /// Days of before the rows are sums of the hours that are still kept.
    fn days_by_hours(&mut self, to: UnixMs, hours_kept: Option<UnixMs>) -> Result<()> {
        let stored =
            [self.tables.first_rollup(Size::Hour, self.id())?, self.tables.first_rollup(Size::Day, self.id())?]
                .into_iter()
                .flatten()
                .min();
        let Some(from) = hours_kept.or(stored).max(stored).map(|from| from.ceil(DAY_MS)) else { return Ok(()) };
        let mut days: BTreeMap<UnixMs, Tally> = BTreeMap::new();
        for (hour, tally) in self.stored_sums(Size::Hour, from, to)? {
            if let Some(tally) = tally {
                days.entry(hour.floor(DAY_MS)).or_default().merge(&tally);
            }
        }
        self.compared.days_by_hours += self.compare_sums(Size::Day, (from, to), &days, self.kept.days_from)?;
        Ok(())
    }

    /// Outages and gaps.
    fn story(&mut self) -> Result<()> {
        let settings = self.tables.settings(self.id())?;
        let lives = self.tables.monitor_runs()?;
        let mut outages = self.tables.stored_outages(self.id())?;
        let mut gaps = self.tables.stored_gaps(self.id())?;
        let mut telling = if self.rows.retired { Replay::from_the_middle() } else { Replay::from_the_beginning() };
        if let Some(ever) = Window::new(self.rows.first.unwrap_or(UnixMs::MAX), UnixMs::MAX) {
            let overlay = |which| self.tables.maintenance(self.id(), ever, which);
            telling = telling.with_maintenance(overlay(Which::Announced)?, overlay(Which::All)?);
        }
        let mut missing: Vec<ReplayedOutage> = Vec::new();
        let mut last_validity_ms = 0;
        if let Some(first) = self.rows.first {
            if self.rows.retired {
                // What ended before the first row, or reaches into it, cannot be computed again.
                gaps.retain(|&from, _| from >= first);
            }
            let (tables, id) = (self.tables, self.id());
            tables.replay_inputs(id, &settings, first, |told, _| {
                let heard = telling.observe(told);
                if let Some((from, to)) = heard.gap {
                    let whole = lives.reasons(from, to, &settings, last_validity_ms);
                    let old =
                        gaps.get(&from).is_some_and(|(end, why)| *end == to && whole.iter().any(|w| w.as_str() == why));
                    let mut causes = lives.causes(from, to, &settings, last_validity_ms);
                    if old && causes.len() > 1 {
                        // As versions before wrote it: in one piece, with one reason.
                        causes = vec![Cause { from, to, reasons: whole }];
                    }
                    for cause in causes {
                        let stored = gaps.remove(&cause.from);
                        self.compare_gap(&cause, stored)?;
                    }
                }
                if let Some(outage) = &heard.ended {
                    self.compare_outage(outage, &mut outages, &mut missing)?;
                }
                last_validity_ms = told.validity_ms;
                self.compared.results += 1;
                Ok(ControlFlow::Continue(()))
            })?;
            if let Some(outage) = telling.open() {
                self.compare_outage(outage, &mut outages, &mut missing)?;
            }
        } else if self.rows.retired {
            return Ok(());
        }
        self.compared.outages_from = telling.known_from();
        for (from, (to, why)) in gaps {
            let fix = Fix::Gap { from, to: None };
            self.differs(format!("gap {from}"), format!("to {to}, {why}"), "no gap".to_owned(), fix)?;
        }
        self.left_over(outages, missing, telling.known_from())
    }

    fn compare_gap(
        &mut self,
        Cause { from, to, reasons: why }: &Cause,
        stored: Option<(UnixMs, String)>,
    ) -> Result<()> {
        let (from, to) = (*from, *to);
        let fix = Fix::Gap { from, to: Some((to, why[0])) };
        let recomputed = |to: UnixMs| format!("to {to}, {}", why[0].as_str());
        match stored {
            Some((stored_to, stored_why)) => {
                self.compared.gaps += 1;
                if stored_to != to || !why.iter().any(|why| why.as_str() == stored_why) {
                    let stored = format!("to {stored_to}, {stored_why}");
                    self.differs(format!("gap {from}"), stored, recomputed(to), fix)?;
                }
            }
            None if self.kept.days_from.is_some_and(|kept| to < kept) => {}
            None => self.differs(format!("gap {from}"), "no gap".to_owned(), recomputed(to), fix)?,
        }
        Ok(())
    }

    fn compare_outage(
        &mut self,
        outage: &ReplayedOutage,
        stored: &mut BTreeMap<UnixMs, Vec<StoredOutage>>,
        missing: &mut Vec<ReplayedOutage>,
    ) -> Result<()> {
        let started_at = outage.first.at;
        let same = stored.get_mut(&started_at).and_then(|all| (!all.is_empty()).then(|| all.remove(0)));
        let Some(same) = same else {
            let may_be_missing = outage.ended_at.zip(self.kept.days_from).is_some_and(|(ended, kept)| ended < kept);
            if !may_be_missing {
                missing.push(outage.clone());
            }
            return Ok(());
        };
        self.compared.outages += 1;
        let (stored, recomputed) = in_fields(&self.fields(&same)?, &retold_fields(outage));
        if stored != recomputed {
            let fix = Fix::WriteOutage { id: Some(same.id), outage: Box::new(outage.clone()) };
            self.differs(format!("outage {} of {started_at}", same.id), stored, recomputed, fix)?;
        }
        Ok(())
    }

    /// Outages that are stored and do not follow from the rows, and those that follow and are not stored. One in the
    /// place of the other keeps its number: it is in links and alerts.
    fn left_over(
        &mut self,
        stored: BTreeMap<UnixMs, Vec<StoredOutage>>,
        mut missing: Vec<ReplayedOutage>,
        known_from: Option<UnixMs>,
    ) -> Result<()> {
        let mut extra: Vec<(UnixMs, StoredOutage)> =
            stored.into_iter().flat_map(|(at, all)| all.into_iter().map(move |outage| (at, outage))).collect();
        if self.rows.retired {
            let Some(known_from) = known_from else { return Ok(()) };
            for (at, outage) in extra.iter().filter(|(at, o)| *at <= known_from && o.ended_at.is_none()) {
                let fix = Fix::EndOutage { id: outage.id, ended_at: known_from };
                let what = format!("outage {} of {at}", outage.id);
                self.differs(what, "it lasts".to_owned(), format!("ended by {known_from}"), fix)?;
            }
            extra.retain(|(at, _)| *at > known_from);
        }
        for (at, outage) in extra {
            let end = |ended: Option<UnixMs>| ended.unwrap_or(UnixMs(i64::MAX));
            let overlaps = |m: &ReplayedOutage| m.first.at <= end(outage.ended_at) && at <= end(m.ended_at);
            let what = format!("outage {} of {at}", outage.id);
            match missing.iter().position(overlaps).map(|i| missing.remove(i)) {
                Some(instead) => {
                    let (stored, recomputed) = in_fields(&self.fields(&outage)?, &retold_fields(&instead));
                    let fix = Fix::WriteOutage { id: Some(outage.id), outage: Box::new(instead) };
                    self.differs(what, stored, recomputed, fix)?;
                }
                None => {
                    let (stored, _) = in_fields(&self.fields(&outage)?, &[]);
                    self.differs(what, stored, "no outage".to_owned(), Fix::DropOutage(outage.id))?;
                }
            }
        }
        for outage in missing {
            let (_, recomputed) = in_fields(&[], &retold_fields(&outage));
            let what = format!("outage of {}", outage.first.at);
            let fix = Fix::WriteOutage { id: None, outage: Box::new(outage) };
            self.differs(what, "no outage".to_owned(), recomputed, fix)?;
        }
        Ok(())
    }
}

/// The longest time that a result is valid for: two intervals of a week, and the timeout.
const LONGEST_VALIDITY_MS: i64 = 3 * 7 * DAY_MS;
