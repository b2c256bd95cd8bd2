//! The HTTP interface: what is known now, and what the history answers.

mod api;
pub mod figures;
mod patient;
mod router;
mod serve;
pub mod site;

pub(crate) use api::export;
pub use router::router;
pub use serve::serve;
