//! `type = "tcp"`.

use super::spec::{TcpSpec, Turn};
use crate::{
    domain::{secret::Secret, service::Kind},
    probe::{
        ProxyProtocol, Security, Starttls,
        address::Address,
        descriptor::{Descriptor, ParsedEndpoint, Section},
    },
    settings::{
        error::Mistake,
        masking::sent_credentials,
        nearest,
        reader::{Table, Value},
        text::Text,
        tls,
    },
};
use serde_json::{Map, Value as Json, json};

/// What the configuration and its messages know of this kind.
pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Tcp,
    aliases: &["port", "socket"],
    schemes: &["tcp"],
    scheme_is_optional: true,
    url_example: "tcp://cache:6379",
    keys: &["url", "ip_version", "allow_metadata", "send", "expect", "turns", "tls", "starttls", "proxy_protocol"],
    sent_keys: &["send"],
    ..Descriptor::NONE
};

/// More than anybody needs, and little enough for a message to name one.
const MOST_TURNS: usize = 32;

pub(crate) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<TcpSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let address = Address::read(section, None, &mut shown);
    let (mut turns, mut secrets) = (Vec::new(), Vec::new());
    if let Some((turn, of_turn)) = turn(table, &mut secrets) {
        shown.extend(of_turn);
        turns.push(turn);
    }
    if let Some(value) = table.get("turns") {
        for key in ["send", "expect"] {
            if let Some(one) = table.peek(key) {
                table.both((&one.what, &one.key), ("`turns`", &value.key), "one exchange, or several in `turns`");
            }
        }
        let (several, of_turns) = several(&value, &mut secrets).unzip();
        turns = several.unwrap_or_default();
        shown.insert("turns".to_owned(), json!(of_turns));
    }
    let security = security(table, &mut shown);
    let proxy_protocol = proxy_protocol(table);
    shown.insert("proxy_protocol".to_owned(), json!(proxy_protocol.map(|version| version as u8 + 1)));

    let address = address?;
    let target = address.target("tcp");
    Some(ParsedEndpoint { probe: TcpSpec { address, security, proxy_protocol, turns }, target, secrets, shown })
}

/// `send` and `expect`, if either is there, and how they are shown.
fn turn(table: &Table<'_>, secrets: &mut Vec<Secret>) -> Option<(Turn, Map<String, Json>)> {
    let (send, expect) = (table.filled("send"), table.filled("expect"));
    secrets.extend(send.iter().chain(&expect).flat_map(Text::secrets));
    let login = send.as_ref().map_or_else(Vec::new, |text| sent_credentials(&text.value));
    if let Some(text) = &send {
        // An answer may repeat the password without the user's name, which precedes it.
        let words = login.iter().flat_map(|range| text.value[range.clone()].split(' '));
        secrets.extend(words.chain(login.iter().map(|range| &text.value[range.clone()])).map(Secret::new));
    }
    let mut shown = Map::new();
    shown.insert("send".to_owned(), json!(send.as_ref().map(|text| text.shown_without(login))));
    shown.insert("expect".to_owned(), json!(expect.as_ref().map(Text::shown)));
    shown.retain(|_, value| !value.is_null());
    let turn = Turn { send: send.map(|text| text.value), expect: expect.map(|text| text.value) };
    (turn.send.is_some() || turn.expect.is_some()).then_some((turn, shown))
}

fn several(value: &Value<'_>, secrets: &mut Vec<Secret>) -> Option<(Vec<Turn>, Vec<Json>)> {
    let entries = value.list("a list of `{ send = \"…\", expect = \"…\" }`")?;
    if entries.is_empty() || entries.len() > MOST_TURNS {
        let mistake = value.mistake(format!("{} has to be a list of 1 to {MOST_TURNS}", value.what));
        value.source.report(mistake.label(format!("there are {}", entries.len())));
    }
    let (mut turns, mut shown) = (Vec::new(), Vec::new());
    for entry in entries {
        let Some(table) = entry.table() else { continue };
        if let Some((turn, of_turn)) = turn(&table, secrets) {
            turns.push(turn);
            shown.push(Json::Object(of_turn));
        } else if table.peek("send").is_none() && table.peek("expect").is_none() {
            table.missing("send", "as `{ send = \"PING\\r\\n\", expect = \"+PONG\" }`; either may be left out");
        }
        table.finish(|_| None);
    }
    Some((turns, shown))
}

/// `starttls` and `tls`.
fn security(table: &Table<'_>, shown: &mut Map<String, Json>) -> Security {
    let starttls = table.get("starttls").and_then(|value| {
        let word = value.filled()?;
        let found = Starttls::ALL.iter().find(|(name, _)| *name == word.value);
        if found.is_none() {
            let names = Starttls::ALL.map(|(name, _)| name);
            let label = match nearest(&word.value, names) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("one of {}", names.join(", ")),
            };
            table.source.report(value.mistake(format!("unknown protocol {}", word.quoted())).label(label));
        }
        found.map(|(_, protocol)| *protocol)
    });
    let tls = tls::read_switch(table, starttls.is_some());
    if let (Some(_), None, Some(value)) = (starttls, &tls, table.peek("tls")) {
        let mistake = Mistake::at(value.key, "`tls = false` contradicts `starttls`");
        table.source.report(mistake.label("with `starttls` there is TLS"));
    }
    let Some(tls) = tls else { return Security::Plain };
    shown.insert("starttls".to_owned(), json!(starttls.map(Starttls::word)));
    shown.insert("tls".to_owned(), tls.shown);
    match starttls {
        Some(protocol) => Security::Starttls(protocol, Box::new(tls.spec)),
        None => Security::Tls(Box::new(tls.spec)),
    }
}

fn proxy_protocol(table: &Table<'_>) -> Option<ProxyProtocol> {
    match table.integer("proxy_protocol", 1..=2)? {
        1 => Some(ProxyProtocol::V1),
        _ => Some(ProxyProtocol::V2),
    }
}
