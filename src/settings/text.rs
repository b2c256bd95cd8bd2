//! Strings of the file, with the variables in them filled in.
//!
//! `${NAME}` is replaced by the environment variable of that name; a missing variable is a mistake.
//! `${NAME:-default}` is replaced by the default where the variable is missing or empty; a default ends at the first `}`.
//! `$$` is one `$`. A `$` before anything else is itself, so that `^ok$` and `$.status` need no care.

use super::{
    error::{Mistake, Span, quoted},
    masking::{credentials_in_whole, names_a_credential, redact},
};
use crate::domain::secret::{REDACTED, Secret};
use std::ops::Range;

/// A string of the file, filled in.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// What the program uses.
    pub(crate) value: String,
    /// Its place in the file, with its quotes.
    pub(crate) span: Span,
    /// What the file says: with `${NAME}`, not with the value of the variable.
    pub(crate) written: String,
    /// What was filled in.
    pub(crate) fills: Vec<Fill>,
}

impl Text {
    /// A text that is no value: a key that is the user's own.
    pub(crate) fn written(text: &str, span: Span) -> Text {
        Text { value: text.to_owned(), span, written: text.to_owned(), fills: Vec::new() }
    }
}

/// The place of a variable in a string.
#[derive(Clone, Debug)]
pub(crate) struct Fill {
    pub(crate) name: String,
    /// Where its value is in [`Text::value`].
    pub(crate) range: Range<usize>,
    /// Whether the value came from the environment, and not from the default in the file.
    from_environment: bool,
}

impl Fill {
    /// The same variable in another place.
    pub(crate) fn at(&self, range: Range<usize>) -> Fill {
        Fill { range, ..self.clone() }
    }

    /// Whether its value is to be kept from sight: it is not in the file, or its name says what it is.
    pub(crate) fn is_guarded(&self) -> bool {
        self.from_environment || self.names_a_credential()
    }

    /// Whether the variable's name says that it holds a credential.
    pub(crate) fn names_a_credential(&self) -> bool {
        names_a_credential(&self.name)
    }
}

impl Text {
    /// The string as it is written, for a sentence.
    pub(crate) fn quoted(&self) -> String {
        quoted(&self.written)
    }

    /// The string, redacted: what came from the environment is dots, and so is what looks like a credential.
    pub(crate) fn shown(&self) -> String {
        self.shown_without(Vec::new())
    }

    /// The same, with more of it hidden.
    pub(crate) fn shown_without(&self, mut hidden: Vec<Range<usize>>) -> String {
        hidden.extend(self.guarded());
        redact(&self.value, hidden)
    }

    /// The parts that [`Text::shown`] hides.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = Secret> {
        self.guarded().into_iter().map(|range| Secret::new(&self.value[range]))
    }

    /// Whether anything in it came from the environment, or from a variable that is named like a credential.
    pub(crate) fn is_guarded(&self) -> bool {
        self.fills.iter().any(Fill::is_guarded)
    }

    fn guarded(&self) -> Vec<Range<usize>> {
        let filled = self.fills.iter().filter(|f| f.is_guarded()).map(|f| f.range.clone());
        filled.chain(credentials_in_whole(&self.value)).collect()
    }

    /// What is wrong with it, with the variables that may be the cause.
    pub(crate) fn blaming_variables(&self, why: &str) -> String {
        let mut names: Vec<String> = self.fills.iter().map(|fill| format!("`${{{}}}`", fill.name)).collect();
        names.dedup();
        if names.is_empty() { why.to_owned() } else { format!("{why} (with {} filled in)", names.join(", ")) }
    }

    /// What a library says about this string, if that may be shown: it may quote the string, and so it may not when
    /// it came from the environment.
    pub(crate) fn detail(&self, message: impl Into<String>) -> String {
        if self.is_guarded() { format!("cannot be read ({REDACTED})") } else { message.into() }
    }
}

/// Fills the variables in. Every variable that is missing is a mistake of its own; `raw` is the literal in the file,
/// searched for the place to point at.
pub(crate) fn fill(
    written: &str,
    raw: &str,
    span: Span,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Text, Vec<Mistake>> {
    let mut text = Text { value: String::new(), span: span.clone(), written: written.to_owned(), fills: Vec::new() };
    let mut mistakes = Vec::new();
    let mut rest = written;
    while let Some(at) = rest.find('$') {
        text.value.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            text.value.push('$');
            rest = after;
        } else if let Some(inside) = after.strip_prefix('{') {
            let length = inside.find('}').unwrap_or(inside.len());
            match variable(&inside[..length], inside.len() > length, env) {
                Ok((name, value, from_environment)) => {
                    let start = text.value.len();
                    text.value.push_str(&value);
                    text.fills.push(Fill { name: name.to_owned(), range: start..text.value.len(), from_environment });
                }
                Err((title, label)) => {
                    let place = place_of(&rest[at..rest.len().min(at + 3 + length)], raw, &span);
                    mistakes.push(Mistake::at(place, title).label(label).help(HELP));
                }
            }
            rest = inside.get(length + 1..).unwrap_or("");
        } else {
            text.value.push('$');
            rest = after;
        }
    }
    text.value.push_str(rest);
    if mistakes.is_empty() { Ok(text) } else { Err(mistakes) }
}

const HELP: &str = "`${NAME:-default}` gives a default, `$$` is a plain `$`";

type Filled<'a> = (&'a str, String, bool);

/// The variable that `inside` (the text between the braces) names: its name, its value, and whether the environment
/// gave it.
fn variable<'a>(
    inside: &'a str,
    closed: bool,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Filled<'a>, (String, String)> {
    let (name, default) = inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
    if !closed {
        return Err(("a `${` without its `}`".to_owned(), "write `${NAME}`".to_owned()));
    }
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !valid {
        let title = format!("{} is no name of a variable", quoted(name));
        return Err((title, "letters, digits and `_`, not beginning with a digit".to_owned()));
    }
    if default.is_some_and(|d| d.contains("${")) {
        return Err(("a default cannot name another variable".to_owned(), "a plain text is needed here".to_owned()));
    }
    let value = env(name);
    if value.as_deref() == Some(NOT_TEXT) {
        let title = format!("the environment variable `{name}` is not UTF-8 text");
        return Err((title, "set it to text in UTF-8; its value is not shown".to_owned()));
    }
    match (value, default) {
        (Some(value), default) if !value.is_empty() || default.is_none() => Ok((name, value, true)),
        (_, Some(default)) => Ok((name, default.to_owned(), false)),
        (_, None) => {
            Err((format!("the environment variable `{name}` is not set"), "set it, or give a default".to_owned()))
        }
    }
}

/// Represents a value of the environment that is no UTF-8 text. No variable can have this value.
pub(crate) const NOT_TEXT: &str = "\0";

/// The place of `part` of a string in the file, if it was written without escapes; otherwise the whole string.
pub(crate) fn place_of(part: &str, raw: &str, span: &Span) -> Span {
    match raw.find(part).filter(|_| !part.is_empty()) {
        Some(at) => span.start + at..span.start + at + part.len(),
        None => span.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(written: &str) -> Result<Text, Vec<Mistake>> {
        fill(written, written, 0..written.len(), &|name| match name {
            "HOST" => Some("db.internal".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn variables_are_filled_in_and_dollars_stay() {
        for (written, value) in [
            ("${HOST}:5432", "db.internal:5432"),
            ("${NONE:-localhost}/${EMPTY:-x}", "localhost/x"),
            ("a${EMPTY}b", "ab"),
            ("${NONE:-}", ""),
            ("${NONE:-a:-b}", "a:-b"),
            ("^ok$", "^ok$"),
            ("$.status", "$.status"),
            ("$HOST", "$HOST"),
            ("$${HOST}", "${HOST}"),
            ("$$$$", "$$"),
            ("$", "$"),
        ] {
            assert_eq!(filled(written).ok().map(|t| t.value).as_deref(), Some(value), "{written}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_a_mistake_each() {
        for (written, count) in
            [("${NONE}", 1), ("${NONE}${OTHER}", 2), ("${HOST", 1), ("${}", 1), ("${9}", 1), ("${A:-${B}}", 1)]
        {
            assert_eq!(filled(written).err().map(|m| m.len()), Some(count), "{written}");
        }
    }

    #[test]
    fn what_was_filled_in_is_not_shown() {
        let text = filled("x ${HOST} ${NONE:-plain} ${API_TOKEN:-dev}").ok().unwrap();
        assert_eq!(text.shown(), "x ••• plain •••");
        assert_eq!(text.secrets().map(|s| s.expose().to_owned()).collect::<Vec<_>>(), ["db.internal", "dev"]);
        assert_eq!(text.quoted(), "`x ${HOST} ${NONE:-plain} ${API_TOKEN:•••}`");
    }
}
