//! The words and signs of a condition.

use super::{flaw::Flaw, value::Number};
use std::ops::Range;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    Word(String),
    Number(Number),
    Text(String),
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 20] =
    ["==", "!=", "<=", ">=", "//", "<", ">", "(", ")", "[", "]", ",", ".", "|", "+", "-", "*", "/", "%", "~"];
/// What other languages write.
const FOREIGN: [(&str, &str); 6] =
    [("===", "=="), ("!==", "!="), ("&&", "and"), ("||", "or"), ("=~", ".matches(\"…\")"), ("<>", "!=")];

/// The tokens of a text with their places, and the end as the last.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, Flaw> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let start = at;
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let token = if c.is_ascii_digit() {
            let (number, length) = number(rest).map_err(|length| {
                Flaw::new(start..start + length, "this is no number in a condition", "as 100, 0.5 or 1e3")
            })?;
            at += length;
            Token::Number(number)
        } else if c.is_alphabetic() || c == '_' {
            let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            at += length;
            Token::Word(rest[..length].to_owned())
        } else if matches!(c, '"' | '\'') {
            let (words, length) = quoted(rest, c).ok_or_else(|| {
                let label = format!("its closing {c} is missing");
                Flaw::new(start..text.len(), "a text in a condition does not end", label)
            })?;
            at += length;
            Token::Text(words)
        } else if let Some((foreign, ours)) = FOREIGN.iter().find(|(foreign, _)| rest.starts_with(foreign)) {
            return Err(unknown(start..start + foreign.len(), foreign, ours));
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            at += sign.len();
            Token::Sign(sign)
        } else {
            let place = start..start + c.len_utf8();
            return Err(match c {
                '=' => unknown(place, "=", "=="),
                '!' => unknown(place, "!", "not"),
                '&' => unknown(place, "&", "and"),
                _ => Flaw::new(place, "a sign that conditions do not have", "not known here"),
            });
        };
        found.push((token, start..at));
    }
    found.push((Token::End, text.len()..text.len()));
    Ok(found)
}

fn unknown(place: Range<usize>, foreign: &str, ours: &str) -> Flaw {
    Flaw::new(place, format!("conditions have no `{foreign}`"), format!("write `{ours}`"))
}

/// The number that a text begins with, and its length.
fn number(text: &str) -> Result<(Number, usize), usize> {
    let digits = |from: usize| {
        text[from..].find(|c: char| !c.is_ascii_digit() && c != '_').map_or(text.len(), |length| from + length)
    };
    let mut end = digits(0);
    let mut whole = true;
    let begins = |from: usize| text[from..].starts_with(|c: char| c.is_ascii_digit());
    if text[end..].starts_with('.') && begins(end + 1) {
        end = digits(end + 1);
        whole = false;
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        if begins(end + 1 + sign) {
            end = digits(end + 1 + sign);
            whole = false;
        }
    }
    let written = text[..end].replace('_', "");
    let number = if whole { written.parse().map(Number::Whole).ok() } else { None };
    let number = number.or_else(|| written.parse().ok().filter(|n: &f64| n.is_finite()).map(Number::Fraction));
    // `80ms` is neither a number nor a word.
    let after = text[end..].find(|c: char| !c.is_alphanumeric() && c != '_').map_or(text.len(), |length| end + length);
    number.filter(|_| after == end).map(|number| (number, end)).ok_or(after)
}

/// The text in quotes that a text begins with, and its length with them. A backslash before anything but a quote, a
/// backslash, `n`, `r` or `t` is itself, so that patterns need no second one.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut words = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((words, at + 1));
        }
        let escaped = chars.peek().filter(|_| c == '\\').and_then(|(_, next)| match next {
            '\'' | '"' | '\\' => Some(*next),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            _ => None,
        });
        words.push(escaped.unwrap_or(c));
        if escaped.is_some() {
            chars.next();
        }
    }
    None
}
