//! Takes the objects of a document in, whichever form they come in.

use super::{
    diagnosis::ImportedDiagnosis,
    error::Wrong,
    objects::{
        ImportedCheck, ImportedGap, ImportedHead, ImportedMaintenance, ImportedNote, ImportedOutage, ImportedReason,
        ImportedSum,
    },
    responses::{ImportedAcknowledgement, ImportedSilence, ImportedSilenced},
};
use crate::interchange::json::EndJson;
use crate::{
    domain::{
        check::{CheckResult, Outcome, PhaseTimes},
        histogram::Histogram,
        incident::{self, Gap},
        time::{DAY_MS, HOUR_MS, UnixMs},
        timeline::Tally,
        window::Window,
    },
    routing::{Acknowledgement, Silence, Silenced},
    store::{IncidentNote, Maintenance, Merge, SilencedRecord, SumRecord, SumSize},
};
use serde::Deserialize;
use std::borrow::Cow;

/// Takes the objects of one document in, whichever form they come in.
pub(crate) struct ImportReader<'m> {
    pub(crate) merge: &'m mut Merge,
    /// The latest beginning of a check that is believed.
    pub(crate) latest: UnixMs,
    pub(crate) begun: bool,
    pub(crate) came: EndJson,
    pub(crate) ended: bool,
}

impl ImportReader<'_> {
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(rename = "type", borrow)]
            kind: Cow<'a, str>,
        }
        // Nearly all lines are checks, and are read once only.
        if line.starts_with(b"{\"type\":\"check\",") {
            return self.check(serde_json::from_slice(line)?);
        }
        let kind: Kind<'_> = serde_json::from_slice(line)?;
        match &*kind.kind {
            "export" => self.export(serde_json::from_slice(line)?),
            "check" => self.check(serde_json::from_slice(line)?),
            "incident" => self.outage(serde_json::from_slice(line)?, true),
            "gap" => self.gap(serde_json::from_slice(line)?),
            "blip" => self.outage(serde_json::from_slice(line)?, false),
            "sum" => self.sum(serde_json::from_slice(line)?),
            "maintenance" => self.maintenance(serde_json::from_slice(line)?),
            "note" => self.note(serde_json::from_slice(line)?),
            "acknowledgement" => self.acknowledgement(serde_json::from_slice(line)?),
            "silence" => self.silence(serde_json::from_slice(line)?),
            "diagnosis" => self.diagnosis(serde_json::from_slice(line)?),
            "silenced" => self.silenced(serde_json::from_slice(line)?),
            "end" => self.end(&serde_json::from_slice(line)?),
            kind => Err(Wrong::said(format!("a thing of the type “{kind}”, which this version does not know"))),
        }
    }

    pub(crate) fn export(&mut self, head: ImportedHead) -> Result<(), Wrong> {
        if self.begun {
            return Err(Wrong::said("an export begins in the middle of another: import one file after the other"));
        }
        if head.version != 1 {
            return Err(Wrong::said(format!("it is of version {}, and this program reads version 1", head.version)));
        }
        let head = head.read().map_err(Wrong::Said)?;
        self.begun = true;
        Ok(self.merge.begin(&head)?)
    }

    pub(crate) fn is_under_way(&self) -> Result<(), Wrong> {
        match () {
            () if !self.begun => Err(Wrong::said("the header (“export”) has to come first")),
            () if self.ended => Err(Wrong::said("something follows the end")),
            () => Ok(()),
        }
    }

    pub(crate) fn of(&self, service: &str) -> Result<(), Wrong> {
        self.is_under_way()?;
        match () {
            () if !self.merge.knows(service) => {
                Err(Wrong::said(format!("the header does not list the service “{service}”")))
            }
            () => Ok(()),
        }
    }

    pub(crate) fn check(&mut self, check: ImportedCheck<'_>) -> Result<(), Wrong> {
        self.of(&check.service)?;
        if check.at.0 > self.latest {
            return Err(Wrong::said(format!(
                "a check of {}, which is still to come: a clock was wrong, this machine's or the one that made it; `export --to` \
                 leaves such checks out",
                check.at.0
            )));
        }
        let outcome = check.outcome.0;
        let reason = match outcome {
            Outcome::Degraded => check.note.or(check.failure),
            _ => check.failure.or(check.note),
        };
        if outcome == Outcome::Down && reason.is_none() {
            return Err(Wrong::said("the check is down and has no “failure”"));
        }
        let result = CheckResult {
            at: check.at.0,
            outcome,
            latency_us: check.response_time_ms.map(|us| us.0),
            phases: PhaseTimes {
                dns_us: check.dns_ms.map(|us| us.0),
                connect_us: check.connect_ms.map(|us| us.0),
                tls_us: check.tls_ms.map(|us| us.0),
                ttfb_us: check.ttfb_ms.map(|us| us.0),
            },
            http_status: check.http_status,
            certificate_days: check.certificate_days,
            reason: reason.map(ImportedReason::read),
            recheck: check.recheck,
        };
        self.merge.check(&check.service, &result, check.excerpt.as_deref())?;
        self.came.checks += 1;
        Ok(())
    }

    pub(crate) fn outage(&mut self, outage: ImportedOutage, is_incident: bool) -> Result<(), Wrong> {
        self.of(&outage.service)?;
        if is_incident != outage.confirmed_at.is_some() {
            return Err(Wrong::said("an incident has a “confirmed_at”, and a blip has none"));
        }
        if outage.id < 1 || outage.resolved_at.is_some_and(|end| end.0 < outage.started_at.0) {
            return Err(Wrong::said("an outage has an “id” above zero and does not end before it begins"));
        }
        self.merge.outage(&outage.read())?;
        match is_incident {
            true => self.came.incidents += 1,
            false => self.came.blips += 1,
        }
        Ok(())
    }

    pub(crate) fn gap(&mut self, gap: ImportedGap) -> Result<(), Wrong> {
        self.of(&gap.service)?;
        if gap.to.is_some_and(|to| to.0 <= gap.from.0) {
            return Err(Wrong::said("a gap that ends before it begins"));
        }
        let gap = Gap { service: gap.service, from: gap.from.0, to: gap.to.map(|t| t.0), why: gap.reason.0 };
        self.merge.gap(&gap)?;
        self.came.gaps += 1;
        Ok(())
    }

    pub(crate) fn sum(&mut self, sum: ImportedSum) -> Result<(), Wrong> {
        self.of(&sum.service)?;
        let size = match sum.length_ms {
            HOUR_MS => SumSize::Hour,
            DAY_MS => SumSize::Day,
            other => return Err(Wrong::said(format!("a sum of {other} ms: they are of an hour or of a day"))),
        };
        if sum.from.0 != sum.from.0.floor(sum.length_ms) {
            return Err(Wrong::said("a sum that begins within an hour or day"));
        }
        let mut latency = Histogram::default();
        sum.latency_us.iter().for_each(|&(us, count)| latency.add_entry(us, count));
        let tally = Tally {
            up_ms: sum.up_ms,
            degraded_ms: sum.degraded_ms,
            down_ms: sum.down_ms,
            unknown_ms: sum.unknown_ms,
            doubt_up_ms: sum.doubt_up_ms,
            doubt_down_ms: sum.doubt_down_ms,
            checks: sum.checks,
            failures: sum.failures,
            latency,
            min_us: sum.min_ms.map(|us| us.0),
            max_us: sum.max_ms.map(|us| us.0),
            maintenance_ms: 0,
        };
        let times = [tally.up_ms, tally.degraded_ms, tally.down_ms, tally.unknown_ms];
        if times.iter().any(|ms| *ms < 0) || tally.spoken_ms() > sum.length_ms {
            return Err(Wrong::said("a sum of more time than there is"));
        }
        self.merge.sum(&sum.service, &SumRecord { start: sum.from.0, size, tally })?;
        self.came.sums += 1;
        Ok(())
    }

    pub(crate) fn maintenance(&mut self, one: ImportedMaintenance) -> Result<(), Wrong> {
        self.is_under_way()?;
        one.services.iter().flatten().try_for_each(|name| self.of(name))?;
        let Some(window) = Window::new(one.from.0, one.to.0) else {
            return Err(Wrong::said("maintenance that ends before it begins"));
        };
        let mut services = one.services;
        if let Some(names) = &mut services {
            names.sort();
            names.dedup();
        }
        self.merge.maintenance(&Maintenance {
            id: 0,
            window,
            source: one.source.0,
            services,
            reason: one.reason,
            noted_at: one.noted_at.0,
            taken_back_at: one.taken_back_at.map(|at| at.0),
        })?;
        self.came.maintenance += 1;
        Ok(())
    }

    pub(crate) fn note(&mut self, note: ImportedNote) -> Result<(), Wrong> {
        self.of(&note.service)?;
        let text = match &note.note {
            Some(text) => incident::note(text).map_err(Wrong::Said)?,
            None => None,
        };
        self.merge.note(&IncidentNote {
            service: note.service,
            started_at: note.started_at.0,
            text,
            noted_at: note.noted_at.0,
            source: note.source.0,
        })?;
        self.came.notes += 1;
        Ok(())
    }

    pub(crate) fn acknowledgement(&mut self, one: ImportedAcknowledgement) -> Result<(), Wrong> {
        self.of(&one.service)?;
        let acknowledgement = Acknowledgement {
            at: one.at.0,
            until: one.until.map(|until| until.0),
            author: short("author", one.author)?,
            note: one.note.map(|note| short("note", note)).transpose()?,
        };
        self.merge.acknowledgement(&one.service, one.started_at.0, &acknowledgement)?;
        self.came.acknowledgements += 1;
        Ok(())
    }

    pub(crate) fn silence(&mut self, one: ImportedSilence) -> Result<(), Wrong> {
        let silenced = Silenced { service: one.service, group: one.group, class: one.class, severity: one.severity };
        if let Some(mistake) = silenced.mistake() {
            return Err(Wrong::said(format!("a silence: {mistake}")));
        }
        self.merge.silence(&Silence {
            id: short("id", one.id)?,
            silenced,
            created_at: one.created_at.0,
            from: one.from.0,
            until: one.until.0,
            author: short("author", one.author)?,
            reason: one.reason.map(|reason| short("reason", reason)).transpose()?,
        })?;
        self.came.silences += 1;
        Ok(())
    }

    pub(crate) fn silenced(&mut self, one: ImportedSilenced) -> Result<(), Wrong> {
        self.of(&one.service)?;
        self.merge.silenced(&SilencedRecord {
            service: one.service,
            started_at: one.started_at.0,
            silence: one.silence,
            at: one.at.0,
            told_at: one.told_at.map(|at| at.0),
        })?;
        self.came.silenced += 1;
        Ok(())
    }

    pub(crate) fn diagnosis(&mut self, one: ImportedDiagnosis) -> Result<(), Wrong> {
        self.of(&one.service)?;
        self.merge.diagnosis(&one.read()?)?;
        self.came.diagnoses += 1;
        Ok(())
    }

    pub(crate) fn end(&mut self, end: &EndJson) -> Result<(), Wrong> {
        if self.ended || !self.begun {
            return Err(Wrong::said("an end where nothing has begun"));
        }
        for (what, said, came) in [
            ("check results", end.checks, self.came.checks),
            ("incidents", end.incidents, self.came.incidents),
            ("gaps", end.gaps, self.came.gaps),
            ("blips", end.blips, self.came.blips),
            ("sums", end.sums, self.came.sums),
            ("windows of maintenance", end.maintenance, self.came.maintenance),
            ("notes", end.notes, self.came.notes),
            ("acknowledgements", end.acknowledgements, self.came.acknowledgements),
            ("silences", end.silences, self.came.silences),
            ("incidents that were silenced", end.silenced, self.came.silenced),
            ("diagnoses", end.diagnoses, self.came.diagnoses),
        ] {
            if said != came {
                return Err(Wrong::said(format!(
                    "the end speaks of {said} {what}, and {came} are here: some are missing or too many"
                )));
            }
        }
        self.ended = true;
        Ok(())
    }

    pub(crate) fn is_whole(&self) -> Result<(), Wrong> {
        match self.ended {
            true => Ok(()),
            false => Err(Wrong::said("the end is missing (“end”): the file was cut off")),
        }
    }
}

/// A text that somebody typed, which is short.
fn short(what: &str, text: String) -> Result<String, Wrong> {
    match text.chars().count() {
        1..=1_000 => Ok(text),
        _ => Err(Wrong::said(format!("the {what} of an acknowledgement or a silence is empty or too long"))),
    }
}
