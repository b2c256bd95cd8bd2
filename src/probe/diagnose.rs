//! What can be found out about a service that begins to fail, beside its checks: its name, and each of its addresses by
//! itself. Nothing is asked of the service: a connection is opened, over TLS where the kind speaks it, and closed.

use super::{
    address::Dialer,
    fault,
    resolver::Resolver,
    text::Scrubber,
    tls::Tls,
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Phase},
        diagnosis::{AddressDiagnosis, Diagnosis},
        time::UnixMs,
    },
    settings::network::IpVersion,
};
use futures_util::future::join_all;
use reqwest::Url;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

/// Addresses of one host that are tried.
const ADDRESSES: usize = 8;
/// How long a lookup, and an address, may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a kind connects to.
pub(super) struct Place<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) resolver: &'a Resolver,
    /// Where TLS begins with the first byte.
    pub(super) tls: Option<&'a Tls>,
}

impl<'a> Place<'a> {
    /// Where requests to `url` go; `None` where it names no host.
    pub(super) fn of_url(url: &'a Url, resolver: &'a Resolver, tls: &'a Tls) -> Option<Place<'a>> {
        Some(Place {
            host: url.host_str()?.trim_matches(['[', ']']),
            port: url.port_or_known_default()?,
            resolver,
            tls: (url.scheme() == "https").then_some(tls),
        })
    }
}

impl Dialer {
    /// The place that it dials.
    pub(super) fn place<'a>(&'a self, tls: Option<&'a Tls>) -> Place<'a> {
        Place { host: &self.host, port: self.port, resolver: &self.resolver, tls }
    }
}

/// Looks the host up and tries each of its addresses, IPv4 and IPv6, all at once.
pub(super) async fn diagnose(place: Place<'_>, scrubber: &Scrubber, at: UnixMs) -> Diagnosis {
    let Place { host, port, resolver, .. } = place;
    let is_name = host.parse::<IpAddr>().is_err();
    let (trace, began) = (Trace::start(), Instant::now());
    trace.go_to(host, port);
    let found = timeout(PATIENCE, resolver.lookup(host, port, IpVersion::Any, &trace)).await;
    // What it waited for a thread of ours is none of its time.
    let took = began.elapsed().saturating_sub(trace.left_out());
    let (addresses, error) = match found {
        Ok(Ok(addresses)) => (addresses, None),
        Ok(Err(error)) => (Vec::new(), Some(error.to_string())),
        Err(_) => (Vec::new(), Some(format!("the name {host} was not resolved within {} s", PATIENCE.as_secs()))),
    };
    let untried = addresses.len().saturating_sub(ADDRESSES);
    let tried = join_all(addresses.iter().take(ADDRESSES).map(|address| one(&place, *address))).await;
    let scrubbed = |one: AddressDiagnosis| AddressDiagnosis { error: one.error.map(|e| scrubber.message(&e)), ..one };
    Diagnosis {
        at,
        host: host.to_owned(),
        port,
        lookup_us: is_name.then(|| micros(took)),
        lookup_error: error.map(|error| scrubber.message(&error)),
        addresses: tried.into_iter().map(scrubbed).collect(),
        untried: u32::try_from(untried).unwrap_or(u32::MAX),
        witness: None,
    }
}

/// One address by itself.
async fn one(place: &Place<'_>, address: SocketAddr) -> AddressDiagnosis {
    let trace = Arc::new(Trace::start());
    trace.go_to(place.host, place.port);
    trace.reached(address);
    trace.enter(Phase::Connect);
    let mut found = AddressDiagnosis { address: address.ip(), connect_us: None, tls_us: None, error: None };
    let tried = timeout(PATIENCE, async {
        let began = Instant::now();
        let stream = TcpStream::connect(address).await.map_err(|error| {
            fault::of_io(&error, Some(Phase::Connect), &trace, PATIENCE)
                .unwrap_or_else(|| Fault::new(Class::Connect, Some(Phase::Connect), error.to_string()))
        })?;
        found.connect_us = Some(micros(began.elapsed()));
        if let Some(tls) = place.tls {
            let began = Instant::now();
            tls.handshake(stream, place.host, &[], 0, &trace, PATIENCE).await?;
            found.tls_us = Some(micros(began.elapsed()));
        }
        Ok::<(), Fault>(())
    });
    found.error = match tried.await {
        Ok(Ok(())) => None,
        Ok(Err(fault)) => Some(fault.reason.message),
        Err(_) => Some(fault::late(&trace, PATIENCE).reason.message),
    };
    found
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
