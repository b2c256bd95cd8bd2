//! How whoever asks reached us: where pages say that they are, and whose request it is.
//!
//! A proxy says so in headers (`X-Forwarded-…`), and anybody can write them: only those of addresses that the
//! configuration trusts are read. Of several values the last one counts, which the nearest proxy wrote; what is no host,
//! no scheme and no path is as if it were not there.

use super::state::AppState;
use crate::domain::network::Network;
use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};
use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// The longest host and the longest prefix that are believed, in bytes.
const LONGEST: usize = 253;

/// How a request reached us.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct RequestOrigin {
    /// `https://status.example.com`
    pub(crate) origin: String,
    /// Where the interface begins: empty, or `/status`.
    pub(crate) base: Arc<str>,
    /// Who asks, where that is known.
    pub(crate) client: Option<IpAddr>,
    /// Whom the client says that it asks for (the last address of `X-Forwarded-For`), where it is no trusted proxy. It may
    /// be one all the same, and then this is true; or else anything.
    pub(crate) claimed: Option<IpAddr>,
}

/// The site as a page has to show it to whoever asks: its base path is the one that a trusted proxy says.
#[derive(Clone, Debug)]
pub(crate) struct PageState(pub(crate) AppState);

/// Notes of every request how it reached us.
pub(crate) async fn note(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let origin = RequestOrigin::read(request.headers(), peer, &app.trusted, &app.base_path);
    request.extensions_mut().insert(origin);
    next.run(request).await
}

impl RequestOrigin {
    fn read(headers: &HeaderMap, peer: Option<IpAddr>, trusted: &[Network], base: &Arc<str>) -> RequestOrigin {
        let trusts = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        let believed = peer.is_some_and(trusts);
        let said = |name: &str| if believed { values(headers, name).last().copied() } else { None };
        let host = said("x-forwarded-host").filter(|host| is_host(host));
        let host = host.or_else(|| headers.get(header::HOST)?.to_str().ok().filter(|host| is_host(host)));
        let scheme = said("x-forwarded-proto").filter(|word| ["http", "https"].contains(word)).unwrap_or("http");
        let base = match said("x-forwarded-prefix").map(|path| path.trim_end_matches('/')).filter(|path| is_path(path))
        {
            // A proxy that takes the configured path away may say so.
            Some(prefix) if prefix.ends_with(&**base) => prefix.into(),
            Some(prefix) => format!("{prefix}{base}").into(),
            None => base.clone(),
        };
        let mut client = peer.map(|peer| peer.to_canonical());
        if believed {
            // From the nearest on: the first one that is no proxy of ours, or what the last of ours says.
            for hop in values(headers, "x-forwarded-for").into_iter().rev() {
                let Ok(address) = hop.parse::<IpAddr>() else { break };
                client = Some(address.to_canonical());
                if !trusts(address) {
                    break;
                }
            }
        }
        let last_hop = || values(headers, "x-forwarded-for").last()?.parse::<IpAddr>().ok();
        let claimed = if believed { None } else { last_hop().map(|address| address.to_canonical()) };
        RequestOrigin { origin: format!("{scheme}://{}", host.unwrap_or("localhost")), base, client, claimed }
    }
}

/// The values of a header that is a list, over all its lines.
fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|value| !value.is_empty()).collect()
}

/// A name or an address, perhaps with a port.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) if address.parse::<std::net::Ipv6Addr>().is_ok() => match rest {
            "" => return true,
            rest => match rest.strip_prefix(':') {
                Some(port) => ("v6", Some(port)),
                None => return false,
            },
        },
        Some(_) => return false,
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let framed = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !name.contains("..");
    let port = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    letters && framed && port && text.len() <= LONGEST
}

/// A path that can stand before ours: it begins with one slash, and holds nothing that would have to be escaped.
fn is_path(text: &str) -> bool {
    let parts = text.strip_prefix('/').map(|rest| rest.split('/'));
    text.len() <= LONGEST
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b))
        && parts.is_some_and(|mut parts| parts.all(|part| !part.is_empty() && part != "." && part != ".."))
}

impl<S: Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<RequestOrigin, Infallible> {
        Ok(parts.extensions.get::<RequestOrigin>().cloned().unwrap_or_default())
    }
}

impl FromRequestParts<AppState> for PageState {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<PageState, Infallible> {
        let base = parts.extensions.get::<RequestOrigin>().map(|origin| origin.base.clone());
        Ok(PageState(AppState { base_path: base.unwrap_or_else(|| app.base_path.clone()), ..app.clone() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(lines: &[(&'static str, &str)], peer: &str, base: &str) -> RequestOrigin {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
        RequestOrigin::read(&headers, Some(peer.parse().unwrap()), &trusted, &base.into())
    }

    #[test]
    fn only_hosts_and_paths_are_taken_for_such() {
        for host in ["a.example", "localhost:9100", "10.0.0.1", "[::1]", "[::1]:80", "my_host", "a.example."] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "",
            "a b",
            "a/b",
            "a@b",
            "a:b",
            "a:99999",
            "[::1",
            "[::1]x",
            "[x]",
            "::1",
            "-a",
            ".a",
            "a..b",
            "a\"b",
            "a<b",
            &"a".repeat(300),
        ] {
            assert!(!is_host(host), "{host}");
        }
        for path in ["/status", "/a/b-c.d_e~f"] {
            assert!(is_path(path), "{path}");
        }
        for path in ["", "status", "//evil.example", "/a//b", "/../x", "/.", "/a?b", "/a#b", "/a%2f", "/a\"b", "/a b"] {
            assert!(!is_path(path), "{path}");
        }
    }

    #[test]
    fn whose_request_it_is_a_chain_of_trusted_proxies_says() {
        let client = |lines: &[(&'static str, &str)], peer| origin(lines, peer, "").client.unwrap().to_string();
        assert_eq!(client(&[("x-forwarded-for", "1.1.1.1")], "192.0.2.1"), "192.0.2.1", "whoever it is");
        assert_eq!(client(&[("x-forwarded-for", "1.1.1.1")], "10.0.0.1"), "1.1.1.1");
        assert_eq!(client(&[("x-forwarded-for", "6.6.6.6, 1.1.1.1, 10.0.0.2")], "10.0.0.1"), "1.1.1.1");
        assert_eq!(client(&[("x-forwarded-for", "1.1.1.1, nonsense")], "10.0.0.1"), "10.0.0.1");
        assert_eq!(client(&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.1.1.1")], "::1"), "1.1.1.1");
        assert_eq!(client(&[], "::ffff:10.0.0.1"), "10.0.0.1");
    }

    #[test]
    fn a_prefix_stands_before_the_base_path_once() {
        let base = |prefix: &str, base| origin(&[("x-forwarded-prefix", prefix)], "10.0.0.1", base).base.to_string();
        assert_eq!(base("/status", ""), "/status");
        assert_eq!(base("/status/", "/status"), "/status");
        assert_eq!(base("/outer", "/status"), "/outer/status");
        assert_eq!(base("/outer/status", "/status"), "/outer/status");
        assert_eq!(base("//evil.example", "/status"), "/status");
    }
}
