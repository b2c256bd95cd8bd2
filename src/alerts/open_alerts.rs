//! Alerts that a receiver forgets are sent again while they are open.

use super::{
    plan::{LOOK, of_its_end},
    queue::Queue,
};
use crate::store::DueEvent;
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// Alerts that are sent again before the channel looks for new ones.
const AT_ONCE: usize = 20;

/// How far a channel is with the alerts that are open. It begins at once: nobody knows when the run before this one sent them.
#[derive(Default)]
pub(super) struct OpenAlerts {
    due: Option<Instant>,
    left: VecDeque<DueEvent>,
}

impl OpenAlerts {
    /// Sends the next ones again, where they are due; returns how long until there is more to do. Nothing of it is noted:
    /// what fails is sent again with the others.
    pub(super) async fn repeat(&mut self, queue: &Queue) -> Duration {
        let Some(apart) = queue.channel.repeats_after() else { return LOOK };
        let now = Instant::now();
        if self.left.is_empty() {
            let pause = self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
            if !pause.is_zero() {
                return pause;
            }
            self.left = queue.open_alerts().await.into();
            self.due = Some(now + apart);
        }
        for event in self.left.drain(..self.left.len().min(AT_ONCE)).collect::<Vec<_>>() {
            // Its end may be told and not be written yet.
            if queue.settled.has(&of_its_end(&event.event_id)) {
                continue;
            }
            let Some(notice) = queue.again(&event) else { continue };
            if let Err(failure) = queue.channel.deliver(&notice).await {
                let why = failure.why();
                tracing::warn!(channel = %queue.channel.name(), "open alerts could not be sent again: {why}");
                self.left.clear();
                return apart;
            }
        }
        if self.left.is_empty() { apart } else { Duration::ZERO }
    }
}
