//! What must not be seen: credentials in a line that a report shows, in a target, in the settings of the API.

use super::{pattern::constant, url_credentials};
use crate::domain::secret::REDACTED;
use regex::Regex;
use std::{ops::Range, sync::LazyLock};

/// Whether a key, a header, a flag or a variable of this name usually holds a credential.
pub(crate) fn names_a_credential(name: &str) -> bool {
    const WORDS: [&str; 17] = [
        "pass",
        "passphrase",
        "pwd",
        "pw",
        "key",
        "apikey",
        "sig",
        "signature",
        "auth",
        "authorization",
        "cookie",
        "session",
        "sid",
        "jwt",
        "bearer",
        "webhook",
        "dsn",
    ];
    const ENDINGS: [&str; 6] = ["password", "passwd", "secret", "token", "credential", "credentials"];
    // Of a pair of files the private one is named by its path, which is no secret; nor is where tokens come from.
    if matches!(name, "client_key" | "token_url") {
        return false;
    }
    let mut word = String::new();
    let mut previous_is_lower = false;
    let mut found = false;
    for c in name.chars().chain(['_']) {
        let boundary = !c.is_alphanumeric() || (c.is_uppercase() && previous_is_lower);
        if boundary {
            found |= WORDS.contains(&word.as_str()) || ENDINGS.iter().any(|e| word.ends_with(e));
            word.clear();
        }
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase());
        }
        previous_is_lower = c.is_lowercase();
    }
    found
}

/// `name = value`, `name: value`, `"name": "value"`: group 1 is the name; the value follows the match.
static ASSIGNMENT: LazyLock<Regex> =
    LazyLock::new(|| constant(r#"(--?)?([A-Za-z0-9][A-Za-z0-9_-]*)(?:\\?["'])?[ \t]*[=:][ \t]*"#));
/// The credential of an `Authorization` header, wherever there is one.
static BEARER: LazyLock<Regex> = LazyLock::new(|| constant(r"(?i)\bbearer[ \t]+([A-Za-z0-9+/=._~-]+)"));
/// A flag of a command line, before its value.
static FLAG: LazyLock<Regex> = LazyLock::new(|| constant(r#"(?:^|[\s"'`])(--?[A-Za-z][A-Za-z0-9_-]*)[ \t]+"#));
/// A URL up to where its user information, or its host, begins.
static SCHEME: LazyLock<Regex> = LazyLock::new(|| constant(r"([A-Za-z][A-Za-z0-9+.-]*)://"));

/// A variable, which is no credential, but the name of one.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| constant(r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}"));

/// Whether a text begins with the scheme of a URL.
pub(super) fn begins_with_a_scheme(text: &str) -> bool {
    SCHEME.find(text).is_some_and(|m| text[..m.start()].trim_start().is_empty())
}

/// The credentials in a string that is known from its first character to its last: those that can be recognized by the look
/// of it, and whatever may be one where the whole of it is a URL (or ends with one: `--url=http://…`).
pub(crate) fn credentials_in_whole(text: &str) -> Vec<Range<usize>> {
    let mut found = credentials_in(text);
    if let Some(m) = SCHEME.captures(text) {
        let (before, start) = (&text[..m.get_match().start()], m.get_match().end());
        if !before.trim_start().contains(char::is_whitespace) {
            let rest = text[start..].trim_end();
            let range = url_credentials::in_whole(&m[1], rest);
            found.extend(range.map(|range| start + range.start..start + range.end));
        }
    }
    found
}

/// The same of a word that is quoted because it is wrong: a URL may have lost its scheme as well.
pub(crate) fn credentials_in_word(word: &str) -> Vec<Range<usize>> {
    let mut found = credentials_in_whole(word);
    if let Some((colon, at)) = word.find(':').zip(word.rfind('@')).filter(|(colon, at)| colon < at) {
        found.push(colon + 1..at);
    }
    found
}

/// The credentials that can be recognized by the look of `text`: the user information of URLs, what is assigned to a name
/// that usually holds one, and bearer tokens. Byte ranges, in no order; they may overlap.
///
/// It errs on the side of hiding too much. It needs no syntax, so that it works on a file that has a mistake in it.
pub(crate) fn credentials_in(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for m in SCHEME.captures_iter(text) {
        let (whole, scheme) = (m.get_match(), &m[1]);
        let token = token(text, whole.range());
        let Some(range) = user_information(&text[token.clone()], scheme) else { continue };
        let mut range = token.start + range.start..token.start + range.end;
        if !text[token.clone()].contains('@') {
            // Something that is no port, and no `@` in sight: the white space or the quote belongs to a password.
            range.end = later_at(text, token.end).unwrap_or(range.end);
        }
        found.push(range);
    }
    for m in ASSIGNMENT.captures_iter(text) {
        if names_a_credential(&m[2]) {
            let whole = m.get_match();
            // `"X-Api-Key: a b"`, `"--password=a b"`: the quote before the name ends the value. In `"key": "value"` it
            // ends the name, and `"PASSWORD=a program"` is a line of a shell.
            let whole_word = m.get(1).is_some() || m[0].trim_end().ends_with(':');
            let own_quotes = m[0].contains(['"', '\'']);
            let around = quote_before(text, whole.start()).filter(|_| whole_word && !own_quotes);
            let quoted = around.map(|quote| whole.end()..whole.end() + closing(&text[whole.end()..], quote));
            found.extend(quoted);
            found.extend(assigned(text, whole.end(), &m[2]));
        }
    }
    for m in FLAG.captures_iter(text) {
        if announces_a_credential(&m[1]) {
            found.extend(assigned(text, m.get_match().end(), &m[1]));
        }
    }
    found.extend(BEARER.captures_iter(text).filter_map(|m| m.get(1)).map(|token| token.range()));
    found
}

/// The quote right before a place.
fn quote_before(text: &str, at: usize) -> Option<&'static str> {
    ["\\\"", "\"", "'", "`"].into_iter().find(|quote| text[..at].ends_with(quote))
}

/// From the end of a `scheme://` to the end of the URL: to the quote that closes it, where one opened right before it;
/// otherwise to the first white space.
fn token(text: &str, scheme: Range<usize>) -> Range<usize> {
    if let Some(quote) = quote_before(text, scheme.start) {
        let rest = &text[scheme.end..];
        let end = closing(rest, quote);
        if rest[end..].starts_with(quote) {
            return scheme.end..scheme.end + end;
        }
    }
    until(text, scheme.end, |c| c.is_whitespace() || "\"'`<>".contains(c))
}

/// The last `@` of the line, before the next URL.
fn later_at(text: &str, start: usize) -> Option<usize> {
    let line = &text[until(text, start, |c| c == '\n')];
    let line = SCHEME.find(line).map_or(line, |next| &line[..next.start()]);
    line.rfind('@').map(|at| start + at)
}

/// The part of `rest` (what follows `scheme://`) that is a password, or a token in the place of a user.
fn user_information(rest: &str, scheme: &str) -> Option<Range<usize>> {
    let postgres = url_credentials::is_postgres(scheme);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // The last `@`, not the first: a password that someone forgot to percent-encode is a password all the same.
    let Some(end) = rest.rfind('@') else {
        // Where the `@` itself was forgotten, what looks like a port is none.
        let port = authority.split_once(':').filter(|(_, port)| !port.bytes().all(|b| b.is_ascii_digit()));
        let port = port.filter(|(host, port)| !host.starts_with('[') && (postgres || !port.starts_with('$')));
        let end = if postgres { rest.len() } else { authority.len() };
        return port.map(|(host, _)| host.len() + 1..end);
    };
    let plain_host = !authority.contains('@')
        && authority.split_once(':').is_none_or(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    // What follows a host and its port may have an `@` in it on the web, and nowhere else.
    if plain_host && url_credentials::is_web(scheme) {
        return None;
    }
    match rest[..end].find(':') {
        Some(colon) => Some(colon + 1..end),
        // A user alone is a name to PostgreSQL, and often a token to HTTP.
        None => (!postgres).then_some(0..end),
    }
}

/// The value that begins at `start`, after `name =` or `name:`.
fn assigned(text: &str, start: usize, name: &str) -> Option<Range<usize>> {
    let rest = &text[start..];
    if rest.starts_with(['{', '[']) {
        return None;
    }
    // A header's value may have spaces in it; that of an option or of a query parameter ends at the first.
    let header = ["authorization", "cookie"].iter().any(|h| name.to_lowercase().ends_with(h));
    let ends = |c: char| c == '\n' || !header && (c.is_whitespace() || "&,;|)}]".contains(c));
    // `\"` is a quote within a quoted string; it is closed by another of its kind.
    const QUOTES: [&str; 6] = ["\"\"\"", "'''", "\\\"", "\"", "'", "`"];
    let (mut at, mut pieces, mut first) = (start, 0, None);
    while let Some(c) = text[at..].chars().next().filter(|c| !ends(*c)) {
        let quote = QUOTES.into_iter().find(|quote| text[at..].starts_with(quote) && *quote != "`");
        if let Some(quote) = quote {
            let inside = at + quote.len();
            let end = inside + closing(&text[inside..], quote);
            if at > start && !text[end..].starts_with(quote) {
                // The quote closes what is around all this.
                break;
            }
            first.get_or_insert(inside..end);
            at = (end + quote.len()).min(text.len());
        } else if c == '`' {
            break;
        } else {
            // To a shell, a backslash makes the next character a part of the word.
            at += c.len_utf8();
            at += text[at..].chars().next().filter(|next| c == '\\' && *next != '\n').map_or(0, char::len_utf8);
        }
        pieces += 1;
    }
    match first {
        // One piece in quotes is a value in quotes.
        Some(inside) if pieces == 1 => Some(inside),
        _ => (at > start).then_some(start..at),
    }
}

/// How far it is to the closing quote; to the end of the line where none follows (of the text, for a long string).
fn closing(text: &str, quote: &str) -> usize {
    let mut skip = false;
    for (at, c) in text.char_indices() {
        if skip {
            skip = false;
        } else if text[at..].starts_with(quote) || (quote.len() < 3 && c == '\n') {
            return at;
        } else {
            skip = c == '\\' && quote.starts_with('"');
        }
    }
    text.len()
}

fn until(text: &str, start: usize, stop: impl Fn(char) -> bool) -> Range<usize> {
    start..text[start..].find(stop).map_or(text.len(), |length| start + length)
}

/// `text` with each of the ranges replaced by [`REDACTED`]. Ranges may overlap.
pub(crate) fn redact(text: &str, mut ranges: Vec<Range<usize>>) -> String {
    ranges.sort_by_key(|r| (r.start, r.end));
    let (mut clean, mut done) = (String::new(), 0);
    for range in ranges {
        if range.start >= done && range.start < range.end {
            clean.push_str(&text[done..range.start]);
            clean.push_str(REDACTED);
        }
        done = done.max(range.end);
    }
    clean.push_str(&text[done..]);
    clean
}

/// Whether a command line's next argument is a credential: `--password`.
pub(crate) fn announces_a_credential(argument: &str) -> bool {
    argument.strip_prefix('-').is_some_and(|flag| !flag.contains(['=', ' ']) && names_a_credential(flag))
}

/// The value in an argument of a command line that is `--password=…`, `PASSWORD=…` or `X-Api-Key: …` to its end.
pub(crate) fn assigned_by_an_argument(argument: &str) -> Option<Range<usize>> {
    let m = ASSIGNMENT.captures(argument).filter(|m| m.get_match().start() == 0 && names_a_credential(&m[2]))?;
    Some(m.get_match().end()..argument.len())
}

/// What a protocol of plain words takes for a credential: `AUTH …`, `PASS …`.
pub(crate) fn sent_credentials(text: &str) -> Vec<Range<usize>> {
    static LOGIN: LazyLock<Regex> = LazyLock::new(|| constant(r"(?i)\b(?:auth|pass|login)\b[ \t]+([^\r\n]+)"));
    LOGIN.captures_iter(text).filter_map(|m| m.get(1)).map(|words| words.range()).collect()
}

/// A source text in which credentials are dots: as many as there were characters, so that carets keep their places.
#[derive(Clone)]
pub(crate) struct Masked {
    pub(crate) text: String,
    /// For each masked character, where it ended in the source and where its dot ends here.
    ends: Vec<(usize, usize)>,
}

impl Masked {
    pub(crate) fn new(source: &str, mut hidden: Vec<Range<usize>>) -> Masked {
        hidden.sort_by_key(|r| r.start);
        let (mut text, mut ends) = (String::with_capacity(source.len()), Vec::new());
        let (mut next, mut until, mut shown_until) = (0, 0, 0);
        for (at, c) in source.char_indices() {
            while hidden.get(next).is_some_and(|r| r.start <= at) {
                until = until.max(hidden[next].end);
                next += 1;
            }
            if c == '$' && at < until && !source[..at].ends_with('$') {
                let variable = VARIABLE.find(&source[at..]);
                shown_until = variable.map_or(shown_until, |variable| at + variable.end());
            }
            // Lines and quotes stay, so that hidden text can be distinguished from missing text.
            if at < until && at >= shown_until && !"\r\n\"'".contains(c) {
                text.push('•');
                ends.push((at + c.len_utf8(), text.len()));
            } else {
                text.push(c);
            }
        }
        Masked { text, ends }
    }

    /// Where an offset of the source is in the masked text; always on a character, never past the end.
    pub(crate) fn offset(&self, source: usize) -> usize {
        let before = self.ends.partition_point(|(end, _)| *end <= source);
        let (from, to) = if before == 0 { (0, 0) } else { self.ends[before - 1] };
        let mut offset = (to + source.saturating_sub(from)).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> String {
        redact(text, credentials_in(text))
    }

    #[test]
    fn a_name_that_holds_a_credential_is_known_by_its_words() {
        for name in [
            "password",
            "PGPASSWORD",
            "bearer_token",
            "X-Api-Key",
            "apiKey",
            "accessToken",
            "Authorization",
            "SLACK_WEBHOOK",
        ] {
            assert!(names_a_credential(name), "{name}");
        }
        for name in ["monkey", "KEYCLOAK_HOST", "author", "passed", "keep_checks_days", "client_key", "url", ""] {
            assert!(!names_a_credential(name), "{name}");
        }
    }

    #[test]
    fn credentials_are_found_by_their_look() {
        for (text, expected) in [
            ("postgres://me:hunter2@db/x", "postgres://me:•••@db/x"),
            ("postgres://me:hun/t@er2@db/x", "postgres://me:•••@db/x"),
            ("postgres://me@db/x", "postgres://me@db/x"),
            ("postgres://me:hunter2db/x", "postgres://me:•••"),
            ("postgres://db:5432/x", "postgres://db:5432/x"),
            ("postgres://[::1]/x", "postgres://[::1]/x"),
            ("http://me:hunter2/x", "http://me:•••/x"),
            ("http://$HOST:$PORT/x", "http://$HOST:$PORT/x"),
            ("https://tokentoken@api/x", "https://•••@api/x"),
            ("https://api:8000/a@b", "https://api:8000/a@b"),
            ("https://api/x?token=abc&q=1", "https://api/x?token=•••&q=1"),
            ("url = \"postgres://u:p@h", "url = \"postgres://u:•••@h"),
            ("bearer_token = \"a\\\"b\" # c", "bearer_token = \"•••\" # c"),
            ("password = 'abc", "password = '•••"),
            ("password = 12345, user = 1", "password = •••, user = 1"),
            ("curl -H 'Authorization: Bearer abc def' x", "curl -H 'Authorization: •••' x"),
            ("PGPASSWORD=abc psql", "PGPASSWORD=••• psql"),
            ("PGPASSWORD=a\\ b'c d'\\''e' psql", "PGPASSWORD=••• psql"),
            ("psql 'postgres://u:p q@h/x' -c x", "psql 'postgres://u:•••@h/x' -c x"),
            ("psql postgres://u:p q@h/x", "psql postgres://u:•••@h/x"),
            ("curl -H 'X-Api-Key: a b' x", "curl -H 'X-Api-Key: •••' x"),
            ("check --password abc --verbose", "check --password ••• --verbose"),
            ("check '--password=a b' -v", "check '--password=•••' -v"),
            ("{\"password\": \"abc\"}", "{\"password\": \"•••\"}"),
            ("{\\\"password\\\":\\\"abc\\\"}", "{\\\"password\\\":\\\"•••\\\"}"),
            ("basic_auth = { user = \"u\", password = \"p\" }", "basic_auth = { user = \"u\", password = \"•••\" }"),
            ("path = \"$.key\", value = \"x\"", "path = \"$.key\", value = \"x\""),
        ] {
            assert_eq!(seen(text), expected);
        }
    }

    #[test]
    fn a_masked_source_keeps_its_columns() {
        let source = "a = 'sécrets', b = 1";
        let masked = Masked::new(source, Vec::from([4..13, 6..9]));
        assert_eq!(masked.text, "a = '•••••••', b = 1");
        assert_eq!(source.chars().count(), masked.text.chars().count());
        let b = source.find("b =").unwrap();
        assert!(masked.text[masked.offset(b)..].starts_with("b ="));
        assert_eq!(masked.offset(source.len() + 5), masked.text.len());
        assert_eq!(masked.offset(0), 0);
        // The name of a variable helps, and hides nothing.
        assert_eq!(Masked::new("'a${B}c$${D}'", Vec::from([0..6, 2..13])).text, "'•${B}••••••'");
    }
}
