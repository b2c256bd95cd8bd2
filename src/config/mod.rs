//! What the file says, and what the program may rely on.

mod types;

pub use types::{Alerts, Checks, Config, Dashboard, Endpoint, Storage};
