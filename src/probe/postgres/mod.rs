//! `type = "postgres"`: a session, and a query.

mod bounds;
pub(super) mod run;
pub mod spec;
mod wire;
