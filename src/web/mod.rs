//! The HTTP interface: what is known now, and what the history answers.

mod api;
mod chart;
pub mod figures;
mod pages;
mod router;
mod serve;
pub mod site;
mod words;
mod zone;

pub use api::{arrival, document};
pub use pages::Templates;
pub use router::router;
pub use serve::serve;
