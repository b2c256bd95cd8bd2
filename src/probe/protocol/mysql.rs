//! The first packets of a MySQL or MariaDB server.
//!
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html>

use crate::{
    domain::check::Class,
    probe::{connection::Connection, trace::Fault},
};

/// What client and server can do, as bits.
pub(in crate::probe) mod capability {
    pub(in crate::probe) const LONG_PASSWORD: u32 = 1;
    pub(in crate::probe) const WITH_DATABASE: u32 = 1 << 3;
    pub(in crate::probe) const PROTOCOL_41: u32 = 1 << 9;
    pub(in crate::probe) const TLS: u32 = 1 << 11;
    pub(in crate::probe) const TRANSACTIONS: u32 = 1 << 13;
    pub(in crate::probe) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(in crate::probe) const PLUGIN_AUTH: u32 = 1 << 19;
}

/// What every client here can do.
pub(in crate::probe) const OURS: u32 = capability::LONG_PASSWORD
    | capability::PROTOCOL_41
    | capability::TRANSACTIONS
    | capability::SECURE_CONNECTION
    | capability::PLUGIN_AUTH;

/// How long a packet may be that we take.
const LARGEST: u32 = 16 * 1024 * 1024;
const UTF8MB4: u8 = 45;

/// What a server says first.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::probe) struct Greeting {
    pub(in crate::probe) version: String,
    pub(in crate::probe) capabilities: u32,
    /// The number of its packet: ours has the next one.
    pub(in crate::probe) sequence: u8,
    /// What a password is hashed with.
    pub(in crate::probe) challenge: Vec<u8>,
    /// How it wants to be shown a password.
    pub(in crate::probe) plugin: String,
}

impl Greeting {
    pub(in crate::probe) fn offers_tls(&self) -> bool {
        self.capabilities & capability::TLS != 0
    }

    fn read(sequence: u8, packet: &[u8]) -> Option<Greeting> {
        let (10, rest) = packet.split_first().map(|(version, rest)| (*version, rest))? else { return None };
        let (version, rest) = terminated(rest)?;
        let (_thread, rest) = rest.split_at_checked(4)?;
        let (first, rest) = rest.split_at_checked(8)?;
        let rest = rest.get(1..)?;
        let (low, rest) = rest.split_at_checked(2)?;
        let mut capabilities = u32::from(u16::from_le_bytes([low[0], low[1]]));
        let (mut challenge, mut plugin) = (first.to_vec(), String::new());
        // Character set, status, the upper half of the capabilities, the length of the challenge, and ten bytes.
        if let Some((more, rest)) = rest.split_at_checked(16) {
            capabilities |= u32::from(u16::from_le_bytes([more[3], more[4]])) << 16;
            let second = usize::from(more[5]).saturating_sub(8).max(13).min(rest.len());
            let (second, rest) = rest.split_at(second);
            challenge.extend(second.strip_suffix(&[0]).unwrap_or(second));
            plugin = text(terminated(rest).map_or(rest, |(plugin, _)| plugin));
        }
        Some(Greeting { version: text(version), capabilities, sequence, challenge, plugin })
    }
}

fn terminated(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The next packet, with its number.
pub(in crate::probe) async fn packet(connection: &mut Connection<'_>) -> Result<(u8, Vec<u8>), Fault> {
    let head = connection.exact(4).await?;
    let length = u32::from_le_bytes([head[0], head[1], head[2], 0]);
    // Text of another protocol would announce megabytes.
    if head[3] > 32 && head.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
        let said = [head, connection.rest()].concat();
        return Err(connection.unlike("MySQL's", &said));
    }
    Ok((head[3], connection.exact(length as usize).await?))
}

/// What the server says first, unless it refuses.
pub(in crate::probe) async fn greeting(connection: &mut Connection<'_>) -> Result<Greeting, Fault> {
    let (sequence, packet) = packet(connection).await?;
    if let Some(why) = refusal(&packet) {
        return Err(connection.failure(Class::Query, format!("the server refused the session: {why}")));
    }
    match Greeting::read(sequence, &packet) {
        Some(greeting) => Ok(greeting),
        None => Err(connection.unlike("MySQL's", &packet)),
    }
}

/// What a packet says that is an error.
pub(in crate::probe) fn refusal(packet: &[u8]) -> Option<String> {
    let rest = packet.strip_prefix(&[0xff])?;
    let (code, said) = rest.split_at_checked(2)?;
    let code = u16::from_le_bytes([code[0], code[1]]);
    let said = text(said);
    // `#08004Too many connections`
    let words = said.strip_prefix('#').and_then(|rest| rest.get(5..)).unwrap_or(&said);
    Some(format!("{} (error {code})", words.trim()))
}

/// A packet of this number.
pub(in crate::probe) fn framed(sequence: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_le_bytes();
    [&length[..3], &[sequence], content].concat()
}

/// What a login begins with.
pub(in crate::probe) fn login_head(capabilities: u32) -> Vec<u8> {
    [&capabilities.to_le_bytes()[..], &LARGEST.to_le_bytes(), &[UTF8MB4], &[0; 23]].concat()
}

/// The request for TLS: the head of a login, and nothing else.
pub(in crate::probe) fn tls_request(sequence: u8) -> Vec<u8> {
    framed(sequence.wrapping_add(1), &login_head(OURS | capability::TLS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_greeting_is_read() {
        let packet = [
            &b"\x0a8.0.36\0\x09\0\0\0abcdefgh\0\xff\xff\xff\x02\0\xff\xdf\x15"[..],
            &[0; 10],
            b"ijklmnopqrst\0caching_sha2_password\0",
        ]
        .concat();
        let greeting = Greeting::read(0, &packet).unwrap();
        assert_eq!((greeting.version.as_str(), greeting.plugin.as_str()), ("8.0.36", "caching_sha2_password"));
        assert!(greeting.offers_tls());
        assert_eq!(greeting.challenge, b"abcdefghijklmnopqrst");
    }

    #[test]
    fn a_refusal_is_read() {
        let said = refusal(b"\xff\x10\x04#08004Too many connections");
        assert_eq!(said.as_deref(), Some("Too many connections (error 1040)"));
        let said = refusal(b"\xff\x69\x04Host 'x' is blocked");
        assert_eq!(said.as_deref(), Some("Host 'x' is blocked (error 1129)"));
        assert_eq!(refusal(b"\x0a8.0"), None);
    }

    proptest! {
        /// A stranger chose the input.
        #[test]
        fn whatever_comes_is_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (Greeting::read(0, &bytes), refusal(&bytes));
        }
    }
}
