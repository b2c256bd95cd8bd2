//! `type = "memcached"`: the version of a Memcached server, and whether it has a place for a connection.
//!
//! The text protocol: <https://github.com/memcached/memcached/blob/master/doc/protocol.txt>.

use super::{
    address::{self, Address, Dialer},
    connection::{Connection, MOST},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    runner::Runner,
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::domain::{
    check::{Class, Phase, Reason},
    service::Kind,
};
use serde_json::Map;
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Memcached,
    aliases: &["memcache"],
    schemes: &["memcached"],
    scheme_is_optional: true,
    url_example: "memcached://cache:11211",
    keys: &address::KEYS,
    ..Descriptor::NONE
};

/// A Memcached server.
#[derive(Clone, Debug)]
pub struct MemcachedSpec {
    pub address: Address,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<MemcachedSpec>> {
    let mut shown = Map::new();
    let address = Address::read(section, Some(11_211), &mut shown)?;
    let target = address.target("memcached");
    Some(ParsedEndpoint { probe: MemcachedSpec { address }, target, secrets: Vec::new(), shown })
}

/// A Memcached server, ready to be checked.
#[derive(Debug)]
pub(super) struct Memcached {
    dialer: Dialer,
}

impl Runner for Memcached {
    type Spec = MemcachedSpec;

    fn new(spec: &MemcachedSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Memcached, ProbeError> {
        Ok(Memcached { dialer: Dialer::new(&spec.address, shared)? })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.dialer.place(None))
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = Connection::open(&self.dialer, None, MOST, trace, deadline).await?;
        connection.send(b"version\r\n").await?;
        let answer = connection.line().await?;
        if answer.starts_with("VERSION ") {
            trace.end();
            return Ok(None);
        }
        // What it says when it refuses, as `ERROR Too many open connections`.
        if ["ERROR", "CLIENT_ERROR", "SERVER_ERROR"].iter().any(|word| answer.starts_with(word)) {
            let message = format!("the server answered: {answer}");
            return Err(Fault::new(Class::Protocol, Some(Phase::Body), message));
        }
        Err(connection.unlike("Memcached's", answer.as_bytes()))
    }
}
