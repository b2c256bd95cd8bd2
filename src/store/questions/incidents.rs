//! Incidents and blips, and what was written down about them.

use crate::{
    domain::{
        incident::{CauseChange, Outage},
        time::UnixMs,
        window::Window,
    },
    live::ServiceId,
    store::{
        IncidentNote, Reader, Result,
        tables::{
            notes,
            outages::{self, Cursor, OutageFilter},
        },
    },
};

impl Reader {
    /// Outages, newest first, at most `limit`, after `cursor` where that is given.
    pub fn outages(&self, filter: &OutageFilter, cursor: Option<Cursor>, limit: u32) -> Result<Vec<Outage>> {
        outages::list(&*self.conn()?, filter, cursor, limit)
    }

    /// One outage.
    pub fn outage(&self, id: i64) -> Result<Option<Outage>> {
        outages::get(&*self.conn()?, id)
    }

    /// The numbers of the incidents of the same service before and after one.
    pub fn neighbours(&self, outage: &Outage) -> Result<(Option<i64>, Option<i64>)> {
        outages::neighbours(&*self.conn()?, outage)
    }

    /// Each change of cause while it lasted, oldest first.
    pub fn cause_changes(&self, outage: i64) -> Result<Vec<CauseChange>> {
        outages::cause_changes(&*self.conn()?, outage)
    }

    /// Outages of other services that failed with this one, by start.
    pub fn failed_with(&self, outage: &Outage) -> Result<Vec<Outage>> {
        outages::failed_with(&*self.conn()?, outage)
    }

    /// The notes of incidents of a service that an export of this window holds, in the order of time, removed ones among
    /// them: those of incidents that overlap it, and those that began in it.
    pub fn notes(&self, service: ServiceId, window: Window) -> Result<Vec<IncidentNote>> {
        notes::list(&*self.conn()?, service, window)
    }

    /// When the incidents that began in the window were confirmed, in the order of time.
    pub fn confirmations(&self, window: Window) -> Result<Vec<UnixMs>> {
        outages::confirmations(&*self.conn()?, window)
    }
}
