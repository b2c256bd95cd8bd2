//! The product from outside, in one binary: real files, real servers, real pages.

mod config;
mod container;
mod export_cut;
mod gap_reason;
mod laws;
mod probes;
mod since;
mod support;
