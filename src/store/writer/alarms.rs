//! Problems of the monitor itself. Channels are notified of them as of an incident, but from memory: the problem may be
//! that the history, and with it the outbox, has gone.

use crate::{domain::time::UnixMs, routing::ChannelName};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Alarms that are remembered for a channel that cannot be reached.
const REMEMBERED: usize = 20;

/// Something that is wrong with the monitor, or is right again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// Ascending.
    pub number: u64,
    /// The same at every attempt, and in no other run.
    pub event_id: String,
    pub is_over: bool,
    /// The same for a failure and its recovery.
    pub key: String,
    /// The channels that are notified of it.
    pub channels: Vec<ChannelName>,
    /// One sentence for people.
    pub text: String,
}

/// The alarms of this run. Cheap to clone.
#[derive(Clone, Default, Debug)]
pub(in crate::store) struct Alarms(Arc<Mutex<Inner>>);

#[derive(Default, Debug)]
struct Inner {
    all: Vec<Alarm>,
    raised: u64,
}

impl Alarms {
    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `history` is the id of the history, with which those of all its events begin.
    pub(in crate::store) fn raise(
        &self,
        history: &str,
        is_over: bool,
        text: String,
        channels: Vec<ChannelName>,
        now: UnixMs,
    ) {
        let mut inner = self.locked();
        inner.raised += 1;
        let number = inner.raised;
        let event_id = format!("{history}-monitor-{}-{number}", now.0);
        let failing = inner.all.last().filter(|last| is_over && !last.is_over).map(|last| last.key.clone());
        let key = failing.unwrap_or_else(|| event_id.clone());
        inner.all.push(Alarm { number, event_id, is_over, key, channels, text });
        let excess = inner.all.len().saturating_sub(REMEMBERED);
        inner.all.drain(..excess);
    }

    /// The first alarm after the alarm of this number.
    pub(in crate::store) fn after(&self, number: u64) -> Option<Alarm> {
        self.locked().all.iter().find(|alarm| alarm.number > number).cloned()
    }
}
