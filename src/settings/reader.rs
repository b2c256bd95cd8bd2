//! The file as typed questions and answers: every wrong answer is reported at its place, and every key that nobody has
//! requested is found at the end.

use super::{
    error::{Mistake, Span, quoted},
    hidden,
    nearest::nearest,
    text::{self, Text},
    vocabulary::Vocabulary,
};
use crate::domain::window::{DURATION, is_duration_beyond, parse_duration};
use std::{cell::RefCell, ops::RangeInclusive, path::Path};
use toml::de::{DeTable, DeValue};

/// What is being read, and what was wrong with it so far.
pub(crate) struct Source<'a> {
    pub(crate) text: &'a str,
    /// The folder of the file, to which the paths in it are relative.
    pub(crate) folder: &'a Path,
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    vocabulary: &'a Vocabulary,
    mistakes: RefCell<Vec<Mistake>>,
    hidden: RefCell<Vec<Span>>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(
        text: &'a str,
        folder: &'a Path,
        env: &'a dyn Fn(&str) -> Option<String>,
        vocabulary: &'a Vocabulary,
    ) -> Source<'a> {
        Source { text, folder, env, vocabulary, mistakes: RefCell::default(), hidden: RefCell::default() }
    }

    pub(crate) fn report(&self, mistake: Mistake) {
        self.mistakes.borrow_mut().push(mistake);
    }

    /// Keeps a part of the source from being displayed.
    fn hide(&self, span: Span, value: &DeValue<'_>) {
        hidden::scalars(span, value, &mut self.hidden.borrow_mut());
    }

    /// What was wrong, and what must not be displayed.
    pub(crate) fn into_findings(self) -> (Vec<Mistake>, Vec<Span>) {
        (self.mistakes.into_inner(), self.hidden.into_inner())
    }
}

/// A table of the file. It remembers which keys were requested.
pub(crate) struct Table<'a> {
    pub(crate) source: &'a Source<'a>,
    /// Its header, or the whole of it where it is written in line.
    pub(crate) span: Span,
    entries: &'a DeTable<'a>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(source: &'a Source<'a>, span: Span, entries: &'a DeTable<'a>) -> Table<'a> {
        Table { source, span, entries, known: RefCell::default() }
    }

    /// The value of a key, which is a known one from now on.
    pub(crate) fn get(&self, key: &'static str) -> Option<Value<'a>> {
        debug_assert!(self.source.vocabulary.has(key), "{key} is read, and in no section's list of keys");
        self.known.borrow_mut().push(key);
        self.entry(key)
    }

    /// The value of a key that is in no section's list: a template of the user names it.
    pub(crate) fn get_own(&self, key: &'static str) -> Option<Value<'a>> {
        self.known.borrow_mut().push(key);
        self.entry(key)
    }

    /// The value of a key, without saying that the key is known.
    pub(crate) fn peek(&self, key: &str) -> Option<Value<'a>> {
        self.entry(key)
    }

    fn entry(&self, key: &str) -> Option<Value<'a>> {
        let (written, value) = self.entries.get_key_value(key)?;
        let what = quoted(written.get_ref());
        Some(Value { source: self.source, what, key: written.span(), span: value.span(), value: value.get_ref() })
    }

    /// All keys and values, in the order of the file: for a table whose keys are the user's own.
    pub(crate) fn all(&self) -> Vec<(&'a str, Value<'a>)> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(key, value)| {
                let (what, value) = (quoted(key.get_ref()), (value.span(), value.get_ref()));
                let (source, name) = (self.source, key.get_ref().as_ref());
                (name, Value { source, what, key: key.span(), span: value.0, value: value.1 })
            })
            .collect();
        all.sort_by_key(|(_, value)| value.key.start);
        all
    }

    pub(crate) fn string(&self, key: &'static str) -> Option<Text> {
        self.get(key)?.string()
    }

    /// A string with something in it. An empty one is a mistake.
    pub(crate) fn filled(&self, key: &'static str) -> Option<Text> {
        self.get(key)?.filled()
    }

    pub(crate) fn boolean(&self, key: &'static str) -> Option<bool> {
        self.get(key)?.boolean()
    }

    pub(crate) fn integer(&self, key: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        self.get(key)?.integer(range)
    }

    pub(crate) fn table(&self, key: &'static str) -> Option<Table<'a>> {
        self.get(key)?.table()
    }

    /// Reports a key that should be here.
    pub(crate) fn missing(&self, key: &str, help: &str) {
        let mistake = Mistake::at(self.span.clone(), format!("`{key}` is missing"));
        self.source.report(mistake.label(format!("`{key}` is needed here")).help(help));
    }

    /// Reports two keys (or parts of a URL) that exclude each other, at the second of them.
    pub(crate) fn both(&self, first: (&str, &Span), second: (&str, &Span), label: &str) {
        let mistake = Mistake::at(second.1.clone(), format!("both {} and {}", first.0, second.0));
        self.source.report(mistake.label(label).also(first.1.clone(), "this is the other"));
    }

    /// Reports every key that nobody has requested. `explain` may say more about a key than the nearest known key.
    pub(crate) fn finish(&self, explain: impl Fn(&str) -> Option<(String, String)>) {
        let known = self.known.borrow();
        for (key, value) in self.all().into_iter().filter(|(key, _)| !known.contains(key)) {
            let explained = explain(key);
            let meant = if explained.is_some() { Some(key) } else { nearest(key, known.iter().copied()) };
            // Most unknown keys are misspelt known ones, and some of those hold credentials.
            if meant.is_none_or(|key| self.source.vocabulary.holds_a_credential(key)) {
                self.source.hide(value.span.clone(), value.value);
            }
            let (title, label) = explained.unwrap_or_else(|| {
                let label = match meant {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "nothing of this name is known here".to_owned(),
                };
                let noun = if value.value.is_table() { "table" } else { "key" };
                (format!("unknown {noun} {}", value.what), label)
            });
            let mut mistake = Mistake::at(value.key.clone(), title);
            if label.starts_with("nothing") {
                let mut words = known.to_vec();
                words.sort_unstable();
                words.dedup();
                mistake = mistake.help(format!("known here: {}", words.join(", ")));
            }
            self.source.report(mistake.label(label));
        }
    }
}

/// A value of the file.
#[derive(Clone)]
pub(crate) struct Value<'a> {
    pub(crate) source: &'a Source<'a>,
    /// How a sentence calls it: its key in backticks, or "an entry of …".
    pub(crate) what: String,
    /// The place of its key.
    pub(crate) key: Span,
    pub(crate) span: Span,
    pub(crate) value: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    /// Begins a mistake that points at the value.
    pub(crate) fn mistake(&self, title: impl Into<String>) -> Mistake {
        Mistake::at(self.span.clone(), title)
    }

    /// Reports that this is not of the kind that is needed.
    pub(crate) fn wrong_type(&self, needed: &str) {
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or a time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let title = format!("{} has to be {needed}", self.what);
        self.source.report(self.mistake(title).label(format!("this is {found}")));
    }

    pub(crate) fn string(&self) -> Option<Text> {
        let DeValue::String(written) = self.value else {
            self.wrong_type("a string");
            return None;
        };
        let raw = &self.source.text[self.span.clone()];
        match text::fill(written, raw, self.span.clone(), self.source.env) {
            Ok(text) => Some(text),
            Err(mistakes) => {
                mistakes.into_iter().for_each(|mistake| self.source.report(mistake));
                None
            }
        }
    }

    /// A string with something in it. An empty one is a mistake.
    pub(crate) fn filled(&self) -> Option<Text> {
        let text = self.string()?;
        if text.value.trim().is_empty() {
            let label = if text.fills.is_empty() { "write something here" } else { "the variable is empty" };
            self.source.report(self.mistake(format!("{} is empty", self.what)).label(label));
            return None;
        }
        Some(text)
    }

    /// `true` or `false`; or a variable that says so.
    pub(crate) fn boolean(&self) -> Option<bool> {
        if let Some(word) = self.variable()? {
            if let Ok(value) = word.trim().parse() {
                return Some(value);
            }
            self.wrong_variable("true or false");
            return None;
        }
        let DeValue::Boolean(value) = self.value else {
            self.wrong_type("true or false");
            return None;
        };
        Some(*value)
    }

    /// A whole number in a range; or a variable that holds one.
    pub(crate) fn integer(&self, range: RangeInclusive<i64>) -> Option<i64> {
        let read = if let Some(word) = self.variable()? {
            let Ok(value) = word.trim().parse() else {
                self.wrong_variable("a whole number");
                return None;
            };
            Some(value)
        } else if let DeValue::Integer(written) = self.value {
            i64::from_str_radix(written.as_str(), written.radix()).ok()
        } else {
            self.wrong_type("a whole number");
            return None;
        };
        let value = read.filter(|value| range.contains(value));
        if value.is_none() {
            let label = match *range.end() {
                i64::MAX => format!("at least {}", range.start()),
                end => format!("from {} to {end}", range.start()),
            };
            self.source.report(self.mistake(format!("{} is out of range", self.what)).label(label));
        }
        value
    }

    /// Seconds, fractions allowed, in a range of milliseconds. The answer is in milliseconds.
    pub(crate) fn seconds(&self, range_ms: RangeInclusive<i64>) -> Option<i64> {
        let seconds: Option<f64> = if let Some(word) = self.variable()? {
            let Ok(value) = word.trim().parse() else {
                self.wrong_variable("a number of seconds");
                return None;
            };
            Some(value)
        } else {
            match self.value {
                DeValue::Float(written) => written.as_str().parse().ok(),
                DeValue::Integer(written) => {
                    i64::from_str_radix(written.as_str(), written.radix()).ok().map(|n| n as f64)
                }
                _ => {
                    self.wrong_type("a number of seconds");
                    return None;
                }
            }
        };
        // The cast saturates, and turns what is no number into 0.
        let value = seconds.map(|s| (s * 1000.0).round() as i64).filter(|ms| range_ms.contains(ms));
        if value.is_none() {
            let (from, to) = (in_seconds(*range_ms.start()), in_seconds(*range_ms.end()));
            let mistake = self.mistake(format!("{} is out of range", self.what));
            self.source.report(mistake.label(format!("from {from} to {to} seconds")));
        }
        value
    }

    /// A duration written as text, such as `90m`, in a range of milliseconds that `range` says in words. In milliseconds.
    pub(crate) fn duration(&self, range_ms: RangeInclusive<i64>, range: &str) -> Option<i64> {
        let text = self.filled()?;
        let value = parse_duration(&text.value);
        if value.is_none() && !is_duration_beyond(&text.value) {
            let mistake = self.mistake(format!("{} is no duration", text.quoted()));
            self.source.report(mistake.label(DURATION));
            return None;
        }
        let value = value.filter(|ms| range_ms.contains(ms));
        if value.is_none() {
            self.source.report(self.mistake(format!("{} is out of range", self.what)).label(range));
        }
        value
    }

    /// A percentage above 0 and below 100.
    pub(crate) fn percentage(&self) -> Option<f64> {
        let read = if let Some(word) = self.variable()? {
            let Ok(value) = word.trim().parse::<f64>() else {
                self.wrong_variable("a percentage");
                return None;
            };
            value
        } else {
            match self.value {
                DeValue::Float(written) => written.as_str().replace('_', "").parse().unwrap_or(f64::NAN),
                DeValue::Integer(written) => {
                    i64::from_str_radix(written.as_str(), written.radix()).map_or(f64::NAN, |n| n as f64)
                }
                _ => {
                    self.wrong_type("a percentage");
                    return None;
                }
            }
        };
        let value = Some(read).filter(|value| *value > 0.0 && *value < 100.0);
        if value.is_none() {
            let mistake = self.mistake(format!("{} is out of range", self.what));
            self.source.report(mistake.label("above 0 and below 100, as 99.9"));
        }
        value
    }

    /// The text of a string that has a variable in it, where something other than a string is needed: variables are
    /// strings. The outer `None` means that it was reported.
    fn variable(&self) -> Option<Option<String>> {
        match self.value.as_str().is_some_and(|written| written.contains("${")) {
            true => self.string().map(|text| Some(text.value)),
            false => Some(None),
        }
    }

    fn wrong_variable(&self, needed: &str) {
        let mistake = self.mistake(format!("{} has to be {needed}", self.what));
        self.source.report(mistake.label("what the variable stands for is not"));
    }

    pub(crate) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(crate) fn table(&self) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.value else {
            self.wrong_type("a table");
            return None;
        };
        Some(Table::new(self.source, self.span.clone(), entries))
    }

    /// The entries of a list.
    pub(crate) fn list(&self, needed: &str) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(entries) = self.value else {
            self.wrong_type(needed);
            return None;
        };
        let what = format!("an entry of {}", self.what);
        let entry = |value: &'a toml::Spanned<DeValue<'a>>| Value {
            source: self.source,
            what: what.clone(),
            key: self.key.clone(),
            span: value.span(),
            value: value.get_ref(),
        };
        Some(entries.iter().map(entry).collect())
    }

    /// The entries of a list, or the value itself as the only one.
    pub(crate) fn one_or_many(&self) -> Vec<Value<'a>> {
        if self.value.is_array() { self.list("a list").unwrap_or_default() } else { vec![self.clone()] }
    }
}

/// Milliseconds as seconds, without a fraction where there is none.
pub(crate) fn in_seconds(ms: i64) -> String {
    format!("{}", ms as f64 / 1000.0)
}
