//! The day that results arrive of, so that each is looked up once.

use crate::{board::ServiceId, domain::time::UnixMs, store::rows::Row};

/// The day that results arrive of.
#[derive(Default, Debug)]
pub(super) struct Day {
    pub(super) service: Option<ServiceId>,
    pub(super) begin: UnixMs,
    /// Its rows, where it is sealed.
    pub(super) sealed: Option<Vec<Row>>,
}
