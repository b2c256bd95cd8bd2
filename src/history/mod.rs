//! Queries of a history, free of SQL: algorithms over [`crate::store::Tables`], each of which sees one moment of the
//! history, and the figures that pages show.

pub(crate) mod as_of;
pub mod bounds;
pub mod cached_stats;
pub mod figures;
pub mod normal;
pub mod overview;
pub mod repair;
pub mod replay;
pub mod rolling;
pub mod states;
pub mod verify;
