//! What is to be exported, and in which form.

use crate::{
    domain::{service::Commands, time::UnixMs, window::Window},
    store::StoredService,
};

/// The form of an export.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Json,
    Ndjson,
    Csv,
}

impl Format {
    /// The format that a word names.
    pub fn parse(word: &str) -> Option<Format> {
        match word {
            "json" => Some(Format::Json),
            "ndjson" => Some(Format::Ndjson),
            "csv" => Some(Format::Csv),
            _ => None,
        }
    }

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Ndjson => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// What is to be exported.
#[derive(Clone, Debug)]
pub struct Order {
    pub format: Format,
    pub window: Window,
    pub services: Vec<StoredService>,
    /// How much of a command is in it.
    pub commands: Commands,
    /// When it is made. Nothing but the header depends on it: what lasts is measured at the window's end.
    pub now: UnixMs,
}
