//! `type = "kafka"`: a Kafka broker: it knows its cluster, which has a controller and enough brokers, and a topic has a
//! leader for each partition.
//!
//! Two requests: <https://kafka.apache.org/protocol>. Without SASL.

use super::{
    address::Address,
    client::{Client, Security},
    connection::Connection,
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    runner::Runner,
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Phase, Reason},
        service::Kind,
    },
    settings::tls,
};
use serde_json::{Map, json};
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Kafka,
    schemes: &["kafka"],
    scheme_is_optional: true,
    url_example: "kafka://broker:9092",
    keys: &["url", "ip_version", "allow_metadata", "tls", "topic", "min_brokers"],
    ..Descriptor::NONE
};

/// How much is read: the metadata of a large topic.
const BYTES: usize = 1024 * 1024;

/// A Kafka broker, and what is expected of its cluster.
#[derive(Clone, Debug)]
pub struct KafkaSpec {
    pub address: Address,
    pub security: Security,
    pub topic: Option<String>,
    pub min_brokers: Option<u32>,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<KafkaSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let address = Address::read(section, Some(9092), &mut shown);
    let topic = table.get("topic").and_then(|value| {
        let text = value.filled()?;
        let right = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.value.len() > 249 || !text.value.chars().all(right) {
            let mistake = value.mistake(format!("{} cannot be a topic", text.quoted()));
            table.source.report(mistake.label("at most 249 letters, digits, `.`, `_` and `-`"));
        }
        Some(text.value)
    });
    let min_brokers = table.integer("min_brokers", 1..=10_000).and_then(|number| u32::try_from(number).ok());
    let tls = tls::read_switch(table, false);

    let address = address?;
    shown.insert("topic".to_owned(), json!(topic));
    shown.insert("min_brokers".to_owned(), json!(min_brokers));
    let security = match tls {
        Some(tls) => {
            shown.insert("tls".to_owned(), tls.shown);
            Security::Tls(Box::new(tls.spec))
        }
        None => Security::Plain,
    };
    let target = address.target("kafka");
    let spec = KafkaSpec { address, security, topic, min_brokers };
    Some(ParsedEndpoint { probe: spec, target, secrets: Vec::new(), shown })
}

/// A Kafka broker, ready to be checked.
#[derive(Debug)]
pub(super) struct Kafka {
    client: Client,
    spec: KafkaSpec,
}

const API_VERSIONS: u16 = 18;
const METADATA: u16 = 3;
/// The version of the metadata that every broker since 0.11 knows.
const METADATA_VERSION: u16 = 4;

impl Runner for Kafka {
    type Spec = KafkaSpec;

    fn new(spec: &KafkaSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Kafka, ProbeError> {
        Ok(Kafka { client: Client::new(&spec.address, &spec.security, shared)?, spec: spec.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = self.client.open(BYTES, trace, deadline).await?;
        let answer = ask(&mut connection, API_VERSIONS, 0, &[]).await?;
        let mut reader = Reader(&answer);
        let unlike = |connection: &Connection<'_>| connection.unlike("Kafka's", &[]);
        let knows = versions(&mut reader).ok_or_else(|| unlike(&connection))?;
        if !knows {
            let message = "the broker does not know the request for its metadata that is sent (version 4)";
            return Err(connection.failure(Class::Protocol, message));
        }
        let topics = self
            .spec
            .topic
            .as_deref()
            .map_or_else(|| vec![0, 0, 0, 0], |topic| [&[0, 0, 0, 1][..], &text(topic)].concat());
        // No topic is made by asking for it.
        let answer = ask(&mut connection, METADATA, METADATA_VERSION, &[&topics[..], &[0]].concat()).await?;
        let cluster = Cluster::read(&mut Reader(&answer)).ok_or_else(|| unlike(&connection))?;
        let reservation = cluster.judged(&self.spec).map_err(|message| connection.failure(Class::Content, message))?;
        trace.end();
        let reason = |message| Reason { class: Class::Content, phase: Some(Phase::Body), message };
        Ok(reservation.map(reason).or_else(|| self.client.reservation(trace)))
    }
}

/// Sends a request, and reads what answers it.
async fn ask(connection: &mut Connection<'_>, api: u16, version: u16, body: &[u8]) -> Result<Vec<u8>, Fault> {
    const NUMBER: u32 = 7;
    let head = [&api.to_be_bytes()[..], &version.to_be_bytes(), &NUMBER.to_be_bytes(), &text("healthcheck_dashboard")];
    let request = [&head.concat()[..], body].concat();
    let length = u32::try_from(request.len()).unwrap_or(u32::MAX).to_be_bytes();
    connection.send(&[&length[..], &request].concat()).await?;
    let head = connection.exact(4).await?;
    if head.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        let said = [head, connection.rest()].concat();
        return Err(connection.unlike("Kafka's", &said));
    }
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let mut answer = connection.exact(length).await?;
    if answer.get(..4) != Some(&NUMBER.to_be_bytes()[..]) {
        return Err(connection.unlike("Kafka's", &[]));
    }
    Ok(answer.split_off(4))
}

/// A text with its length.
fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes()[..], text.as_bytes()].concat()
}

/// Reads what a broker sent. Nothing is believed: what is not there is `None`.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<i16> {
        Some(i16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn int(&mut self) -> Option<i32> {
        Some(i32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// A text; -1 is none.
    fn text(&mut self) -> Option<()> {
        match usize::try_from(self.short()?) {
            Ok(length) => self.take(length).map(drop),
            Err(_) => Some(()),
        }
    }

    /// How many entries a list has. Each has at least a byte: no more are there than bytes.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.int()?).unwrap_or(0);
        (count <= self.0.len()).then_some(count)
    }

    fn numbers(&mut self) -> Option<usize> {
        let count = self.count()?;
        self.take(count.checked_mul(4)?)?;
        Some(count)
    }
}

/// Whether the broker knows the request for metadata that is sent.
fn versions(reader: &mut Reader<'_>) -> Option<bool> {
    let _error = reader.short()?;
    let mut known = false;
    for _ in 0..reader.count()? {
        let (api, least, most) = (reader.short()?, reader.short()?, reader.short()?);
        let version = METADATA_VERSION as i16;
        known |= api == METADATA as i16 && least <= version && version <= most;
    }
    Some(known)
}

/// What a broker knows of its cluster.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cluster {
    brokers: usize,
    has_controller: bool,
    topic_error: i16,
    partitions: usize,
    without_leader: usize,
    out_of_sync: usize,
}

impl Cluster {
    fn read(reader: &mut Reader<'_>) -> Option<Cluster> {
        let mut cluster = Cluster::default();
        let _throttled_ms = reader.int()?;
        cluster.brokers = reader.count()?;
        for _ in 0..cluster.brokers {
            let _id = reader.int()?;
            reader.text()?;
            let _port = reader.int()?;
            reader.text()?;
        }
        reader.text()?;
        cluster.has_controller = reader.int()? >= 0;
        for _ in 0..reader.count()? {
            cluster.topic_error = reader.short()?;
            reader.text()?;
            let _internal = reader.take(1)?;
            for _ in 0..reader.count()? {
                let (_error, _id, leader) = (reader.short()?, reader.int()?, reader.int()?);
                let (replicas, in_sync) = (reader.numbers()?, reader.numbers()?);
                cluster.partitions += 1;
                cluster.without_leader += usize::from(leader < 0);
                cluster.out_of_sync += usize::from(in_sync < replicas);
            }
        }
        Some(cluster)
    }

    /// What is wrong; or what is not as good as it should be.
    fn judged(&self, spec: &KafkaSpec) -> Result<Option<String>, String> {
        if let Some(least) = spec.min_brokers.filter(|least| self.brokers < *least as usize) {
            return Err(format!("the cluster has fewer brokers than {least}"));
        }
        if !self.has_controller {
            return Err("the cluster has no controller".to_owned());
        }
        let Some(topic) = &spec.topic else { return Ok(None) };
        match self.topic_error {
            0 if self.partitions > 0 => {}
            3 => return Err(format!("there is no topic {topic}")),
            29 => return Err(format!("we may not see the topic {topic}")),
            // No leader: the partitions say so themselves.
            5 => {}
            code => return Err(format!("the topic {topic} cannot be read (error {code})")),
        }
        if self.without_leader > 0 {
            return Err(format!("partitions of the topic {topic} have no leader"));
        }
        Ok((self.out_of_sync > 0).then(|| format!("replicas of the topic {topic} are not in sync")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A stranger chose the input.
        #[test]
        fn whatever_comes_is_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (versions(&mut Reader(&bytes)), Cluster::read(&mut Reader(&bytes)));
        }
    }
}
