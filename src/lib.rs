//! A health-check service with a memory.

pub mod config;
pub mod domain;
pub mod probe;
