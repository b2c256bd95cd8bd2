//! What was found out when the incident began, in sentences.

use crate::{
    domain::{
        diagnosis::{AddressDiagnosis, Diagnosis},
        time::UnixMs,
    },
    format::{
        self,
        zone::{Moment, Zone},
    },
};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Found {
    at: Moment,
    summary: String,
    addresses: Vec<Address>,
}

#[derive(Serialize)]
struct Address {
    address: String,
    connect: Option<String>,
    tls: Option<String>,
    error: Option<String>,
}

fn took(us: u32) -> String {
    format::response_time(f64::from(us))
}

impl Found {
    pub(super) fn new(found: &Diagnosis, zone: Zone, day: UnixMs) -> Found {
        let address = |one: &AddressDiagnosis| Address {
            address: one.address.to_string(),
            connect: one.connect_us.map(took),
            tls: one.tls_us.map(took),
            error: one.error.as_ref().map(|error| format::clipped(error, 200)),
        };
        Found {
            at: zone.exact(found.at, day),
            summary: summary(found),
            addresses: found.addresses.iter().map(address).collect(),
        }
    }
}

/// "db has 3 addresses, looked up in 2 ms. 2 of them failed. The witness 1.1.1.1:53 answered in 12 ms."
fn summary(found: &Diagnosis) -> String {
    let mut said: Vec<String> = Vec::new();
    let all = found.addresses.len() + found.untried as usize;
    let looked_up = found.lookup_us.map(|us| format!(", looked up in {}", took(us))).unwrap_or_default();
    match &found.lookup_error {
        Some(error) => said.push(format!("{}.", format::clipped(error, 200))),
        None if found.lookup_us.is_some() => {
            said.push(format!(
                "{} has {}{looked_up}.",
                found.host,
                format::counted(all as u64, "address", "addresses")
            ));
        }
        None => {}
    }
    let failed = found.addresses.iter().filter(|one| one.error.is_some()).count();
    match (found.addresses.len(), failed) {
        (0, _) => {}
        (1, 0) => said.push(format!("It took a connection{}.", tls(&found.addresses))),
        (1, _) => said.push("It failed.".to_owned()),
        (tried, 0) => said.push(format!("All {tried} took a connection{}.", tls(&found.addresses))),
        (tried, failed) if tried == failed => said.push(format!("All {tried} failed.")),
        (tried, failed) => said.push(format!("{failed} of {tried} failed.")),
    }
    if found.untried > 0 {
        said.push(format!("{} more were not tried.", found.untried));
    }
    if let Some(witness) = &found.witness {
        said.push(match witness.connect_us {
            Some(us) => format!("The witness {} answered in {}.", witness.address, took(us)),
            None => format!("The witness {} did not answer.", witness.address),
        });
    }
    said.join(" ")
}

fn tls(addresses: &[AddressDiagnosis]) -> &'static str {
    if addresses.iter().all(|one| one.tls_us.is_some()) { " over TLS" } else { "" }
}
