//! Questions that are asked of a history, free of SQL: what was known at a moment, and the figures that pages show.

pub(crate) mod as_of;
pub mod cached_stats;
