//! `type = "domain"`.

use crate::{
    domain::service::Kind,
    probe::{
        connect,
        descriptor::{Descriptor, ParsedEndpoint, Section},
    },
    settings::{address::host_and_port, reader::Table, text::Text, weburl},
};
use reqwest::Url;
use serde_json::{Map, json};

/// What the configuration and its messages know of this kind.
pub(in crate::probe) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Domain,
    aliases: &["registration", "rdap"],
    own_key: Some("domain"),
    keys: &["domain", "rdap", "whois", "degraded_days", "min_days"],
    ..Descriptor::NONE
};

/// IANA's list of the servers of RDAP.
const LIST: &str = "https://data.iana.org/rdap/dns.json";

/// A domain, and how long it has to be registered for.
#[derive(Clone, Debug)]
pub struct DomainSpec {
    /// As it goes onto the wire.
    pub domain: String,
    /// The registry's server; found in the list without one.
    pub rdap: Option<Url>,
    /// Host and port of the registry's server, to be asked in the place of RDAP.
    pub whois: Option<(String, u16)>,
    pub list: Url,
    /// Fewer days left are `degraded`, …
    pub degraded_days: u32,
    /// … and fewer than these a failure.
    pub min_days: u32,
}

pub(in crate::probe) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<DomainSpec>> {
    let table = section.table;
    let domain = match table.get("domain") {
        Some(value) => value.filled().and_then(|text| {
            let name = text.value.trim().trim_end_matches('.').to_lowercase();
            let ascii = connect::ascii_host(&name).ok();
            let is_address = name.parse::<std::net::IpAddr>().is_ok();
            let ascii = ascii.filter(|ascii| ascii.contains('.') && !is_address && !ascii.contains('_'));
            if ascii.is_none() {
                let mistake = value.mistake(format!("{} is no domain that could be registered", text.quoted()));
                table.source.report(mistake.label("as `example.com`"));
            }
            ascii
        }),
        None => {
            table.missing("domain", "its name, as `domain = \"example.com\"`");
            None
        }
    };
    let rdap = rdap(table);
    let whois = table.get("whois").and_then(|value| {
        let text = value.filled()?;
        match host_and_port(&text.value, Some(43)) {
            Ok(place) => Some(place),
            Err(why) => {
                table.source.report(value.mistake("`whois` is no server").label(text.blaming_variables(&why)));
                None
            }
        }
    });
    if let (Some(rdap), Some(whois)) = (table.peek("rdap"), table.peek("whois")) {
        table.both(("`rdap`", &rdap.key), ("`whois`", &whois.key), "one of them is asked");
    }
    let number = |key, default| {
        let number = table.integer(key, 0..=3650).and_then(|days| u32::try_from(days).ok());
        number.unwrap_or(default)
    };
    let min_days = number("min_days", 7);
    let degraded_days = number("degraded_days", 30.max(min_days));
    if let Some(value) = table.peek("degraded_days").filter(|_| degraded_days < min_days) {
        let mistake = value.mistake("`degraded_days` is below `min_days`");
        table.source.report(mistake.label("nothing would be degraded: it would have failed"));
    }

    let domain = domain?;
    let list = Url::parse(LIST).ok()?;
    let mut shown = Map::new();
    shown.insert("domain".to_owned(), json!(domain));
    shown.insert("rdap".to_owned(), json!(rdap.as_ref().map(Url::as_str)));
    shown.insert("whois".to_owned(), json!(whois.as_ref().map(|(host, _)| host)));
    shown.insert("degraded_days".to_owned(), json!(degraded_days));
    shown.insert("min_days".to_owned(), json!(min_days));
    let probe = DomainSpec { domain: domain.clone(), rdap, whois, list, degraded_days, min_days };
    Some(ParsedEndpoint { probe, target: format!("domain {domain}"), secrets: Vec::new(), shown })
}

fn rdap(table: &Table<'_>) -> Option<Url> {
    let value = table.get("rdap")?;
    let text: Text = value.filled()?;
    let url = weburl::read(table, &text)?;
    if !matches!(url.url.scheme(), "http" | "https") || url.user_information.is_some() || url.url.query().is_some() {
        let mistake = value.mistake("`rdap` is no server of RDAP");
        table.source.report(mistake.label("as `https://rdap.example/v1/`, without a user and a query"));
        return None;
    }
    Some(url.url)
}
