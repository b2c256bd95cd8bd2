//! What is wrong with a configuration, all of it, with its place and what would be right.

use super::masking::{Masked, credentials_in_word, redact};
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::{fmt, ops::Range};

/// A part of the source, in bytes.
pub(crate) type Span = Range<usize>;

/// One mistake: a title that says what is wrong, a place, and beside it what would be right.
#[derive(Clone)]
pub(crate) struct Mistake {
    title: String,
    span: Option<Span>,
    label: String,
    also: Vec<(Span, String)>,
    help: Option<String>,
}

impl Mistake {
    /// A mistake with its place in the file.
    pub(crate) fn at(span: Span, title: impl Into<String>) -> Mistake {
        Mistake { span: Some(span), ..Mistake::elsewhere(title) }
    }

    /// A mistake that does not: the file itself, or a variable of the environment.
    pub(crate) fn elsewhere(title: impl Into<String>) -> Mistake {
        Mistake { title: title.into(), span: None, label: String::new(), also: Vec::new(), help: None }
    }

    /// What to say beside the caret.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Mistake {
        self.label = label.into();
        self
    }

    /// Another place that has to do with it.
    pub(crate) fn also(mut self, span: Span, label: impl Into<String>) -> Mistake {
        self.also.push((span, label.into()));
        self
    }

    /// What to do about it, where that needs a sentence.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Mistake {
        self.help = Some(help.into());
        self
    }
}

/// Everything that is wrong with a configuration.
///
/// It displays as a report with each mistake's file, line, column, the line itself and a caret under it. Credentials
/// in those lines are dots, and values that came from the environment are never shown.
#[derive(Clone)]
pub struct ConfigError {
    file: String,
    source: Masked,
    mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// Takes the mistakes in, in any order, with the byte ranges of the source that must not be seen.
    pub(crate) fn new(file: String, source: &str, hidden: Vec<Span>, mut mistakes: Vec<Mistake>) -> ConfigError {
        mistakes.sort_by_key(|m| m.span.as_ref().map_or(usize::MAX, |s| s.start));
        let masked = Masked::new(source, hidden);
        for mistake in &mut mistakes {
            let spans = mistake.span.iter_mut().chain(mistake.also.iter_mut().map(|(span, _)| span));
            spans.for_each(|span| *span = on_one_line(&masked, span));
        }
        ConfigError { file, source: masked, mistakes }
    }

    /// How many mistakes there are, at least 1.
    pub fn count(&self) -> usize {
        self.mistakes.len()
    }

    /// The whole report, with colours for a terminal or without.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut report = String::new();
        for mistake in &self.mistakes {
            report.push_str(renderer.render(&[self.group(mistake)]).trim_end());
            report.push_str("\n\n");
        }
        let noun = if self.count() == 1 { "mistake" } else { "mistakes" };
        report.push_str(&format!("{} {noun} in {}", self.count(), self.file));
        report
    }

    fn group<'a>(&'a self, mistake: &'a Mistake) -> annotate_snippets::Group<'a> {
        let title = Level::ERROR.primary_title(mistake.title.as_str());
        let help = mistake.help.as_deref().map(|text| Level::HELP.message(text));
        let Some(span) = mistake.span.clone() else {
            return title.elements(help);
        };
        let primary = AnnotationKind::Primary.span(span).label(mistake.label.as_str());
        let also = mistake.also.iter().map(|(s, label)| AnnotationKind::Context.span(s.clone()).label(label.as_str()));
        let snippet = Snippet::source(self.source.text.as_str()).path(self.file.as_str());
        title.element(snippet.annotation(primary).annotations(also)).elements(help)
    }
}

/// The same span in the masked source, cut at the end of its first line: a caret points, it does not frame a page.
fn on_one_line(source: &Masked, span: &Span) -> Span {
    let (start, end) = (source.offset(span.start), source.offset(span.end));
    let line = source.text[start..].find(['\r', '\n']).map_or(source.text.len(), |length| start + length);
    start..end.min(line).max(start)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigError {}

/// A word of the file in a sentence: in backticks, control characters escaped, cut where it is long. What looks like a
/// credential is dots: it may be here because it was written in the wrong place.
pub(crate) fn quoted(word: &str) -> String {
    const LONGEST: usize = 60;
    let word = redact(word, credentials_in_word(word));
    let mut shown: String = word.chars().take(LONGEST).flat_map(escaped).collect();
    if word.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    let plain = !c.is_control() && (c.escape_debug().count() == 1 || "\"'\\".contains(c));
    let (kept, escape) = if plain { (Some(c), None) } else { (None, Some(c.escape_debug())) };
    kept.into_iter().chain(escape.into_iter().flatten())
}
