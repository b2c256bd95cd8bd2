//! Which part of a URL is a credential.
//!
//! Whatever follows the scheme of a URL is taken for one until it is proved to be none: a password that nobody
//! percent-encoded may hold every character that has a meaning in a URL, and then no part of it is what it seems.

use super::{address::host_and_port, pattern::constant};
use regex::Regex;
use std::{ops::Range, sync::LazyLock};

/// What libpq takes behind the `?` of a connection URL. Any other name may be the tail of a password.
const POSTGRES_PARAMETERS: [&str; 32] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "options",
    "passfile",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "service",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// Whether a parameter of a PostgreSQL URL may be named in a message.
pub(crate) fn is_postgres_parameter(name: &str) -> bool {
    POSTGRES_PARAMETERS.contains(&name)
}

/// A variable, in the place of a host or a port.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| constant(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::-[A-Za-z0-9._-]*)?\}"));

/// Where a URL's parts are, as this program takes it apart; `rest` is what follows `scheme://`.
///
/// The authority ends at the first `/`, `?` or `#`, and in it the last `@` ends the user information.
pub(crate) struct Parts<'a> {
    pub(crate) user_information: Option<&'a str>,
    pub(crate) address: &'a str,
    /// From the `/`, `?` or `#` on.
    pub(crate) tail: &'a str,
}

impl Parts<'_> {
    pub(crate) fn of(rest: &str) -> Parts<'_> {
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user_information, address) = match authority.rsplit_once('@') {
            Some((user_information, address)) => (Some(user_information), address),
            None => (None, authority),
        };
        Parts { user_information, address, tail }
    }

    /// Whether the user information may have ended later than it seems: a `/`, `?` or `#` of a password is not
    /// percent-encoded.
    pub(crate) fn are_doubtful(&self) -> bool {
        let fragment = self.tail.split_once('#').is_some_and(|(_, fragment)| fragment.contains('@'));
        // `https://api:8000/a@b` has no user, and is right. An empty port is no port.
        let later = self.user_information.is_some() || self.address.ends_with(':');
        fragment || later && self.tail.contains('@')
    }
}

/// What has to be hidden of the `rest` of a URL that is the whole of a string.
pub(crate) fn in_whole(scheme: &str, rest: &str) -> Option<Range<usize>> {
    let parts = Parts::of(rest);
    let end = parts.user_information.map_or(0, str::len);
    if !is_right(&parts, scheme) {
        return match rest.find(':') {
            Some(colon) => Some(colon + 1..rest.len()),
            None => rest.contains('@').then_some(0..rest.len()),
        };
    }
    match parts.user_information?.find(':') {
        Some(colon) => Some(colon + 1..end),
        // A user alone is a name to PostgreSQL, and often a token to others.
        None => (!is_postgres(scheme)).then_some(0..end),
    }
}

pub(crate) fn is_postgres(scheme: &str) -> bool {
    scheme.to_ascii_lowercase().starts_with("postgres")
}

/// Whether an `@` in a path is nothing out of the ordinary.
pub(crate) fn is_web(scheme: &str) -> bool {
    ["http", "https", "ws", "wss"].contains(&scheme.trim_end_matches("://").to_ascii_lowercase().as_str())
}

/// Whether nothing in it can be anything else than it seems.
fn is_right(parts: &Parts<'_>, scheme: &str) -> bool {
    let backslash = parts.address.contains('\\') || parts.user_information.is_some_and(|u| u.contains('\\'));
    if backslash || parts.are_doubtful() || !is_address(parts.address) {
        return false;
    }
    // `tcp://u:1/p@h:1` has no port and no path, but a password.
    if !is_postgres(scheme) {
        return is_web(scheme) || !parts.tail.contains('@');
    }
    let (path, query) = parts.tail.split_once('?').unwrap_or((parts.tail, ""));
    let database = path.strip_prefix('/').unwrap_or(path);
    let known = |pair: &str| is_postgres_parameter(pair.split_once('=').map_or(pair, |(name, _)| name));
    !parts.tail.contains(['#', '@']) && !database.contains('/') && query.split('&').filter(|p| !p.is_empty()).all(known)
}

/// A host, with or without a port; either may be a variable.
fn is_address(text: &str) -> bool {
    let port = VARIABLE.find_iter(text).last().filter(|m| m.end() == text.len() && text[..m.start()].ends_with(':'));
    let host = port.map_or(text, |port| &text[..port.start() - 1]);
    let host = VARIABLE.replace_all(host, "x");
    host_and_port(&host, Some(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_proved_to_be_harmless_is_hidden() {
        for (url, seen) in [
            ("postgres://u:p@h/db?sslmode=require", "u:•@h/db?sslmode=require"),
            ("postgres://u:p@[::1]:5432", "u:•@[::1]:5432"),
            ("postgres://u@h:5432/db", "u@h:5432/db"),
            ("postgres://h:5432/db", "h:5432/db"),
            ("postgres://u:p@${HOST}:${PORT:-5432}/db", "u:•@${HOST}:${PORT:-5432}/db"),
            ("postgres://u:p@ss:w/o#r?d%&= é@h/app", "u:•"),
            ("postgres://u:p@x?b:c@d#e@h/db", "u:•"),
            ("postgres://u:p@ss?word", "u:•"),
            ("postgres://u:p@ss/w/ord", "u:•"),
            ("postgres://u:SEC RETXY@h", "u:•@h"),
            ("postgres://u:pass", "u:•"),
            ("postgres://u?p@h", "•"),
            ("http://user:S@E/C#RET?XY@host/x", "user:•"),
            ("http://u:/p@h/", "u:•"),
            ("http://u:1#p@h/", "u:•"),
            ("http://u:1\\p@h/", "u:•"),
            ("http://web:99999/", "web:•"),
            ("https://to ken@h/x", "•@h/x"),
            ("https://api:8000/a@b", "api:8000/a@b"),
            ("https://api/a?b=c@d", "api/a?b=c@d"),
            ("https://api/#a", "api/#a"),
            ("tcp://u:p@h:1", "u:•@h:1"),
            ("tcp://u:1/p@h:1", "u:•"),
            ("tcp://u:1?p@h:1", "u:•"),
            ("redis://u:1/p@h", "u:•"),
        ] {
            let (scheme, rest) = url.split_once("://").unwrap();
            let range = in_whole(scheme, rest).unwrap_or(0..0);
            let dots = if range.is_empty() { "" } else { "•" };
            assert_eq!([&rest[..range.start], dots, &rest[range.end..]].concat(), seen, "{url}");
        }
    }
}
