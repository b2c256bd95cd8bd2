//! `type = "amqp"`: a broker of AMQP 0-9-1, as RabbitMQ is: it speaks the protocol, and with a user it opens a connection
//! to a virtual host.
//!
//! <https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf>

use super::{
    client::{Client, Security},
    connection::{Connection, MOST},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    login::{self, Login, Schemes},
    runner::{Runner, Secrets},
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Reason},
        service::Kind,
    },
    probe::Address,
};
use serde_json::Map;
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Amqp,
    article: "an",
    aliases: &["rabbitmq"],
    schemes: &["amqp", "amqps"],
    url_example: "amqp://user:password@broker:5672/vhost",
    keys: &["url", "ip_version", "allow_metadata", "user", "password", "tls"],
    ..Descriptor::NONE
};

const SCHEMES: Schemes = Schemes {
    plain: ("amqp", 5672),
    tls: Some(("amqps", 5671)),
    others: &[],
    starttls: None,
    without_user: false,
    path: "/virtual host",
};

/// An AMQP broker.
#[derive(Clone, Debug)]
pub struct AmqpSpec {
    pub address: Address,
    pub security: Security,
    /// Without one, it is enough that the broker asks who we are.
    pub login: Option<Login>,
    pub virtual_host: String,
}

/// How much a short string can hold.
const SHORT: usize = 255;

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<AmqpSpec>> {
    let mut shown = Map::new();
    let server = login::read(section, &SCHEMES, &mut shown)?;
    let virtual_host = server.path.unwrap_or_else(|| "/".to_owned());
    if virtual_host.len() > SHORT {
        let mistake = section.table.peek("url").map(|url| url.mistake("the virtual host in this URL is too long"));
        mistake.into_iter().for_each(|mistake| section.table.source.report(mistake.label("at most 255 bytes")));
        return None;
    }
    let spec = AmqpSpec { address: server.address, security: server.security, login: server.login, virtual_host };
    Some(ParsedEndpoint { probe: spec, target: server.target, secrets: server.secrets, shown })
}

/// A broker, ready to be checked.
#[derive(Debug)]
pub(super) struct Amqp {
    client: Client,
    spec: AmqpSpec,
}

const PROTOCOL: &[u8] = b"AMQP\0\0\x09\x01";

// The methods of the class Connection.
const START: u16 = 10;
const START_OK: u16 = 11;
const TUNE: u16 = 30;
const TUNE_OK: u16 = 31;
const OPEN: u16 = 40;
const OPEN_OK: u16 = 41;
const CLOSE: u16 = 50;
const CLOSE_OK: u16 = 51;

impl Runner for Amqp {
    type Spec = AmqpSpec;

    fn secrets(spec: &AmqpSpec) -> Secrets<'_> {
        login::secrets(spec.login.as_ref())
    }

    fn new(spec: &AmqpSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Amqp, ProbeError> {
        Ok(Amqp { client: Client::new(&spec.address, &spec.security, shared)?, spec: spec.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = self.client.open(MOST, trace, deadline).await?;
        connection.send(PROTOCOL).await?;
        method(&mut connection, START, "the session").await?;
        if let Some(login) = &self.spec.login {
            // A broker that knows this says why it lets nobody in; others just close.
            let capabilities = [&short("authentication_failure_close")[..], b"t\x01"].concat();
            let properties = [&short("capabilities")[..], b"F", &long(&capabilities)].concat();
            let response = format!("\0{}\0{}", login.user, login.password.expose());
            let answer = [long(&properties), short("PLAIN"), long(response.as_bytes()), short("en_US")].concat();
            connection.send(&framed(START_OK, &answer)).await?;
            let tuning = method(&mut connection, TUNE, "the login").await?;
            // As the broker wants it, without heartbeats.
            let Some(bounds) = tuning.get(..6) else { return Err(connection.unlike("AMQP's", &[])) };
            connection.send(&framed(TUNE_OK, &[bounds, &[0, 0]].concat())).await?;
            connection.send(&framed(OPEN, &[&short(&self.spec.virtual_host)[..], &[0, 0]].concat())).await?;
            method(&mut connection, OPEN_OK, "the virtual host").await?;
        }
        trace.end();
        let _ = connection.send(&framed(CLOSE, &[&200_u16.to_be_bytes()[..], &short("bye"), &[0; 4]].concat())).await;
        Ok(self.client.reservation(trace))
    }
}

/// The arguments of the next method, which has to be this one. `what` was refused otherwise.
async fn method(connection: &mut Connection<'_>, wanted: u16, what: &str) -> Result<Vec<u8>, Fault> {
    loop {
        let head = connection.exact(7).await?;
        if head.starts_with(b"AMQP") {
            // A broker of another version names its own, and closes.
            return Err(connection.failure(Class::Protocol, "the broker speaks another version of AMQP than 0-9-1"));
        }
        if !matches!(head[0], 1 | 8) {
            let said = [head, connection.rest()].concat();
            return Err(connection.unlike("AMQP's", &said));
        }
        let length = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize;
        let mut frame = connection.exact(length.saturating_add(1)).await?;
        let end = frame.pop();
        let number = |at: usize| frame.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
        // A heartbeat says nothing.
        if head[0] == 8 {
            continue;
        }
        let (Some(0xce), Some(10), Some(id)) = (end, number(0), number(2)) else {
            return Err(connection.unlike("AMQP's", &[]));
        };
        if id == wanted {
            return Ok(frame.split_off(4));
        }
        if id == CLOSE {
            let words = frame.get(6).map(|length| 7..7 + usize::from(*length)).and_then(|range| frame.get(range));
            let why = String::from_utf8_lossy(words.unwrap_or_default()).into_owned();
            let _ = connection.send(&framed(CLOSE_OK, &[])).await;
            return Err(connection.failure(Class::Query, format!("the broker refused {what}: {why}")));
        }
        return Err(connection.unlike("AMQP's", &[]));
    }
}

/// A frame with a method of the class Connection.
fn framed(id: u16, arguments: &[u8]) -> Vec<u8> {
    let method = [&10_u16.to_be_bytes()[..], &id.to_be_bytes(), arguments].concat();
    [&[1, 0, 0][..], &long(&method), &[0xce]].concat()
}

/// Bytes with their length.
fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes()[..], bytes].concat()
}

/// A text with its length in one byte.
fn short(text: &str) -> Vec<u8> {
    let bytes = &text.as_bytes()[..text.len().min(SHORT)];
    [&[bytes.len() as u8], bytes].concat()
}
