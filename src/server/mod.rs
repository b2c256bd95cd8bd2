//! The server: routes to the interface and the pages, connections and what one client may hold of them.

mod admission;
mod router;
mod serve;
mod write_timeout;

pub use router::router;
pub use serve::serve;
