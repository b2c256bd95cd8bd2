//! The probe of a registration. Registries want to be asked seldom: their answer is kept for a day, and every check until
//! then is made of it.

use super::{config::DomainSpec, rdap::Client, registration::Known, whois};
use crate::{
    clock::Clock,
    domain::check::{Class, Phase, Reason},
    probe::{
        address::{Address, Dialer},
        diagnose::Place,
        error::ProbeError,
        runner::Runner,
        shared::Shared,
        text::Scrubber,
        tls::{Tls, Verification},
        trace::{Fault, Trace},
    },
    settings::{network::IpVersion, tls::TlsSpec},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// For how long an answer is valid.
const DAY: Duration = Duration::from_secs(86_400);
/// After how long who did not answer is asked again.
const HOUR: Duration = Duration::from_secs(3600);

/// A domain, ready to be checked.
#[derive(Debug)]
pub(crate) struct Domain {
    spec: DomainSpec,
    tls: Tls,
    shared: Shared,
    kept: Mutex<Kept>,
}

/// What the registry said last, and when it may be asked again.
#[derive(Default, Debug)]
struct Kept {
    known: Option<Known>,
    /// Why it did not answer the last time.
    failed: Option<String>,
    again: Option<Instant>,
}

impl Runner for Domain {
    type Spec = Box<DomainSpec>;

    fn new(spec: &Box<DomainSpec>, _: Arc<Scrubber>, shared: &Shared) -> Result<Domain, ProbeError> {
        let tls = Tls::new(&TlsSpec::default(), Verification::ChainAndName, &shared.roots)?;
        Ok(Domain { spec: (**spec).clone(), tls, shared: shared.clone(), kept: Mutex::default() })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let due = {
            let mut kept = self.kept();
            let due = kept.again.is_none_or(|again| Instant::now() >= again);
            if due {
                // Also where the deadline ends this check: then that was the try of this hour.
                kept.again = Some(Instant::now() + HOUR);
                kept.failed = Some("it did not answer in time".to_owned());
            }
            due
        };
        if due {
            let answer = self.ask(trace, deadline).await;
            let mut kept = self.kept();
            match answer {
                Ok(known) => {
                    *kept = Kept { known: Some(known), failed: None, again: Some(Instant::now() + DAY) };
                }
                Err(fault) => kept.failed = Some(fault.reason.message),
            }
        } else {
            trace.enter(Phase::Body);
        }
        trace.end();
        let kept = self.kept();
        match (&kept.known, &kept.failed) {
            (Some(known), _) => {
                let DomainSpec { domain, degraded_days, min_days, .. } = &self.spec;
                known.judge(domain, Clock::system().now(), *degraded_days, *min_days)
            }
            // That a registry does not answer says nothing of the domain.
            (None, failed) => {
                let why = failed.as_deref().unwrap_or_default();
                let message = format!("nothing is known of the registration of {}: {why}", self.spec.domain);
                Err(Fault::ours(Some(Phase::Body), message))
            }
        }
    }

    /// No word of a registry is not the domain's fault.
    fn late(trace: &Trace, _: Duration) -> Fault {
        Fault::ours(trace.phase(), "the registry did not answer in time")
    }
}

impl Domain {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Known, Fault> {
        let DomainSpec { domain, rdap, whois, list, .. } = &self.spec;
        if let Some((host, port)) = whois {
            return self.whois(host, *port, domain, trace, deadline).await;
        }
        let client = Client { tls: &self.tls, resolver: &self.shared.resolver, trace, deadline };
        let server = match rdap {
            Some(server) => Some(server.clone()),
            None => client.server(list, domain).await?,
        };
        if let Some(server) = server {
            return client.ask(&server, domain).await;
        }
        let (_, end) = domain.rsplit_once('.').unwrap_or(("", domain));
        let referral = self.text("whois.iana.org", 43, end, trace, deadline).await?;
        match whois::referral(&referral) {
            Some(host) => self.whois(&host, 43, domain, trace, deadline).await,
            None => Err(unusable(format!("the registry of {end} has neither RDAP nor WHOIS"))),
        }
    }

    async fn whois(
        &self,
        host: &str,
        port: u16,
        domain: &str,
        trace: &Arc<Trace>,
        deadline: Duration,
    ) -> Result<Known, Fault> {
        let text = self.text(host, port, domain, trace, deadline).await?;
        let unread = || unusable("what the registry answered by WHOIS cannot be read".to_owned());
        whois::read(&text).ok_or_else(unread)
    }

    async fn text(
        &self,
        host: &str,
        port: u16,
        question: &str,
        trace: &Arc<Trace>,
        deadline: Duration,
    ) -> Result<String, Fault> {
        let address = Address { host: host.to_owned(), port, ip_version: IpVersion::Any, allow_metadata: false };
        let dialer = Dialer::new(&address, &self.shared).map_err(|error| unusable(error.to_string()))?;
        whois::ask(&dialer, question, trace, deadline).await
    }
}

fn unusable(message: String) -> Fault {
    Fault::new(Class::Protocol, Some(Phase::Body), message)
}
