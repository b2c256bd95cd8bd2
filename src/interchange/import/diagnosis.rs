//! What was found out when an outage began, as it arrives.

use super::{
    error::Wrong,
    objects::{Moment, Us},
};
use crate::{
    domain::diagnosis::{AddressDiagnosis, Diagnosis, WitnessDiagnosis},
    store::DiagnosisRecord,
};
use serde::Deserialize;
use std::net::IpAddr;

/// Addresses that one may have.
const ADDRESSES: usize = 100;
/// Characters of a text in one.
const TEXT: usize = 4_000;

#[derive(Deserialize)]
pub(crate) struct ImportedDiagnosis {
    pub(crate) service: String,
    started_at: Moment,
    at: Moment,
    host: String,
    port: u16,
    lookup_ms: Option<Us>,
    lookup_error: Option<String>,
    addresses: Vec<ImportedAddress>,
    untried: u32,
    witness: Option<ImportedWitness>,
}

#[derive(Deserialize)]
struct ImportedAddress {
    address: IpAddr,
    connect_ms: Option<Us>,
    tls_ms: Option<Us>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct ImportedWitness {
    address: String,
    connect_ms: Option<Us>,
}

impl ImportedDiagnosis {
    pub(crate) fn read(self) -> Result<DiagnosisRecord, Wrong> {
        let is_long = |text: &String| text.chars().count() > TEXT;
        let long_error = self.addresses.iter().filter_map(|one| one.error.as_ref()).any(is_long);
        let long_witness = self.witness.as_ref().is_some_and(|witness| is_long(&witness.address));
        let long_lookup = is_long(&self.host) || self.lookup_error.as_ref().is_some_and(is_long);
        if self.addresses.len() > ADDRESSES || long_error || long_witness || long_lookup {
            return Err(Wrong::said("a diagnosis has a text that is too long, or too many addresses"));
        }
        let us = |us: Option<Us>| us.map(|us| us.0);
        let address = |one: ImportedAddress| AddressDiagnosis {
            address: one.address,
            connect_us: us(one.connect_ms),
            tls_us: us(one.tls_ms),
            error: one.error,
        };
        let diagnosis = Diagnosis {
            at: self.at.0,
            host: self.host,
            port: self.port,
            lookup_us: us(self.lookup_ms),
            lookup_error: self.lookup_error,
            addresses: self.addresses.into_iter().map(address).collect(),
            untried: self.untried,
            witness: self.witness.map(|one| WitnessDiagnosis { address: one.address, connect_us: us(one.connect_ms) }),
        };
        Ok(DiagnosisRecord { service: self.service, started_at: self.started_at.0, diagnosis })
    }
}
