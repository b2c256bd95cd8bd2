//! One folder per kind of probe, behind one enum.
//!
//! A probe is built once per service ([`Probe::new`]) and run for every check ([`Probe::run`]). What it finds is data,
//! a [`Report`]: a probe never fails in any other way, and always returns by its deadline. Between two checks it holds
//! its specification and nothing else; connections, clients and buffers live for one check.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `http`, `tcp`, `postgres`, `command` | the kinds |
//! | `spec` | what a probe has to do, checked and ready |
//! | `shared`, `error` | what all probes share; why one cannot be built |
//! | `resolver`, `connect`, `stream`, `tls` | names, connections, their budgets, certificates |
//! | `cleanup` | what checks that were given up leave to be done |
//! | `trace` | what is known of a check while it runs |
//! | `fault` | from typed errors to a reason |
//! | `text` | what leaves: scrubbed, cleaned, cut |

mod cleanup;
pub mod command;
mod connect;
mod error;
mod fault;
pub mod http;
pub mod postgres;
mod resolver;
#[cfg(test)]
pub(crate) mod script;
mod shared;
pub mod spec;
mod stream;
pub mod tcp;
mod text;
mod tls;
mod trace;

use crate::domain::{
    check::{Reason, Report, Verdict},
    secret::Secret,
};
pub use connect::reachable;
pub use error::ProbeError;
pub use shared::Shared;
use spec::Spec;
use std::{sync::Arc, time::Duration};
use text::Scrubber;
use tokio::time::timeout;
use trace::{Fault, Trace};

/// A service's probe, ready to be run any number of times, also several at once.
#[derive(Debug)]
pub struct Probe {
    kind: Kind,
    scrubber: Arc<Scrubber>,
}

#[derive(Debug)]
enum Kind {
    Http(Box<http::run::Http>),
    Tcp(tcp::run::Tcp),
    Postgres(Box<postgres::run::Postgres>),
    Command(command::run::Command),
    #[cfg(test)]
    Scripted(script::Script),
}

impl Probe {
    /// A probe that finds what a test says.
    #[cfg(test)]
    pub(crate) fn scripted(acts: Vec<script::Act>) -> Probe {
        Probe { kind: Kind::Scripted(script::Script::new(acts)), scrubber: Arc::new(Scrubber::new(&[], &[])) }
    }

    /// Builds a service's probe. `secrets` are what must not be seen in what it reports, beside the credentials that the
    /// specification holds as such (authentication, passwords, headers that may carry a credential).
    ///
    /// # Errors
    /// Where the specification cannot be carried out at all: see [`ProbeError`].
    pub fn new(spec: &Spec, mut secrets: Vec<Secret>, shared: &Shared) -> Result<Probe, ProbeError> {
        let mut pairs = Vec::new();
        match spec {
            Spec::Http(spec) => {
                let (own, own_pairs) = http::run::Http::secrets(spec);
                secrets.extend(own);
                pairs = own_pairs;
            }
            Spec::Postgres(spec) => secrets.extend(spec.password.clone()),
            Spec::Tcp(_) | Spec::Command(_) => {}
        }
        let scrubber = Arc::new(Scrubber::new(&secrets, &pairs));
        let kind = match spec {
            Spec::Http(spec) => Kind::Http(Box::new(http::run::Http::new(spec, Arc::clone(&scrubber), shared)?)),
            Spec::Tcp(spec) => Kind::Tcp(tcp::run::Tcp::new(spec, Arc::clone(&scrubber), shared)?),
            Spec::Postgres(spec) => {
                Kind::Postgres(Box::new(postgres::run::Postgres::new(spec, Arc::clone(&scrubber), shared)?))
            }
            Spec::Command(spec) => Kind::Command(command::run::Command::new(spec, Arc::clone(&scrubber))?),
        };
        Ok(Probe { kind, scrubber })
    }

    /// Runs one check. It returns by the deadline, whatever the other side does: then with a failure of class `timeout`
    /// that names the phase it was in, and with the times of the phases before.
    pub async fn run(&self, deadline: Duration) -> Report {
        let trace = Arc::new(Trace::start());
        // Boxed: the future of a check is some kilobytes large, and whoever holds a thousand probes in a thousand tasks
        // should not hold that for those that wait for their turn.
        let check = Box::pin(timeout(deadline, self.check(&trace, deadline)));
        let result = match check.await {
            Ok(result) => result,
            Err(_) => Err(self.late(&trace, deadline)),
        };
        match result {
            Ok(reservation) => {
                let verdict = reservation.map_or(Verdict::Passed, |reason| Verdict::Reserved(self.scrubbed(reason)));
                trace.report(verdict, None)
            }
            Err(fault) => {
                let reason = self.scrubbed(fault.reason);
                let verdict = if fault.ours { Verdict::Unjudged(reason) } else { Verdict::Failed(reason) };
                trace.report(verdict, fault.excerpt)
            }
        }
    }

    async fn check(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        match &self.kind {
            Kind::Http(http) => http.run(trace, deadline).await,
            Kind::Tcp(tcp) => tcp.run(trace, deadline).await,
            Kind::Postgres(postgres) => postgres.run(trace, deadline).await,
            Kind::Command(command) => command.run(trace).await,
            #[cfg(test)]
            Kind::Scripted(script) => script.run().await,
        }
    }

    fn late(&self, trace: &Trace, deadline: Duration) -> Fault {
        if let Some(fault) = fault::waited_for_us(trace, deadline) {
            return fault;
        }
        match &self.kind {
            Kind::Http(_) | Kind::Tcp(_) => fault::late(trace, deadline),
            Kind::Postgres(_) => postgres::run::late(trace, deadline),
            Kind::Command(_) => command::run::late(deadline),
            #[cfg(test)]
            Kind::Scripted(_) => fault::late(trace, deadline),
        }
    }

    fn scrubbed(&self, reason: Reason) -> Reason {
        Reason { message: self.scrubber.message(&reason.message), ..reason }
    }
}
