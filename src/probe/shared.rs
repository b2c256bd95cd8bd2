//! What all probes of a process share.

use super::{cleanup::Cleanups, error::ProbeError, resolver::Resolver, tls::Roots};
use std::sync::Arc;

/// What all probes of a process share, so that a thousand of them stay small: the trusted roots, the cryptography, and
/// the threads for name lookups. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared {
    pub(super) roots: Arc<Roots>,
    pub(super) resolver: Resolver,
    pub(super) cleanups: Cleanups,
}

impl Shared {
    /// Reads the system's trusted roots. Where there are none, those that came with the program are used, and a warning
    /// says so.
    pub fn new() -> Result<Shared, ProbeError> {
        let (roots, resolver) = (Arc::new(Roots::load()?), Resolver::new());
        Ok(Shared { roots, resolver, cleanups: Cleanups::new() })
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
