//! `type = "ntp"`: the clock of a time server, against this machine's (RFC 5905).

use super::{
    address::{Address, Dialer},
    datagram,
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    runner::Runner,
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::{
    clock::Clock,
    domain::{
        check::{Class, Phase, Reason},
        service::Kind,
        time::UnixMs,
    },
    settings::reader::Table,
};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Map, json};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Ntp,
    article: "an",
    aliases: &["time", "sntp", "chrony"],
    schemes: &["ntp"],
    scheme_is_optional: true,
    url_example: "ntp://ntp.example.com",
    keys: &["url", "ip_version", "allow_metadata", "degraded_offset_ms", "max_offset_ms"],
    ..Descriptor::NONE
};

/// A time server, and how far its clock may be from ours.
#[derive(Clone, Debug)]
pub struct NtpSpec {
    pub address: Address,
    /// More is `degraded`. In milliseconds.
    pub degraded_offset_ms: u64,
    /// More is a failure. In milliseconds.
    pub max_offset_ms: Option<u64>,
}

/// Where nothing else is said, a clock may be wrong by so much: what a server on the other side of the world, over a way
/// that is slow in one direction, seems to be.
const DEGRADED_OFFSET_MS: u64 = 500;
/// A week.
const LONGEST_MS: i64 = 7 * 86_400_000;

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<NtpSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let address = Address::read(section, Some(123), &mut shown);
    let degraded = offset(table, "degraded_offset_ms");
    let max_offset_ms = offset(table, "max_offset_ms");
    if let (Some(degraded), Some(max)) = (degraded, max_offset_ms)
        && degraded >= max
        && let Some(value) = table.peek("degraded_offset_ms")
    {
        let mistake = value.mistake("`degraded_offset_ms` is not below `max_offset_ms`");
        table.source.report(mistake.label("nothing would be degraded: it would have failed"));
    }

    let address = address?;
    // Where a bound is given that is lower, that one alone counts.
    let degraded_offset_ms = degraded.unwrap_or(DEGRADED_OFFSET_MS);
    shown.insert("degraded_offset_ms".to_owned(), json!(degraded_offset_ms));
    shown.insert("max_offset_ms".to_owned(), json!(max_offset_ms));
    let target = address.target("ntp");
    let probe = NtpSpec { address, degraded_offset_ms, max_offset_ms };
    Some(ParsedEndpoint { probe, target, secrets: Vec::new(), shown })
}

fn offset(table: &Table<'_>, key: &'static str) -> Option<u64> {
    table.integer(key, 1..=LONGEST_MS).and_then(|ms| u64::try_from(ms).ok())
}

/// A time server, ready to be checked.
#[derive(Debug)]
pub(super) struct Ntp {
    spec: NtpSpec,
    dialer: Dialer,
}

impl Runner for Ntp {
    type Spec = NtpSpec;

    fn new(spec: &NtpSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Ntp, ProbeError> {
        Ok(Ntp { spec: spec.clone(), dialer: Dialer::new(&spec.address, shared)? })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut exchange = Asking { token: [0; 8], wall: UnixMs::MIN, sent: Instant::now() };
        let answer = datagram::ask(&self.dialer, &mut exchange, trace, deadline).await?;
        let took = exchange.sent.elapsed();
        trace.end();
        answer.usable()?;
        let offset = answer.offset_ms(exchange.wall, took);
        let NtpSpec { degraded_offset_ms, max_offset_ms, .. } = self.spec;
        let found = |class| {
            let side = if offset > 0 { "ahead of" } else { "behind" };
            let message = format!("its clock is about {} {side} this machine's", about(offset.unsigned_abs()));
            Reason { class, phase: Some(Phase::Body), message }
        };
        if max_offset_ms.is_some_and(|max| offset.unsigned_abs() > max) {
            return Err(Fault { ours: false, reason: found(Class::Content), excerpt: None });
        }
        Ok((offset.unsigned_abs() > degraded_offset_ms).then(|| found(Class::Content)))
    }
}

/// A question under way.
struct Asking {
    /// What the answer repeats. It stands where a client's own time would, which is nobody's business.
    token: [u8; 8],
    /// When it was sent last, on both clocks.
    wall: UnixMs,
    sent: Instant,
}

impl datagram::Exchange for Asking {
    type Answer = Answer;

    fn question(&mut self) -> Vec<u8> {
        // Another one each time, so that an answer to the first question is not taken for one to the second. Where there is
        // no randomness, the answer can be forged by who guesses it, and nothing else.
        let _ = SystemRandom::new().fill(&mut self.token);
        let mut packet = vec![0; PACKET];
        // No warning of a leap second, version 4, a client.
        packet[0] = 4 << 3 | 3;
        packet[TRANSMIT..PACKET].copy_from_slice(&self.token);
        (self.wall, self.sent) = (Clock::system().now(), Instant::now());
        packet
    }

    fn answer(&mut self, bytes: &[u8]) -> Option<Answer> {
        let of_a_server = bytes.len() >= PACKET && bytes[0] & 7 == 4 && bytes[ORIGIN..ORIGIN + 8] == self.token;
        of_a_server.then(|| Answer::read(bytes))
    }
}

/// Where things are in a packet, and how long it is without extensions.
const ORIGIN: usize = 24;
const RECEIVE: usize = 32;
const TRANSMIT: usize = 40;
const PACKET: usize = 48;

/// What a time server says.
#[derive(Debug)]
struct Answer {
    is_synchronized: bool,
    /// Its distance from a reference clock; 0: it sends a word instead of the time.
    stratum: u8,
    word: [u8; 4],
    /// When the question came and when the answer left, in 2⁻³² seconds since 1900, modulo 2⁶⁴.
    received: u64,
    left: u64,
}

impl Answer {
    fn read(bytes: &[u8]) -> Answer {
        let time = |at: usize| bytes[at..at + 8].iter().fold(0, |time, byte| time << 8 | u64::from(*byte));
        Answer {
            is_synchronized: bytes[0] >> 6 != 3,
            stratum: bytes[1],
            word: [bytes[12], bytes[13], bytes[14], bytes[15]],
            received: time(RECEIVE),
            left: time(TRANSMIT),
        }
    }

    fn usable(&self) -> Result<(), Fault> {
        let fault = |class, message: String| Err(Fault::new(class, Some(Phase::Body), message));
        if self.stratum == 0 {
            let word = String::from_utf8_lossy(&self.word);
            let word = word.trim_end_matches('\0');
            let meaning = match word {
                "RATE" => ": it is asked too often",
                "DENY" | "RSTR" => ": this machine may not ask it",
                "INIT" | "STEP" => ": it does not know the time yet",
                _ => "",
            };
            return fault(Class::Protocol, format!("the server sends \"{word}\" instead of the time{meaning}"));
        }
        if !self.is_synchronized || self.stratum > 15 || self.left == 0 {
            return fault(Class::Content, "the server's clock is not synchronized".to_owned());
        }
        Ok(())
    }

    /// How far its clock is ahead of ours, in milliseconds, for a question that was sent at `wall` and took so long.
    fn offset_ms(&self, wall: UnixMs, took: Duration) -> i64 {
        let to_ms = |difference: u64| {
            // From one clock to the other it may go either way; eras of 136 years cancel out.
            (i128::from(difference.cast_signed()) * 1000) >> 32
        };
        let sent = from_unix(wall);
        let back = from_unix(wall.plus(i64::try_from(took.as_millis()).unwrap_or(i64::MAX)));
        let sum = to_ms(self.received.wrapping_sub(sent)) + to_ms(self.left.wrapping_sub(back));
        i64::try_from(sum / 2).unwrap_or(i64::MAX)
    }
}

/// A moment as time servers count it.
fn from_unix(moment: UnixMs) -> u64 {
    const FROM_1900: i128 = 2_208_988_800;
    let ms = i128::from(moment.0) + FROM_1900 * 1000;
    // The era does not matter: only the lower half of the seconds is sent.
    ((ms << 32) / 1000) as u64
}

/// So many milliseconds, roughly: a figure that is another one in every check would make every check another failure.
fn about(ms: u64) -> String {
    let round = |number: u64| {
        let scale = 10u64.pow(number.max(1).ilog10());
        (number + scale / 2) / scale * scale
    };
    match ms {
        0..1000 => format!("{} ms", round(ms)),
        1000..120_000 => format!("{} s", round(ms / 1000)),
        120_000..7_200_000 => format!("{} min", round(ms / 60_000)),
        7_200_000..172_800_000 => format!("{} h", round(ms / 3_600_000)),
        _ => format!("{} days", round(ms / 86_400_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whichever the era, and however long both ways took together, as long as they took the same.
        #[test]
        fn the_offset_is_what_the_clocks_differ_by(
            wall in 0i64..5_000_000_000_000,
            offset in -40_000_000_000i64..40_000_000_000,
            way in 0i64..5_000,
        ) {
            let at_server = from_unix(UnixMs(wall).plus(offset + way));
            let answer = Answer { is_synchronized: true, stratum: 1, word: [0; 4], received: at_server, left: at_server };
            let found = answer.offset_ms(UnixMs(wall), Duration::from_millis(2 * way as u64));
            prop_assert!((found - offset).abs() <= 1, "{} {}", found, offset);
        }
    }

    #[test]
    fn figures_are_rough() {
        for (ms, said) in [
            (0, "0 ms"),
            (7, "7 ms"),
            (96, "100 ms"),
            (340, "300 ms"),
            (1_499, "1 s"),
            (25_000, "30 s"),
            (3_600_000, "60 min"),
        ] {
            assert_eq!(about(ms), said);
        }
    }
}
