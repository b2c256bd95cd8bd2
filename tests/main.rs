//! The product from outside, in one binary: real files, real servers, real pages.

mod alerts;
mod api;
mod architecture;
mod browser;
mod cli;
mod config;
mod container;
mod crash;
mod laws;
mod maintenance;
mod pages;
mod past;
mod probes;
mod scheduler;
mod store;
mod support;
