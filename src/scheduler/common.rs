//! What all loops share.

use super::{health::SchedulerHealth, watch::Watch, witness::Witnesses};
use crate::{clock::Clock, store::Writer};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What all loops share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) clock: Clock,
    pub(crate) writer: Writer,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) witnesses: Witnesses,
    pub(crate) watch: Watch,
    pub(crate) health: Arc<SchedulerHealth>,
}
