//! Whether connections can be accepted. While they cannot (out of descriptors, most likely), the log says so once, then
//! once a minute how often, and `/readyz` is not ok.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Between two lines of the log about the same trouble.
const SUMMARY: Duration = Duration::from_secs(60);

#[derive(Default, Debug)]
pub struct Accepting {
    trouble: Mutex<Option<Trouble>>,
}

#[derive(Debug)]
struct Trouble {
    reason: String,
    since: Instant,
    /// Attempts that failed.
    attempts: u64,
    said_at: Instant,
}

impl Accepting {
    fn state(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why connections cannot be accepted, while they cannot.
    pub fn trouble(&self) -> Option<String> {
        self.state().as_ref().map(|trouble| format!("connections cannot be accepted: {}", trouble.reason))
    }

    /// An attempt failed: the line for the log, where one is due.
    pub(crate) fn failed(&self, error: &io::Error) -> Option<String> {
        let (now, mut state) = (Instant::now(), self.state());
        let Some(trouble) = &mut *state else {
            let reason = error.to_string();
            let line =
                format!("connections cannot be accepted: {reason}; the log reports when they are accepted again");
            *state = Some(Trouble { reason, since: now, attempts: 1, said_at: now });
            return Some(line);
        };
        trouble.reason = error.to_string();
        trouble.attempts += 1;
        if now - trouble.said_at < SUMMARY {
            return None;
        }
        trouble.said_at = now;
        let seconds = (now - trouble.since).as_secs();
        Some(format!(
            "connections can still not be accepted: {} ({} attempts failed in {seconds} s)",
            trouble.reason, trouble.attempts
        ))
    }

    /// An attempt succeeded: the line for the log, where attempts before it failed.
    pub(crate) fn succeeded(&self) -> Option<String> {
        let trouble = self.state().take()?;
        let seconds = trouble.since.elapsed().as_secs();
        Some(format!("connections are accepted again: {} attempts failed in {seconds} s", trouble.attempts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_is_said_once_then_once_a_minute_and_at_its_end() {
        let (accepting, error) = (Accepting::default(), || io::Error::other("no more"));
        assert_eq!((accepting.succeeded(), accepting.trouble()), (None, None));
        let mut lines = Vec::new();
        // Ten a second, for two and a half minutes.
        for _ in 0..1500 {
            lines.extend(accepting.failed(&error()));
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert_eq!(accepting.trouble().as_deref(), Some("connections cannot be accepted: no more"));
        lines.extend(accepting.succeeded());
        assert_eq!(
            lines,
            [
                "connections cannot be accepted: no more; the log reports when they are accepted again",
                "connections can still not be accepted: no more (601 attempts failed in 60 s)",
                "connections can still not be accepted: no more (1201 attempts failed in 120 s)",
                "connections are accepted again: 1500 attempts failed in 150 s",
            ]
        );
        assert_eq!((accepting.succeeded(), accepting.trouble()), (None, None));
    }
}
