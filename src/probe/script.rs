//! A probe whose checks end as a test says, on the test's clock.

use super::trace::Fault;
use crate::domain::check::{Class, Reason};
use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};
use tokio::time::sleep;

/// How one check ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    /// The check passes after this time.
    Pass(Duration),
    /// The check fails after this time.
    Fail(Duration),
    /// Nothing comes: it ends with its deadline.
    Hang,
}

/// The acts of one service's checks, again from the beginning after the last.
#[derive(Debug)]
pub(super) struct Script {
    acts: Vec<Act>,
    done: AtomicUsize,
}

impl Script {
    pub(super) fn new(acts: Vec<Act>) -> Script {
        Script { acts, done: AtomicUsize::new(0) }
    }

    pub(super) async fn run(&self) -> Result<Option<Reason>, Fault> {
        let act = self.acts[self.done.fetch_add(1, Relaxed) % self.acts.len()];
        match act {
            Act::Pass(after) => {
                sleep(after).await;
                Ok(None)
            }
            Act::Fail(after) => {
                sleep(after).await;
                Err(Fault::new(Class::Connect, None, "refused"))
            }
            Act::Hang => std::future::pending().await,
        }
    }
}
