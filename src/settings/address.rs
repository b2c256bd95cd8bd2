//! Hosts and ports.

use url::Host;

/// Reads `host:port`; `[::1]:80` with an IPv6 address. The host comes back without brackets. The error says what
/// would be right.
pub(crate) fn host_and_port(text: &str, default_port: Option<u16>) -> Result<(String, u16), String> {
    let text = text.trim();
    if text.contains(',') {
        return Err(SEVERAL.to_owned());
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (format!("[{host}]"), None),
        Some((host, rest)) => (format!("[{host}]"), Some(rest.strip_prefix(':').ok_or("a `:` and a port follow `]`")?)),
        None if text.matches(':').count() > 1 => {
            return Err("an IPv6 address needs brackets: `[::1]:80`".to_owned());
        }
        None => text.split_once(':').map_or((text.to_owned(), None), |(host, port)| (host.to_owned(), Some(port))),
    };
    let port = match (port, default_port) {
        (Some(port), _) => self::port(port)?,
        (None, Some(port)) => port,
        (None, None) => return Err("the port is missing: `host:port`".to_owned()),
    };
    Ok((self::host(&host)?, port))
}

const SEVERAL: &str = "one host, not several: each gets an entry of its own";

/// Reads a port, 1 to 65535.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let port = if digits { text.parse().ok().filter(|port| *port > 0) } else { None };
    port.ok_or_else(|| "a port is a number from 1 to 65535".to_owned())
}

/// Reads a host: a name, an IPv4 address, or an IPv6 address in brackets, which it loses here.
pub(crate) fn host(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("the host is missing".to_owned());
    }
    if text.contains(',') {
        return Err(SEVERAL.to_owned());
    }
    match Host::parse(text) {
        // As it was written: the resolver takes names as they are.
        Ok(Host::Domain(_)) => Ok(text.to_owned()),
        Ok(Host::Ipv4(address)) => Ok(address.to_string()),
        Ok(Host::Ipv6(address)) => Ok(address.to_string()),
        Err(_) => Err("no host can have this name".to_owned()),
    }
}

/// Reads a host without a port, where an IPv6 address needs no brackets.
pub(crate) fn bare_host(text: &str) -> Result<String, String> {
    match text.trim().parse::<std::net::Ipv6Addr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => host(text.trim()),
    }
}

/// `host:port`, an IPv6 address in brackets again.
pub(crate) fn joined(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_a_port_are_told_apart() {
        for (text, host, port) in [
            ("db:5432", "db", 5432),
            ("[::1]:80", "::1", 80),
            ("127.0.0.1:9100", "127.0.0.1", 9100),
            ("my_db", "my_db", 1),
        ] {
            assert_eq!(host_and_port(text, Some(1)), Ok((host.to_owned(), port)), "{text}");
            assert_eq!(joined(host, port).parse::<std::net::SocketAddr>().is_ok(), host != "db" && host != "my_db");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "", ":80", "a b:80", "db", "db:0", "db:65536", "db:+1", "::1:80", "[::1]80", "[x]:1", "a,b:1", "a/b:1",
            "u@h:1",
        ] {
            assert!(host_and_port(text, None).is_err(), "{text}");
        }
    }
}
