//! Notifies people of incidents: takes events out of the outbox, in their order, and tries until they are delivered.
//!
//! The outbox is written in the transaction of the incident, so that no event is lost and none is invented. While the
//! history cannot be written, a channel sends confirmed events from memory, under the ids that they will have in the
//! outbox. A channel sends an event again only when the answer to it was lost, and then under the same id. What begins
//! shortly after a message is added to it where the service can edit messages.

mod common;
mod compose;
pub mod drill;
pub mod follow_up;
mod health;
pub mod heartbeat;
mod last_message;
mod monitor;
mod open_alerts;
mod own;
pub mod periodic;
mod plan;
mod queue;
mod settled;
mod subject;
pub mod watch;

use self::{
    monitor::MonitorAlarms,
    open_alerts::OpenAlerts,
    queue::{Next, Queue},
    settled::Settled,
};
use crate::{
    domain::time::UnixMs,
    notify::{Channel, Notice},
    shutdown::{Shutdown, restarting},
    store::Attempt,
};
use std::time::Duration;
use tokio::time::sleep;

pub use health::ChannelsHealth;
pub use queue::Context;

/// How long a channel waits for an answer that is under way when the program is to stop: the answer decides whether the
/// receiver was notified.
const LAST_ANSWER: Duration = Duration::from_secs(4);

/// A message that says that it is a test. `public_url` is where the pages are.
pub fn test_notice(now: UnixMs, public_url: Option<&str>) -> Notice {
    own::test(now, public_url)
}

/// Serves one channel until shutdown. A channel that hangs delays nothing but itself.
pub async fn run(channel: Channel, context: Context, shutdown: Shutdown) {
    let settled = Settled::default();
    restarting(format!("the alerts ({})", channel.name()), shutdown, |shutdown| {
        serve(channel.clone(), context.clone(), settled.clone(), shutdown)
    })
    .await;
}

async fn serve(channel: Channel, context: Context, settled: Settled, mut shutdown: Shutdown) {
    let mut wake = context.writer.outbox_notify();
    let mut queue = Queue::new(channel, context, settled);
    let mut alarms = MonitorAlarms::default();
    let mut open = OpenAlerts::default();
    while !shutdown.is_requested() {
        wake.mark_unchanged();
        // What is wrong with the monitor comes first: it bears on everything else.
        let alarm_pause = tokio::select! {
            biased;
            pause = alarms.notify(&queue) => pause,
            () = cut_off(&mut shutdown) => return,
        };
        match queue.next().await {
            Next::Deliver(message) => {
                for event in &message.events {
                    queue.writer.telling(event, queue.channel.name()).await;
                }
                let outcome = tokio::select! {
                    biased;
                    outcome = queue.channel.deliver_to(&message.notice, &message.place) => outcome,
                    () = cut_off(&mut shutdown) => return,
                };
                queue.note(*message, outcome).await;
            }
            Next::Settle(events) => queue.settle(&events, None, Attempt::Delivered).await,
            Next::Wait(pause) => {
                let open_pause = tokio::select! {
                    biased;
                    pause = open.repeat(&queue) => pause,
                    () = cut_off(&mut shutdown) => return,
                };
                tokio::select! {
                    biased;
                    () = shutdown.requested() => return,
                    _ = wake.changed() => {}
                    () = sleep(pause.min(alarm_pause).min(open_pause)) => {}
                }
            }
        }
    }
}

async fn cut_off(shutdown: &mut Shutdown) {
    shutdown.requested().await;
    sleep(LAST_ANSWER).await;
}
