//! `type = "tcp"`.

use super::spec::TcpSpec;
use crate::{
    domain::{secret::Secret, service::Kind},
    probe::descriptor::{Descriptor, ParsedEndpoint, Section},
    settings::{address, error::Mistake, masking::sent_credentials, network, text::Text},
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
    let address = section.url().and_then(|text| {
        let value = text.value.trim();
        // The scheme was looked at, whatever its case.
        let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
        match address::host_and_port(rest.strip_suffix('/').unwrap_or(rest), None) {
            Ok(address) => Some(address),
            Err(why) => {
                let mistake = Mistake::at(text.span, "this is no TCP address").label(why);
                table.source.report(mistake.help("as `tcp://cache:6379` or `cache:6379`"));
                None
            }
        }
    });
    let send = table.filled("send");
    let expect = table.filled("expect");
    let ip_version = network::ip_version(table);

    let (host, port) = address?;
    let target = format!("tcp://{}", address::joined(&host, port));
    let mut secrets: Vec<Secret> = send.iter().chain(&expect).flat_map(Text::secrets).collect();
    let login = send.as_ref().map_or_else(Vec::new, |text| sent_credentials(&text.value));
    if let Some(text) = &send {
        // An answer may repeat the password without the user's name, which precedes it.
        let words = login.iter().flat_map(|range| text.value[range.clone()].split(' '));
        secrets.extend(words.chain(login.iter().map(|range| &text.value[range.clone()])).map(Secret::new));
    }
    let mut shown = Map::new();
    shown.insert("url".to_owned(), json!(target));
    shown.insert("send".to_owned(), json!(send.as_ref().map(|text| text.shown_without(login))));
    shown.insert("expect".to_owned(), json!(expect.as_ref().map(Text::shown)));
    shown.insert("ip_version".to_owned(), network::ip_version_shown(ip_version));
    let allow_metadata = network::allow_metadata(table, &mut shown);
    let (send, expect) = (send.map(|text| text.value), expect.map(|text| text.value));
    Some(ParsedEndpoint {
        probe: TcpSpec { host, port, send, expect, ip_version, allow_metadata },
        target,
        secrets,
        shown,
    })
}
