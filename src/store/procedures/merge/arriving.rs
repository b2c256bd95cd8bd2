//! Check results that arrive: united by service and time with those that are there, sealed or not.

use super::{Merge, day::Day};
use crate::{
    domain::{
        check::{CheckResult, Outcome},
        time::DAY_MS,
    },
    live::ServiceId,
    store::{
        Result,
        rows::{self, Row, Walk, sealing},
        tables::{reasons::Reasons, results},
    },
};

impl Merge {
    /// Takes one check result in.
    ///
    /// # Errors
    /// When it cannot be written, or its service is not known.
    pub fn check(&mut self, service: &str, result: &CheckResult, excerpt: Option<&str>) -> Result<()> {
        let arriving = self.arriving(service)?;
        let id = arriving.id;
        arriving.first = Some(arriving.first.map_or(result.at, |first| first.min(result.at)));
        let reason = match &result.reason {
            Some(reason) => Some(self.reason(reason)?),
            None => None,
        };
        let row = Row::of(result, reason);
        if self.is_sealed(id, &row, result)? {
            self.merged.known += 1;
        } else if rows::insert(&self.conn, id, &row)? {
            self.merged.added += 1;
            self.merged.oldest_added = Some(self.merged.oldest_added.map_or(result.at, |oldest| oldest.min(result.at)));
        } else {
            let there = Walk::over(id).from(result.at).before(result.at.plus(1));
            let old = results::list(&self.conn, there, false, 1)?.pop();
            if old.is_none_or(|old| weight(&old) < weight(result)) {
                rows::replace(&self.conn, id, &row)?;
                self.merged.replaced += 1;
            } else {
                self.merged.known += 1;
            }
        }
        match excerpt.filter(|_| result.outcome == Outcome::Down) {
            Some(excerpt) => self.excerpt(id, result.at, excerpt),
            None => Ok(()),
        }
    }

    /// Whether the day of a row is sealed with it, or with one of the same moment that stays. A day that has to take the row
    /// in is not sealed any more then.
    fn is_sealed(&mut self, id: ServiceId, row: &Row, result: &CheckResult) -> Result<bool> {
        let day = row.at.floor(DAY_MS);
        if (self.day.service, self.day.begin) != (Some(id), day) {
            self.day = Day { service: Some(id), begin: day, sealed: sealing::rows_of_day(&self.conn, id, day)? };
        }
        let Some(rows) = &self.day.sealed else { return Ok(false) };
        if let Ok(place) = rows.binary_search_by_key(&row.at, |row| row.at) {
            let there = &rows[place];
            if there == row || weight(&Reasons::default().told(&self.conn, there)?) >= weight(result) {
                return Ok(true);
            }
        }
        sealing::unseal(&self.conn, id, day)?;
        self.day.sealed = None;
        Ok(false)
    }
}

/// Orders results of one service and moment: of two that differ the greater is kept.
fn weight(result: &CheckResult) -> impl Ord + use<> {
    let phases = &result.phases;
    let reason = result.reason.as_ref().map(|r| (r.class.as_str(), r.phase, r.message.clone()));
    (
        result.outcome,
        result.latency_us,
        [phases.dns_us, phases.connect_us, phases.tls_us, phases.ttfb_us],
        result.http_status,
        result.certificate_days,
        reason,
        result.recheck,
    )
}
