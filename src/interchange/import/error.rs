//! Why an import ends early.

use crate::{
    domain::sanitize::{clean, one_line},
    store::StoreError,
};

/// The most characters of a message: it quotes what was found, which may be long.
const LONGEST_COMPLAINT: usize = 300;

/// Why nothing was taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The document is wrong, or is none.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        what: String,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it cannot be read after line {line}: {error}")]
    Read { line: usize, error: std::io::Error },
}

/// What is wrong with an object.
pub(crate) enum Wrong {
    Said(String),
    Json(serde_json::Error),
    Store(StoreError),
}

impl Wrong {
    pub(crate) fn said(what: impl Into<String>) -> Wrong {
        Wrong::Said(what.into())
    }

    pub(crate) fn at(self, line: usize) -> ImportError {
        match self {
            Wrong::Said(what) => ImportError::Line { line, what: in_short(&what) },
            Wrong::Store(error) => ImportError::Store(error),
            Wrong::Json(error) => {
                let text = error.to_string();
                let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
                let what = match error.is_eof() {
                    true => format!("it ends in the middle of something, it was cut off: {what}"),
                    false => format!("{what} (column {})", error.column()),
                };
                ImportError::Line { line: if line == 0 { error.line() } else { line }, what: in_short(&what) }
            }
        }
    }
}

/// A complaint on one line, short even where it quotes what was found in full: a text without an end, or 1e300 with all
/// of its digits.
fn in_short(what: &str) -> String {
    const LONGEST_WORD: usize = 60;
    let short = |word: &str| {
        let count = word.chars().count();
        if count <= LONGEST_WORD {
            return word.to_owned();
        }
        let (start, end) = (word.chars().take(LONGEST_WORD / 2), word.chars().skip(count - LONGEST_WORD / 4));
        start.chain(['…']).chain(end).collect()
    };
    one_line(&clean(what).split(' ').map(short).collect::<Vec<_>>().join(" "), LONGEST_COMPLAINT)
}

impl From<StoreError> for Wrong {
    fn from(error: StoreError) -> Wrong {
        Wrong::Store(error)
    }
}

impl From<serde_json::Error> for Wrong {
    fn from(error: serde_json::Error) -> Wrong {
        Wrong::Json(error)
    }
}
