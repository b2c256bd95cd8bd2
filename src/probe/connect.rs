//! From a name to a TCP connection: one lookup for all probes, and for those that speak TCP themselves the connection.

use super::{
    error::ProbeError,
    fault,
    resolver::Resolver,
    trace::{Fault, Trace},
};
use crate::{
    domain::check::{Class, Phase},
    settings::network::IpVersion,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{net::TcpStream, time::sleep};

/// How long an address has to itself before the next one is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// A host as it goes onto the wire: international names in ASCII, addresses without brackets.
pub(super) fn ascii_host(host: &str) -> Result<String, ProbeError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    match url::Host::parse(host) {
        Ok(url::Host::Domain(name)) => Ok(name),
        Ok(url::Host::Ipv4(address)) => Ok(address.to_string()),
        Ok(url::Host::Ipv6(address)) => Ok(address.to_string()),
        Err(_) => Err(ProbeError::Host(host.to_owned())),
    }
}

/// Finds the addresses of `host`, at least one.
pub(super) async fn find(
    resolver: &Resolver,
    (host, port): (&str, u16),
    version: IpVersion,
    trace: &Trace,
) -> Result<Vec<SocketAddr>, Fault> {
    trace.go_to(host, port);
    if resolver.looks_up(host, port) {
        trace.enter(Phase::Dns);
    }
    resolver.lookup(host, port, version, trace).await.map_err(|error| fault::of_lookup(&error))
}

/// Finds `host` and connects to it; the trace is in phase `Connect` afterwards.
pub(super) async fn open(
    resolver: &Resolver,
    (host, port): (&str, u16),
    version: IpVersion,
    trace: &Trace,
    deadline: Duration,
) -> Result<TcpStream, Fault> {
    let addresses = find(resolver, (host, port), version, trace).await?;
    trace.enter(Phase::Connect);
    let connected = race(addresses).await.and_then(|(stream, address)| {
        trace.reached(address);
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    connected.map_err(|error| {
        fault::of_io(&error, Some(Phase::Connect), trace, deadline)
            .unwrap_or_else(|| Fault::new(Class::Connect, Some(Phase::Connect), error.to_string()))
    })
}

/// Connects to the first address that answers. The next one is tried when one fails, or beside it after a head start.
/// The error is the first one that is caused by the other side.
async fn race(addresses: Vec<SocketAddr>) -> io::Result<(TcpStream, SocketAddr)> {
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut refused: Option<io::Error> = None;
    let attempt = |address| async move { (TcpStream::connect(address).await, address) };
    attempts.extend(waiting.next().map(attempt));
    while !attempts.is_empty() {
        let result = tokio::select! {
            result = attempts.next() => result,
            () = sleep(HEAD_START), if waiting.len() > 0 => None,
        };
        match result {
            Some((Ok(stream), address)) => return Ok((stream, address)),
            Some((Err(error), _)) => match &refused {
                Some(first) if fault::ours(first).is_none() || fault::ours(&error).is_some() => {}
                _ => refused = Some(error),
            },
            None => {}
        }
        attempts.extend(waiting.next().map(attempt));
    }
    Err(refused.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}

/// Whether something takes a TCP connection at `address` (`host:port`) in time: how the monitor asks after its own
/// network.
pub async fn reachable(address: &str, within: Duration) -> bool {
    matches!(tokio::time::timeout(within, TcpStream::connect(address)).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_become_what_goes_onto_the_wire() {
        for (written, wire) in [
            ("db_1", "db_1"),
            ("Bücher.example", "xn--bcher-kva.example"),
            ("[::1]", "::1"),
            ("::1", "::1"),
            ("10.0.0.7", "10.0.0.7"),
        ] {
            assert_eq!(ascii_host(written).unwrap(), wire);
        }
        assert!(ascii_host("a b").is_err() && ascii_host("").is_err());
    }
}
