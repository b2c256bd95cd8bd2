//! The day that results arrive of, so that each is looked up once.

use crate::{domain::time::UnixMs, live::ServiceId, store::rows::Row};

/// The day that results arrive of.
#[derive(Default, Debug)]
pub(in crate::store) struct Day {
    pub(in crate::store) service: Option<ServiceId>,
    pub(in crate::store) begin: UnixMs,
    /// Its rows, where it is sealed.
    pub(in crate::store) sealed: Option<Vec<Row>>,
}
