//! The review of a period: its figures, and the forms that the page, the interface and the command line show them in.

mod content;
pub mod dispatch;
mod file;
mod json;
mod markdown;
mod message;
mod review;

use crate::render::Templates;
use crate::{
    domain::time::UnixMs,
    history::as_of::Snapshot,
    store::{Reader, StoreError},
};

pub use self::review::Period;
pub use crate::format::zone::Zone;
pub(crate) use content::content;
pub(crate) use file::file;
pub(crate) use json::in_json;
pub(crate) use markdown::markdown;
pub use message::Message;
pub(crate) use review::Review;

/// The form of a review.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Json,
    Markdown,
    /// One file that needs nothing else.
    Html,
}

impl Form {
    /// The form that a word, or the ending of a file's name, means.
    pub fn parse(word: &str) -> Option<Form> {
        match word {
            "json" => Some(Form::Json),
            "markdown" | "md" => Some(Form::Markdown),
            "html" => Some(Form::Html),
            _ => None,
        }
    }
}

/// Why a report was not made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the report could not be made: {0}")]
    Form(String),
}

/// Writes a period in this form. It blocks. `None` when the period lies in the future. `objective` knows those of the
/// services.
///
/// # Errors
/// When the history cannot be read.
pub fn write(
    objective: &dyn Fn(&str) -> Option<f64>,
    reader: &Reader,
    title: &str,
    period: Period,
    zone: Zone,
    form: Form,
    now: UnixMs,
) -> Result<Option<String>, ReportError> {
    let Some(review) = Review::read(&Snapshot::now(Vec::new(), now), objective, reader, period)? else {
        return Ok(None);
    };
    let text = match form {
        Form::Json => format!("{:#}\n", in_json(&review, now)),
        Form::Markdown => markdown(&review, zone, now),
        Form::Html => file(&Templates::new(), title, &review, zone, now)
            .map_err(|error| ReportError::Form(format!("{error:#}")))?,
    };
    Ok(Some(text))
}
