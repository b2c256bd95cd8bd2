//! Text that must not be seen.

use std::fmt;

/// What replaces a secret, wherever one would be seen.
pub const REDACTED: &str = "•••";

/// A credential. It prints as dots in every form; only [`Secret::expose`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a credential in.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The credential itself, for the wire and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// Replaces every occurrence of a secret of three characters or more in `text`: what a server or a command says back
/// may repeat what it was given. (Shorter ones would only make noise of the rest.)
pub fn scrub(text: &str, secrets: &[Secret]) -> String {
    let mut clean = text.to_owned();
    for secret in secrets.iter().filter(|s| s.0.chars().count() >= 3) {
        if clean.contains(&secret.0) {
            clean = clean.replace(&secret.0, REDACTED);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "••• ••• Some(•••)");
    }

    #[test]
    fn what_repeats_a_secret_is_scrubbed() {
        let secrets = [Secret::new("hunter2"), Secret::new("e")];
        assert_eq!(scrub("the key hunter2 is wrong", &secrets), "the key ••• is wrong");
    }
}
