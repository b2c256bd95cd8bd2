//! What handlers are given. A handler takes the part that it needs, so that its signature says what it touches; pages take
//! the whole, which their layout needs.

use super::{limits::Limits, rate_limit::RateLimit};
use crate::{
    alerts::ChannelsHealth,
    backups::Backups,
    clock::Clock,
    config::PublicService,
    domain::{network::Network, secret::Secret, service::Commands, time::UnixMs},
    history::{
        cached_stats::StatsCache,
        states::{self, AsOf},
    },
    live::{LiveState, ServiceNow},
    notify::ChannelInfo,
    render::{PageCache, Templates},
    scheduler::{Pushes, SchedulerHealth},
    store::{Reader, Scrub, StoreError, Writer},
    threads::{Broken, Busy, Pool},
};
use axum::{extract::FromRef, http::StatusCode};
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
    /// The history; it blocks: see [`Queries::ask`].
    pub reader: Reader,
    /// The threads for queries of the history: a bounded number, and a short queue before them.
    pub reading: Pool,
    /// Where downloads are written.
    pub exporting: Pool,
    /// Handlers query its health and hand it notes of incidents. They write nothing else.
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
    /// The services that report by themselves,
    pub pushes: Arc<Pushes>,
    /// and tokens that were none of theirs.
    pub push_attempts: Arc<RateLimit>,
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

/// The history as handlers query it: connections that only read, and the threads on which they may block.
#[derive(Clone, Debug)]
pub(crate) struct Queries {
    reader: Reader,
    threads: Pool,
}

/// Downloads: they read for as long as their client takes, on threads of their own.
#[derive(Clone, Debug)]
pub(crate) struct Downloads {
    pub(crate) reader: Reader,
    pub(crate) threads: Pool,
}

/// What is known of the monitor itself.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    pub(crate) writer: Writer,
    pub(crate) scheduler: Arc<SchedulerHealth>,
    pub(crate) backups: Arc<Backups>,
    pub(crate) scrub: Arc<Scrub>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) clock: Clock,
}

impl Queries {
    /// Queries the history on a thread that may block. A caller that gives up ends its query.
    ///
    /// # Errors
    /// At once where too many queries run already. What an operator has to know of an error is in the log.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let reader = self.reader.clone();
        let answer = self.threads.run(move |cancellation| query(&reader.until(cancellation)))?;
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

    /// What was known of the services at a moment of the past.
    ///
    /// # Errors
    /// Where the history cannot be read, or does not reach there.
    pub(crate) async fn as_of(&self, live: &Arc<LiveState>, at: UnixMs) -> Result<Vec<Arc<ServiceNow>>, ReadError> {
        let live = live.clone();
        match self.ask(move |reader| states::as_of(reader, at, &live.all())).await? {
            AsOf::Known(services) => Ok(services),
            AsOf::Retired(from) => Err(ReadError::Retired { at, from }),
            // Nothing was known then: neither that a service was up nor that it was not.
            AsOf::Before(Some(first)) => Err(ReadError::BeforeHistory { at, first }),
            AsOf::Before(None) => Err(ReadError::NoHistory),
        }
    }
}

impl FromRef<AppState> for Queries {
    fn from_ref(app: &AppState) -> Queries {
        Queries { reader: app.reader.clone(), threads: app.reading.clone() }
    }
}

impl FromRef<AppState> for Downloads {
    fn from_ref(app: &AppState) -> Downloads {
        Downloads { reader: app.reader.clone(), threads: app.exporting.clone() }
    }
}

impl FromRef<AppState> for Monitor {
    fn from_ref(app: &AppState) -> Monitor {
        Monitor {
            writer: app.writer.clone(),
            scheduler: app.scheduler.clone(),
            backups: app.backups.clone(),
            scrub: app.scrub.clone(),
            limits: app.limits.clone(),
            clock: app.clock.clone(),
        }
    }
}

impl FromRef<AppState> for Arc<LiveState> {
    fn from_ref(app: &AppState) -> Arc<LiveState> {
        app.live.clone()
    }
}

impl FromRef<AppState> for Arc<Limits> {
    fn from_ref(app: &AppState) -> Arc<Limits> {
        app.limits.clone()
    }
}

impl FromRef<AppState> for Arc<StatsCache> {
    fn from_ref(app: &AppState) -> Arc<StatsCache> {
        app.figures.clone()
    }
}

impl FromRef<AppState> for Clock {
    fn from_ref(app: &AppState) -> Clock {
        app.clock.clone()
    }
}

impl FromRef<AppState> for Commands {
    fn from_ref(app: &AppState) -> Commands {
        app.commands
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

    /// Queries the history with all that a page is made of, on a thread that may block.
    ///
    /// # Errors
    /// As [`Queries::ask`].
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(&AppState) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let app = self.clone();
        Queries::from_ref(self).ask(move |reader| query(&AppState { reader: reader.clone(), ..app })).await
    }
}
