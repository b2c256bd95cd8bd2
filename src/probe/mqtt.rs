//! `type = "mqtt"`: an MQTT broker: it takes a session, and hands a message on.
//!
//! Versions 3.1.1 and 5: <https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html>. Five packets are all that is needed.

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
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, json};
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Mqtt,
    article: "an",
    schemes: &["mqtt", "mqtts"],
    url_example: "mqtt://user:password@broker:1883",
    keys: &["url", "ip_version", "allow_metadata", "user", "password", "tls", "protocol_version", "client_id", "topic"],
    ..Descriptor::NONE
};

const SCHEMES: Schemes = Schemes {
    plain: ("mqtt", 1883),
    tls: Some(("mqtts", 8883)),
    others: &[],
    starttls: None,
    without_user: false,
    path: "",
};

/// The longest text of a packet of ours: well below what its length can say.
const LONGEST: usize = 1024;

/// An MQTT broker, and what is done with it.
#[derive(Clone, Debug)]
pub struct MqttSpec {
    pub address: Address,
    pub security: Security,
    pub login: Option<Login>,
    pub version: MqttVersion,
    /// Our name. None: one that nobody else has.
    pub client_id: Option<String>,
    /// Where a message is published, and expected back.
    pub topic: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MqttVersion {
    V3_1_1,
    V5,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<MqttSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let server = login::read(section, &SCHEMES, &mut shown);
    let version = table.get("protocol_version").and_then(|value| match value.integer(3..=5)? {
        3 => Some(MqttVersion::V3_1_1),
        5 => Some(MqttVersion::V5),
        _ => {
            let mistake = value.mistake("there is no such version of MQTT");
            table.source.report(mistake.label("3 (which is 3.1.1) or 5"));
            None
        }
    });
    let version = version.unwrap_or(MqttVersion::V3_1_1);
    let text = |key: &'static str, forbidden: &[char]| {
        let value = table.get(key)?;
        let text = value.filled()?;
        let bad = |c: char| c.is_control() || forbidden.contains(&c);
        if text.value.len() > LONGEST || text.value.contains(bad) {
            let mistake = value.mistake(format!("`{key}` cannot be sent"));
            table.source.report(mistake.label("at most 1024 bytes, without wildcards and control characters"));
        }
        Some(text)
    };
    let client_id = text("client_id", &[]);
    let topic = text("topic", &['#', '+']);
    shown.insert("protocol_version".to_owned(), json!(if version == MqttVersion::V5 { 5 } else { 3 }));
    shown.insert("client_id".to_owned(), json!(client_id.as_ref().map(|text| text.shown())));
    shown.insert("topic".to_owned(), json!(topic.as_ref().map(|text| text.shown())));

    let server = server?;
    let spec = MqttSpec {
        address: server.address,
        security: server.security,
        login: server.login,
        version,
        client_id: client_id.map(|text| text.value),
        topic: topic.map(|text| text.value),
    };
    Some(ParsedEndpoint { probe: spec, target: server.target, secrets: server.secrets, shown })
}

/// An MQTT broker, ready to be checked.
#[derive(Debug)]
pub(super) struct Mqtt {
    client: Client,
    spec: MqttSpec,
}

// The first bytes of packets.
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const DISCONNECT: u8 = 0xe0;

impl Runner for Mqtt {
    type Spec = MqttSpec;

    fn secrets(spec: &MqttSpec) -> Secrets<'_> {
        login::secrets(spec.login.as_ref())
    }

    fn new(spec: &MqttSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Mqtt, ProbeError> {
        Ok(Mqtt { client: Client::new(&spec.address, &spec.security, shared)?, spec: spec.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = self.client.open(MOST, trace, deadline).await?;
        let v5 = self.spec.version == MqttVersion::V5;
        // Two checks at once must not throw each other out.
        let unique = unique(&connection)?;
        let client_id = self.spec.client_id.clone().unwrap_or_else(|| format!("health{unique}"));
        connection.send(&self.connect(&client_id, v5)).await?;
        let (kind, body) = packet(&mut connection).await?;
        // Flags, and the code.
        let &[_, code, ..] = body.as_slice() else { return Err(connection.unlike("MQTT's", &body)) };
        if kind != CONNACK {
            return Err(connection.unlike("MQTT's", &[]));
        }
        if code != 0 {
            let message = format!("the broker refused the session: {}", refusal(code, v5));
            return Err(connection.failure(Class::Query, message));
        }
        if let Some(topic) = &self.spec.topic {
            exchange(&mut connection, topic, &unique, v5).await?;
        }
        trace.end();
        let _ = connection.send(&[DISCONNECT, 0]).await;
        Ok(self.client.reservation(trace))
    }
}

impl Mqtt {
    fn connect(&self, client_id: &str, v5: bool) -> Vec<u8> {
        // A session that leaves nothing behind.
        let mut flags = 0x02;
        let mut payload = text(client_id);
        if let Some(login) = &self.spec.login {
            flags |= 0xc0;
            payload.extend(text(&login.user));
            payload.extend(text(login.password.expose()));
        }
        // The seconds of silence after which the broker may close.
        let mut head = [&text("MQTT")[..], &[if v5 { 5 } else { 4 }, flags, 0, 60]].concat();
        head.extend(no_properties(v5));
        framed(CONNECT, &[head, payload].concat())
    }
}

/// Subscribes to a topic, publishes there, and waits for what was published.
async fn exchange(connection: &mut Connection<'_>, topic: &str, unique: &str, v5: bool) -> Result<(), Fault> {
    let subscription = [&[0, 1][..], no_properties(v5), &text(topic), &[0]].concat();
    connection.send(&framed(SUBSCRIBE, &subscription)).await?;
    let mut published = false;
    let message = [&text(topic)[..], no_properties(v5), unique.as_bytes()].concat();
    loop {
        let (kind, body) = packet(connection).await?;
        match kind & 0xf0 {
            SUBACK if body.last().is_none_or(|code| *code >= 0x80) => {
                return Err(connection.failure(Class::Query, "the broker refused the subscription to the topic"));
            }
            SUBACK if !published => {
                published = true;
                connection.send(&framed(PUBLISH, &message)).await?;
            }
            // Others publish there, too.
            PUBLISH if published && body.ends_with(unique.as_bytes()) => return Ok(()),
            PUBLISH => {}
            DISCONNECT => {
                let why = body.first().map_or_else(|| "no reason given".to_owned(), |code| refusal(*code, true));
                return Err(connection.failure(Class::Query, format!("the broker ended the session: {why}")));
            }
            _ => return Err(connection.unlike("MQTT's", &[])),
        }
    }
}

/// What nobody else says.
fn unique(connection: &Connection<'_>) -> Result<String, Fault> {
    let mut bytes = [0; 8];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        Err(_) => Err(connection.failure(Class::Protocol, "this system gives no random numbers")),
    }
}

/// The properties of version 5: none.
fn no_properties(v5: bool) -> &'static [u8] {
    if v5 { &[0] } else { &[] }
}

/// A text with its length. No text here is longer than that can say.
fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), &text.as_bytes()[..usize::from(length)]].concat()
}

/// A packet with its length, seven bits a byte.
fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let (mut packet, mut length) = (vec![kind], body.len());
    loop {
        let more = length >= 0x80;
        packet.push((length & 0x7f) as u8 | if more { 0x80 } else { 0 });
        length >>= 7;
        if !more {
            break;
        }
    }
    packet.extend(body);
    packet
}

/// The next packet: its first byte, and what is in it.
async fn packet(connection: &mut Connection<'_>) -> Result<(u8, Vec<u8>), Fault> {
    let kind = connection.exact(1).await?[0];
    if !matches!(kind & 0xf0, CONNACK | PUBLISH | SUBACK | DISCONNECT) {
        let said = [vec![kind], connection.rest()].concat();
        return Err(connection.unlike("MQTT's", &said));
    }
    let mut length = 0;
    for at in 0..4 {
        let byte = connection.exact(1).await?[0];
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Ok((kind, connection.exact(length).await?));
        }
    }
    Err(connection.unlike("MQTT's", &[]))
}

fn refusal(code: u8, v5: bool) -> String {
    let word = match (v5, code) {
        (false, 1) | (true, 0x84) => "it does not speak this version of MQTT: see `protocol_version`",
        (false, 2) | (true, 0x85) => "it does not accept the client's id",
        (false, 3) | (true, 0x88) => "the server is unavailable",
        (false, 4) | (true, 0x86) => "bad user name or password",
        (false, 5) | (true, 0x87) => "not authorized",
        (true, 0x89) => "the server is busy",
        (true, 0x8a) => "banned",
        (true, 0x8b) => "the server shuts down",
        (true, 0x8e) => "another client took the session over",
        (true, 0x97) => "quota exceeded",
        (true, 0x9c | 0x9d) => "it refers to another server",
        (true, 0x9f) => "connection rate exceeded",
        _ => return format!("code {code}"),
    };
    word.to_owned()
}
