//! What an HTTP answer has to be.

use super::{
    names,
    spec::{HttpSpec, JsonExpectation, StatusSet},
};
use crate::{domain::decimal::Decimal, probe::text::showable};
use encoding_rs::Encoding;
use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderValue, LOCATION},
};
use serde_json::Value;
use std::{borrow::Cow, cell::OnceCell, fmt};

/// How much of an answer is read, after decompression. What is longer is cut off, and not a fault.
pub(super) const BODY_BYTES: usize = 1024 * 1024;

impl StatusSet {
    /// Whether the status is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl fmt::Display for StatusSet {
    /// `200, 301–308`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            match (range.start(), range.end()) {
                (start, end) if start == end => write!(f, "{comma}{start}")?,
                (start, end) => write!(f, "{comma}{start}–{end}")?,
            }
        }
        Ok(())
    }
}

/// Whether the body is looked at.
pub(super) fn needs_body(spec: &HttpSpec) -> bool {
    let in_conditions = |name| spec.expect.iter().chain(&spec.degraded).any(|condition| condition.names(name));
    spec.expect_body.is_some()
        || spec.expect_body_regex.is_some()
        || !spec.expect_json.is_empty()
        || names::OF_THE_BODY.into_iter().any(in_conditions)
}

/// The head of an answer as its excerpt shows it: the status line and the headers that explain an answer.
pub(super) fn head(response: &Response) -> String {
    let reason = response.status().canonical_reason().unwrap_or_default();
    let mut head = format!("{:?} {} {reason}\n", response.version(), response.status().as_u16());
    for name in [CONTENT_TYPE, LOCATION] {
        if let Some(value) = response.headers().get(&name) {
            head += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
        }
    }
    head.push('\n');
    head
}

/// The body of an answer: as text and as JSON, each made once, when it is asked for.
pub(super) struct Content<'a> {
    body: &'a [u8],
    /// False where the body went on beyond what was read.
    complete: bool,
    content_type: Option<&'a HeaderValue>,
    text: OnceCell<Cow<'a, str>>,
    json: OnceCell<Result<Value, &'static str>>,
}

impl<'a> Content<'a> {
    pub(super) fn new(body: &'a [u8], complete: bool, content_type: Option<&'a HeaderValue>) -> Content<'a> {
        Content { body, complete, content_type, text: OnceCell::new(), json: OnceCell::new() }
    }

    pub(super) fn text(&self) -> &str {
        self.text.get_or_init(|| decode(self.body, self.content_type))
    }

    /// The body as JSON, or why it is none.
    pub(super) fn json(&self) -> Result<&Value, &'static str> {
        let parse = || {
            if self.text().is_empty() {
                return Err("the answer is empty, JSON was expected");
            }
            serde_json::from_str(self.text()).map_err(|error| match self.complete {
                true if error.is_eof() => "the answer is not JSON: it ends too early",
                true => "the answer is not JSON",
                false => "the answer is longer than 1 MiB, too long to be judged as JSON",
            })
        };
        self.json.get_or_init(parse).as_ref().map_err(|why| *why)
    }
}

/// Holds the body against the expectations; the message of the first that it does not meet.
pub(super) fn check(spec: &HttpSpec, content: &Content<'_>) -> Result<(), String> {
    if spec.expect_body.is_none() && spec.expect_body_regex.is_none() && spec.expect_json.is_empty() {
        return Ok(());
    }
    let place = if content.complete { "" } else { " in its first 1 MiB" };
    let text = content.text();
    if let Some(expected) = &spec.expect_body
        && !text.contains(expected)
    {
        return Err(format!("the answer does not contain \"{expected}\"{place}"));
    }
    if let Some(regex) = &spec.expect_body_regex
        && !regex.is_match(text)
    {
        return Err(format!("the answer does not match {regex}{place}"));
    }
    if spec.expect_json.is_empty() {
        return Ok(());
    }
    let json = content.json()?;
    spec.expect_json.iter().try_for_each(|expectation| check_json(expectation, json))
}

/// Every place that the path leads to has to hold the value, and it has to lead somewhere: what is missing is never
/// taken for something.
fn check_json(expectation: &JsonExpectation, json: &Value) -> Result<(), String> {
    let JsonExpectation { text, path, value } = expectation;
    let nodes = path.query(json).all();
    if nodes.is_empty() {
        return Err(format!("the answer has no {text}, expected {value}"));
    }
    match nodes.into_iter().find(|node| !same(node, value)) {
        None => Ok(()),
        Some(found) => Err(match showable(&found.to_string()) {
            Some(found) => format!("{text} is {found}, expected {value}"),
            None => format!("{text} is not {value}"),
        }),
    }
}

/// Equal, where 5 and 5.0 are the same number, and two large ones that a float would confuse are not.
fn same(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || Decimal::parse(&a.to_string()) == Decimal::parse(&b.to_string())
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// The body as text. A byte order mark is no part of it, and says in which encoding it is; without one the header's
/// character set does, and UTF-8 where that says nothing.
pub(super) fn decode<'a>(body: &'a [u8], content_type: Option<&HeaderValue>) -> Cow<'a, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(body) {
        return encoding.decode_without_bom_handling(&body[mark..]).0;
    }
    let charset = content_type.and_then(|value| value.to_str().ok()).and_then(|value| {
        let parameters = value.split(';').skip(1);
        let mut pairs = parameters.filter_map(|parameter| parameter.split_once('='));
        pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset")).map(|(_, charset)| charset)
    });
    let encoding = charset.and_then(|label| Encoding::for_label(label.trim().trim_matches('"').as_bytes()));
    encoding.map_or_else(|| String::from_utf8_lossy(body), |encoding| encoding.decode_without_bom_handling(body).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn expectation(path: &str, value: Value) -> JsonExpectation {
        JsonExpectation { text: path.to_owned(), path: serde_json_path::JsonPath::parse(path).unwrap(), value }
    }

    #[test]
    fn a_number_is_its_value_exactly() {
        for (expected, answer, met) in [
            (json!(5), json!({ "n": 5.0 }), true),
            (json!(1.5), json!({ "n": 1.50 }), true),
            (json!(9_007_199_254_740_993_u64), json!({ "n": 9_007_199_254_740_992_u64 }), false),
        ] {
            assert_eq!(check_json(&expectation("$.n", expected), &answer).is_ok(), met, "{answer}");
        }
    }

    #[test]
    fn statuses_are_said_as_they_are_written() {
        let set = StatusSet(vec![200..=200, 301..=308]);
        assert_eq!(set.to_string(), "200, 301–308");
        assert!(set.contains(305) && !set.contains(201));
    }

    #[test]
    fn what_is_missing_is_not_taken_for_something() {
        let expectation = expectation("$.queue.length", json!(0));
        assert_eq!(
            check_json(&expectation, &json!({"queue": {}})),
            Err("the answer has no $.queue.length, expected 0".to_owned())
        );
    }

    #[test]
    fn every_place_has_to_hold_the_value() {
        let expectation = expectation("$.parts[*].status", json!("ok"));
        assert_eq!(check_json(&expectation, &json!({"parts": [{"status": "ok"}, {"status": "ok"}]})), Ok(()));
        assert_eq!(
            check_json(&expectation, &json!({"parts": [{"status": "ok"}, {"status": "warn"}]})),
            Err("$.parts[*].status is \"warn\", expected \"ok\"".to_owned())
        );
    }

    #[test]
    fn a_number_is_compared_by_value_and_kept_out_of_the_message() {
        let expectation = expectation("$.n", json!(5));
        assert_eq!(check_json(&expectation, &json!({"n": 5.0})), Ok(()));
        assert_eq!(check_json(&expectation, &json!({"n": 17})), Err("$.n is not 5".to_owned()));
    }

    #[test]
    fn the_charset_of_the_answer_is_honoured() {
        let latin = HeaderValue::from_static("text/html; charset=\"iso-8859-1\"");
        assert_eq!(decode(b"gr\xfcn", Some(&latin)), "grün");
        assert_eq!(decode("grün".as_bytes(), None), "grün");
    }

    #[test]
    fn a_byte_order_mark_names_the_encoding_and_is_no_text() {
        let latin = HeaderValue::from_static("text/plain; charset=iso-8859-1");
        for body in [&b"\xef\xbb\xbfgr\xc3\xbcn"[..], b"\xff\xfeg\0r\0\xfc\0n\0", b"\xfe\xff\0g\0r\0\xfc\0n"] {
            for content_type in [None, Some(&latin)] {
                assert_eq!(decode(body, content_type), "grün");
            }
        }
        // A second one is content: a space of no width.
        assert_eq!(decode("\u{feff}\u{feff}x".as_bytes(), None), "\u{feff}x");
    }
}
