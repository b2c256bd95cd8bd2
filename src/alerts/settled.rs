//! What is settled in this run and may not be committed yet.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// Events that are remembered as settled, at most: for as long as that waits for its commit.
const SETTLED: usize = 10_000;

/// The events that were delivered or given up in this run: the outbox will know in a moment, or when the history can be
/// written again.
#[derive(Clone, Default)]
pub(super) struct Settled(Arc<Mutex<SettledEvents>>);

#[derive(Default)]
struct SettledEvents {
    /// The latest last.
    order: VecDeque<String>,
    all: HashSet<String>,
    /// Those of them that were given up.
    given_up: Vec<String>,
}

impl Settled {
    pub(super) fn add(&self, event_id: &str, given_up: bool) {
        let mut settled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if settled.order.len() == SETTLED
            && let Some(oldest) = settled.order.pop_front()
        {
            settled.all.remove(&oldest);
        }
        settled.order.push_back(event_id.to_owned());
        settled.all.insert(event_id.to_owned());
        if given_up {
            settled.given_up.push(event_id.to_owned());
        }
    }

    /// A user requested another attempt for the events that were given up.
    pub(super) fn forget_given_up(&self) {
        let mut settled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for event_id in std::mem::take(&mut settled.given_up) {
            settled.all.remove(&event_id);
            settled.order.retain(|known| *known != event_id);
        }
    }

    pub(super) fn has(&self, event_id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.contains(event_id)
    }
}
