//! The product from outside, in one binary: real files, real servers, real pages.

mod probes;
mod support;
