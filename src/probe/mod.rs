//! One file per kind of probe, behind one enum.
//!
//! A probe is built once per service ([`Probe::new`]) and run for every check ([`Probe::run`]). What it finds is data,
//! a [`Report`]: a probe never fails in any other way, and always returns by its deadline. Between two checks it holds
//! its specification and nothing else; connections, clients and buffers live for one check.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `spec` | what a probe has to do, checked and ready |
//! | `http`, `http_headers`, `http_cookies`, `http_answer`, `http_malformed`, `http_wire`, `tcp`, `postgres`, `postgres_bounds`, `postgres_wire`, `command` | the kinds |
//! | `connect`, `stream`, `tls` | names, connections, their budgets, certificates |
//! | `cleanup` | what checks that were given up leave to be done |
//! | `trace` | what is known of a check while it runs |
//! | `fault` | from typed errors to a reason |
//! | `text` | what leaves: scrubbed, cleaned, cut |

mod cleanup;
mod command;
mod connect;
mod fault;
mod http;
mod http_answer;
mod http_cookies;
mod http_headers;
mod http_malformed;
mod http_wire;
mod postgres;
mod postgres_bounds;
mod postgres_wire;
#[cfg(test)]
pub(crate) mod script;
pub mod spec;
mod stream;
mod tcp;
mod text;
mod tls;
mod trace;

use crate::domain::{
    check::{Reason, Report, Verdict},
    secret::Secret,
};
pub use connect::reachable;
use spec::Spec;
use std::{sync::Arc, time::Duration};
use text::Scrubber;
use thiserror::Error;
use tokio::time::timeout;
use trace::{Fault, Trace};

/// What all probes of a process share, so that a thousand of them stay small: the trusted roots, the cryptography, and
/// the threads for name lookups. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared {
    roots: Arc<tls::Roots>,
    resolver: connect::Resolver,
    cleanups: cleanup::Cleanups,
}

impl Shared {
    /// Reads the system's trusted roots. Where there are none, those that came with the program are used, and a warning
    /// says so.
    pub fn new() -> Result<Shared, ProbeError> {
        let (roots, resolver) = (Arc::new(tls::Roots::load()?), connect::Resolver::new());
        Ok(Shared { roots, resolver, cleanups: cleanup::Cleanups::new() })
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

/// Why a probe cannot be built. None of these texts holds a credential.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The roots are no foundation to judge certificates on.
    #[error("the trusted roots cannot be used: {0}")]
    Roots(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
    /// A certificate under `ca` is not one of an authority.
    #[error("the certificate of the authority cannot be used: {0}")]
    Authority(rustls::Error),
    /// Our own certificate and key do not go together, or cannot be read.
    #[error("the client certificate and its key cannot be used: {0}")]
    ClientCertificate(rustls::Error),
    /// A header's value has characters that no header may have.
    #[error("the value of the header {0} has characters that no header may have")]
    Header(String),
    /// Not `http` or `https`, or without a host.
    #[error("an HTTP probe needs an address that begins with http:// or https://, not {0}:")]
    Url(String),
    /// A host that is neither a name nor an address.
    #[error("{0} is neither a host name nor an IP address")]
    Host(String),
    /// A command without a program.
    #[error("the command is empty")]
    EmptyCommand,
}

/// A service's probe, ready to be run any number of times, also several at once.
#[derive(Debug)]
pub struct Probe {
    kind: Kind,
    scrubber: Arc<Scrubber>,
}

#[derive(Debug)]
enum Kind {
    Http(Box<http::Http>),
    Tcp(tcp::Tcp),
    Postgres(Box<postgres::Postgres>),
    Command(command::Command),
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
                let (own, own_pairs) = http::Http::secrets(spec);
                secrets.extend(own);
                pairs = own_pairs;
            }
            Spec::Postgres(spec) => secrets.extend(spec.password.clone()),
            Spec::Tcp(_) | Spec::Command(_) => {}
        }
        let scrubber = Arc::new(Scrubber::new(&secrets, &pairs));
        let kind = match spec {
            Spec::Http(spec) => Kind::Http(Box::new(http::Http::new(spec, Arc::clone(&scrubber), shared)?)),
            Spec::Tcp(spec) => Kind::Tcp(tcp::Tcp::new(spec, Arc::clone(&scrubber), shared)?),
            Spec::Postgres(spec) => {
                Kind::Postgres(Box::new(postgres::Postgres::new(spec, Arc::clone(&scrubber), shared)?))
            }
            Spec::Command(spec) => Kind::Command(command::Command::new(spec, Arc::clone(&scrubber))?),
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
            Kind::Postgres(_) => postgres::late(trace, deadline),
            Kind::Command(_) => command::late(deadline),
            #[cfg(test)]
            Kind::Scripted(_) => fault::late(trace, deadline),
        }
    }

    fn scrubbed(&self, reason: Reason) -> Reason {
        Reason { message: self.scrubber.message(&reason.message), ..reason }
    }
}
