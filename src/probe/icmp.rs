//! `type = "icmp"`: whether a host answers echo requests (ping), how many are lost, and how evenly they come back.

use super::{
    address::{Address, Dialer},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    fault,
    runner::Runner,
    shared::Shared,
    text::{Scrubber, seconds},
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Phase, Reason},
        service::Kind,
    },
    settings::{address, error::Mistake, network},
};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, json};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout_at},
};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Icmp,
    article: "an",
    aliases: &["ping"],
    schemes: &["icmp"],
    scheme_aliases: &["ping"],
    scheme_is_optional: true,
    url_example: "icmp://router",
    keys: &["url", "ip_version", "allow_metadata", "packets", "max_loss", "degraded_loss", "degraded_jitter_ms"],
    ..Descriptor::NONE
};

/// How long one packet is waited for at most.
const LONGEST: Duration = Duration::from_secs(1);
/// What is left of the deadline to say what was lost.
const SPARE: Duration = Duration::from_millis(20);

/// A host, and how well it has to answer.
#[derive(Clone, Debug)]
pub struct IcmpSpec {
    /// Its port means nothing.
    pub address: Address,
    /// How many are sent, one after the other. 1 to 20.
    pub packets: u32,
    /// In percent: more that are lost are a failure, …
    pub max_loss: u32,
    /// … or `degraded`.
    pub degraded_loss: Option<u32>,
    /// The mean difference from one round trip to the next, in milliseconds: more is `degraded`.
    pub degraded_jitter_ms: Option<u32>,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<IcmpSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let host = section.url().and_then(|text| {
        let value = text.value.trim();
        let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let bare = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(rest);
        let host = address::bare_host(bare);
        if let Err(why) = &host {
            let why = if rest.contains(':') { "a host, without a port: ICMP has none" } else { why };
            let mistake = Mistake::at(text.span.clone(), "this is no address of type icmp");
            table.source.report(mistake.label(text.blaming_variables(why)).help("as `icmp://router`"));
        }
        host.ok()
    });
    let number = |key, range| table.integer(key, range).and_then(|number| u32::try_from(number).ok());
    let packets = number("packets", 1..=20).unwrap_or(3);
    let max_loss = number("max_loss", 0..=99).unwrap_or(99);
    let degraded_loss = number("degraded_loss", 0..=99);
    let degraded_jitter_ms = number("degraded_jitter_ms", 1..=60_000);
    if let Some(value) = table.peek("degraded_loss").filter(|_| degraded_loss.is_some_and(|loss| loss >= max_loss)) {
        let mistake = value.mistake("`degraded_loss` is not below `max_loss`");
        table.source.report(mistake.label("nothing would be degraded: it would have failed"));
    }
    if let Some(value) = table.peek("degraded_jitter_ms").filter(|_| packets < 3) {
        let mistake = value.mistake("`degraded_jitter_ms` cannot be found");
        table.source.report(mistake.label("three `packets` or more are needed"));
    }
    let ip_version = network::ip_version(table);
    shown.insert("ip_version".to_owned(), network::ip_version_shown(ip_version));
    let allow_metadata = network::allow_metadata(table, &mut shown);

    let host = host?;
    let target = if host.contains(':') { format!("icmp://[{host}]") } else { format!("icmp://{host}") };
    shown.insert("url".to_owned(), json!(target));
    shown.insert("packets".to_owned(), json!(packets));
    shown.insert("max_loss".to_owned(), json!(max_loss));
    shown.insert("degraded_loss".to_owned(), json!(degraded_loss));
    shown.insert("degraded_jitter_ms".to_owned(), json!(degraded_jitter_ms));
    let address = Address { host, port: 0, ip_version, allow_metadata };
    let probe = IcmpSpec { address, packets, max_loss, degraded_loss, degraded_jitter_ms };
    Some(ParsedEndpoint { probe, target, secrets: Vec::new(), shown })
}

/// A host, ready to be checked.
#[derive(Debug)]
pub(super) struct Icmp {
    spec: IcmpSpec,
    dialer: Dialer,
}

impl Runner for Icmp {
    type Spec = IcmpSpec;

    fn new(spec: &IcmpSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Icmp, ProbeError> {
        Ok(Icmp { spec: spec.clone(), dialer: Dialer::new(&spec.address, shared)? })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let until = Instant::now() + deadline.saturating_sub(SPARE.min(deadline / 10));
        let address = self.dialer.find(trace).await?[0];
        trace.enter(Phase::Ttfb);
        let fault = |error: &io::Error| fault_of(error, address.ip(), trace, deadline);
        let mut pinging = Pinging::new(address).map_err(|error| fault(&error))?;
        let (mut trips, mut sent) = (Vec::new(), 0);
        let mut refused = None;
        for left in (1..=self.spec.packets).rev() {
            let now = Instant::now();
            let patience = LONGEST.min(until.saturating_duration_since(now) / left);
            sent += 1;
            match timeout_at(now + patience, pinging.ping()).await {
                Ok(Ok(())) => {
                    trips.push(now.elapsed());
                    // What a client waits for is one round trip: the others are a measurement.
                    if trips.len() == 1 {
                        trace.end();
                    }
                }
                Ok(Err(error)) => refused = Some(error),
                Err(_) => {}
            }
        }
        let lost = sent - u32::try_from(trips.len()).unwrap_or(sent);
        if trips.is_empty() {
            if let Some(error) = refused {
                return Err(fault(&error));
            }
            let message = match sent {
                1 => format!("no answer from {} within {}", address.ip(), seconds(deadline)),
                _ => format!("no answer from {} to {sent} packets within {}", address.ip(), seconds(deadline)),
            };
            return Err(Fault::new(Class::Timeout, Some(Phase::Ttfb), message));
        }
        let of = |percent: u32| lost * 100 > percent * sent;
        let message = || format!("{lost} of {sent} packets were lost");
        if of(self.spec.max_loss) {
            return Err(Fault::new(Class::Content, Some(Phase::Ttfb), message()));
        }
        if self.spec.degraded_loss.is_some_and(of) {
            return Ok(Some(Reason { class: Class::Content, phase: Some(Phase::Ttfb), message: message() }));
        }
        let bound = self.spec.degraded_jitter_ms.map(|ms| Duration::from_millis(ms.into()));
        Ok(bound.filter(|bound| jitter(&trips) > *bound).map(|bound| Reason {
            class: Class::Slow,
            phase: Some(Phase::Ttfb),
            message: format!("the jitter is above {}", seconds(bound)),
        }))
    }
}

/// The mean difference from one round trip to the next.
fn jitter(trips: &[Duration]) -> Duration {
    let sum: Duration = trips.windows(2).map(|pair| pair[0].abs_diff(pair[1])).sum();
    let count = u32::try_from(trips.len().saturating_sub(1)).unwrap_or(u32::MAX);
    sum.checked_div(count).unwrap_or_default()
}

/// How an echo request goes out, and its answer is found.
struct Pinging {
    // A socket of ICMP behaves like one of UDP: it sends and receives messages. The port means nothing.
    socket: UdpSocket,
    is_v4: bool,
    /// Whether answers come with the header of IPv4, and requests need a checksum of ours.
    is_raw: bool,
    /// By what an answer is known to be ours: whoever forges one has to guess it.
    token: [u8; 16],
    number: u16,
}

impl Pinging {
    /// Without privileges where the system lets every process send echo requests, else with a raw socket.
    fn new(address: SocketAddr) -> io::Result<Pinging> {
        let is_v4 = address.is_ipv4();
        let (domain, protocol) =
            if is_v4 { (Domain::IPV4, Protocol::ICMPV4) } else { (Domain::IPV6, Protocol::ICMPV6) };
        let (socket, is_raw) = match Socket::new(domain, Type::DGRAM, Some(protocol)) {
            Ok(socket) => (socket, false),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                (Socket::new(domain, Type::RAW, Some(protocol))?, true)
            }
            Err(error) => return Err(error),
        };
        socket.set_nonblocking(true)?;
        socket.connect(&address.into())?;
        let mut token = [0; 16];
        SystemRandom::new().fill(&mut token).map_err(|_| io::Error::other("this machine has no random numbers"))?;
        Ok(Pinging { socket: UdpSocket::from_std(socket.into())?, is_v4, is_raw, token, number: 0 })
    }

    /// One there and back.
    async fn ping(&mut self) -> io::Result<()> {
        self.number += 1;
        self.socket.send(&self.request()).await?;
        let mut buffer = [0; 512];
        loop {
            let got = self.socket.recv(&mut buffer).await?;
            if self.is_answer(&buffer[..got]) {
                return Ok(());
            }
            // A raw socket sees whatever else of ICMP comes from there.
            tokio::task::consume_budget().await;
        }
    }

    fn request(&self) -> Vec<u8> {
        let mut packet = vec![if self.is_v4 { 8 } else { 128 }, 0, 0, 0];
        // The identifier: the kernel writes its own where the socket is not raw.
        packet.extend_from_slice(&self.token[..2]);
        packet.extend_from_slice(&self.number.to_be_bytes());
        packet.extend_from_slice(&self.token);
        if self.is_raw && self.is_v4 {
            let sum = checksum(&packet);
            packet[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        packet
    }

    fn is_answer(&self, bytes: &[u8]) -> bool {
        let header = match bytes.first() {
            Some(first) if self.is_raw && self.is_v4 => usize::from(first & 0xf) * 4,
            _ => 0,
        };
        let Some(message) = bytes.get(header..) else { return false };
        let kind = if self.is_v4 { 0 } else { 129 };
        matches!(message, [first, 0, _, _, _, _, number @ ..]
            if *first == kind && number.starts_with(&self.number.to_be_bytes()) && number[2..] == self.token)
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let pair = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u32 = bytes.chunks(2).map(pair).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

fn fault_of(error: &io::Error, ip: IpAddr, trace: &Trace, deadline: Duration) -> Fault {
    let phase = Some(Phase::Connect);
    match error.kind() {
        io::ErrorKind::PermissionDenied => Fault::ours(
            phase,
            "this process may not send echo requests: its group has to be in the system's net.ipv4.ping_group_range",
        ),
        io::ErrorKind::HostUnreachable => {
            Fault::new(Class::Connect, phase, format!("{ip} is unreachable: no route to the host"))
        }
        _ => fault::of_io(error, phase, trace, deadline)
            .unwrap_or_else(|| Fault::new(Class::Connect, phase, format!("{ip} cannot be reached: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_its_checksum_has_the_checksum_0() {
        for packet in [vec![8, 0, 0, 0, 1, 2, 0, 1, 9], vec![0xff; 40], vec![8, 0, 0, 0]] {
            let mut packet = packet;
            packet[2..4].fill(0);
            let sum = checksum(&packet);
            packet[2..4].copy_from_slice(&sum.to_be_bytes());
            assert_eq!(checksum(&packet), 0);
        }
    }

    #[test]
    fn the_jitter_is_the_mean_difference() {
        let ms = Duration::from_millis;
        assert_eq!(jitter(&[ms(10), ms(20), ms(10), ms(14)]), ms(8));
        assert_eq!((jitter(&[ms(10)]), jitter(&[])), (Duration::ZERO, Duration::ZERO));
    }
}
