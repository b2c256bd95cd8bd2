//! Incidents and blips, and what was written down about them.

use crate::{
    domain::{
        diagnosis::Diagnosis,
        incident::{CauseChange, Outage},
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    routing::{Acknowledgement, Silence},
    store::{
        DiagnosisRecord, IncidentNote, Reader, ResponseRecords, Result, SilencedIncident, StoredService,
        tables::outages::{Cursor, OutageFilter},
    },
};

impl Reader {
    /// Outages, newest first, at most `limit`, after `cursor` where that is given.
    pub fn outages(&self, filter: &OutageFilter, cursor: Option<Cursor>, limit: u32) -> Result<Vec<Outage>> {
        self.read_one(|tables| tables.outages(filter, cursor, limit))
    }

    /// One outage.
    pub fn outage(&self, id: i64) -> Result<Option<Outage>> {
        self.read_one(|tables| tables.outage(id))
    }

    /// The numbers of the incidents of the same service before and after one.
    pub fn neighbours(&self, outage: &Outage) -> Result<(Option<i64>, Option<i64>)> {
        self.read_one(|tables| tables.neighbours(outage))
    }

    /// Each change of cause while it lasted, oldest first.
    pub fn cause_changes(&self, outage: i64) -> Result<Vec<CauseChange>> {
        self.read_one(|tables| tables.cause_changes(outage))
    }

    /// Outages of other services that failed with this one, by start.
    pub fn failed_with(&self, outage: &Outage) -> Result<Vec<Outage>> {
        self.read_one(|tables| tables.failed_with(outage))
    }

    /// The notes of incidents of a service that an export of this window holds, in the order of time, removed ones among
    /// them: those of incidents that overlap it, and those that began in it.
    pub fn notes(&self, service: ServiceId, window: Window) -> Result<Vec<IncidentNote>> {
        self.read_one(|tables| tables.notes(service, window))
    }

    /// The acknowledgements of the incident of a service that began at a moment, oldest first.
    pub fn acknowledgements(&self, service: ServiceId, started_at: UnixMs) -> Result<Vec<Acknowledgement>> {
        self.read_one(|tables| tables.acknowledgements(service, started_at))
    }

    /// The silences because of which nobody was notified of it, oldest first.
    pub fn silenced(&self, service: ServiceId, started_at: UnixMs) -> Result<Vec<SilencedIncident>> {
        self.read_one(|tables| tables.silenced(service, started_at))
    }

    /// What was found out when the outage of a service began that began at a moment.
    pub fn diagnosis(&self, service: ServiceId, started_at: UnixMs) -> Result<Option<Diagnosis>> {
        self.read_one(|tables| tables.diagnosis(service, started_at))
    }

    /// The same of all outages of a service that overlap a window or began in it, by the beginning.
    pub fn diagnoses(&self, service: ServiceId, window: Window) -> Result<Vec<DiagnosisRecord>> {
        self.read_one(|tables| tables.diagnoses(service, window))
    }

    /// What was done about the incidents of some services that overlap a window or began in it, and its silences.
    pub fn responses(&self, services: &[StoredService], window: Window) -> Result<ResponseRecords> {
        let ids: Vec<ServiceId> = services.iter().map(|service| service.id).collect();
        self.read_one(|tables| tables.responses(&ids, window))
    }

    /// Silences that end after a moment, in the order in which they begin.
    pub fn silences(&self, after: UnixMs) -> Result<Vec<Silence>> {
        self.read_one(|tables| tables.silences(after))
    }

    /// When the incidents that began in the window were confirmed, in the order of time.
    pub fn confirmations(&self, window: Window) -> Result<Vec<UnixMs>> {
        self.read_one(|tables| tables.confirmations(window))
    }
}
