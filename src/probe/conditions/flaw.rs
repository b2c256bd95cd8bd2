//! What is wrong with a condition.

use std::ops::Range;

/// What is wrong with a condition, and where in it.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Flaw {
    pub(super) span: Range<usize>,
    pub(super) title: String,
    /// What to say at the place.
    pub(super) label: String,
    pub(super) help: Option<String>,
}

impl Flaw {
    pub(super) fn new(span: Range<usize>, title: impl Into<String>, label: impl Into<String>) -> Flaw {
        Flaw { span, title: title.into(), label: label.into(), help: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Flaw {
        Flaw { help: Some(help.into()), ..self }
    }
}
