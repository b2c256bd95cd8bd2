//! Links that allow one thing for a time to whoever has them: signed by HMAC-SHA256 (RFC 2104), so that nobody else can make
//! one.

use crate::domain::time::UnixMs;
use ring::hmac;

/// What links are signed with. It never leaves the history.
#[derive(Clone)]
pub struct LinkKey(hmac::Key);

impl std::fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKey")
    }
}

impl LinkKey {
    /// The key of these bytes.
    pub fn new(bytes: &[u8]) -> LinkKey {
        LinkKey(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// The signature of a text, in hexadecimal digits.
    pub fn sign(&self, text: &str) -> String {
        hmac::sign(&self.0, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether a text has this signature. It takes as long for a wrong one as for the right one.
    pub fn verify(&self, text: &str, signature: &str) -> bool {
        let digits = signature.as_bytes();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return false;
        }
        let bytes: Option<Vec<u8>> = digits
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect();
        bytes.is_some_and(|bytes| hmac::verify(&self.0, text.as_bytes(), &bytes).is_ok())
    }
}

/// What a link to acknowledge incidents allows: these incidents, to whom a channel notified, until it expires.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcknowledgeLink {
    pub incidents: Vec<i64>,
    pub channel: String,
    pub expires_at: UnixMs,
}

impl AcknowledgeLink {
    /// The query of its address, signed.
    pub fn query(&self, key: &LinkKey) -> String {
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair("incidents", &self.numbers())
            .append_pair("channel", &self.channel)
            .append_pair("expires", &(self.expires_at.0 / 1000).to_string())
            .append_pair("signature", &key.sign(&self.text()))
            .finish()
    }

    /// Whether this is its signature.
    pub fn is_signed(&self, key: &LinkKey, signature: &str) -> bool {
        key.verify(&self.text(), signature)
    }

    fn numbers(&self) -> String {
        self.incidents.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// What is signed. No part can hold a line break.
    fn text(&self) -> String {
        let Self { channel, expires_at, .. } = self;
        format!("acknowledge\n{}\n{}\n{channel}", self.numbers(), expires_at.0 / 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_allows_what_was_signed_and_nothing_else() {
        let key = LinkKey::new(b"key");
        let link = AcknowledgeLink {
            incidents: vec![3, 14],
            channel: "ops".to_owned(),
            expires_at: UnixMs(1_800_000_000_000),
        };
        let query = link.query(&key);
        let signature = query.rsplit_once("signature=").unwrap().1;
        assert!(query.starts_with("incidents=3%2C14&channel=ops&expires=1800000000&"), "{query}");
        assert!(link.is_signed(&key, signature));
        for other in [
            AcknowledgeLink { incidents: vec![3], ..link.clone() },
            AcknowledgeLink { channel: "boss".to_owned(), ..link.clone() },
            AcknowledgeLink { expires_at: UnixMs(1_900_000_000_000), ..link.clone() },
        ] {
            assert!(!other.is_signed(&key, signature), "{other:?}");
        }
        assert!(!link.is_signed(&LinkKey::new(b"other"), signature));
        for nonsense in ["", "00", &signature[..63], &signature.replace('a', "g"), &"é".repeat(32)] {
            assert!(signature == nonsense || !link.is_signed(&key, nonsense), "{nonsense}");
        }
    }
}
