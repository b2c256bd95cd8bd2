//! What all loops share.

use super::{health::SchedulerHealth, watch::Watch, witness::Witnesses};
use crate::{clock::Clock, live::ServiceId, store::Writer};
use std::{collections::HashMap, sync::Arc};
use tokio::sync::{Notify, Semaphore};

/// What all loops share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) clock: Clock,
    pub(crate) writer: Writer,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) witnesses: Witnesses,
    pub(crate) watch: Watch,
    pub(crate) health: Arc<SchedulerHealth>,
    /// Diagnoses under way: many services that fail at once are not all looked at.
    pub(crate) diagnoses: Arc<Semaphore>,
    /// Asks for a check ahead of its slot, of those on which others depend: what fails behind them is not their own fault.
    pub(crate) asked: HashMap<ServiceId, Arc<Notify>>,
}
