//! `type = "tcp"`: a connection, and an exchange over it.

pub(super) mod run;
pub mod spec;
