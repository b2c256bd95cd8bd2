//! What people did about alerts in another history.

use super::Merge;
use crate::{
    domain::time::UnixMs,
    routing::{Acknowledgement, Silence},
    store::{
        Result,
        tables::{
            diagnoses::{self, DiagnosisRecord},
            responses::{self, SilencedRecord},
        },
    },
};

impl Merge {
    /// Takes in that somebody took care of an incident.
    ///
    /// # Errors
    /// When it cannot be written, or its service is not known.
    pub fn acknowledgement(&mut self, service: &str, started_at: UnixMs, one: &Acknowledgement) -> Result<()> {
        let id = self.arriving(service)?.id;
        responses::acknowledge(&self.conn, id, started_at, one)
    }

    /// Takes in what was found out when an outage began.
    ///
    /// # Errors
    /// When it cannot be written, or its service is not known.
    pub fn diagnosis(&mut self, one: &DiagnosisRecord) -> Result<()> {
        let id = self.arriving(&one.service)?.id;
        diagnoses::write(&self.conn, id, one.started_at, &one.diagnosis)
    }

    /// Takes in a silence. Of two with one id the one that ends earlier stays.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn silence(&mut self, silence: &Silence) -> Result<()> {
        responses::silence(&self.conn, silence)
    }

    /// Takes in that nobody was notified of an incident because of a silence.
    ///
    /// # Errors
    /// When it cannot be written, or its service is not known.
    pub fn silenced(&mut self, one: &SilencedRecord) -> Result<()> {
        let id = self.arriving(&one.service)?.id;
        responses::unite_silenced(&self.conn, id, one)
    }
}
