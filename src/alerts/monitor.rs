//! Notifications about the monitor itself.

use super::{
    own,
    plan::LOOK,
    queue::{Queue, pause_ms},
};
use crate::store::{Attempt, SentMessage};
use std::time::Duration;
use tokio::time::Instant;

/// How far a channel is with the alarms about the monitor itself. They lie in memory, and end with the run.
#[derive(Default)]
pub(super) struct MonitorAlarms {
    /// The number of the last alarm that the channel is done with.
    done: u64,
    attempts: u32,
    again: Option<Instant>,
}

impl MonitorAlarms {
    /// Sends the notifications of the alarms that are due; returns how long until the next attempt.
    pub(super) async fn notify(&mut self, queue: &Queue) -> Duration {
        let name = queue.channel.name();
        if queue.channel.batching.quiet.is_some_and(|hours| hours.contain(queue.clock.now())) {
            return LOOK;
        }
        while let Some(alarm) = queue.writer.next_alarm(self.done) {
            if queue.settled.has(&alarm.event_id) || !alarm.channels.contains(name) {
                self.done = alarm.number;
                continue;
            }
            let pause = self.again.map_or(Duration::ZERO, |again| again.saturating_duration_since(Instant::now()));
            if !pause.is_zero() {
                return pause;
            }
            let notice = own::of_the_monitor(&alarm, queue.clock.now(), queue.composer.public_url.as_deref());
            let event = notice.event.as_str();
            match queue.channel.deliver(&notice).await {
                Ok(_) => {
                    tracing::info!(channel = %name, event, "notified");
                    let message = SentMessage { id: notice.event_id.clone(), ..SentMessage::default() };
                    queue.settle(&[], Some(message), Attempt::Delivered).await;
                    queue.settled.add(&notice.event_id, None, false);
                    *self = MonitorAlarms { done: alarm.number, ..MonitorAlarms::default() };
                }
                Err(failure) => {
                    if self.attempts == 0 {
                        tracing::warn!(channel = %name, event, "notification failed, retrying: {}", failure.why());
                    }
                    let pause = pause_ms(self.attempts, &notice.event_id);
                    self.attempts += 1;
                    self.again = Some(Instant::now() + Duration::from_millis(pause.unsigned_abs()));
                }
            }
        }
        LOOK
    }
}
