//! The product from outside, in one binary: real files, real servers, real pages.

mod alerts;
mod api;
mod architecture;
mod badges;
mod browser;
mod cli;
mod config;
mod container;
mod crash;
mod export_cut;
mod gap_reason;
mod laws;
mod leaving;
mod maintenance;
mod pages;
mod past;
mod probes;
mod proof;
mod resume;
mod review;
mod scheduler;
mod since;
mod store;
mod support;
mod travel;
