//! What every handler is given.

use super::{limits::Limits, rate_limit::RateLimit};
use crate::{
    alerts::ChannelsHealth,
    backups::Backups,
    clock::Clock,
    config::PublicService,
    domain::{network::Network, secret::Secret, service::Commands, time::UnixMs},
    history::cached_stats::StatsCache,
    live::{LiveState, ServiceNow},
    notify::ChannelInfo,
    render::{PageCache, Templates},
    scheduler::SchedulerHealth,
    store::{AsOf, Reader, Scrub, StoreError, Writer},
    threads::{Broken, Busy, Pool},
};
use axum::http::StatusCode;
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
    /// Who is notified, in the order of the configuration.
    pub channels: Arc<[ChannelInfo]>,
    /// How they do.
    pub channels_health: ChannelsHealth,
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

/// Why a query of the history has no answer. Pages and the interface say it in their own form, with the same status.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Too many queries at once: this one was not begun.
    #[error("too many queries of the history at once: try again in a moment")]
    Busy(#[from] Busy),
    #[error("the history cannot be read right now: {0}")]
    Store(StoreError),
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The moment lies before the history, which begins with `first`.
    #[error("{at} lies before the history, which begins with {first}: nothing was watched before")]
    BeforeHistory { at: UnixMs, first: UnixMs },
    /// There is no history yet.
    #[error("nothing has been watched yet, so there is no history to tell from")]
    NoHistory,
    /// Of the moment only sums are left.
    #[error("single checks are kept from {from} on, so what was known at {at} can no longer be told")]
    Retired { at: UnixMs, from: UnixMs },
}

impl ReadError {
    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            ReadError::Busy(_) | ReadError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            ReadError::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            ReadError::BeforeHistory { .. } | ReadError::NoHistory | ReadError::Retired { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        }
    }
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

    /// Queries the history on a thread that may block. A caller that gives up ends its query.
    ///
    /// # Errors
    /// At once where too many queries run already. What an operator has to know of an error is in the log.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&AppState) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let app = self.clone();
        let answer = self.reading.run(move |cancellation| {
            let reader = app.reader.until(cancellation);
            question(&AppState { reader, ..app })
        })?;
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                tracing::warn!("the history could not be read: {error}");
                Err(ReadError::Store(error))
            }
            Err(panic) => {
                tracing::error!("panic in a query of the history: {panic}");
                Err(panic.into())
            }
        }
    }

    /// How the services stood at a moment of the past.
    ///
    /// # Errors
    /// Where the history cannot be read, or does not reach there.
    pub(crate) async fn as_of(&self, at: UnixMs) -> Result<Vec<Arc<ServiceNow>>, ReadError> {
        match self.ask(move |app| app.reader.as_of(at, &app.live.all())).await? {
            AsOf::Known(services) => Ok(services),
            AsOf::Retired(from) => Err(ReadError::Retired { at, from }),
            // Nothing was known then: neither that a service was up nor that it was not.
            AsOf::Before(Some(first)) => Err(ReadError::BeforeHistory { at, first }),
            AsOf::Before(None) => Err(ReadError::NoHistory),
        }
    }
}
