//! `type = "http"`: a request (or several), its redirects, and what is expected of the answer.
//!
//! - `config`, `request`, `auth`, `expect`, `payload`, `resolve`, `route`: its section of the configuration
//! - `spec`: what the section becomes
//! - `run`, `exchange`: a check: the request and its redirects
//! - `steps`, `sequence`, `keeper`, `placeholder`: several requests: their section, a check, and what is carried from one to the next
//! - `oauth2`, `proxy`: a token before it, and the way to it
//! - `wire`, `headers`, `cookies`: one exchange on a connection of its own; what goes along with a redirect
//! - `unpack`: the body as it comes
//! - `answer`, `malformed`: what the answer is held against; what came instead of HTTP
//! - `names`, `facts`: what conditions may name, and what that is in a check

mod answer;
mod auth;
mod config;
mod cookies;
mod exchange;
mod expect;
mod facts;
mod headers;
mod keeper;
mod malformed;
mod names;
mod oauth2;
mod payload;
mod placeholder;
mod proxy;
mod request;
mod resolve;
mod route;
pub(super) mod run;
mod sequence;
mod spec;
mod steps;
mod unpack;
pub(super) mod wire;

pub(super) use config::{DESCRIPTOR, read};
pub use spec::{
    Auth, Excepted, HttpSpec, HttpVersion, JsonExpectation, Keep, KeepFrom, OAuth2, Proxy, ProxyKind, Spelling,
    StatusSet, Step,
};
