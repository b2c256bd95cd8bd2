//! Where a kind of probe with one host connects to: from the section of the configuration to the connection.

use super::{
    connect,
    descriptor::Section,
    error::ProbeError,
    fault,
    proxy_protocol::ProxyProtocol,
    resolver::Resolver,
    shared::Shared,
    trace::{Fault, Trace},
};
use crate::{
    domain::check::Class,
    settings::{
        address::{host_and_port, joined},
        error::Mistake,
        network::{self, IpVersion},
    },
};
use serde_json::{Map, Value as Json, json};
use std::{io, net::SocketAddr, time::Duration};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// A host and a port, and how they may be reached.
#[derive(Clone, Debug)]
pub struct Address {
    /// A name or an address, without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
    pub ip_version: IpVersion,
    /// Whether it may lead to a cloud's metadata service.
    pub allow_metadata: bool,
}

/// The keys that [`Address::read`] reads.
pub(super) const KEYS: [&str; 3] = ["url", "ip_version", "allow_metadata"];

impl Address {
    /// Reads a `url` that is nothing but a scheme, a host and a port. What the API shows of it goes into `shown`.
    pub(super) fn read(section: &Section<'_>, port: Option<u16>, shown: &mut Map<String, Json>) -> Option<Address> {
        let table = section.table;
        let place = section.url().and_then(|text| {
            let value = text.value.trim();
            // The scheme was looked at, whatever its case.
            let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
            match host_and_port(rest.strip_suffix('/').unwrap_or(rest), port) {
                Ok(place) => Some(place),
                Err(why) => {
                    let what = section.own.name();
                    let mistake = Mistake::at(text.span, format!("this is no address of type {what}")).label(why);
                    table.source.report(mistake.help(format!("as `{}`", section.own.url_example)));
                    None
                }
            }
        });
        let ip_version = network::ip_version(table);
        shown.insert("ip_version".to_owned(), network::ip_version_shown(ip_version));
        let allow_metadata = network::allow_metadata(table, shown);
        let (host, port) = place?;
        let address = Address { host, port, ip_version, allow_metadata };
        shown.insert("url".to_owned(), json!(address.target(section.own.schemes.first().copied().unwrap_or_default())));
        Some(address)
    }

    /// What is watched, in words.
    pub(super) fn target(&self, scheme: &str) -> String {
        format!("{scheme}://{}", joined(&self.host, self.port))
    }
}

/// An address ready to be dialled, as often as there are checks.
#[derive(Debug)]
pub(super) struct Dialer {
    /// As it goes onto the wire, and into the handshake of TLS.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) version: IpVersion,
    pub(super) resolver: Resolver,
    proxy_protocol: Option<ProxyProtocol>,
}

impl Dialer {
    pub(super) fn new(address: &Address, shared: &Shared) -> Result<Dialer, ProbeError> {
        Ok(Dialer {
            host: connect::ascii_host(&address.host)?,
            port: address.port,
            version: address.ip_version,
            resolver: shared.resolver.to_metadata_too(address.allow_metadata),
            proxy_protocol: None,
        })
    }

    /// Has every connection begin with who connects.
    pub(super) fn announce(&mut self, protocol: Option<ProxyProtocol>) {
        self.proxy_protocol = protocol;
    }

    /// The addresses to be tried, at least one.
    pub(super) async fn find(&self, trace: &Trace) -> Result<Vec<SocketAddr>, Fault> {
        connect::find(&self.resolver, (&self.host, self.port), self.version, trace).await
    }

    /// A connection, with the trace in phase `Connect`.
    pub(super) async fn dial(&self, trace: &Trace, deadline: Duration) -> Result<TcpStream, Fault> {
        let place = (self.host.as_str(), self.port);
        let mut stream = connect::open(&self.resolver, place, self.version, trace, deadline).await?;
        if let Some(protocol) = self.proxy_protocol {
            let said = async {
                let header = protocol.header(stream.local_addr()?, stream.peer_addr()?);
                stream.write_all(&header).await
            };
            let broken = |error: &io::Error| {
                fault::of_io(error, trace.phase(), trace, deadline)
                    .unwrap_or_else(|| Fault::new(Class::Connect, trace.phase(), error.to_string()))
            };
            said.await.map_err(|error| broken(&error))?;
        }
        Ok(stream)
    }
}
