//! What all probes of a process share.

use super::{cleanup::Cleanups, error::ProbeError, resolver::Resolver, tls::Roots};
use crate::{domain::network::NetworkGuard, live::LiveState, threads::Pool};
use std::sync::{Arc, OnceLock};

/// Threads for files at most: a network's disk that does not answer holds one for as long as it likes.
const LOCAL: usize = 64;
/// Checks that wait for one at most: as many as there may be.
const QUEUE: usize = 100_000;

/// What all probes of a process share, so that a thousand of them stay small: the trusted roots, the cryptography, and
/// the threads for name lookups. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared {
    pub(super) roots: Arc<Roots>,
    pub(super) resolver: Resolver,
    pub(super) cleanups: Cleanups,
    /// For what looks at this machine's files.
    pub(super) local: Pool,
    /// What is known of all services, for what is made of others.
    pub(super) live: Arc<OnceLock<Arc<LiveState>>>,
}

impl Shared {
    /// Reads the system's trusted roots. Where there are none, those that came with the program are used, and a warning
    /// says so. `guard` says which addresses probes may connect to.
    pub fn new(guard: NetworkGuard) -> Result<Shared, ProbeError> {
        let (roots, resolver) = (Arc::new(Roots::load()?), Resolver::new(guard));
        let local = Pool::new("local", LOCAL, QUEUE);
        Ok(Shared { roots, resolver, cleanups: Cleanups::new(), local, live: Arc::default() })
    }

    /// Has what is known of all services looked at by those that are made of others.
    pub fn look_at(&self, live: Arc<LiveState>) {
        let _ = self.live.set(live);
    }

    /// Gives what checks that were given up have left to be done a moment, before the program ends: a query that goes on
    /// in its server is cancelled.
    pub async fn clean_up(&self) {
        self.cleanups.done().await;
    }

    /// TLS with the trusted roots, for requests that are no probes.
    pub fn client_config(&self) -> rustls::ClientConfig {
        self.roots.client_config()
    }
}
