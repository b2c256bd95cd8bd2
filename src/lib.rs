//! A health-check service with a memory.

pub mod board;
pub mod clock;
pub mod config;
pub mod domain;
pub mod probe;
pub mod shutdown;
pub mod store;
