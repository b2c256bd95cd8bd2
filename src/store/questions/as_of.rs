//! What a question about a moment of the past gives.

use crate::{domain::time::UnixMs, live::ServiceNow};
use std::sync::Arc;

/// What a question about a moment of the past gives.
#[derive(Clone, Debug)]
pub enum AsOf {
    /// The services that were watched, those of today first and in their order.
    Known(Vec<Arc<ServiceNow>>),
    /// Single results are kept from this moment on, and the one asked for lies before it.
    Retired(UnixMs),
    /// It lies before anything was watched, which began at this moment; `None`: nothing ever was.
    Before(Option<UnixMs>),
}
