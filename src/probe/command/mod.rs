//! `type = "command"`: a program whose exit code is the answer.
//!
//! - `config`, `user`: its section of the configuration
//! - `spec`: what the section becomes
//! - `run`, `plugin`: a check; what a plugin of Nagios writes

mod config;
mod plugin;
pub(super) mod run;
mod spec;
mod user;

pub(super) use config::{DESCRIPTOR, read};
pub use spec::{CommandSpec, RunAs, UnknownIs};
