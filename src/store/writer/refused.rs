//! What could not be committed, and results that were lost.

use super::{
    commit::{Committed, Note, WriteState},
    track::Record,
};
use crate::{
    domain::time::UnixMs,
    store::{StoreError, tables::runs::Interruption},
};

/// What could not be committed, and why.
pub(in crate::store) struct Rest {
    pub(in crate::store) error: StoreError,
    pub(in crate::store) records: Vec<Record>,
    pub(in crate::store) notes: Vec<Note>,
}

/// Adds to the notes that results found no room. A store that fails for hours has lost them in one stretch.
pub(in crate::store) fn note_lost(notes: &mut Vec<Note>, lost: Interruption) {
    let before = notes.iter_mut().find_map(|note| match note {
        Note::Interruption(before) if before.why == lost.why => Some(before),
        _ => None,
    });
    match before {
        Some(before) => {
            before.from = before.from.min(lost.from);
            before.to = before.to.max(lost.to);
            before.results += lost.results;
        }
        None => notes.push(Note::Interruption(lost)),
    }
}

/// After a row was refused: commits each record alone, so that only the refused records are lost, and reports which.
/// What has been committed when the store fails in the middle stays committed.
pub(in crate::store) fn one_by_one(
    core: &mut WriteState,
    records: Vec<Record>,
    notes: Vec<Note>,
    now: UnixMs,
) -> (Committed, Option<Rest>) {
    let mut all = match core.commit(&[], &notes, now) {
        Ok(done) => done,
        Err(error) => return (Committed::default(), Some(Rest { error, records, notes })),
    };
    let mut records = records.into_iter();
    while let Some(record) = records.next() {
        match core.commit(std::slice::from_ref(&record), &[], now) {
            Ok(done) => {
                all.tracks.extend(done.tracks);
                all.events |= done.events;
                all.repeated += done.repeated;
            }
            Err(error) if error.is_of_data() => {
                tracing::error!(service = record.service.0, at = %record.result.at, "a result was rejected: {error}");
                all.refused += 1;
            }
            Err(error) => {
                let records = std::iter::once(record).chain(records).collect();
                return (all, Some(Rest { error, records, notes: Vec::new() }));
            }
        }
    }
    (all, None)
}
