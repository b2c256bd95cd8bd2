//! The history: one SQLite file, one writer, a read-only pool.

mod reader;

pub use reader::{Cursor, OutageFilter, OutageKind, Reader, StoreError, StoredCheck, StoredService};
