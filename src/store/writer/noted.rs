//! The record, beside the history, of the channels that were notified ahead of a commit.

use super::{ahead::Ahead, notified::NotedRef, slots::HEAD};
use std::sync::PoisonError;

impl Ahead {
    /// Records which channels were notified. The call blocks.
    pub(in crate::store) fn save(&self) {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(slots) = slots.as_mut() else {
            let mut inner = self.locked();
            inner.noted = inner.told.len();
            return;
        };
        let bytes = {
            let mut inner = self.locked();
            inner.noted = inner.told.len();
            let mut told = inner.told.as_slice();
            loop {
                let bytes = serde_json::to_vec(&NotedRef { history: &inner.history, told }).unwrap_or_default();
                if bytes.len() + HEAD <= slots.size || told.is_empty() {
                    break bytes;
                }
                // There is no room for all: the oldest are left out.
                told = &told[1..];
            }
        };
        match slots.write(&bytes) {
            Ok(()) => slots.warned = false,
            Err(error) if !slots.warned => {
                slots.warned = true;
                tracing::warn!(
                    "{}: notifications sent while the history cannot be written cannot be recorded here: {error}. After \
                     a crash the same incident may be notified again",
                    slots.path.display()
                );
            }
            Err(_) => {}
        }
    }
}
