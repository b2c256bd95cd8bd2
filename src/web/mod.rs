//! The HTTP interface: what is known now, and what the history answers.

mod accepting;
mod admission;
mod api;
pub mod attempts;
mod badges;
mod chart;
pub mod figures;
mod filters;
mod forwarded;
mod json;
pub mod limits;
mod markdown;
mod notes;
mod pages;
mod patient;
mod render;
pub mod report;
mod router;
mod serve;
pub mod site;
mod view;
pub(crate) mod words;
mod zone;

pub(crate) use api::maintenance;
pub use api::{arrival, document};
pub use render::{PageCache, Templates};
pub use router::router;
pub use serve::serve;
