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
        tables::{
            kept,
            maintenance::{self, Which},
            outages,
            reasons::Reasons,
            rollups::{self, Size},
            runs,
            services::{self, StoredService},
            settings::Settings,
        },
    },
};
use rusqlite::Connection;
use std::ops::ControlFlow;

impl Reader {
    /// What an export of these services begins with that ends before a moment. Settings of later say nothing of what is in
    /// it.
    pub fn head(&self, services: &[StoredService], before: UnixMs) -> Result<Head> {
        let mut conn = self.conn()?;
        let tx = conn.transaction()?;
        let mut services: Vec<ServiceHead> =
            services.iter().map(|service| service_head(&tx, service)).collect::<Result<_>>()?;
        for service in &mut services {
            let known = service.settings.partition_point(|setting| setting.since < before);
            // It is never without any.
            service.settings.truncate(known.max(1));
        }
        Ok(Head { services, runs: runs(&tx)?, interruptions: runs::interruptions(&tx)? })
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
        let mut conn = self.conn()?;
        let tx = conn.transaction()?;
        let mut excerpts = &excerpts[excerpts.partition_point(|at| *at < window.from())..];
        let (mut reasons, mut count, mut last) = (Reasons::default(), 0, None);
        let walk = Walk::over(service).from(window.from()).before(window.to()).with(Columns::Everything);
        walk.forward(&tx, |row| {
            // There may be some whose row has been retired.
            while excerpts.first().is_some_and(|next| *next < row.at) {
                excerpts = &excerpts[1..];
            }
            let excerpt = match excerpts.first() {
                Some(next) if *next == row.at => outages::excerpt(&tx, service, row.at)?,
                _ => None,
            };
            let reason = row.reason.map(|id| reasons.of(&tx, id)).transpose()?.flatten();
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
        })?;
        Ok(last.filter(|_| count == limit))
    }

    /// About how many check results there are in a window, by their interval: for somebody who waits.
    pub fn estimated_checks(&self, services: &[StoredService], window: Window) -> Result<u64> {
        let mut conn = self.conn()?;
        let tx = conn.transaction()?;
        let mut total = 0;
        for service in services {
            let walk = Walk::over(service.id).from(window.from()).before(window.to());
            if let (Some(first), Some(last)) = (walk.first_at(&tx)?, walk.last_at(&tx)?) {
                total += (last.since(first) / service.interval_ms.max(1)).unsigned_abs() + 1;
            }
        }
        Ok(total)
    }

    /// When the checks started whose answer is kept, in order.
    pub fn excerpt_times(&self, service: ServiceId, window: Window) -> Result<Vec<UnixMs>> {
        outages::excerpt_times(&*self.conn()?, service, window)
    }

    /// The first check result of the window.
    pub fn first_check_in(&self, service: ServiceId, window: Window) -> Result<Option<UnixMs>> {
        let mut conn = self.conn()?;
        Walk::over(service).from(window.from()).before(window.to()).first_at(&*conn.transaction()?)
    }

    /// An outage with what of it cannot be told from the rows from `first` on.
    pub fn outage_record(&self, service: ServiceId, outage: &Outage, first: Option<UnixMs>) -> Result<OutageRecord> {
        let beyond = match first {
            Some(first) if first <= outage.started_at => None,
            first => Some(beyond(&*self.conn()?.transaction()?, service, outage, first)?),
        };
        Ok(OutageRecord { outage: outage.clone(), beyond })
    }

    /// The oldest sum that is kept of a service.
    pub fn first_sum_at(&self, service: ServiceId) -> Result<UnixMs> {
        let conn = self.conn()?;
        let first = [rollups::first(&conn, Size::Hour, service)?, rollups::first(&conn, Size::Day, service)?];
        Ok(first.into_iter().flatten().min().unwrap_or(UnixMs::MAX))
    }

    /// Hands `each` the sums of the window whose rows may be gone; whether there may be more behind it.
    pub fn each_sum(
        &self,
        service: ServiceId,
        window: Window,
        size: SumSize,
        mut each: impl FnMut(SumRecord),
    ) -> Result<bool> {
        let conn = self.conn()?;
        let kept = kept::of(&conn, service)?;
        let Some(rows_from) = kept.rows_from else { return Ok(false) };
        let (table, from) = match size {
            SumSize::Hour => (Size::Hour, kept.hours_from.map_or(window.from(), |from| from.max(window.from()))),
            SumSize::Day => (Size::Day, window.from()),
        };
        if let Some(gone) = Window::new(from, window.to().min(rows_from)) {
            rollups::each(&conn, table, service, gone, rollups::Latency::Read, |start, tally| {
                each(SumRecord { start, size, tally })
            })?;
        }
        Ok(window.to() < rows_from)
    }
}

fn service_head(conn: &Connection, service: &StoredService) -> Result<ServiceHead> {
    let kept = kept::of(conn, service.id)?;
    Ok(ServiceHead {
        name: service.name.clone(),
        kind: service.kind,
        target: service.target.clone(),
        group: service.group.clone(),
        added_at: service.added_at,
        removed_at: service.removed_at,
        certificate_expires_at: services::certificate_expires_at(conn, service.id)?,
        rows_from: kept.rows_from,
        hours_from: kept.hours_from,
        settings: settings(conn, service.id)?,
    })
}

/// The settings of a service, by time.
pub(in crate::store) fn settings(conn: &Connection, service: ServiceId) -> Result<Vec<SettingHead>> {
    Ok(Settings::of(conn, service)?.iter().map(|one| SettingHead::from(*one)).collect())
}

/// The runs of the monitor, by their start.
pub(in crate::store) fn runs(conn: &Connection) -> Result<Vec<RunHead>> {
    Ok(once(runs::heads(conn)?))
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

/// What of an outage the rows from `first` on do not tell.
pub(in crate::store) fn beyond(
    conn: &Connection,
    service: ServiceId,
    outage: &Outage,
    first: Option<UnixMs>,
) -> Result<Beyond> {
    let mut changes = outages::cause_changes(conn, outage.id)?;
    let (mut failed, mut down_ms) = (0, 0);
    if let Some(first) = first {
        changes.retain(|change| change.at < first);
        let settings = Settings::of(conn, service)?;
        let ever = Window::new(first, UnixMs::MAX);
        let overlay = |which| ever.map_or(Ok(Overlay::NONE), |ever| maintenance::overlay(conn, service, ever, which));
        let (announced, all) = (overlay(Which::Announced)?, overlay(Which::All)?);
        let end = outage.ended_at.map_or(UnixMs(i64::MAX), |end| end.plus(1));
        let mut last: Option<UnixMs> = None;
        Walk::over(service).from(first).before(end).forward(conn, |row| {
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
