//! Runs that have begun and not ended.

use std::time::Duration;
use tokio::time::Instant;

/// Runs of one service under way at most. Of more, the oldest are forgotten.
const MOST: usize = 16;

/// A run that has begun.
#[derive(Debug)]
pub(super) struct Run {
    id: Option<String>,
    pub(super) started: Instant,
    /// When it has to have ended; `None` where its end may have come while we could not hear it.
    until: Option<Instant>,
    /// What is kept should it fail.
    pub(super) log: Option<String>,
}

#[derive(Default, Debug)]
pub(super) struct Runs(Vec<Run>);

impl Runs {
    /// A run begins. One of the same name that has not ended never will.
    pub(super) fn start(&mut self, id: Option<String>, now: Instant, limit: Duration, log: Option<String>) {
        self.end(id.as_deref());
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(Run { id, started: now, until: Some(now + limit), log });
    }

    /// Keeps what a run that is under way says.
    pub(super) fn log(&mut self, id: Option<&str>, log: Option<String>) {
        if let Some(run) = self.0.iter_mut().find(|run| run.id.as_deref() == id) {
            run.log = log.or(run.log.take());
        }
    }

    /// A run ends.
    pub(super) fn end(&mut self, id: Option<&str>) -> Option<Run> {
        let place = self.0.iter().position(|run| run.id.as_deref() == id)?;
        Some(self.0.remove(place))
    }

    /// When the first of them has to have ended.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(|run| run.until).min()
    }

    /// One that should have ended. It counts as ended then.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Run> {
        let place = self.0.iter().position(|run| run.until.is_some_and(|until| until <= now))?;
        Some(self.0.remove(place))
    }

    /// Ends may have come that could not be heard: none is waited for any more. Whether there was one.
    pub(super) fn forgive(&mut self) -> bool {
        let awaited = self.deadline().is_some();
        self.0.iter_mut().for_each(|run| run.until = None);
        awaited
    }
}
