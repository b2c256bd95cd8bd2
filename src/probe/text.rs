//! What leaves a probe as text: without secrets, without control characters, not too long.

use crate::domain::{
    sanitize::{LONGEST_MESSAGE, clean, one_line},
    secret::{Secret, scrub},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::Duration;

/// The most bytes of an excerpt.
pub(super) const EXCERPT_BYTES: usize = 2 * 1024;
/// How much of an answer is kept for its excerpt: more than is shown, because scrubbing comes before cutting and the
/// place where a secret stood may be a good deal shorter than the secret.
pub(super) const EXCERPT_SOURCE_BYTES: usize = 8 * 1024;

/// What percent-encoding leaves alone in most encoders.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An endpoint's secrets, in every form in which an answer may repeat them.
#[derive(Debug, Default)]
pub(super) struct Scrubber {
    /// The longest first, so that a secret that is part of another one does not leave the rest of that standing.
    forms: Box<[Secret]>,
}

impl Scrubber {
    /// From the secrets themselves; `pairs` are user and password as they go into basic authentication.
    pub(super) fn new(secrets: &[Secret], pairs: &[(&str, &Secret)]) -> Scrubber {
        Scrubber::of(Vec::new(), secrets, pairs)
    }

    /// The same with these secrets beside its own.
    pub(super) fn with(&self, secrets: &[Secret]) -> Scrubber {
        Scrubber::of(self.forms.iter().map(|form| form.expose().to_owned()).collect(), secrets, &[])
    }

    fn of(mut forms: Vec<String>, secrets: &[Secret], pairs: &[(&str, &Secret)]) -> Scrubber {
        for secret in secrets.iter().chain(pairs.iter().map(|(_, password)| *password)) {
            let text = secret.expose();
            // Shorter ones are not scrubbed, and encoding would only make them long enough to be.
            if text.chars().count() < 3 {
                continue;
            }
            forms.push(text.to_owned());
            forms.extend(base64_forms(text.as_bytes()));
            for set in [NON_ALPHANUMERIC, UNRESERVED] {
                let encoded = utf8_percent_encode(text, set).to_string();
                // As in a form, where a blank is a plus.
                let of_form = encoded.replace("%20", "+");
                forms.extend([lower_hex(&encoded), lower_hex(&of_form), of_form, encoded]);
            }
            forms.extend(html_forms(text));
            let quoted = serde_json::Value::from(text).to_string();
            forms.push(quoted.trim_matches('"').to_owned());
        }
        for (user, password) in pairs {
            forms.extend(base64_forms(format!("{user}:{}", password.expose()).as_bytes()));
        }
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        forms.dedup();
        Scrubber { forms: forms.into_iter().map(Secret::new).collect() }
    }

    /// A failure's sentence: scrubbed, on one line, clipped.
    pub(super) fn message(&self, text: &str) -> String {
        one_line(&self.scrubbed(text), LONGEST_MESSAGE)
    }

    /// The beginning of an answer: scrubbed, at most 2 KiB. `None` where nothing is left.
    pub(super) fn excerpt(&self, answer: &str, complete: bool) -> Option<String> {
        self.beginning(answer, complete, EXCERPT_BYTES)
    }

    /// The same, with at most so many bytes.
    pub(super) fn beginning(&self, text: &str, complete: bool, bytes: usize) -> Option<String> {
        let text = if complete { text } else { self.without_half_a_secret(text) };
        let text = cut(self.scrubbed(text).trim(), bytes);
        (!text.is_empty()).then_some(text)
    }

    /// Cleaned, and without secrets: without those that have control characters of their own, and without those that a
    /// colour in their middle kept from being seen.
    fn scrubbed(&self, text: &str) -> String {
        scrub(&clean(&scrub(text, &self.forms)), &self.forms)
    }

    /// `text` was cut somewhere: drops the beginning of a secret that it may end with.
    fn without_half_a_secret<'a>(&self, text: &'a str) -> &'a str {
        let mut end = text.len();
        for form in &self.forms {
            let form = form.expose();
            let starts = (1..form.len()).rev().filter(|at| form.is_char_boundary(*at));
            if let Some(at) = starts.map(|at| &form[..at]).find(|start| text.ends_with(start)).map(str::len) {
                end = end.min(text.len() - at);
            }
        }
        &text[..end]
    }
}

/// `text`, or its beginning and a mark where it is longer than `bytes`.
pub(super) fn cut(text: &str, bytes: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes - MARK.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", &text[..end])
}

/// A found value, where it can stand in a message: short, and not a number, which would make every message another
/// one (messages are stored once per distinct text, and a change of the text counts as a change of cause).
pub(super) fn showable(value: &str) -> Option<&str> {
    let short = value.chars().count() <= 60 && !value.contains(char::is_control);
    (short && value.parse::<f64>().is_err()).then_some(value)
}

/// A deadline for a message: `5 s`, `300 ms`.
pub(super) fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

/// `1 day`, `9 days`.
pub(super) fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Base64 as an answer may show it: in the standard and the URL alphabet, without padding (which finds both the padded
/// and the bare form).
fn base64_forms(bytes: &[u8]) -> [String; 2] {
    [STANDARD_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)]
}

/// As pages show it: with names or numbers in the place of quotation marks, or with these as they are.
fn html_forms(text: &str) -> [String; 3] {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let named = escaped.replace('"', "&quot;").replace('\'', "&#x27;");
    let numbered = escaped.replace('"', "&#34;").replace('\'', "&#39;");
    [escaped, named, numbered]
}

/// Percent-encoding with small letters in its codes, as some encoders write it.
fn lower_hex(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // Every part after a `%` begins with the two digits of its code: the encoder wrote them.
        let (code, rest) = part.split_at(2.min(part.len()));
        out.push('%');
        out.push_str(&code.to_ascii_lowercase());
        out.push_str(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::REDACTED;

    fn scrubber() -> Scrubber {
        Scrubber::new(&[Secret::new("to/ken+1?")], &[("alice", &Secret::new("Pass:word\"9"))])
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        for said in [
            "key to/ken+1? here",
            "key to%2Fken%2B1%3F here",
            "key to%2fken%2b1%3f here",
            "key dG8va2VuKzE/ here",
            "key dG8va2VuKzE_ here",
            "key Pass:word\"9 here",
            "key Pass:word\\\"9 here",
            "key YWxpY2U6UGFzczp3b3JkIjk here",
            "key Pass:word&quot;9 here",
            "key Pass:word&#34;9 here",
        ] {
            assert_eq!(scrubber().message(said), format!("key {REDACTED} here"), "{said}");
        }
    }

    #[test]
    fn a_secret_is_found_on_a_page_and_in_a_form() {
        let scrubber = Scrubber::new(&[Secret::new("it's <a> b&c")], &[]);
        for said in [
            "it's &lt;a&gt; b&amp;c",
            "it&#39;s &lt;a&gt; b&amp;c",
            "it&#x27;s &lt;a&gt; b&amp;c",
            "it%27s+%3Ca%3E+b%26c",
        ] {
            assert_eq!(scrubber.message(said), REDACTED, "{said}");
        }
    }

    #[test]
    fn a_secret_cut_in_half_by_the_end_of_the_excerpt_is_dropped() {
        assert_eq!(scrubber().excerpt("you sent to/ken", false).as_deref(), Some("you sent"));
        assert_eq!(scrubber().excerpt("you sent to/ken", true).as_deref(), Some("you sent to/ken"));
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "é".repeat(EXCERPT_BYTES);
        let excerpt = scrubber().excerpt(&text, true).unwrap();
        assert!(excerpt.len() <= EXCERPT_BYTES && excerpt.ends_with("é…"));
    }

    #[test]
    fn base64_has_both_alphabets() {
        assert_eq!(base64_forms(&[0xfb, 0xff]), ["+/8", "-_8"]);
    }

    #[test]
    fn deadlines_and_counts_are_said_plainly() {
        assert_eq!(seconds(Duration::from_secs(5)), "5 s");
        assert_eq!(seconds(Duration::from_millis(300)), "300 ms");
        assert_eq!((counted(1, "day"), counted(9, "day")), ("1 day".to_owned(), "9 days".to_owned()));
    }
}
