//! What is settled in this run and may not be committed yet.

use super::plan;
use crate::store::{About, DueEvent, Event, IncidentEvent, Trigger};
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Events that are remembered as settled, at most: for as long as that waits for its commit.
const SETTLED: usize = 10_000;
/// A commit that takes longer is in trouble.
const COMMIT: Duration = Duration::from_secs(3);

/// The events that were delivered or given up in this run: the outbox will know in a moment, or when the history can be
/// written again.
#[derive(Clone, Default)]
pub(super) struct Settled(Arc<Mutex<SettledEvents>>);

#[derive(Default)]
struct SettledEvents {
    /// The latest last.
    order: VecDeque<String>,
    all: HashMap<String, Settling>,
    /// Those of them that were given up.
    given_up: Vec<String>,
}

/// How an event was settled.
struct Settling {
    /// The message that the channel was notified with; `None` where there was none.
    message_id: Option<String>,
    at: Instant,
}

impl Settled {
    fn locked(&self) -> MutexGuard<'_, SettledEvents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, event_id: &str, message_id: Option<&str>, given_up: bool) {
        let mut settled = self.locked();
        if settled.order.len() == SETTLED
            && let Some(oldest) = settled.order.pop_front()
        {
            settled.all.remove(&oldest);
        }
        settled.order.push_back(event_id.to_owned());
        let settling = Settling { message_id: message_id.map(str::to_owned), at: Instant::now() };
        settled.all.insert(event_id.to_owned(), settling);
        if given_up {
            settled.given_up.push(event_id.to_owned());
        }
    }

    /// A user requested another attempt for the events that were given up.
    pub(super) fn forget_given_up(&self) {
        let mut settled = self.locked();
        for event_id in std::mem::take(&mut settled.given_up) {
            // The end of it comes again after it.
            for event_id in [plan::of_its_end(&event_id), event_id] {
                settled.all.remove(&event_id);
                settled.order.retain(|known| *known != event_id);
            }
        }
    }

    pub(super) fn has(&self, event_id: &str) -> bool {
        self.locked().all.contains_key(event_id)
    }

    /// Whether the trigger of this resolve was settled a moment ago, and the outbox does not know it yet. After a crash
    /// the trigger comes again: the resolve must not be there before it.
    pub(super) fn is_ahead_of_its_trigger(&self, event: &DueEvent) -> bool {
        let is_unknown = |event: &IncidentEvent| event.event != Event::Confirmed && event.trigger.is_none();
        event.incident().is_some_and(is_unknown)
            && self
                .locked()
                .all
                .get(&plan::of_its_trigger(&event.event_id))
                .is_some_and(|trigger| trigger.at.elapsed() < COMMIT)
    }

    /// Adds the triggers of this run that the outbox does not know yet.
    pub(super) fn add_triggers(&self, waiting: &mut [DueEvent]) {
        let settled = self.locked();
        let ends: HashSet<String> =
            waiting.iter().filter(|event| event.is_end()).map(|event| event.event_id.clone()).collect();
        let is_over = |end: &String| ends.contains(end) || settled.all.contains_key(end);
        let mut open: HashMap<String, u64> = HashMap::new();
        for event in waiting {
            let About::Incident(incident) = &mut event.about else { continue };
            if incident.event == Event::Confirmed || incident.trigger.is_some() {
                continue;
            }
            let trigger = settled.all.get(&plan::of_its_trigger(&event.event_id));
            let Some(message_id) = trigger.and_then(|trigger| trigger.message_id.clone()) else { continue };
            let open = *open.entry(message_id.clone()).or_insert_with_key(|message_id| {
                let of_it = settled.all.iter().filter(|(_, other)| other.message_id.as_ref() == Some(message_id));
                let triggers = of_it.map(|(id, _)| id).filter(|id| id.ends_with(Event::Confirmed.as_str()));
                triggers.filter(|id| !is_over(&plan::of_its_end(id))).count() as u64
            });
            incident.trigger = Some(Trigger { message_id, open, receipt: None });
        }
    }
}
