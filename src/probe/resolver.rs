//! From a name to addresses: one lookup for all probes.

use super::trace::Trace;
use crate::{
    domain::{
        metadata::is_metadata_address,
        network::{NetworkGuard, Refusal},
    },
    settings::network::IpVersion,
    threads::Pool,
};
use std::{
    fmt, io,
    net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket},
    sync::Arc,
};
use tokio::{sync::oneshot, time::Instant};

/// Name lookups under way at most. The system's resolver blocks a thread for as long as it likes (half a minute, where
/// name servers are silent): a dead one must not take them all from the names of others. There are only as many threads
/// as there is use for.
const LOOKUPS: usize = 256;
/// Name lookups that wait for a thread at most: as many as there may be checks.
const QUEUE: usize = 100_000;

/// Looks names up: through the system, so that `/etc/hosts`, container networks and search domains hold. Nothing is
/// remembered: a check sees what a new client would see.
#[derive(Clone, Debug)]
pub(super) struct Resolver {
    threads: Pool,
    guard: Arc<NetworkGuard>,
    metadata_too: bool,
    pinned: Arc<[Pinned]>,
}

/// An address in the place of what a name has, at one port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pinned {
    /// As URLs have it: in small letters, international names in ASCII.
    pub host: String,
    pub port: u16,
    pub address: IpAddr,
}

/// Why a name led to no address.
#[derive(Debug)]
pub(super) enum LookupError {
    /// The system's resolver failed.
    Failed { host: String, error: io::Error },
    /// The name has no address of the wanted kind.
    WrongFamily { host: String, wanted: IpVersion },
    /// The name leads to where a cloud hands out credentials.
    Metadata { host: String, address: IpAddr },
    /// The name leads to where the configuration lets nothing connect to.
    Refused { host: String, address: IpAddr, why: Refusal },
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LookupError::Failed { host, error } => {
                let text = error.to_string();
                let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
                write!(f, "{host} has no address: {text}")
            }
            LookupError::WrongFamily { host, wanted } => {
                let wanted = if *wanted == IpVersion::V4 { "IPv4" } else { "IPv6" };
                write!(f, "{host} has no {wanted} address")
            }
            LookupError::Metadata { host, address } => {
                if host.parse() != Ok(*address) {
                    write!(f, "{host} leads to ")?;
                }
                write!(f, "{address}, a cloud's metadata service: it is not asked without `allow_metadata = true`")
            }
            LookupError::Refused { host, address, why } => {
                if host.parse() != Ok(*address) {
                    write!(f, "{host} leads to ")?;
                }
                f.write_str(&address.to_string())?;
                f.write_str(match why {
                    Refusal::Denied => ", which is in `[checks] deny_networks`: it is not connected to",
                    Refusal::NotAllowed => ", which is not in `[checks] allow_networks`: it is not connected to",
                })
            }
        }
    }
}

impl std::error::Error for LookupError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LookupError::Failed { error, .. } => Some(error),
            LookupError::WrongFamily { .. } | LookupError::Metadata { .. } | LookupError::Refused { .. } => None,
        }
    }
}

impl Resolver {
    pub(super) fn new(guard: NetworkGuard) -> Resolver {
        let (threads, guard) = (Pool::new("lookup", LOOKUPS, QUEUE), Arc::new(guard));
        Resolver { threads, guard, metadata_too: false, pinned: Arc::new([]) }
    }

    /// The same, with the same threads, for who may ask a cloud's metadata service.
    pub(super) fn to_metadata_too(&self, metadata_too: bool) -> Resolver {
        Resolver { metadata_too, ..self.clone() }
    }

    /// The same, with the same threads, and with these addresses in the place of what their names have.
    pub(super) fn with(self, pinned: &[Pinned]) -> Resolver {
        Resolver { pinned: pinned.into(), ..self }
    }

    /// Whether a host has to be looked up: it is a name, and no address was given for it.
    pub(super) fn looks_up(&self, host: &str, port: u16) -> bool {
        host.parse::<IpAddr>().is_err() && self.pinned_of(host, port).next().is_none()
    }

    fn pinned_of(&self, host: &str, port: u16) -> impl Iterator<Item = SocketAddr> {
        let mine = move |pinned: &&Pinned| pinned.port == port && pinned.host.eq_ignore_ascii_case(host);
        self.pinned.iter().filter(mine).map(|pinned| SocketAddr::new(pinned.address, pinned.port))
    }

    /// The addresses of `host` (a name or a literal, without brackets), at least one, in the order to be tried.
    pub(super) async fn lookup(
        &self,
        host: &str,
        port: u16,
        version: IpVersion,
        trace: &Trace,
    ) -> Result<Vec<SocketAddr>, LookupError> {
        let found = match host.parse::<IpAddr>() {
            Ok(literal) => vec![SocketAddr::new(literal, port)],
            Err(_) if !self.looks_up(host, port) => self.pinned_of(host, port).collect(),
            Err(_) => {
                self.ask(host, port, trace).await.map_err(|error| LookupError::Failed { host: host.into(), error })?
            }
        };
        // Whatever led here, a redirect or a name, and whatever way the address is spelled: this is where it is dialled.
        // One such address among others is none to be passed over: no honest name has it.
        if let Some(metadata) =
            found.iter().map(SocketAddr::ip).find(|ip| !self.metadata_too && is_metadata_address(*ip))
        {
            return Err(LookupError::Metadata { host: host.into(), address: metadata });
        }
        let refused = |ip: IpAddr| self.guard.refusal(ip).map(|why| (ip, why));
        if let Some((address, why)) = found.iter().find_map(|address| refused(address.ip())) {
            return Err(LookupError::Refused { host: host.into(), address, why });
        }
        let wanted = |address: &SocketAddr| match version {
            IpVersion::Any => true,
            IpVersion::V4 => address.is_ipv4(),
            IpVersion::V6 => address.is_ipv6(),
        };
        let mut addresses: Vec<SocketAddr> = found.into_iter().filter(wanted).collect();
        if addresses.is_empty() {
            return Err(LookupError::WrongFamily { host: host.into(), wanted: version });
        }
        drop_what_has_no_route(&mut addresses);
        trace.found(&addresses);
        Ok(addresses)
    }

    async fn ask(&self, host: &str, port: u16, trace: &Trace) -> io::Result<Vec<SocketAddr>> {
        let (host, asked_at) = (host.to_owned(), Instant::now());
        let (begun, begins) = oneshot::channel();
        trace.set_queued(true);
        // A check that is given up leaves its lookup running; one that waits for a thread is not begun any more.
        let lookup = self.threads.run(move |_| {
            let from = Instant::now();
            let _ = begun.send(());
            let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
            (found, from, Instant::now())
        });
        let lookup = lookup.map_err(io::Error::other)?;
        let _ = begins.await;
        trace.set_queued(false);
        let (found, from, to) = lookup.await.map_err(io::Error::other)?;
        // What passed before a thread was free, and after it was done, is no time of the service.
        trace.leave_out(from.duration_since(asked_at) + to.elapsed());
        found
    }
}

/// Where a name has addresses of both kinds and this machine has a route for one kind only, the other kind would only
/// cost time and blur the reason of a failure.
fn drop_what_has_no_route(addresses: &mut Vec<SocketAddr>) {
    let (v4, v6) = (addresses.iter().find(|a| a.is_ipv4()), addresses.iter().find(|a| a.is_ipv6()));
    let (Some(v4), Some(v6)) = (v4, v6) else { return };
    // "Connecting" a UDP socket sends nothing: it asks for the route.
    let routed = |to: &SocketAddr| {
        let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { Ipv6Addr::UNSPECIFIED.into() };
        UdpSocket::bind((any, 0)).and_then(|socket| socket.connect(to)).is_ok()
    };
    match (routed(v4), routed(v6)) {
        (true, false) => addresses.retain(SocketAddr::is_ipv4),
        (false, true) => addresses.retain(SocketAddr::is_ipv6),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::check::Phase;
    use std::time::Duration;

    #[tokio::test]
    async fn a_metadata_service_is_found_only_where_that_is_meant() {
        let (resolver, trace) = (Resolver::new(NetworkGuard::default()), Trace::start());
        for host in ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254"] {
            let refused = resolver.lookup(host, 80, IpVersion::Any, &trace).await;
            assert!(matches!(refused, Err(LookupError::Metadata { .. })), "{refused:?}");
            let allowed = resolver.to_metadata_too(true).lookup(host, 80, IpVersion::Any, &trace).await;
            assert_eq!(allowed.unwrap(), [SocketAddr::new(host.parse().unwrap(), 80)]);
        }
    }

    #[tokio::test]
    async fn one_address_that_is_refused_among_others_is_enough() {
        let denied = vec![crate::domain::network::Network::parse("127.0.0.0/8").unwrap()];
        let resolver = Resolver::new(NetworkGuard { denied, ..NetworkGuard::default() });
        for host in ["127.0.0.1", "localhost", "2130706433"] {
            let refused = resolver.lookup(host, 80, IpVersion::Any, &Trace::start()).await.unwrap_err();
            assert!(refused.to_string().contains("127.0.0.1, which is in `[checks] deny_networks`"), "{refused}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_spent_waiting_for_a_thread_is_no_time_of_the_service() {
        let resolver = Resolver { threads: Pool::new("test", 1, 10), ..Resolver::new(NetworkGuard::default()) };
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let busy = resolver
            .threads
            .run(move |_| {
                let _ = ended.recv();
            })
            .unwrap();
        let trace = Arc::new(Trace::start());
        trace.enter(Phase::Dns);
        let asked = tokio::spawn({
            let (resolver, trace) = (resolver.clone(), trace.clone());
            async move { resolver.lookup("localhost", 80, IpVersion::Any, &trace).await.is_ok() }
        });
        while !trace.queued() {
            tokio::task::yield_now().await;
        }
        tokio::time::advance(Duration::from_secs(3)).await;
        drop(end);
        assert!(asked.await.unwrap() && busy.await.is_ok());
        trace.end();
        assert_eq!(trace.left_out(), Duration::from_secs(3));
        let report = trace.report(crate::domain::check::Verdict::Passed, None);
        // The clock is paused but for those three seconds.
        assert_eq!((report.latency_us, report.phases.dns_us), (0, Some(0)));
    }

    #[tokio::test]
    async fn a_lookup_that_waits_for_a_thread_is_not_begun_for_a_check_that_is_over() {
        let resolver = Resolver { threads: Pool::new("test", 1, 10), ..Resolver::new(NetworkGuard::default()) };
        let (_end, ended) = std::sync::mpsc::channel::<()>();
        let (began, begins) = oneshot::channel();
        let _busy = resolver
            .threads
            .run(move |_| {
                let _ = began.send(());
                let _ = ended.recv();
            })
            .unwrap();
        // Until the thread has taken it, this waits, too.
        begins.await.unwrap();
        let trace = Trace::start();
        let late = tokio::time::timeout(Duration::ZERO, resolver.lookup("localhost", 80, IpVersion::Any, &trace)).await;
        assert!(late.is_err() && trace.queued());
        assert_eq!(resolver.threads.load().waiting, 0);
    }
}
