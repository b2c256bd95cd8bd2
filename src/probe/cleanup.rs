//! What checks that were given up leave to be done elsewhere, such as a query that goes on in its server. Nobody waits
//! for it while the program runs; before it ends, it is given a moment.

use std::time::Duration;
use tokio::{runtime::Handle, sync::watch, time::timeout};

/// How long the end of the program waits.
const MOMENT: Duration = Duration::from_secs(1);

/// What is left to be done, of all probes of a process. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Cleanups(watch::Sender<usize>);

/// A cleanup that is under way. It counts until it is dropped.
struct Open(watch::Sender<usize>);

impl Cleanups {
    pub(super) fn new() -> Cleanups {
        Cleanups(watch::Sender::new(0))
    }

    /// Does `work` beside all else.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Without a runtime the process is ending already.
        let Ok(runtime) = Handle::try_current() else { return };
        self.0.send_modify(|open| *open += 1);
        let open = Open(self.0.clone());
        runtime.spawn(async move {
            work.await;
            drop(open);
        });
    }

    /// Returns when nothing is left to be done, or after a moment.
    pub(super) async fn done(&self) {
        let mut open = self.0.subscribe();
        let _ = timeout(MOMENT, open.wait_for(|open| *open == 0)).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::{sync::oneshot, time::Instant};

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_what_is_left_to_be_done_and_not_for_ever() {
        let (cleanups, since) = (Cleanups::new(), Instant::now());
        cleanups.done().await;
        let (said, mut heard) = oneshot::channel();
        cleanups.spawn(async {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let _ = said.send(());
        });
        cleanups.done().await;
        assert!(heard.try_recv().is_ok());
        cleanups.spawn(pending());
        cleanups.done().await;
        assert_eq!(since.elapsed(), Duration::from_millis(1700));
    }
}
