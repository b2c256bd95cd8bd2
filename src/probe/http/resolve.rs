//! `resolve = "host:port:address"`: an address in the place of what the name has.

use crate::{
    probe::resolver::Pinned,
    settings::{address, reader::Table},
};
use serde_json::{Value as Json, json};
use std::net::IpAddr;

/// The addresses under the key, which are reported where they are none.
pub(super) fn read(table: &Table<'_>) -> Vec<Pinned> {
    let values = table.get("resolve").map(|value| value.one_or_many()).unwrap_or_default();
    let pinned = values.iter().filter_map(|value| {
        let text = value.filled()?;
        match parse(&text.value) {
            Ok(pinned) => Some(pinned),
            Err(why) => {
                let mistake = value.mistake(format!("{} says no address of a host", text.quoted())).label(why);
                table.source.report(mistake.help("as \"api.example.com:443:10.0.0.7\""));
                None
            }
        }
    });
    pinned.collect()
}

/// The addresses as the API shows them.
pub(super) fn shown(pinned: &[Pinned]) -> Json {
    pinned.iter().map(|pinned| json!(format!("{}:{}:{}", pinned.host, pinned.port, pinned.address))).collect()
}

fn parse(text: &str) -> Result<Pinned, String> {
    let mut parts = text.trim().splitn(3, ':');
    let (Some(host), Some(port), Some(to)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("host, port and address, with a `:` between".to_owned());
    };
    let bare = to.strip_prefix('[').and_then(|to| to.strip_suffix(']')).unwrap_or(to);
    let to: IpAddr = bare.parse().map_err(|_| "the address is no IPv4 or IPv6 address".to_owned())?;
    // As the URL has it: in small letters, international names in ASCII.
    let host = match url::Host::parse(&address::host(host)?) {
        Ok(host) => host.to_string(),
        Err(_) => return Err("no host can have this name".to_owned()),
    };
    Ok(Pinned { host, port: address::port(port)?, address: to })
}
