//! The product from outside, in one binary: real files, real servers, real pages.

mod alerts;
mod api;
mod architecture;
mod cli;
mod config;
mod crash;
mod laws;
mod probes;
mod resume;
mod scheduler;
mod store;
mod support;
