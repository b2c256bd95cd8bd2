//! How the channels do, from memory.

use crate::store::ChannelHealth;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The least time between two looks of the channels together: what they ask for grows with all that waits.
const APART: Duration = Duration::from_secs(1);

/// How the channels do, as it was known when one of them last looked into the outbox: half a minute ago at most. Cheap to
/// clone, and read without asking the history.
#[derive(Clone, Default, Debug)]
pub struct ChannelsHealth(Arc<Mutex<Known>>);

#[derive(Default, Debug)]
struct Known {
    all: Vec<ChannelHealth>,
    looked_at: Option<Instant>,
}

impl ChannelsHealth {
    /// By name; those that were never used and have nothing to deliver are not among them.
    pub fn all(&self) -> Vec<ChannelHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.clone()
    }

    /// Whether it is time to look again. Whoever asks looks.
    pub(super) fn is_due(&self) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = known.looked_at.is_none_or(|at| at.elapsed() >= APART);
        if is_due {
            known.looked_at = Some(Instant::now());
        }
        is_due
    }

    pub(super) fn set(&self, all: Vec<ChannelHealth>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all = all;
    }
}
