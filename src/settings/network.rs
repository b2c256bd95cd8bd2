//! The keys of whatever connects: `ip_version` and `allow_metadata`.

use super::reader::{Table, Value};
use crate::domain::network::Network;
use serde_json::{Map, Value as Json, json};

/// Which addresses of a name are used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum IpVersion {
    #[default]
    Any,
    V4,
    V6,
}

/// `ip_version`.
pub(crate) fn ip_version(table: &Table<'_>) -> IpVersion {
    let Some(value) = table.get("ip_version") else { return IpVersion::Any };
    match value.integer(i64::MIN..=i64::MAX) {
        Some(4) => IpVersion::V4,
        Some(6) => IpVersion::V6,
        Some(_) => {
            let mistake = value.mistake("there is no such `ip_version`");
            table.source.report(mistake.label("4 or 6; both are used without this key"));
            IpVersion::Any
        }
        None => IpVersion::Any,
    }
}

/// A list of networks and addresses.
pub(crate) fn networks(table: &Table<'_>, key: &'static str) -> Vec<Network> {
    let entries = table.get(key).map(|value| value.one_or_many()).unwrap_or_default();
    let one = |entry: &Value<'_>| {
        let text = entry.filled()?;
        let network = Network::parse(text.value.trim());
        if network.is_none() {
            let mistake = entry.mistake(format!("{} is no address and no network", text.quoted()));
            table.source.report(mistake.label("as \"127.0.0.1\", \"10.0.0.0/8\" or \"fd00::/8\""));
        }
        network
    };
    entries.iter().filter_map(one).collect()
}

/// `allow_metadata`; the API shows it where it is on.
pub(crate) fn allow_metadata(table: &Table<'_>, shown: &mut Map<String, Json>) -> bool {
    let allowed = table.boolean("allow_metadata").unwrap_or(false);
    if allowed {
        shown.insert("allow_metadata".to_owned(), json!(true));
    }
    allowed
}

/// The number of an `ip_version`, for the API.
pub(crate) fn ip_version_shown(version: IpVersion) -> Json {
    match version {
        IpVersion::Any => Json::Null,
        IpVersion::V4 => json!(4),
        IpVersion::V6 => json!(6),
    }
}
