//! The questions of an export. Each is answered in a short transaction of its own, however slowly the answer is taken.

use super::export_records::{Beyond, CheckRow, Head, OutageRecord, ServiceHead, SettingHead, SumRecord, SumSize};
use crate::{
    domain::{
        check::Outcome, incident::Outage, maintenance::Overlay, time::UnixMs, timeline::failed_until, window::Window,
    },
    live::ServiceId,
    store::{
        Result, RunHead,
        reader::Reader,
        rows::{Columns, Walk},
        seam::Tables,
        tables::{
            maintenance::Which,
            reasons::Reasons,
            rollups::{Latency, Size},
            services::StoredService,
        },
    },
};
use std::ops::ControlFlow;

impl Reader {
    /// What an export of these services begins with that ends before a moment. Settings of later say nothing of what is in
    /// it.
    pub fn head(&self, services: &[StoredService], before: UnixMs) -> Result<Head> {
        self.read(|tables| {
            let mut services: Vec<ServiceHead> =
                services.iter().map(|service| service_head(tables, service)).collect::<Result<_>>()?;
            for service in &mut services {
                let known = service.settings.partition_point(|setting| setting.since < before);
                // It is never without any.
                service.settings.truncate(known.max(1));
            }
            Ok(Head { services, runs: runs(tables)?, interruptions: tables.interruptions()? })
        })
    }

    /// Hands `each` the check results of the window, oldest first, at most `limit`. `excerpts` are the times of those
    /// that have one, as [`Reader::excerpt_times`] says. Gives the time of the last one where there may be more.
    pub fn each_check(
        &self,
        service: ServiceId,
        window: Window,
        limit: usize,
        excerpts: &[UnixMs],
        mut each: impl FnMut(&CheckRow<'_>),
    ) -> Result<Option<UnixMs>> {
        let mut excerpts = &excerpts[excerpts.partition_point(|at| *at < window.from())..];
        let (mut reasons, mut count, mut last) = (Reasons::default(), 0, None);
        let walk = Walk::over(service).from(window.from()).before(window.to()).with(Columns::Everything);
        self.read(|tables| {
            tables.forward(walk, |row| {
                // There may be some whose row has been retired.
                while excerpts.first().is_some_and(|next| *next < row.at) {
                    excerpts = &excerpts[1..];
                }
                let excerpt = match excerpts.first() {
                    Some(next) if *next == row.at => tables.excerpt(service, row.at)?,
                    _ => None,
                };
                let reason = row.reason.map(|id| tables.reason(&mut reasons, id)).transpose()?.flatten();
                each(&CheckRow {
                    at: row.at,
                    outcome: row.outcome,
                    recheck: row.recheck,
                    latency_us: row.latency_us,
                    phases: row.phases,
                    http_status: row.http_status,
                    certificate_days: row.certificate_days,
                    reason: reason.map(|reason| (reason.class, reason.phase, reason.message.as_str())),
                    excerpt: excerpt.as_deref(),
                });
                (count, last) = (count + 1, Some(row.at));
                Ok(if count < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })
        })?;
        Ok(last.filter(|_| count == limit))
    }

    /// About how many check results there are in a window, by their interval: for somebody who waits.
    pub fn estimated_checks(&self, services: &[StoredService], window: Window) -> Result<u64> {
        self.read(|tables| {
            let mut total = 0;
            for service in services {
                let walk = Walk::over(service.id).from(window.from()).before(window.to());
                if let (Some(first), Some(last)) = (tables.first_at(walk)?, tables.last_at(walk)?) {
                    total += (last.since(first) / service.interval_ms.max(1)).unsigned_abs() + 1;
                }
            }
            Ok(total)
        })
    }

    /// When the checks started whose answer is kept, in order.
    pub fn excerpt_times(&self, service: ServiceId, window: Window) -> Result<Vec<UnixMs>> {
        self.read_one(|tables| tables.excerpt_times(service, window))
    }

    /// The first check result of the window.
    pub fn first_check_in(&self, service: ServiceId, window: Window) -> Result<Option<UnixMs>> {
        let walk = Walk::over(service).from(window.from()).before(window.to());
        self.read(|tables| tables.first_at(walk))
    }

    /// An outage with what of it cannot be derived from the rows from `first` on.
    pub fn outage_record(&self, service: ServiceId, outage: &Outage, first: Option<UnixMs>) -> Result<OutageRecord> {
        let beyond = match first {
            Some(first) if first <= outage.started_at => None,
            first => Some(self.read(|tables| beyond(tables, service, outage, first))?),
        };
        Ok(OutageRecord { outage: outage.clone(), beyond })
    }

    /// The oldest sum that is kept of a service.
    pub fn first_sum_at(&self, service: ServiceId) -> Result<UnixMs> {
        self.read(|tables| {
            let first = [tables.first_rollup(Size::Hour, service)?, tables.first_rollup(Size::Day, service)?];
            Ok(first.into_iter().flatten().min().unwrap_or(UnixMs::MAX))
        })
    }

    /// Hands `each` the sums of the window whose rows may be gone; whether there may be more behind it.
    pub fn each_sum(
        &self,
        service: ServiceId,
        window: Window,
        size: SumSize,
        mut each: impl FnMut(SumRecord),
    ) -> Result<bool> {
        self.read(|tables| {
            let kept = tables.kept(service)?;
            let Some(rows_from) = kept.rows_from else { return Ok(false) };
            let (table, from) = match size {
                SumSize::Hour => (Size::Hour, kept.hours_from.map_or(window.from(), |from| from.max(window.from()))),
                SumSize::Day => (Size::Day, window.from()),
            };
            if let Some(gone) = Window::new(from, window.to().min(rows_from)) {
                tables.rollups(table, service, gone, Latency::Read, |start, tally| {
                    each(SumRecord { start, size, tally })
                })?;
            }
            Ok(window.to() < rows_from)
        })
    }
}

fn service_head(tables: Tables<'_>, service: &StoredService) -> Result<ServiceHead> {
    let kept = tables.kept(service.id)?;
    Ok(ServiceHead {
        name: service.name.clone(),
        kind: service.kind,
        target: service.target.clone(),
        group: service.group.clone(),
        added_at: service.added_at,
        removed_at: service.removed_at,
        certificate_expires_at: tables.certificate_expires_at(service.id)?,
        rows_from: kept.rows_from,
        hours_from: kept.hours_from,
        settings: settings(tables, service.id)?,
    })
}

/// The settings of a service, by time.
pub(in crate::store) fn settings(tables: Tables<'_>, service: ServiceId) -> Result<Vec<SettingHead>> {
    Ok(tables.settings(service)?.iter().map(|one| SettingHead::from(*one)).collect())
}

/// The runs of the monitor, by their start.
pub(in crate::store) fn runs(tables: Tables<'_>) -> Result<Vec<RunHead>> {
    Ok(once(tables.run_heads()?))
}

/// Each run once, by its start. One run, as it was known at two moments, is one: what was known later holds.
pub(in crate::store) fn once(mut runs: Vec<RunHead>) -> Vec<RunHead> {
    runs.sort();
    runs.dedup_by(|later, kept| {
        let same = later.started_at == kept.started_at && later.version == kept.version;
        if same {
            kept.alive_at = kept.alive_at.max(later.alive_at);
            kept.stopped_at = kept.stopped_at.max(later.stopped_at);
        }
        same
    });
    runs
}

/// What of an outage cannot be derived from the rows from `first` on.
pub(in crate::store) fn beyond(
    tables: Tables<'_>,
    service: ServiceId,
    outage: &Outage,
    first: Option<UnixMs>,
) -> Result<Beyond> {
    let mut changes = tables.cause_changes(outage.id)?;
    let (mut failed, mut down_ms) = (0, 0);
    if let Some(first) = first {
        changes.retain(|change| change.at < first);
        let settings = tables.settings(service)?;
        let ever = Window::new(first, UnixMs::MAX);
        let overlay = |which| ever.map_or(Ok(Overlay::NONE), |ever| tables.maintenance(service, ever, which));
        let (announced, all) = (overlay(Which::Announced)?, overlay(Which::All)?);
        let end = outage.ended_at.map_or(UnixMs(i64::MAX), |end| end.plus(1));
        let mut last: Option<UnixMs> = None;
        tables.forward(Walk::over(service).from(first).before(end), |row| {
            if let Some(last) = last.take() {
                let spoken_until = row.at.min(last.plus(settings.validity_ms(last)));
                down_ms += failed_until(last, spoken_until, &all).since(last);
            }
            if row.outcome == Outcome::Down {
                failed += u64::from(!announced.contains(row.at));
                last = Some(row.at);
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(Beyond {
        checks_failed: outage.checks_failed.saturating_sub(failed),
        down_ms: (outage.down_ms - down_ms).max(0),
        changes,
    })
}
