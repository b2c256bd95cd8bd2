//! The file itself: where it lies, who may have it and read it, what is beside it, and how it is opened.
//!
//! Nothing here knows what is stored.

pub(super) mod checksum;
pub(super) mod files;
pub(super) mod integrity;
pub(super) mod place;
pub(super) mod schema;
pub(super) mod size;
pub(super) mod source;
