//! While the file is not found under its name: what it holds is saved, once.

use super::{handle::locked, task::Task};
use crate::store::StoreError;
use std::time::Duration;
use tokio::time::Instant;

/// Between two attempts to save what a file holds that lost its name.
const RESCUE_AGAIN: Duration = Duration::from_secs(60);

impl Task {
    /// Saves what an open file holds, so that it is not lost with the file, and notifies the channels.
    pub(in crate::store) async fn rescue(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.rescue.is_told, true) {
            self.alarm(false, format!("{error}; checks go on, and nothing of them is stored"));
        }
        if self.rescue.done.is_some() || self.rescue.again.is_some_and(|again| Instant::now() < again) {
            return;
        }
        let (core, now) = (self.core.clone(), self.clock.now());
        match self.blocking(move || locked(&core).rescue(now)).await {
            Ok(Ok(done)) => {
                self.rescue.done = Some(done);
                if let Some(said) = self.rescue.said() {
                    tracing::warn!("{said}");
                    *locked(&self.shared.trouble) = Some(format!("{error}; {said}"));
                }
            }
            Ok(Err(why)) => {
                if self.rescue.again.is_none() {
                    tracing::warn!("its content could not be saved: {why}; retrying");
                }
                self.rescue.again = Some(Instant::now() + RESCUE_AGAIN);
            }
            Err(_panic) => self.rescue.again = Some(Instant::now() + RESCUE_AGAIN),
        }
    }
}
