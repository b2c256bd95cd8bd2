//! `type = "udp"`: a datagram, and the one that comes back.

use super::{
    address::{Address, Dialer},
    datagram,
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    runner::Runner,
    shared::Shared,
    text::{EXCERPT_SOURCE_BYTES, Scrubber},
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Phase, Reason},
        secret::{REDACTED, Secret},
        service::Kind,
    },
    settings::{
        masking::sent_credentials,
        reader::{Table, Value},
        text::Text,
    },
};
use serde_json::{Map, Value as Json, json};
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Udp,
    aliases: &["datagram"],
    schemes: &["udp"],
    scheme_is_optional: true,
    url_example: "udp://game:27015",
    keys: &["url", "ip_version", "allow_metadata", "send", "send_hex", "expect"],
    sent_keys: &["send", "send_hex"],
    ..Descriptor::NONE
};

/// The longest datagram that is sent: what fits into a packet on nearly every way.
const LONGEST: usize = 1200;

/// A datagram, and what has to come back.
#[derive(Clone, Debug)]
pub struct UdpSpec {
    pub address: Address,
    pub send: Vec<u8>,
    /// Text that the answer has to contain. None: any answer will do.
    pub expect: Option<String>,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<UdpSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let address = Address::read(section, None, &mut shown);
    let mut secrets = Vec::new();
    let send = sent(table, &mut secrets, &mut shown);
    let expect = table.filled("expect");

    let (address, send) = (address?, send?);
    secrets.extend(expect.iter().flat_map(Text::secrets));
    shown.insert("expect".to_owned(), json!(expect.as_ref().map(Text::shown)));
    let target = address.target("udp");
    Some(ParsedEndpoint {
        probe: UdpSpec { address, send, expect: expect.map(|text| text.value) },
        target,
        secrets,
        shown,
    })
}

/// What is to be sent: text, or bytes in hexadecimal digits.
fn sent(table: &Table<'_>, secrets: &mut Vec<Secret>, shown: &mut Map<String, Json>) -> Option<Vec<u8>> {
    let (text, hex) = (table.get("send"), table.get("send_hex"));
    let (value, bytes) = match (text, hex) {
        (Some(text), Some(hex)) => {
            table.both(("`send`", &text.key), ("`send_hex`", &hex.key), "one of them");
            return None;
        }
        (None, None) => {
            table.missing("send", "nothing answers to nothing; bytes that are no text go into `send_hex`");
            return None;
        }
        (Some(value), None) => {
            let text = value.filled()?;
            let login = sent_credentials(&text.value);
            let words = login.iter().flat_map(|range| text.value[range.clone()].split(' '));
            secrets.extend(words.chain(login.iter().map(|range| &text.value[range.clone()])).map(Secret::new));
            secrets.extend(text.secrets());
            shown.insert("send".to_owned(), json!(text.shown_without(login)));
            (value, text.value.into_bytes())
        }
        (None, Some(value)) => {
            let text = value.filled()?;
            let bytes = bytes(&value, &text)?;
            let guarded = text.is_guarded();
            if guarded {
                secrets.push(Secret::new(&text.value));
                secrets.extend(std::str::from_utf8(&bytes).ok().map(Secret::new));
            }
            shown.insert("send_hex".to_owned(), json!(if guarded { REDACTED } else { &text.value }));
            (value, bytes)
        }
    };
    if bytes.len() > LONGEST {
        table.source.report(value.mistake(format!("{} is too long", value.what)).label("at most 1200 bytes"));
        return None;
    }
    Some(bytes)
}

fn bytes(value: &Value<'_>, text: &Text) -> Option<Vec<u8>> {
    let digits: Vec<char> = text.value.chars().filter(|c| !c.is_whitespace()).collect();
    let nibble = |digit: &char| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[char]| Some(nibble(pair.first()?)? << 4 | nibble(pair.get(1)?)?);
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    if bytes.is_none() {
        let mistake = value.mistake("`send_hex` cannot be read");
        value
            .source
            .report(mistake.label(text.blaming_variables("two hexadecimal digits for each byte, as \"ff ff 54\"")));
    }
    bytes
}

/// Something that answers datagrams, ready to be checked.
#[derive(Debug)]
pub(super) struct Udp {
    spec: UdpSpec,
    dialer: Dialer,
    scrubber: Arc<Scrubber>,
}

impl Runner for Udp {
    type Spec = UdpSpec;

    fn new(spec: &UdpSpec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Udp, ProbeError> {
        Ok(Udp { spec: spec.clone(), dialer: Dialer::new(&spec.address, shared)?, scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let UdpSpec { send, expect, .. } = &self.spec;
        let answer = datagram::ask(&self.dialer, &mut Asking(send), trace, deadline).await?;
        trace.end();
        let expected = expect.as_deref().unwrap_or_default();
        if expected.is_empty() || answer.windows(expected.len()).any(|part| part == expected.as_bytes()) {
            return Ok(None);
        }
        let message = format!("the answer does not contain \"{expected}\"");
        let start = &answer[..answer.len().min(EXCERPT_SOURCE_BYTES)];
        let excerpt = self.scrubber.excerpt(&String::from_utf8_lossy(start), start.len() == answer.len());
        Err(Fault::new(Class::Content, Some(Phase::Body), message).with_excerpt(excerpt))
    }
}

/// A question to which every answer will do.
struct Asking<'a>(&'a [u8]);

impl datagram::Exchange for Asking<'_> {
    type Answer = Vec<u8>;

    fn question(&mut self) -> Vec<u8> {
        self.0.to_vec()
    }

    fn answer(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        Some(bytes.to_vec())
    }
}
