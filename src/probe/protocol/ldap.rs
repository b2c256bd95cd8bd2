//! The messages of LDAP (RFC 4511), as far as a probe needs them: BER with short tags and definite lengths.

use crate::{
    domain::check::Class,
    probe::{connection::Connection, trace::Fault},
};

/// The request for TLS: message 1, the extended operation 1.3.6.1.4.1.1466.20037.
pub(in crate::probe) const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// The tags of the operations that a probe sends and gets.
pub(in crate::probe) const BIND: u8 = 0x60;
pub(in crate::probe) const BIND_DONE: u8 = 0x61;
pub(in crate::probe) const SEARCH: u8 = 0x63;
pub(in crate::probe) const ENTRY: u8 = 0x64;
pub(in crate::probe) const SEARCH_DONE: u8 = 0x65;
pub(in crate::probe) const REFERENCE: u8 = 0x73;
const EXTENDED_DONE: u8 = 0x78;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const ENUMERATED: u8 = 0x0a;

/// How an operation ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::probe) struct Outcome {
    pub(in crate::probe) code: u8,
    pub(in crate::probe) diagnosis: String,
}

impl Outcome {
    /// Fails where `what` was refused.
    pub(in crate::probe) fn accepted(&self, connection: &Connection<'_>, what: &str) -> Result<(), Fault> {
        if self.code == 0 {
            return Ok(());
        }
        let diagnosis = if self.diagnosis.is_empty() { String::new() } else { format!(" ({})", self.diagnosis) };
        let message = format!("the server refused {what}: {}{diagnosis}", word(self.code));
        Err(connection.failure(Class::Query, message))
    }
}

/// What a result code says, in the words of the standard.
fn word(code: u8) -> String {
    let known = match code {
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        7 => "authentication method not supported",
        8 => "stronger authentication required",
        10 => "referral to another server",
        11 => "administrative limit exceeded",
        13 => "confidentiality required",
        32 => "no such object",
        34 => "invalid DN syntax",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        _ => return format!("result code {code}"),
    };
    known.to_owned()
}

/// The operation of the next message: its tag, and what is in it.
pub(in crate::probe) async fn operation(connection: &mut Connection<'_>) -> Result<(u8, Vec<u8>), Fault> {
    let mut head = connection.exact(2).await?;
    if head[0] != SEQUENCE {
        head.extend(connection.rest());
        return Err(connection.unlike("LDAP's", &head));
    }
    let length = match head[1] {
        short @ 0..=0x7f => usize::from(short),
        long @ 0x81..=0x84 => {
            let bytes = connection.exact(usize::from(long - 0x80)).await?;
            bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        }
        _ => return Err(connection.unlike("LDAP's", &[])),
    };
    let message = connection.exact(length).await?;
    let read = element(&message).and_then(|(id, rest)| (id.0 == INTEGER).then_some(rest)).and_then(element);
    match read {
        Some(((tag, content), _)) => Ok((tag, content.to_vec())),
        None => Err(connection.unlike("LDAP's", &[])),
    }
}

/// The operation of the next message, which has to be one that ends something.
pub(in crate::probe) async fn outcome(connection: &mut Connection<'_>) -> Result<(u8, Outcome), Fault> {
    let (tag, content) = operation(connection).await?;
    match result(&content).filter(|_| matches!(tag, BIND_DONE | SEARCH_DONE | EXTENDED_DONE)) {
        Some(outcome) => Ok((tag, outcome)),
        None => Err(connection.unlike("LDAP's", &[])),
    }
}

/// An `LDAPResult`.
pub(in crate::probe) fn result(content: &[u8]) -> Option<Outcome> {
    let ((tag, code), rest) = element(content)?;
    let ((_, _matched), rest) = element(rest)?;
    let ((_, diagnosis), _) = element(rest)?;
    let code = *code.last().filter(|_| tag == ENUMERATED && code.len() == 1)?;
    Some(Outcome { code, diagnosis: String::from_utf8_lossy(diagnosis).trim().to_owned() })
}

type Element<'a> = (u8, &'a [u8]);

/// The first element of `bytes`, and what follows it.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(((*tag, content), rest))
}

/// An element of this tag, made of these parts.
pub(in crate::probe) fn made(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut element = vec![tag];
    match content.len() {
        short @ 0..=0x7f => element.push(short as u8),
        _ => {
            element.push(0x84);
            element.extend(length);
        }
    }
    element.extend(content);
    element
}

/// A message with this number (below 128) and this operation.
pub(in crate::probe) fn message(number: u8, operation: &[u8]) -> Vec<u8> {
    made(SEQUENCE, &[&[INTEGER, 1, number], operation])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_request_for_tls_is_what_the_parts_make() {
        let name = made(0x80, &[b"1.3.6.1.4.1.1466.20037"]);
        assert_eq!(message(1, &made(0x77, &[&name])), START_TLS);
    }

    #[test]
    fn a_result_is_read() {
        let content = [made(ENUMERATED, &[&[49]]), made(4, &[]), made(4, &[b"no"])].concat();
        assert_eq!(result(&content), Some(Outcome { code: 49, diagnosis: "no".to_owned() }));
    }

    proptest! {
        /// A stranger chose the input.
        #[test]
        fn whatever_comes_is_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = result(&bytes);
        }

        #[test]
        fn what_was_made_is_read_again(tag in any::<u8>(), content in proptest::collection::vec(any::<u8>(), 0..300)) {
            let made = made(tag, &[&content]);
            prop_assert_eq!(element(&made), Some(((tag, &content[..]), &[][..])));
        }
    }
}
