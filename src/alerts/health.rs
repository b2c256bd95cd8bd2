//! How the channels do, from memory.

use crate::store::ChannelHealth;
use std::sync::{Arc, Mutex, PoisonError};

/// How the channels do, as it was known when one of them last looked into the outbox: half a minute ago at most. Cheap to
/// clone, and read without asking the history.
#[derive(Clone, Default, Debug)]
pub struct ChannelsHealth(Arc<Mutex<Vec<ChannelHealth>>>);

impl ChannelsHealth {
    /// By name; those that were never used and have nothing to deliver are not among them.
    pub fn all(&self) -> Vec<ChannelHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, all: Vec<ChannelHealth>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}
