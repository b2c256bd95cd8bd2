//! What came in the place of an HTTP answer: recognized by its first bytes, after the library could not parse them.

use crate::probe::beginning::{is_tls, lines, quoted, words};

/// What is wrong with an answer.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Malformed {
    /// The sentence. The same for the same fault: what changes from answer to answer is not in it.
    pub(super) message: String,
    /// The lines that the message describes, as they came. Values of headers that may hold a credential are not among them.
    pub(super) lines: String,
}

impl Malformed {
    fn new(message: impl Into<String>, lines: &[&[u8]]) -> Malformed {
        let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
        Malformed { message: message.into(), lines: lines.join("\n") }
    }
}

/// What an answer over HTTP/1 is instead of one, by its `beginning` (interim answers included).
pub(super) fn instead_of_http1(beginning: &[u8]) -> Malformed {
    if is_tls(beginning) {
        return Malformed::new("the answer is TLS, not plain HTTP: the address has to begin with https://", &[]);
    }
    if let Some(frame) = http2_frame(beginning) {
        let message = format!("the answer is HTTP/2 ({frame} frame), which is only spoken over TLS here");
        return Malformed::new(message, &[]);
    }
    let mut rest = beginning;
    loop {
        let (status, headers, after) = head(rest);
        if !is_status_line(status) {
            return no_status_line(status);
        }
        if let Some(found) = header_fault(status, &headers) {
            return found;
        }
        match after {
            Some(after) if !after.is_empty() => rest = after,
            _ => return Malformed::new("the answer's head is not valid HTTP", &[status]),
        }
    }
}

/// What an answer over HTTP/2 is instead of one. None where it is frames.
pub(super) fn instead_of_http2(beginning: &[u8], agreed: bool) -> Option<Malformed> {
    let line = lines(beginning).next().unwrap_or_default();
    let message = match agreed {
        true => "the server agreed on HTTP/2 and answers in HTTP/1",
        false => "the server was asked in HTTP/2 and answers in HTTP/1",
    };
    is_status_line(line).then(|| Malformed::new(message, &[line]))
}

/// The frame of HTTP/2 that is about the whole connection, where `bytes` begin with one.
fn http2_frame(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        // Up to 16 KiB, which is all that may come before more was agreed on.
        [0, 0..=0x40, _, kind, _, 0, 0, 0, 0, ..] => match kind {
            4 => Some("SETTINGS"),
            7 => Some("GOAWAY"),
            _ => None,
        },
        _ => None,
    }
}

/// A head's first line, the others, and what comes after it where it has an end. Empty lines before it are passed.
fn head(bytes: &[u8]) -> (&[u8], Vec<&[u8]>, Option<&[u8]>) {
    let mut read = 0;
    let (mut first, mut others) = (None, Vec::new());
    for part in bytes.split_inclusive(|byte| *byte == b'\n') {
        read += part.len();
        let line = lines(part).next().unwrap_or_default();
        match first {
            None if line.is_empty() => {}
            None => first = Some(line),
            Some(_) if line.is_empty() => return (first.unwrap_or_default(), others, Some(&bytes[read..])),
            Some(_) => others.push(line),
        }
    }
    (first.unwrap_or_default(), others, None)
}

/// `HTTP/1.1 200`, and perhaps a reason.
fn is_status_line(line: &[u8]) -> bool {
    let Some([minor, b' ', a, b, c, reason @ ..]) = line.strip_prefix(b"HTTP/1.") else { return false };
    matches!(minor, b'0' | b'1')
        && [a, b, c].iter().all(|d| d.is_ascii_digit())
        && !matches!(reason, [c, ..] if *c != b' ')
}

fn no_status_line(line: &[u8]) -> Malformed {
    let message = match words(line) {
        None => "the answer is not HTTP: it begins with bytes that are no text".to_owned(),
        Some(words) if line.starts_with(b"HTTP/") => format!("the answer's status line is not valid: {words}"),
        Some(words) if line.starts_with(b"ICY ") => {
            format!("the answer is not HTTP but its likeness from Shoutcast servers: {words}")
        }
        Some(words) => format!("the answer is not HTTP: it begins with {words}"),
    };
    // Salts and numbers of a binary greeting explain nothing.
    let lines: &[&[u8]] = if words(line).is_some() { &[line] } else { &[] };
    Malformed::new(message, lines)
}

/// What is wrong with the first of these headers that is not as it has to be.
fn header_fault(status: &[u8], headers: &[&[u8]]) -> Option<Malformed> {
    let mut lengths: Vec<&[u8]> = Vec::new();
    for (at, line) in headers.iter().enumerate() {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if at == 0 {
                let message = "the answer's first header is a continued line: there is none that it continues";
                return Some(Malformed::new(message, &[status]));
            }
            if has_control(line) {
                let message = "a continued line of the answer's head has a control character";
                return Some(Malformed::new(message, &[status]));
            }
            continue;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            // The last one may only be its beginning.
            let words = words(line).unwrap_or_else(|| "bytes that are no text".to_owned());
            let message = format!("a line of the answer's head is no header, it has no colon: {words}");
            return Some(Malformed::new(message, &[status, line]));
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let Some(why) = name_fault(name) {
            let message = format!("the answer has a header whose name {why}: {}", quoted(name));
            return Some(Malformed::new(message, &[status, &line[..=colon]]));
        }
        if has_control(value) {
            let message = format!("the answer has a header whose value has a control character: {}", quoted(name));
            return Some(Malformed::new(message, &[status, &line[..=colon]]));
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            lengths.push(line);
        }
    }
    let numbers = |line: &&[u8]| -> Vec<Option<u64>> {
        let line = String::from_utf8_lossy(line);
        let value = line.split_once(':').map_or("", |(_, value)| value);
        let number = |n: &str| n.bytes().all(|b| b.is_ascii_digit()).then(|| n.parse().ok()).flatten();
        value.split(',').map(|n| number(n.trim())).collect()
    };
    let numbers: Vec<Option<u64>> = lengths.iter().flat_map(numbers).collect();
    let message = if numbers.contains(&None) {
        "the answer's Content-Length is not a number"
    } else if numbers.iter().any(|number| *number != numbers[0]) {
        "the answer has two Content-Lengths that contradict each other"
    } else {
        return None;
    };
    Some(Malformed::new(message, &[&[status], lengths.as_slice()].concat()))
}

fn name_fault(name: &[u8]) -> Option<&'static str> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() {
        Some("is empty")
    } else if name.trim_ascii_end() != name {
        Some("has a space before its colon")
    } else if name.iter().any(|byte| matches!(byte, b' ' | b'\t')) {
        Some("has a space")
    } else if !name.iter().all(is_token) {
        Some("has a character that no name may have")
    } else {
        None
    }
}

fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(beginning: &[u8]) -> String {
        instead_of_http1(beginning).message
    }

    #[test]
    fn a_greeting_is_named_by_its_first_words_and_what_changes_is_not_in_the_message() {
        for (said, words) in [
            (&b"SSH-2.0-OpenSSH_9.6\r\n"[..], "SSH-2.0-OpenSSH_9.6"),
            (
                b"220 mail.example.com ESMTP Exim 4.96 Mon, 30 Nov 2026 08:00:00 +0000\r\n",
                "220 mail.example.com ESMTP …",
            ),
            (b"-ERR unknown\tcommand\n", "-ERR unknown command"),
            (b"<html>", "<html>"),
        ] {
            assert_eq!(message(said), format!("the answer is not HTTP: it begins with \"{words}\""));
        }
        for binary in [&b"J\0\0\0\n8.0.36\0"[..], b"\xff\xfe", b"\x01", b""] {
            assert_eq!(message(binary), "the answer is not HTTP: it begins with bytes that are no text");
            assert_eq!(instead_of_http1(binary).lines, "");
        }
        let long = message(&[b'x'; 500]);
        assert_eq!(long, format!("the answer is not HTTP: it begins with \"{}…\"", "x".repeat(60)));
    }

    #[test]
    fn the_faulty_one_of_several_heads_is_found() {
        let found = message(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nX Y: z\r\n\r\n");
        assert_eq!(found, "the answer has a header whose name has a space: \"X Y\"");
        let found = message(b"HTTP/1.1 103 Early Hints\r\n\r\nwhat?");
        assert_eq!(found, "the answer is not HTTP: it begins with \"what?\"");
    }

    #[test]
    fn what_a_header_may_not_have_is_named_and_its_value_is_not() {
        let head = |line: &str| instead_of_http1(format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n").as_bytes());
        for (line, expected) in [
            ("Set Cookie: sid=a1B2c3D4", "name has a space: \"Set Cookie\""),
            ("X-Key : a1B2c3D4", "name has a space before its colon: \"X-Key \""),
            (": a1B2c3D4", "name is empty: \"\""),
            ("X(Y): a1B2c3D4", "name has a character that no name may have: \"X(Y)\""),
            ("X-Key: a1B2c3D4\u{7}", "value has a control character: \"X-Key\""),
        ] {
            let found = head(line);
            assert_eq!(found.message, format!("the answer has a header whose {expected}"));
            assert!(!found.lines.contains("a1B2c3D4"), "{found:?}");
        }
        assert_eq!(
            head("content-length: 5\r\nContent-Length: 5, 7").lines,
            "HTTP/1.1 200 OK\ncontent-length: 5\nContent-Length: 5, 7"
        );
        for line in ["Content-Length: -1", "Content-Length:", "Content-Length: 99999999999999999999"] {
            assert_eq!(head(line).message, "the answer's Content-Length is not a number");
        }
    }

    proptest! {
        /// A stranger chose the input: reading always ends, and the description fits into a sentence.
        #[test]
        fn whatever_comes_is_said_in_a_short_line(bytes in proptest::collection::vec(any::<u8>(), 0..400), http: bool) {
            let bytes = if http { [b"HTTP/1.1 200 OK\r\n", bytes.as_slice()].concat() } else { bytes };
            let message = message(&bytes);
            prop_assert!(message.chars().count() < 200 && !message.contains(char::is_control), "{}", message);
        }
    }
}
