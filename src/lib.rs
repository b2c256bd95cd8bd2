//! A health-check service with a memory.

pub mod alerts;
pub mod app;
pub mod board;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod notify;
pub mod probe;
pub mod scheduler;
pub mod shutdown;
pub mod store;
pub mod web;
