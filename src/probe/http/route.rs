//! `proxy`, `no_proxy` and `http_version`: the way to the service.

use super::spec::{Excepted, HttpVersion, Proxy, ProxyKind};
use crate::{
    domain::{network::Network, secret::Secret},
    settings::{address, reader::Table, url_variables, weburl},
};
use serde_json::{Map, Value as Json, json};

/// The proxy, and what must not be seen of it.
pub(super) fn proxy(table: &Table<'_>, shown: &mut Map<String, Json>) -> (Option<Proxy>, Vec<Secret>) {
    const HELP: &str = "as \"http://user:password@proxy:3128\" or \"socks5://proxy:1080\"";
    let excepted = table.get("no_proxy").map(|value| (value.key.clone(), value.one_or_many()));
    let except: Vec<(Excepted, String)> =
        excepted.iter().flat_map(|(_, values)| values).filter_map(exception).collect();
    let Some(value) = table.get("proxy") else {
        if let Some((key, _)) = excepted {
            let mistake = crate::settings::error::Mistake::at(key, "`no_proxy` without a `proxy`");
            table.source.report(mistake.label("there is none to be passed by"));
        }
        return (None, Vec::new());
    };
    let Some(text) = value.filled().map(url_variables::literal) else { return (None, Vec::new()) };
    let kind = match text.value.trim().split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
        Some("http") => ProxyKind::Http,
        Some("socks5" | "socks5h") => ProxyKind::Socks5,
        _ => {
            let mistake = value.mistake("this is no address of a proxy");
            table.source.report(mistake.label("`http://` or `socks5://` is needed").help(HELP));
            return (None, Vec::new());
        }
    };
    let Some(url) = weburl::read(table, &text) else { return (None, Vec::new()) };
    let standard = if kind == ProxyKind::Http { 80 } else { 1080 };
    let host = url.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.url.port().unwrap_or(standard);
    let scheme = if kind == ProxyKind::Http { "http" } else { "socks5" };
    shown.insert("proxy".to_owned(), json!(format!("{scheme}://{}", address::joined(&host, port))));
    let (except, names): (Vec<Excepted>, Vec<String>) = except.into_iter().unzip();
    if !names.is_empty() {
        shown.insert("no_proxy".to_owned(), json!(names));
    }
    (Some(Proxy { kind, host, port, credentials: url.user_information, except }), url.secrets)
}

fn exception(value: &crate::settings::reader::Value<'_>) -> Option<(Excepted, String)> {
    let text = value.filled()?;
    let word = text.value.trim();
    if let Some(network) = Network::parse(word) {
        return Some((Excepted::Network(network), text.shown()));
    }
    match address::host(word.trim_start_matches("*.").trim_start_matches('.')) {
        Ok(domain) => Some((Excepted::Domain(domain), text.shown())),
        Err(_) => {
            let mistake = value.mistake(format!("{} is no host and no network", text.quoted()));
            value.source.report(mistake.label("as \"internal.example\" (and what is below it) or \"10.0.0.0/8\""));
            None
        }
    }
}

/// `http_version`.
pub(super) fn http_version(table: &Table<'_>, shown: &mut Map<String, Json>) -> HttpVersion {
    let Some(value) = table.get("http_version") else { return HttpVersion::Any };
    let Some(text) = value.filled() else { return HttpVersion::Any };
    shown.insert("http_version".to_owned(), json!(text.shown()));
    match text.value.as_str() {
        "1.1" => HttpVersion::Http1,
        "2" => HttpVersion::Http2,
        _ => {
            let mistake = value.mistake(format!("{} is no version of HTTP that is spoken here", text.quoted()));
            table.source.report(mistake.label("\"1.1\" or \"2\"; without this key, whichever the server prefers"));
            HttpVersion::Any
        }
    }
}
