//! `type = "tcp"`: a connection, and an exchange over it.
//!
//! - `config`: its section of the configuration
//! - `spec`: what the section becomes
//! - `run`: a check

mod config;
pub(super) mod run;
mod spec;

pub(super) use config::{DESCRIPTOR, read};
pub use spec::{TcpSpec, Turn};
