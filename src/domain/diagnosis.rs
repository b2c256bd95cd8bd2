//! What was found out about a service when it began to fail, beside its checks: each address of its host by itself.

use super::time::UnixMs;
use std::net::IpAddr;

/// What was found out, once, at the first failed check of an outage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnosis {
    /// When it was begun.
    pub at: UnixMs,
    /// As it was looked up.
    pub host: String,
    pub port: u16,
    /// How long the lookup of the host took, in microseconds; `None`: it is an address.
    pub lookup_us: Option<u32>,
    /// Why the host led to no address.
    pub lookup_error: Option<String>,
    /// Those that were tried.
    pub addresses: Vec<AddressDiagnosis>,
    /// How many more addresses the host has.
    pub untried: u32,
    /// What a witness did at that moment.
    pub witness: Option<WitnessDiagnosis>,
}

/// One address, tried by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressDiagnosis {
    pub address: IpAddr,
    /// How long the connection took, in microseconds; `None`: there was none.
    pub connect_us: Option<u32>,
    /// How long the TLS handshake took, in microseconds; `None`: there was none.
    pub tls_us: Option<u32>,
    /// Where it went wrong: what.
    pub error: Option<String>,
}

/// A witness, asked at that moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WitnessDiagnosis {
    /// `host:port`.
    pub address: String,
    /// How long it took to take a connection, in microseconds; `None`: it did not.
    pub connect_us: Option<u32>,
}
