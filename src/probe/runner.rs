//! What runs the checks of one service, of whatever kind.

use super::{
    diagnose::Place,
    error::ProbeError,
    fault,
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::domain::{check::Reason, secret::Secret};
use std::{sync::Arc, time::Duration};

/// Secrets that a specification holds, and pairs of a user and a password.
pub(super) type Secrets<'a> = (Vec<Secret>, Vec<(&'a str, &'a Secret)>);

/// A probe of one kind: built once per service, and run for every check.
pub(super) trait Runner: Sized {
    /// What the section of the configuration becomes.
    type Spec;

    /// What must not be seen in a report, of what the specification itself holds.
    fn secrets(_: &Self::Spec) -> Secrets<'_> {
        Secrets::default()
    }

    fn new(spec: &Self::Spec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Self, ProbeError>;

    /// Runs one check: `Ok(None)` where it passes, a reason where it is `degraded`. It may be dropped at the deadline.
    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault>;

    /// Where it connects to, for a diagnosis at the first failure; `None`: over no TCP connection to one host.
    fn place(&self) -> Option<Place<'_>>;

    /// What the check was waiting for when the deadline passed.
    fn late(trace: &Trace, deadline: Duration) -> Fault {
        fault::late(trace, deadline)
    }
}
