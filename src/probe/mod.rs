//! One folder per kind of probe, and one line per kind in the registry (`kind`).
//!
//! A probe is built once per service ([`Probe::new`]) and run for every check ([`Probe::run`]). What it finds is data,
//! a [`Report`]: a probe never fails in any other way, and always returns by its deadline. Between two checks it holds
//! its specification and at most a token; connections, clients and buffers live for one check.
//! its specification and nothing else; connections, clients and buffers live for one check. (`domain` keeps what a registry
//! said, for a day: registries want to be asked seldom.)
//!
//! | file | what is in it |
//! | --- | --- |
//! | `http`, `tcp`, `memcached`, … | a kind each, a file or a folder: its section of the configuration, its specification, its run |
//! | `push` | what reports by itself: its section, its tokens; the scheduler waits for it |
//! | `local` | the kinds that look at this machine, without a network |
//! | `kind` | the registry of the kinds |
//! | `descriptor`, `runner` | what a kind has to give: for the configuration, and for a check |
//! | `shared`, `error` | what all probes share; why one cannot be built |
//! | `address`, `resolver`, `connect`, `stream`, `tls` | hosts, names, connections, their budgets, certificates |
//! | `datagram` | a question and its answer over UDP |
//! | `login`, `client` | a URL with a user and a password; TLS, from the first byte or once it was agreed on |
//! | `protocol`, `proxy_protocol` | what several kinds say; who connects |
//! | `connection`, `beginning` | a connection for a kind that speaks its protocol itself; what a stranger began with |
//! | `cleanup` | what checks that were given up leave to be done |
//! | `conditions` | the language in which conditions on what a check found are written |
//! | `diagnose` | what is found out when a service begins to fail: each address by itself |
//! | `trace` | what is known of a check while it runs |
//! | `fault` | from typed errors to a reason |
//! | `text` | what leaves: scrubbed, cleaned, cut |

mod address;
pub mod amqp;
mod beginning;
mod cleanup;
mod client;
pub mod command;
mod conditions;
mod connect;
mod connection;
mod datagram;
mod descriptor;
mod diagnose;
pub mod dns;
pub mod domain;
mod error;
mod fault;
pub mod group;
pub mod grpc;
pub mod http;
pub mod icmp;
pub mod imap;
pub mod kafka;
mod kind;
pub mod ldap;
pub mod local;
mod login;
pub mod memcached;
pub mod mqtt;
pub mod mysql;
pub mod nats;
pub mod ntp;
pub mod pop3;
pub mod postgres;
pub mod prometheus;
mod protocol;
mod proxy_protocol;
pub mod push;
pub mod redis;
mod resolver;
mod runner;
#[cfg(test)]
pub(crate) mod script;
mod shared;
pub mod smtp;
pub mod ssh;
mod stream;
pub mod tcp;
mod text;
mod tls;
pub mod tls_server;
mod trace;
pub mod udp;
pub mod websocket;

use crate::domain::{
    check::{Reason, Report, Verdict},
    diagnosis::Diagnosis,
    secret::Secret,
    time::UnixMs,
};
pub use address::Address;
pub use client::Security;
pub use conditions::{Condition, Expression};
pub use connect::reachable;
pub(crate) use descriptor::Descriptor;
pub use error::ProbeError;
use kind::AnyRunner;
pub use kind::Spec;
pub(crate) use kind::{KINDS, descriptor, read};
pub use login::Login;
pub use protocol::starttls::Starttls;
pub use proxy_protocol::ProxyProtocol;
pub use resolver::Pinned;
pub use shared::Shared;
use std::{sync::Arc, time::Duration};
use text::Scrubber;
use tokio::time::timeout;
use trace::{Fault, Trace};

/// A service's probe, ready to be run any number of times, also several at once.
#[derive(Debug)]
pub struct Probe {
    runner: AnyRunner,
    scrubber: Arc<Scrubber>,
}

impl Probe {
    /// A probe that finds what a test says.
    #[cfg(test)]
    pub(crate) fn scripted(acts: Vec<script::Act>) -> Probe {
        Probe { runner: AnyRunner::Scripted(script::Script::new(acts)), scrubber: Arc::new(Scrubber::new(&[], &[])) }
    }

    /// Builds a service's probe. `secrets` are what must not be seen in what it reports, beside the credentials that the
    /// specification holds as such (authentication, passwords, headers that may carry a credential).
    ///
    /// # Errors
    /// Where the specification cannot be carried out at all: see [`ProbeError`].
    pub fn new(spec: &Spec, mut secrets: Vec<Secret>, shared: &Shared) -> Result<Probe, ProbeError> {
        let (own, pairs) = spec.secrets();
        secrets.extend(own);
        let scrubber = Arc::new(Scrubber::new(&secrets, &pairs));
        let runner = AnyRunner::new(spec, Arc::clone(&scrubber), shared)?;
        Ok(Probe { runner, scrubber })
    }

    /// Runs one check. It returns by the deadline, whatever the other side does: then with a failure of class `timeout`
    /// that names the phase it was in, and with the times of the phases before.
    pub async fn run(&self, deadline: Duration) -> Report {
        let trace = Arc::new(Trace::start());
        // Boxed: the future of a check is some kilobytes large, and whoever holds a thousand probes in a thousand tasks
        // should not hold that for those that wait for their turn.
        let check = Box::pin(timeout(deadline, self.runner.run(&trace, deadline)));
        let result = match check.await {
            Ok(result) => result,
            Err(_) => Err(self.late(&trace, deadline)),
        };
        match result {
            Ok(reservation) => {
                let verdict = reservation.map_or(Verdict::Passed, |reason| Verdict::Degraded(self.scrubbed(reason)));
                trace.report(verdict, None)
            }
            Err(fault) => {
                let reason = self.scrubbed(fault.reason);
                let verdict = if fault.ours { Verdict::Inconclusive(reason) } else { Verdict::Failed(reason) };
                trace.report(verdict, fault.excerpt)
            }
        }
    }

    /// What can be found out about the service beside its checks, where its kind connects to a host: each of its addresses by
    /// itself. It takes at most twice 5 seconds.
    pub async fn diagnose(&self, at: UnixMs) -> Option<Diagnosis> {
        let place = self.runner.place()?;
        Some(diagnose::diagnose(place, &self.scrubber, at).await)
    }

    fn late(&self, trace: &Trace, deadline: Duration) -> Fault {
        fault::waited_for_us(trace, deadline).unwrap_or_else(|| self.runner.late(trace, deadline))
    }

    fn scrubbed(&self, reason: Reason) -> Reason {
        Reason { message: self.scrubber.message(&reason.message), ..reason }
    }
}
