//! Mistakes against TOML itself.

use super::{
    error::{Mistake, Span},
    vocabulary::Vocabulary,
};
use std::ops::Range;

/// What the parser found.
pub(crate) struct Syntax {
    pub(crate) mistakes: Vec<Mistake>,
    /// Whether the tree can be read in spite of it.
    pub(crate) readable: bool,
    /// What must not be displayed of the lines in which the mistakes are.
    pub(crate) hidden: Vec<Span>,
}

/// Sorts out what the parser found: one mistake for each line, in order, and none after something of several lines
/// that does not end: from there on the parser guesses.
pub(crate) fn check(text: &str, errors: &[toml::de::Error], vocabulary: &Vocabulary) -> Syntax {
    let mut places: Vec<(Span, &str)> = errors.iter().map(|e| (e.span().unwrap_or(0..0), e.message())).collect();
    places.sort_by_key(|(span, _)| span.start);
    // A key that is there twice leaves no hole in the tree. Anything else would be reported for its holes.
    let readable = places.iter().all(|(_, message)| message.starts_with("duplicate key"));
    let mut syntax = Syntax { mistakes: Vec::new(), readable, hidden: Vec::new() };
    let mut last_line = None;
    for (span, message) in places {
        let line = line_at(text, span.start);
        if last_line.as_ref() != Some(&line) {
            if !readable {
                syntax.hidden.extend(owners_words(text, line.clone(), vocabulary));
            }
            syntax.mistakes.push(Mistake::at(span, "this is not TOML").label(message));
            last_line = Some(line);
        }
        // A header (`[table]`, `[[array table]]`) ends with its line in any case.
        let message = message.replace("array table", "");
        if ["array", "inline table", "multi-line", "key-value"].iter().any(|word| message.contains(word)) {
            break;
        }
    }
    syntax
}

fn line_at(text: &str, offset: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let offset = offset.min(bytes.len());
    let start = bytes[..offset].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let end = bytes[offset..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| offset + at);
    start..end
}

/// The words of a line that are not the configuration's own. Where the syntax is broken nobody can say which of them
/// is a password; only a line that plainly sets something harmless is left as it is.
fn owners_words(text: &str, line: Range<usize>, vocabulary: &Vocabulary) -> Vec<Span> {
    let content = &text[line.clone()];
    let key = content.split(['=', '{']).next().unwrap_or("").trim();
    // In a command with a quote missing, the credential is no longer the argument that follows its flag.
    let harmless = key != "command" && !vocabulary.holds_a_credential(key);
    let plain = vocabulary.has(key) && harmless && !content.contains(['{', '@']) && !content.contains("://");
    let header = content.trim_start().starts_with('[') && !content.contains('=');
    if plain || header {
        return Vec::new();
    }
    let mut hidden = Vec::new();
    let mut at = 0;
    for word in content.split(|c: char| c.is_whitespace() || "=[]{},\"'#".contains(c)) {
        if !vocabulary.has(word) && !word.is_empty() {
            hidden.push(line.start + at..line.start + at + word.len());
        }
        // What separates is one byte, or white space that may be more.
        at += word.len();
        at += content[at..].chars().next().map_or(0, char::len_utf8);
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::masking::Masked;

    #[test]
    fn where_the_syntax_is_broken_only_our_own_words_are_shown() {
        let words = ["basic_auth", "user", "password", "bearer_token", "command", "interval_secs", "checks"];
        let vocabulary = Vocabulary::default().with(&words);
        for (line, shown) in [
            (
                "basic_auth = { user = \"me\", pass]word = \"hunter2\" }",
                "basic_auth = { user = \"••\", ••••]•••• = \"•••••••\" }",
            ),
            ("bearer_t\"hunter2\" # é", "••••••••\"•••••••\" # •"),
            ("command = [\"x\", \"--password, \"hunter2\"]", "command = [\"•\", \"••••••••••, \"•••••••\"]"),
            ("interval_secs = soon", "interval_secs = soon"),
            ("[checks", "[checks"),
        ] {
            assert_eq!(Masked::new(line, owners_words(line, 0..line.len(), &vocabulary)).text, shown);
        }
    }
}
