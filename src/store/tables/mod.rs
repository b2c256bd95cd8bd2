//! What is stored, a file for each table: named functions with their SQL beside them.
//!
//! [`super::rows`] reads the check results; the queries on several tables are in [`super::questions`].

pub(super) mod channels;
pub(super) mod circumstances;
pub(super) mod columns;
pub(super) mod diagnoses;
pub(super) mod kept;
pub(super) mod left_open;
pub(super) mod maintenance;
pub(super) mod notes;
pub(super) mod outages;
pub(super) mod outbox;
pub(super) mod reasons;
pub(super) mod receipts;
pub(super) mod replay_input;
pub(super) mod responses;
pub(super) mod results;
pub(super) mod rollups;
pub(super) mod runs;
pub(super) mod services;
pub(super) mod settings;
pub(super) mod standing;
