//! `type = "http"`: a request, its redirects, and what is expected of the answer.

mod answer;
mod cookies;
mod headers;
mod malformed;
pub(super) mod run;
pub mod spec;
mod wire;
