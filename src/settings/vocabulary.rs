//! The words that a configuration is made of, besides those that are its owner's.

use super::masking::names_a_credential;
use std::collections::HashSet;

/// The keys that the sections of a configuration have, and what is known of their values. Each section says its own, so
/// that a key is known here if, and only if, somebody reads it.
#[derive(Default)]
pub(crate) struct Vocabulary {
    words: HashSet<&'static str>,
    sent: HashSet<&'static str>,
    addresses: HashSet<&'static str>,
}

impl Vocabulary {
    /// Adds keys, or words that stand for values.
    pub(crate) fn with(mut self, words: &[&'static str]) -> Vocabulary {
        self.words.extend(words);
        self
    }

    /// Adds keys whose values are sent to what is watched, and often have credentials in them.
    pub(crate) fn with_sent(mut self, keys: &[&'static str]) -> Vocabulary {
        self.sent.extend(keys);
        self
    }

    /// Adds keys whose values are addresses, or URLs.
    pub(crate) fn with_addresses(mut self, keys: &[&'static str]) -> Vocabulary {
        self.addresses.extend(keys);
        self
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.contains(word)
    }

    /// Whether the value of this key is, or often has in it, a credential: by its name, or because it is sent.
    pub(crate) fn holds_a_credential(&self, key: &str) -> bool {
        names_a_credential(key) || self.sent.contains(key)
    }

    pub(super) fn holds_an_address(&self, key: &str) -> bool {
        self.addresses.contains(key)
    }
}
