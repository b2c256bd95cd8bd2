//! What is done about a file that is not found under its name any more.

use super::commit::Rescued;
use tokio::time::Instant;

/// What was done about a file that is not found under its name any more.
#[derive(Default)]
pub(in crate::store) struct Rescue {
    /// What it held is safe.
    pub(in crate::store) done: Option<Rescued>,
    /// When the writer tries again.
    pub(in crate::store) again: Option<Instant>,
    /// The channels were notified of it.
    pub(in crate::store) is_told: bool,
}

impl Rescue {
    /// What was done, for the reader of the reason.
    pub(in crate::store) fn said(&self) -> Option<String> {
        self.done.as_ref().map(|done| match done {
            Rescued::Copied(path) => format!("what it held is saved as {}", path.display()),
            Rescued::WrittenBack => "what the log held is in the history".to_owned(),
        })
    }
}
