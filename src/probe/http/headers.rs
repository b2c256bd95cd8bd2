//! Which headers may go to whom, and what is said of an address.

use reqwest::{Url, header::HeaderName};

/// Headers that say nothing that a stranger must not know. All others may hold a credential: a name alone (`x-api-key`,
/// `cookie`, `x-hub-signature`, …) does not show whether they do, so they are treated as credentials.
const HARMLESS: [&str; 16] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-type",
    "dnt",
    "if-modified-since",
    "pragma",
    "range",
    "te",
    "upgrade-insecure-requests",
    "user-agent",
];

/// Whether a header's value is no secret.
pub(super) fn is_harmless(name: &HeaderName) -> bool {
    HARMLESS.contains(&name.as_str())
}

/// Whether what is meant for `from` may go to `to` as well: the same host and port with the same scheme, or the step up
/// from its plain to its secure default port.
pub(super) fn same_owner(from: &Url, to: &Url) -> bool {
    let upgrade = from.scheme() == "http"
        && to.scheme() == "https"
        && from.port_or_known_default() == Some(80)
        && to.port_or_known_default() == Some(443);
    from.host() == to.host()
        && (upgrade || from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default())
}

/// An address in a message: without its query, which may hold a credential and changes from check to check.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(from: &str, to: &str) -> bool {
        same_owner(&Url::parse(from).unwrap(), &Url::parse(to).unwrap())
    }

    #[test]
    fn another_path_and_the_step_to_https_are_the_same_owner() {
        assert!(owner("https://a.example/x", "https://a.example:443/y"));
        assert!(owner("http://a.example/", "https://a.example/"));
    }

    #[test]
    fn another_host_port_or_the_step_down_to_http_is_not() {
        assert!(!owner("https://a.example/", "https://b.example/"));
        assert!(!owner("https://a.example/", "https://a.example:8443/"));
        assert!(!owner("https://a.example/", "http://a.example/"));
        assert!(!owner("http://a.example:8080/", "https://a.example/"));
        assert!(!owner("https://a.example/", "https://a.example.evil.example/"));
    }

    #[test]
    fn unknown_headers_are_taken_for_credentials() {
        assert!(is_harmless(&HeaderName::from_static("user-agent")));
        assert!(!is_harmless(&HeaderName::from_static("x-api-key")));
        assert!(!is_harmless(&HeaderName::from_static("cookie")));
    }
}
