//! Reads a document that an export wrote, object by object, into a history.
//!
//! A mistake is reported with its line, and ends the reading; the history that was being
//! merged into is not changed then.

mod diagnosis;
mod document;
mod error;
mod objects;
mod reader;
mod responses;

pub use error::ImportError;

use self::{document::Document, error::Wrong, reader::ImportReader};
use crate::interchange::json::EndJson;
use crate::{domain::time::UnixMs, store::Merge};
use serde::de::DeserializeSeed;
use std::io::{BufRead, Read};

/// The longest line. The header of a history of ten thousand services is a hundredth of it.
const LONGEST_LINE: u64 = 256 << 20;

/// Reads one document, `json` or `ndjson`, to its end. No check of it may have begun after `latest`: results follow one
/// another, and until one of the future has come, every new one would have to be kept right after it.
///
/// # Errors
/// When it cannot be read, is wrong, or the history cannot be written.
pub fn read(input: &mut impl BufRead, merge: &mut Merge, latest: UnixMs) -> Result<(), ImportError> {
    let begin = beginning(input)?;
    let mut reader = ImportReader { merge, latest, begun: false, came: EndJson::default(), ended: false };
    let first = begin.split_once('{').map(|(before, rest)| (before.trim(), rest.trim_start()));
    match first {
        Some(("", rest)) if rest.starts_with("\"type\"") => lines(input, &mut reader),
        Some(("", rest)) if rest.starts_with("\"export\"") => document(input, &mut reader),
        _ => {
            let what = if begin.starts_with("service,at,outcome,") {
                "this is CSV, which holds the check results alone: import the same history as json or ndjson"
            } else if begin.is_empty() {
                "there is nothing in it"
            } else {
                "this is no export: it begins with {\"export\": … (json) or with a line {\"type\":\"export\", … (ndjson)"
            };
            Err(ImportError::Line { line: 1, what: what.to_owned() })
        }
    }
}

/// The first characters, which are still there to be read.
fn beginning(input: &mut impl BufRead) -> Result<String, ImportError> {
    let bytes = input.fill_buf().map_err(|error| ImportError::Read { line: 0, error })?;
    Ok(String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned())
}

fn lines(input: &mut impl BufRead, reader: &mut ImportReader<'_>) -> Result<(), ImportError> {
    let mut text = Vec::new();
    let mut line = 0;
    loop {
        text.clear();
        let read = (&mut *input).take(LONGEST_LINE).read_until(b'\n', &mut text);
        let read = read.map_err(|error| ImportError::Read { line, error })?;
        if read == 0 {
            break;
        }
        line += 1;
        if text.trim_ascii().is_empty() {
            continue;
        }
        let taken = if read as u64 == LONGEST_LINE {
            Err(Wrong::said("it is longer than any line is"))
        } else {
            reader.line(&text)
        };
        taken.map_err(|wrong| wrong.at(line))?;
    }
    reader.is_whole().map_err(|wrong| wrong.at(line + 1))
}

fn document(input: &mut impl BufRead, reader: &mut ImportReader<'_>) -> Result<(), ImportError> {
    let mut failed = None;
    let mut json = serde_json::Deserializer::from_reader(input);
    let read = Document { reader, failed: &mut failed }.deserialize(&mut json).and_then(|()| json.end());
    match (read, failed) {
        (_, Some(error)) => Err(error.into()),
        (Err(error), None) if error.is_io() => {
            let line = error.line();
            Err(ImportError::Read { line, error: error.into() })
        }
        (Err(error), None) => Err(Wrong::Json(error).at(0)),
        (Ok(()), None) => Ok(()),
    }
}
