//! `type = "domain"`: how long a domain is registered for, and whether its registry has it on hold.
//!
//! - `config`: its section of the configuration, and what it becomes
//! - `registration`: what is known of one, and what that means for a check
//! - `rdap`: the registry's own word (RFC 9083), found by IANA's list (RFC 9224)
//! - `whois`: the same by WHOIS, where there is no RDAP
//! - `run`: a check: registries are asked once a day, whatever the interval

mod config;
mod rdap;
mod registration;
pub(super) mod run;
mod whois;

pub use config::DomainSpec;
pub(super) use config::{DESCRIPTOR, read};
