//! The PROXY protocol: who connects, said before anything else, as a load balancer does.
//!
//! <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>

use std::net::{IpAddr, SocketAddr};

/// How the addresses of a connection are announced to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Bytes.
    V2,
}

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, of a connection that is forwarded.
const VERSION_AND_COMMAND: u8 = 0x21;

impl ProxyProtocol {
    /// What is sent on a connection from `source` to `target`, as if it were forwarded for this machine itself.
    pub(super) fn header(self, source: SocketAddr, target: SocketAddr) -> Vec<u8> {
        let (from, to) = (source.ip().to_canonical(), target.ip().to_canonical());
        if self == ProxyProtocol::V1 {
            let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
            return format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), target.port()).into_bytes();
        }
        let octets = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let ports = [source.port().to_be_bytes(), target.port().to_be_bytes()].concat();
        let addresses = [octets(from), octets(to), ports].concat();
        let family = if from.is_ipv4() { 0x11 } else { 0x21 };
        // At most 36 bytes.
        let head = [VERSION_AND_COMMAND, family, 0, addresses.len() as u8];
        [&SIGNATURE[..], &head, &addresses].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_who_connects_to_whom() {
        let (source, target) = ("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:25".parse().unwrap());
        let line = ProxyProtocol::V1.header(source, target);
        assert_eq!(line, b"PROXY TCP4 10.0.0.1 10.0.0.2 40000 25\r\n");
        let bytes = ProxyProtocol::V2.header(source, target);
        assert_eq!(bytes[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c");
        assert_eq!(bytes[16..], [10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x40, 0, 25]);
        let (source, target) = ("[::1]:40000".parse().unwrap(), "[::1]:25".parse().unwrap());
        assert_eq!(ProxyProtocol::V1.header(source, target), b"PROXY TCP6 ::1 ::1 40000 25\r\n");
        assert_eq!(ProxyProtocol::V2.header(source, target).len(), 16 + 36);
    }
}
