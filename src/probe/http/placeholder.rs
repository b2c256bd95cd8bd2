//! `{{token}}`: the place where a value goes that a step kept.

use super::spec::Spelling;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::ops::Range;

/// What percent-encoding leaves alone, in whichever part of a URL.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether a value can be kept under this name.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The places in a text, and the names in them. A URL and a form have the braces and the blanks inside percent-encoded.
pub(super) fn places(text: &str) -> Vec<(Range<usize>, &str)> {
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some((start, inside)) = opening(text, from) {
        from = inside;
        let rest = unpadded(&text[inside..]);
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(length);
        let rest = unpadded(rest);
        let Some(rest) = rest.strip_prefix("}}").or_else(|| rest.strip_prefix("%7D%7D")) else { continue };
        if is_name(name) {
            from = text.len() - rest.len();
            found.push((start..from, name));
        }
    }
    found
}

/// The next braces: where they begin, and where they end.
fn opening(text: &str, from: usize) -> Option<(usize, usize)> {
    let at = |braces: &str| text[from..].find(braces).map(|at| (from + at, from + at + braces.len()));
    [at("{{"), at("%7B%7B")].into_iter().flatten().min()
}

fn unpadded(mut text: &str) -> &str {
    while let Some(rest) = [" ", "+", "%20"].into_iter().find_map(|blank| text.strip_prefix(blank)) {
        text = rest;
    }
    text
}

/// The text with values in their places; a name without a value is left as it is.
pub(super) fn filled(text: &str, spelling: Spelling, value: impl Fn(&str) -> Option<String>) -> String {
    let (mut filled, mut from) = (String::with_capacity(text.len()), 0);
    for (place, name) in places(text) {
        let Some(value) = value(name) else { continue };
        filled.push_str(&text[from..place.start]);
        filled.push_str(&spelled(&value, spelling));
        from = place.end;
    }
    filled.push_str(&text[from..]);
    filled
}

fn spelled(value: &str, spelling: Spelling) -> String {
    match spelling {
        Spelling::Plain => value.to_owned(),
        Spelling::Url => utf8_percent_encode(value, UNRESERVED).to_string(),
        Spelling::Json => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_token(text: &str, spelling: Spelling) -> String {
        filled(text, spelling, |name| (name == "token").then(|| "a/\"b".to_owned()))
    }

    #[test]
    fn a_value_goes_to_every_place_of_its_name_and_to_no_other() {
        for (text, expected) in [
            ("Bearer {{token}}", "Bearer a/\"b"),
            ("{{ token }}{{token}}", "a/\"ba/\"b"),
            ("{{other}} {{token}}", "{{other}} a/\"b"),
            ("{\"a\":{\"b\":{}}}", "{\"a\":{\"b\":{}}}"),
            ("{{token}", "{{token}"),
            ("{{{{token}}", "{{a/\"b"),
            ("{{", "{{"),
            ("é{{token}}é", "éa/\"bé"),
        ] {
            assert_eq!(with_token(text, Spelling::Plain), expected);
        }
    }

    #[test]
    fn a_value_is_written_as_its_place_needs_it() {
        assert_eq!(with_token("/x/%7B%7Btoken%7D%7D?q={{token}}", Spelling::Url), "/x/a%2F%22b?q=a%2F%22b");
        assert_eq!(with_token("a=%7B%7B+token+%7D%7D&b=1", Spelling::Url), "a=a%2F%22b&b=1");
        assert_eq!(with_token("{\"t\": \"{{token}}\"}", Spelling::Json), "{\"t\": \"a/\\\"b\"}");
    }
}
