//! `type = "dns"`: a question to a name server, and what its answer has to say.
//!
//! - `config`: its section of the configuration
//! - `spec`: what the section becomes
//! - `values`: records as text, to be compared
//! - `wire`: from a question to its answer, over UDP, TCP, TLS or HTTPS
//! - `run`: a check

mod config;
pub(super) mod run;
mod spec;
mod values;
mod wire;

pub(super) use config::{DESCRIPTOR, read};
pub use spec::{DnsSpec, Expected, Record, Transport};
