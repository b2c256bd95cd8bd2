//! `type = "dns"`.

use super::{
    spec::{DnsSpec, Expected, Record, Transport},
    values,
};
use crate::{
    domain::{secret::Secret, service::Kind},
    probe::{
        address::Address,
        descriptor::{Descriptor, ParsedEndpoint, Section},
    },
    settings::{
        address::{host_and_port, joined},
        error::Mistake,
        nearest, network,
        reader::Table,
        text::Text,
        tls,
    },
};
use hickory_proto::rr::Name;
use serde_json::{Map, json};
use std::net::IpAddr;

/// What the configuration and its messages know of this kind.
pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Dns,
    aliases: &["nameserver", "resolver"],
    schemes: &["dns"],
    url_example: "dns://192.0.2.53/example.com?type=MX",
    keys: &[
        "url",
        "ip_version",
        "allow_metadata",
        "tls",
        "record",
        "protocol",
        "expect",
        "expect_contains",
        "expect_nxdomain",
        "dnssec",
        "same_serial",
    ],
    ..Descriptor::NONE
};

pub(crate) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<DnsSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let transport = transport(table);
    let place = section.url().and_then(|text| place(table, &text, transport));
    let record = record(table, place.as_ref());
    let place = place.and_then(|place| Some((name(table, &place, record)?, place)));
    let (expected, secrets) = expected(table, record, &mut shown);
    let dnssec = table.boolean("dnssec").unwrap_or(false);
    let same_serial = same_serial(table, record);
    let tls = tls::read(table);
    if let Some(value) = table.peek("tls").filter(|_| !transport.is_secure()) {
        let mistake = Mistake::at(value.key, "`tls` has no effect");
        table.source.report(mistake.label("this is for protocol = \"tls\" or \"https\""));
    }
    let ip_version = network::ip_version(table);
    shown.insert("ip_version".to_owned(), network::ip_version_shown(ip_version));
    let allow_metadata = network::allow_metadata(table, &mut shown);

    let (name, Place { host, port, .. }) = place?;
    let server = joined(&host, port);
    let target = format!("dns://{server}/{}?type={}", values::name(&name), record.word());
    shown.insert("url".to_owned(), json!(target));
    shown.insert("protocol".to_owned(), json!(transport.word()));
    shown.insert("dnssec".to_owned(), json!(dnssec.then_some(true)));
    shown.insert("same_serial".to_owned(), json!(same_serial.then_some(true)));
    if transport.is_secure() {
        shown.insert("tls".to_owned(), tls.shown);
    }
    let server = Address { host, port, ip_version, allow_metadata };
    let spec = DnsSpec { server, transport, name, record, expected, dnssec, same_serial, tls: tls.spec };
    Some(ParsedEndpoint { probe: spec, target, secrets, shown })
}

/// A `url`, taken apart.
struct Place {
    host: String,
    port: u16,
    name: String,
    record: Option<String>,
    text: Text,
}

/// `dns://server:53/name?type=MX` (RFC 4501).
fn place(table: &Table<'_>, text: &Text, transport: Transport) -> Option<Place> {
    let rest = text.value.trim().split_once("://").map_or("", |(_, rest)| rest);
    let (server, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
    let refuse = |label: String| {
        let mistake = Mistake::at(text.span.clone(), "this is no DNS URL").label(text.blaming_variables(&label));
        table.source.report(mistake.help("a DNS URL looks like `dns://192.0.2.53/example.com?type=MX`"));
        None
    };
    let (host, port) = match host_and_port(server, Some(transport.port())) {
        Ok(place) => place,
        Err(_) if server.is_empty() => return refuse("the server to ask is missing".to_owned()),
        Err(why) => return refuse(why),
    };
    if name.is_empty() {
        return refuse("the name to ask for is missing: `dns://server/name`".to_owned());
    }
    let record = match query.split_once('=') {
        Some((key, value)) if key.eq_ignore_ascii_case("type") && !value.contains(['&', ';']) => Some(value.to_owned()),
        None if query.is_empty() => None,
        _ => return refuse("behind the `?` there is a `type`, and nothing else".to_owned()),
    };
    Some(Place { host, port, name: name.to_owned(), record, text: text.clone() })
}

/// What to ask for: an address, where a pointer is wanted, is turned into its name.
fn name(table: &Table<'_>, place: &Place, record: Record) -> Option<Name> {
    let reverse = if record == Record::Ptr { place.name.parse::<IpAddr>().ok().map(Name::from) } else { None };
    let name = reverse.or_else(|| values::question(&place.name));
    if name.is_none() {
        let mistake = Mistake::at(place.text.span.clone(), "this is no DNS URL");
        let label = place.text.blaming_variables("what follows the server is no name that could be asked for");
        table.source.report(mistake.label(label));
    }
    name
}

fn transport(table: &Table<'_>) -> Transport {
    let Some(value) = table.get("protocol") else { return Transport::Udp };
    let Some(text) = value.filled() else { return Transport::Udp };
    let known = Transport::ALL.into_iter().find(|transport| transport.word() == text.value);
    known.unwrap_or_else(|| {
        let mistake = value.mistake(format!("{} is no protocol of name servers here", text.quoted()));
        table.source.report(mistake.label("\"udp\", \"tcp\", \"tls\" or \"https\""));
        Transport::Udp
    })
}

fn record(table: &Table<'_>, place: Option<&Place>) -> Record {
    let key = table.get("record");
    let in_url = place.and_then(|place| place.record.as_ref().map(|word| (word.clone(), place.text.span.clone())));
    if let (Some((_, span)), Some(value)) = (&in_url, &key) {
        table.both(("a type in the URL", span), ("`record`", &value.key), "say it once");
    }
    let written = key.and_then(|value| value.filled()).map(|text| (text.value.clone(), text.span.clone()));
    let Some((word, span)) = written.or(in_url) else { return Record::A };
    Record::parse(&word).unwrap_or_else(|| {
        let words: Vec<String> = Record::words().map(str::to_lowercase).collect();
        let label = match nearest(&word, words.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean \"{}\"?", meant.to_uppercase()),
            None => words.join(", ").to_uppercase(),
        };
        table.source.report(Mistake::at(span, "this is no type of record that can be asked for").label(label));
        Record::A
    })
}

/// What is expected, and what of it is to be kept from sight.
fn expected(table: &Table<'_>, record: Record, shown: &mut Map<String, serde_json::Value>) -> (Expected, Vec<Secret>) {
    let (mut values, mut secrets, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for key in ["expect", "expect_contains"] {
        let Some(value) = table.get(key) else { continue };
        let entries = value.one_or_many();
        if value.value.is_array() && entries.is_empty() {
            table.source.report(value.mistake(format!("`{key}` is empty")).label("write what is expected here"));
        }
        let texts: Vec<Text> = entries.iter().filter_map(|entry| entry.filled()).collect();
        for text in &texts {
            match values::canonical(record, &text.value) {
                Ok(canonical) => values.push(canonical),
                Err(right) => {
                    let title = format!("this is no value of a record of type {}", record.word());
                    let mistake = Mistake::at(text.span.clone(), title);
                    table.source.report(mistake.label(text.blaming_variables(right)));
                }
            }
        }
        secrets.extend(texts.iter().flat_map(Text::secrets));
        shown.insert(key.to_owned(), json!(texts.iter().map(Text::shown).collect::<Vec<_>>()));
        keys.push(value);
    }
    let none = table.get("expect_nxdomain");
    let no_such_name = none.as_ref().and_then(|value| value.boolean()).unwrap_or(false);
    if no_such_name {
        shown.insert("expect_nxdomain".to_owned(), json!(true));
        keys.extend(none);
    }
    if let [first, second, ..] = keys.as_slice() {
        table.both((&first.what, &first.key), (&second.what, &second.key), "one of them");
    }
    values.sort_unstable();
    values.dedup();
    let expected = match (no_such_name, keys.first().map(|value| value.what.as_str())) {
        (true, _) => Expected::NoSuchName,
        (false, Some("`expect`")) => Expected::All(values),
        (false, Some(_)) => Expected::Among(values),
        (false, None) => Expected::Something,
    };
    (expected, secrets)
}

fn same_serial(table: &Table<'_>, record: Record) -> bool {
    let Some(value) = table.get("same_serial") else { return false };
    let same = value.boolean().unwrap_or(false);
    if same && record != Record::Soa {
        let mistake = value.mistake("`same_serial` is about records of type SOA");
        table.source.report(mistake.label(format!("this endpoint asks for {}", record.word())));
    }
    same
}
