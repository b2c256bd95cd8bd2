//! `type = "postgres"`: a session, and a query.
//!
//! - `config`, `connection`: its section of the configuration; where the session goes
//! - `spec`: what the section becomes
//! - `run`: a check: the session and the query
//! - `wire`, `bounds`: TLS and cancelling; how much is read

mod answer;
mod bounds;
mod config;
mod connection;
pub(super) mod run;
mod spec;
mod wire;

pub(super) use config::{DESCRIPTOR, read};
pub use spec::{Expected, PostgresSpec, SslMode};
