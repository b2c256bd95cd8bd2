//! `type = "tcp"`.

use super::spec::TcpSpec;
use crate::{
    domain::{secret::Secret, service::Kind},
    probe::{
        address::Address,
        descriptor::{Descriptor, ParsedEndpoint, Section},
    },
    settings::{masking::sent_credentials, text::Text},
};
use serde_json::{Map, json};

/// What the configuration and its messages know of this kind.
pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Tcp,
    aliases: &["port", "socket"],
    schemes: &["tcp"],
    scheme_is_optional: true,
    url_example: "tcp://cache:6379",
    keys: &["url", "ip_version", "allow_metadata", "send", "expect"],
    sent_keys: &["send"],
    ..Descriptor::NONE
};

pub(crate) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<TcpSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let address = Address::read(section, None, &mut shown);
    let send = table.filled("send");
    let expect = table.filled("expect");

    let address = address?;
    let mut secrets: Vec<Secret> = send.iter().chain(&expect).flat_map(Text::secrets).collect();
    let login = send.as_ref().map_or_else(Vec::new, |text| sent_credentials(&text.value));
    if let Some(text) = &send {
        // An answer may repeat the password without the user's name, which precedes it.
        let words = login.iter().flat_map(|range| text.value[range.clone()].split(' '));
        secrets.extend(words.chain(login.iter().map(|range| &text.value[range.clone()])).map(Secret::new));
    }
    shown.insert("send".to_owned(), json!(send.as_ref().map(|text| text.shown_without(login))));
    shown.insert("expect".to_owned(), json!(expect.as_ref().map(Text::shown)));
    let target = address.target("tcp");
    let (send, expect) = (send.map(|text| text.value), expect.map(|text| text.value));
    Some(ParsedEndpoint { probe: TcpSpec { address, send, expect }, target, secrets, shown })
}
