//! `type = "http"`: a request, its redirects, and what is expected of the answer.
//!
//! - `config`, `auth`, `expect`, `payload`, `resolve`, `route`: its section of the configuration
//! - `spec`: what the section becomes
//! - `run`: a check: the request and its redirects
//! - `oauth2`, `proxy`: a token before it, and the way to it
//! - `wire`, `headers`, `cookies`: one exchange on a connection of its own; what goes along with a redirect
//! - `unpack`: the body as it comes
//! - `answer`, `malformed`: what the answer is held against; what came instead of HTTP
//! - `names`, `facts`: what conditions may name, and what that is in a check

mod answer;
mod auth;
mod config;
mod cookies;
mod expect;
mod facts;
mod headers;
mod malformed;
mod names;
mod oauth2;
mod payload;
mod proxy;
mod resolve;
mod route;
pub(super) mod run;
mod spec;
mod unpack;
pub(super) mod wire;

pub(super) use config::{DESCRIPTOR, read};
pub use spec::{Auth, Excepted, HttpSpec, HttpVersion, JsonExpectation, OAuth2, Proxy, ProxyKind, StatusSet};
