//! How what was found out about an outage looks in JSON.

use super::json::{Time, ms};
use crate::{
    domain::diagnosis::{AddressDiagnosis, Diagnosis},
    store::DiagnosisRecord,
};
use serde::Serialize;
use std::net::IpAddr;

/// What was found out when an outage began.
#[derive(Serialize, Debug)]
pub(crate) struct DiagnosisJson<'a> {
    at: Time,
    host: &'a str,
    port: u16,
    lookup_ms: Option<f64>,
    lookup_error: Option<&'a str>,
    addresses: Vec<AddressJson<'a>>,
    untried: u32,
    witness: Option<WitnessJson<'a>>,
}

#[derive(Serialize, Debug)]
struct AddressJson<'a> {
    address: IpAddr,
    connect_ms: Option<f64>,
    tls_ms: Option<f64>,
    error: Option<&'a str>,
}

#[derive(Serialize, Debug)]
struct WitnessJson<'a> {
    address: &'a str,
    /// `null`: it did not take a connection.
    connect_ms: Option<f64>,
}

impl<'a> From<&'a Diagnosis> for DiagnosisJson<'a> {
    fn from(found: &'a Diagnosis) -> DiagnosisJson<'a> {
        let address = |one: &'a AddressDiagnosis| AddressJson {
            address: one.address,
            connect_ms: ms(one.connect_us),
            tls_ms: ms(one.tls_us),
            error: one.error.as_deref(),
        };
        let witness = found.witness.as_ref();
        DiagnosisJson {
            at: Time(found.at),
            host: &found.host,
            port: found.port,
            lookup_ms: ms(found.lookup_us),
            lookup_error: found.lookup_error.as_deref(),
            addresses: found.addresses.iter().map(address).collect(),
            untried: found.untried,
            witness: witness.map(|one| WitnessJson { address: &one.address, connect_ms: ms(one.connect_us) }),
        }
    }
}

/// The same, of an outage of a service.
#[derive(Serialize, Debug)]
pub(crate) struct DiagnosisRecordJson<'a> {
    service: &'a str,
    started_at: Time,
    #[serde(flatten)]
    diagnosis: DiagnosisJson<'a>,
}

impl<'a> From<&'a DiagnosisRecord> for DiagnosisRecordJson<'a> {
    fn from(one: &'a DiagnosisRecord) -> DiagnosisRecordJson<'a> {
        DiagnosisRecordJson {
            service: &one.service,
            started_at: Time(one.started_at),
            diagnosis: (&one.diagnosis).into(),
        }
    }
}
