//! What is done to a whole history: mend, import, retain, forget, seal, mark, back up.
//!
//! Most of it needs the lock of the history, so that the service does not run meanwhile; retention and backups run in it.

pub(super) mod backup;
pub(super) mod forget;
pub(super) mod maintenance_marks;
pub(super) mod maintenance_tasks;
pub(super) mod mend;
pub(super) mod merge;
pub(super) mod prune_reasons;
pub(super) mod retention;
