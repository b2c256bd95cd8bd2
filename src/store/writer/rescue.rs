//! What is done about a file that is not found under its name any more.

use super::commit::Rescued;
use tokio::time::Instant;

/// What was done about a file that is not found under its name any more.
#[derive(Default)]
pub(in crate::store) struct Rescue {
    /// What it held is safe.
    pub(in crate::store) done: Option<Rescued>,
    /// It is tried again then.
    pub(in crate::store) again: Option<Instant>,
    /// Somebody was told of it.
    pub(in crate::store) is_told: bool,
}

impl Rescue {
    /// For the reader of the reason.
    pub(in crate::store) fn said(&self) -> Option<String> {
        self.done.as_ref().map(|done| match done {
            Rescued::Copied(path) => format!("what it held is saved as {}", path.display()),
            Rescued::WrittenBack => "what the log held is in the history".to_owned(),
        })
    }
}
