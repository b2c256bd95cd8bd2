//! HTTP URLs: taken apart so that credentials are kept, and kept from sight.

use super::{error::Mistake, masking::names_a_credential, reader::Table, text::Text, url_credentials::Parts};
use crate::domain::secret::{REDACTED, Secret, scrub};
use percent_encoding::percent_decode_str;
use reqwest::Url;

/// A URL without user information, and what was secret about it.
pub(crate) struct WebUrl {
    pub(crate) url: Url,
    /// The URL, redacted.
    pub(crate) target: String,
    /// What stood before the `@`, decoded.
    pub(crate) user_information: Option<(String, Secret)>,
    pub(crate) secrets: Vec<Secret>,
}

/// Reads an `http` or `https` URL. A mistake in it is reported.
pub(crate) fn read(table: &Table<'_>, text: &Text) -> Option<WebUrl> {
    if let Some(why) = doubt(text.value.trim()) {
        report(table, text, why.to_owned());
        return None;
    }
    let mut url = match Url::parse(text.value.trim()) {
        Ok(url) if url.has_host() => url,
        Ok(_) => {
            report(table, text, "the host is missing".to_owned());
            return None;
        }
        // The parser's words are constant: they do not quote the URL.
        Err(error) => {
            report(table, text, error.to_string());
            return None;
        }
    };
    let mut secrets = Vec::new();
    let user_information = (!url.username().is_empty() || url.password().is_some()).then(|| {
        let (user, password) = (url.username(), url.password().unwrap_or(""));
        secrets.push(Secret::new(password));
        if password.is_empty() {
            secrets.push(Secret::new(user));
        }
        (decoded(user), Secret::new(decoded(password)))
    });
    // These fail for URLs without a host, and this has one.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    if user_information.as_ref().is_some_and(|(user, _)| user.contains(':')) {
        report(table, text, "a user's name cannot have a `:` in it".to_owned());
        return None;
    }
    let (placed, hides_path) = placed_secrets(text);
    let target = target(&url, &placed, hides_path);
    for (key, value) in pairs(&url) {
        if names_a_query_credential(&key) {
            secrets.push(Secret::new(decoded(value)));
            secrets.push(Secret::new(value));
        }
    }
    secrets.extend(placed);
    secrets.extend(user_information.iter().map(|(_, password)| password.clone()));
    Some(WebUrl { url, target, user_information, secrets })
}

/// What makes it doubtful where the user information ends. Every browser would make something of such a URL, and show a
/// part of the password as the path.
pub(crate) fn doubt(url: &str) -> Option<&'static str> {
    let (_, rest) = url.split_once("://")?;
    let parts = Parts::of(rest);
    let authority = rest.strip_suffix(parts.tail).unwrap_or(rest);
    if parts.are_doubtful() {
        Some("a `/`, `?` or `#` before the `@` has to be percent-encoded")
    } else if authority.contains('\\') {
        Some("a `\\` before the path has to be percent-encoded: %5C")
    } else if url.contains(['\t', '\r', '\n']) {
        Some("no line break and no tab: %0A, %0D and %09")
    } else {
        None
    }
}

fn report(table: &Table<'_>, text: &Text, label: String) {
    let mistake = Mistake::at(text.span.clone(), "this is no URL");
    let mistake = mistake.label(text.blaming_variables(&label));
    table.source.report(mistake.help("a URL looks like `https://host:port/path`; in a user name or a password, `@` is written %40, `/` %2F, `:` %3A, `#` %23"));
}

/// The values of variables that are credentials by their place in the URL or by their name, as they were given and as
/// the URL spells them; and whether one of them spans both host and path, so that the path cannot be separated from it.
fn placed_secrets(text: &Text) -> (Vec<Secret>, bool) {
    /// In a path, what is shorter is a word (`v1`, `health`) rather than a credential.
    const LONG: usize = 16;
    let value = &text.value;
    let authority = value.find("://").map_or(0, |at| at + 3);
    let path = value[authority..].find(['/', '?', '#']).map_or(value.len(), |at| authority + at);
    let query = value[path..].find('?').map_or(value.len(), |at| path + at);
    let (mut secrets, mut hides_path) = (Vec::new(), false);
    for fill in text.fills.iter().filter(|fill| fill.is_guarded()) {
        let part = &value[fill.range.clone()];
        let in_path = fill.range.start >= path && part.chars().count() >= LONG;
        hides_path |= fill.names_a_credential() && fill.range.start < path && fill.range.end > path;
        if fill.names_a_credential() || fill.range.start >= query || in_path {
            secrets.push(Secret::new(part));
            secrets.push(Secret::new(spelled(part)));
        }
    }
    (secrets, hides_path)
}

/// How a URL spells a piece of its path.
fn spelled(part: &str) -> String {
    let Ok(mut url) = Url::parse("http://x/") else { return part.to_owned() };
    url.set_path(part);
    url.path().trim_start_matches('/').to_owned()
}

fn pairs(url: &Url) -> impl Iterator<Item = (String, &str)> {
    let pairs = url.query().unwrap_or("").split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decoded(key), value))
}

fn names_a_query_credential(key: &str) -> bool {
    names_a_credential(key) || key.eq_ignore_ascii_case("code")
}

fn target(url: &Url, secrets: &[Secret], hides_path: bool) -> String {
    let mut clean = url.clone();
    clean.set_query(None);
    if hides_path {
        clean.set_path("");
        return format!("{clean}{REDACTED}");
    }
    let mut target = clean.to_string();
    if let Some(query) = url.query() {
        let pair = |pair: &str| match pair.split_once('=') {
            Some((key, _)) if names_a_query_credential(&decoded(key)) => format!("{key}={REDACTED}"),
            _ => pair.to_owned(),
        };
        target.push('?');
        target.push_str(&query.split('&').map(pair).collect::<Vec<_>>().join("&"));
    }
    scrub(&target, secrets)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
