//! What every handler is given.

use crate::{
    backups::Backups,
    board::Board,
    clock::Clock,
    config::Published,
    domain::{network::Network, secret::Secret, service::Commands, time::UnixMs},
    scheduler::Pulse,
    store::{Reader, Writer},
    web::{
        attempts::Attempts,
        figures::FigureCache,
        pages::{PageCache, Templates},
    },
};
use std::sync::Arc;

/// The shared state of the HTTP interface. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Site {
    /// What is known now.
    pub board: Arc<Board>,
    /// The history; it blocks.
    pub reader: Reader,
    /// Asked how it is, and given notes of incidents: handlers write nothing else.
    pub writer: Writer,
    /// Signs of life of the scheduler.
    pub pulse: Arc<Pulse>,
    pub clock: Clock,
    /// How backups are going.
    pub backups: Arc<Backups>,
    /// What the product is called on its pages.
    pub title: Arc<str>,
    /// Where a reverse proxy puts us: empty, or `/status`.
    pub base_path: Arc<str>,
    /// The figures of every service over the usual windows.
    pub figures: Arc<FigureCache>,
    /// What the pages are made with.
    pub templates: Templates,
    /// The latest pages that many look at.
    pub pages: Arc<PageCache>,
    /// What outsiders see at `/public`: each service's name and what it is called there.
    pub public: Option<Arc<[Published]>>,
    /// Whether there are pages at all.
    pub dashboard: bool,
    /// How much of a command is shown.
    pub commands: Commands,
    /// What opens the door to notes; `None`: none are taken.
    pub token: Option<Secret>,
    /// Wrong ones that were tried.
    pub attempts: Arc<Attempts>,
    /// Whose `X-Forwarded-…` headers are believed.
    pub trusted: Arc<[Network]>,
    /// When this run of the monitor began.
    pub started_at: UnixMs,
}
