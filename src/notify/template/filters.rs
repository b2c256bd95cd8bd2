//! Filters of templates.

use crate::domain::time::UnixMs;
use base64::{Engine, engine::general_purpose::STANDARD};

/// Text for Markdown, in which nothing of it is markup, a link or a mention.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '@' => out.push_str("@\u{200b}"),
            // Who copies a time wants to find it in a log.
            ':' if is_in_a_time(&text[..at], &text[at + 1..]) => out.push(c),
            ':' => out.push_str(":\u{200b}"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '<' | '>' | '(' | ')' | '#' | '+' | '-' | '.' | '!'
            | '|' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Whether a colon is between two digits and two digits, as in 03:14:15. No emoji has such a name, but `:100:` is one.
fn is_in_a_time(before: &str, after: &str) -> bool {
    let digits = |text: &mut dyn Iterator<Item = char>| text.take_while(char::is_ascii_digit).take(3).count();
    digits(&mut before.chars().rev()) == 2 && digits(&mut after.chars()) == 2
}

/// Text for HTML and XML, and for Slack's messages.
pub(super) fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// At most so many characters of a text; where it is longer, the last one is an ellipsis.
pub(super) fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

/// The same for a limit in bytes.
pub(super) fn cut_bytes(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(longest.saturating_sub('…'.len_utf8()))])
}

/// So many seconds after a moment, as RFC 3339; what is no moment stays as it is.
pub(super) fn plus(at: &str, seconds: i64) -> String {
    UnixMs::parse(at).map_or_else(|| at.to_owned(), |at| at.plus(seconds.saturating_mul(1000)).to_string())
}

/// As the password of HTTP's `Basic` and its user are written.
pub(super) fn base64(text: &str) -> String {
    STANDARD.encode(text)
}
