//! What the records of one transaction are applied with.

use super::{
    ahead::Ahead,
    numbers::Numbers,
    respond::{Incident, Quiet, Responses},
};
use crate::{
    domain::time::UnixMs,
    routing::Routing,
    store::tables::runs::{Interruption, Runs},
};
use rusqlite::Connection;
use std::cell::{OnceCell, RefCell};

/// What applying a record needs beside the service's own track.
pub(super) struct Context<'a> {
    pub(super) conn: &'a Connection,
    pub(super) routing: &'a Routing,
    pub(super) numbers: &'a Numbers,
    pub(super) ahead: &'a Ahead,
    pub(super) interruptions: &'a [Interruption],
    pub(super) run_started_at: UnixMs,
    pub(super) now: UnixMs,
    /// When the monitor ran, from the first query on.
    pub(super) lives: OnceCell<Runs>,
    pub(super) responses: &'a Responses,
    /// Incidents that channels are not notified of, and why.
    pub(super) quiet: RefCell<Vec<(Incident, Quiet)>>,
}
