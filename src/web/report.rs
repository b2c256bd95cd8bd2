//! A review as a file, for the command line.

pub use super::{api::review::Form, review::Period, zone::Zone};

use super::{Templates, api, pages, review::Review, view::View};
use crate::{
    domain::time::UnixMs,
    store::{Reader, StoreError},
};

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
    let Some(review) = Review::read(&View::now(Vec::new(), now), objective, reader, period)? else { return Ok(None) };
    let text = match form {
        Form::Json => format!("{:#}\n", api::review::in_json(&review, now)),
        Form::Markdown => pages::review::markdown(&review, zone, now),
        Form::Html => pages::review::file(&Templates::new(), title, &review, zone, now)
            .map_err(|error| ReportError::Form(format!("{error:#}")))?,
    };
    Ok(Some(text))
}
