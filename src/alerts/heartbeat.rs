//! The dead man's switch: an address that is called every minute while the monitor makes progress. Whoever listens there
//! notices when the calls cease, which the monitor itself cannot.

use super::own;
use crate::{domain::time::UnixMs, notify::Channel, shutdown::Shutdown};
use std::time::Duration;
use tokio::time::sleep;

const EVERY: Duration = Duration::from_secs(60);

/// Calls the address of `channel` every minute while `makes_progress` says so, until shutdown.
pub async fn run(
    channel: Channel,
    makes_progress: impl Fn() -> bool + Send + 'static,
    now: impl Fn() -> UnixMs + Send + 'static,
    mut shutdown: Shutdown,
) {
    let mut failing = false;
    loop {
        tokio::select! {
            biased;
            () = shutdown.requested() => return,
            () = sleep(EVERY) => {}
        }
        if !makes_progress() {
            tracing::warn!("no heartbeat was sent: the scheduler or the history's writer makes no progress");
            continue;
        }
        let notice = own::test(now(), None);
        let sent = tokio::select! {
            biased;
            () = shutdown.requested() => return,
            sent = channel.deliver(&notice) => sent,
        };
        match sent {
            Ok(_) if failing => {
                failing = false;
                tracing::info!("the heartbeat is received again");
            }
            Ok(_) => {}
            Err(failure) if !failing => {
                failing = true;
                tracing::warn!("the heartbeat could not be sent, retrying every minute: {}", failure.why());
            }
            Err(_) => {}
        }
    }
}
