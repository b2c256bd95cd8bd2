//! What every handler is given.

use super::{limits::Limits, rate_limit::RateLimit};
use crate::{
    backups::Backups,
    clock::Clock,
    config::PublicService,
    domain::{network::Network, secret::Secret, service::Commands, time::UnixMs},
    history::cached_stats::StatsCache,
    live::LiveState,
    render::{PageCache, Templates},
    scheduler::SchedulerHealth,
    store::{Reader, Scrub, StoreError, Writer},
    threads::{Broken, Busy, Pool},
};
use std::sync::Arc;
use thiserror::Error;

/// Questions to the history at once: more would take the processor from the checks, and be answered no sooner.
const READS: usize = 4;
/// Questions that wait for their turn at most.
const READS_WAITING: usize = 64;
/// Downloads at once; each keeps a thread for as long as its client takes.
const EXPORTS: usize = 8;

/// The shared state of the HTTP interface. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AppState {
    /// How much one client may hold at once, and all.
    pub limits: Arc<Limits>,
    /// What is known now.
    pub live: Arc<LiveState>,
    /// The history; it blocks: see [`AppState::ask`].
    pub reader: Reader,
    /// Where the history is asked: so many questions at once, and a short queue before them.
    pub reading: Pool,
    /// Where downloads are written.
    pub exporting: Pool,
    /// Asked how it is, and given notes of incidents: handlers write nothing else.
    pub writer: Writer,
    /// Signs of life of the scheduler.
    pub scheduler: Arc<SchedulerHealth>,
    pub clock: Clock,
    /// How backups are going.
    pub backups: Arc<Backups>,
    /// Whether the history was found to be damaged.
    pub scrub: Arc<Scrub>,
    /// What the product is called on its pages.
    pub title: Arc<str>,
    /// Where a reverse proxy puts us: empty, or `/status`.
    pub base_path: Arc<str>,
    /// The figures of every service over the usual windows.
    pub figures: Arc<StatsCache>,
    /// What the pages are made with.
    pub templates: Templates,
    /// The latest pages that many look at.
    pub pages: Arc<PageCache>,
    /// What outsiders see at `/public`: each service's name and what it is called there.
    pub public: Option<Arc<[PublicService]>>,
    /// Whether there are pages at all.
    pub dashboard: bool,
    /// How much of a command is shown.
    pub commands: Commands,
    /// What opens the door to notes; `None`: none are taken.
    pub token: Option<Secret>,
    /// Wrong ones that were tried.
    pub attempts: Arc<RateLimit>,
    /// Whose `X-Forwarded-…` headers are believed.
    pub trusted: Arc<[Network]>,
    /// When this run of the monitor began.
    pub started_at: UnixMs,
}

/// Why a question to the history has no answer.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Too many are asked at once: it was not begun.
    #[error("too many queries of the history at once: try again in a moment")]
    Busy(#[from] Busy),
    #[error(transparent)]
    Store(StoreError),
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl AppState {
    /// The threads that readers share.
    pub fn reading() -> Pool {
        Pool::new("read", READS, READS_WAITING).giving_way()
    }

    /// The threads that downloads share.
    pub fn exporting() -> Pool {
        Pool::new("export", EXPORTS, 0).giving_way()
    }

    /// Asks the history, on a thread that may block. Whoever gives up waiting ends the question.
    ///
    /// # Errors
    /// At once where too many are asked already.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&AppState) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let app = self.clone();
        let answer = self.reading.run(move |cancellation| {
            let reader = app.reader.until(cancellation);
            question(&AppState { reader, ..app })
        })?;
        answer.await?.map_err(ReadError::Store)
    }
}
