//! What an HTTP probe has to do.

use crate::{
    domain::{network::Network, secret::Secret},
    probe::{
        conditions::{Condition, Expression},
        resolver::Pinned,
    },
    settings::{network::IpVersion, tls::TlsSpec},
};
use regex::Regex;
use reqwest::{Method, Url, header::HeaderName};
use std::ops::RangeInclusive;

/// An HTTP request and what its answer has to be.
#[derive(Clone, Debug)]
pub struct HttpSpec {
    /// `http` or `https`, with a host, without user information.
    pub url: Url,
    pub method: Method,
    pub headers: Vec<(HeaderName, Secret)>,
    pub body: Option<String>,
    /// Accepted statuses. Default 200–399.
    pub expect_status: StatusSet,
    /// Text that the body has to contain.
    pub expect_body: Option<String>,
    pub expect_body_regex: Option<Regex>,
    pub expect_json: Vec<JsonExpectation>,
    /// What else has to hold.
    pub expect: Vec<Condition>,
    /// What has to hold, or the service is degraded.
    pub degraded: Vec<Condition>,
    pub auth: Option<Auth>,
    pub tls: TlsSpec,
    pub ip_version: IpVersion,
    /// Whether it may lead to a cloud's metadata service.
    pub allow_metadata: bool,
    /// Addresses in the place of what names have.
    pub resolve: Vec<Pinned>,
    pub proxy: Option<Proxy>,
    pub http_version: HttpVersion,
    /// Redirects followed at most, 0 to 10. Default 10.
    pub max_redirects: usize,
    /// A redirect is a failure.
    pub forbid_redirects: bool,
    /// In the place of the request: several, one after the other.
    pub steps: Vec<Step>,
}

/// One of several requests of a check.
#[derive(Clone, Debug)]
pub struct Step {
    /// Unique among the steps.
    pub name: String,
    /// Its URL, headers and body may have names of kept values in them: `{{token}}`.
    pub request: HttpSpec,
    /// How kept values are written into the body.
    pub body: Spelling,
    pub keep: Vec<Keep>,
    /// It is also done when a step before it failed.
    pub always: bool,
}

/// A value that a step finds, for the steps after it.
#[derive(Clone, Debug)]
pub struct Keep {
    pub name: String,
    pub source: KeepFrom,
}

/// Where a value is found.
#[derive(Clone, Debug)]
pub enum KeepFrom {
    Value(Expression),
    /// What the first group of this matches in the body.
    Match(Regex),
}

/// How a value is written where it is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spelling {
    Plain,
    /// Percent-encoded.
    Url,
    /// As in a string of JSON.
    Json,
}

impl HttpSpec {
    pub(super) fn has_conditions(&self) -> bool {
        !self.expect.is_empty() || !self.degraded.is_empty()
    }

    pub(super) fn has_header(&self, name: &HeaderName) -> bool {
        self.headers.iter().any(|(known, _)| known == name)
    }
}

/// A set of HTTP statuses: `[200, "301-308"]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatusSet(pub Vec<RangeInclusive<u16>>);

/// A JSON path (RFC 9535) and the value it has to lead to.
#[derive(Clone, Debug)]
pub struct JsonExpectation {
    /// The path as it was written.
    pub text: String,
    pub path: serde_json_path::JsonPath,
    pub value: serde_json::Value,
}

/// HTTP credentials.
#[derive(Clone, Debug)]
pub enum Auth {
    Basic {
        user: String,
        password: Secret,
    },
    Bearer(Secret),
    /// A token that another server gives.
    OAuth2(Box<OAuth2>),
}

/// Who gives tokens, and for which credentials (RFC 6749, section 4.4).
#[derive(Clone, Debug)]
pub struct OAuth2 {
    pub token_url: Url,
    pub client_id: String,
    pub client_secret: Secret,
    pub scope: Option<String>,
    pub audience: Option<String>,
    /// The credentials go into the body of the request, not into its head.
    pub in_body: bool,
}

/// What the service is asked through.
#[derive(Clone, Debug)]
pub struct Proxy {
    pub kind: ProxyKind,
    pub host: String,
    pub port: u16,
    pub credentials: Option<(String, Secret)>,
    /// Who is asked without it.
    pub except: Vec<Excepted>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProxyKind {
    Http,
    Socks5,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Excepted {
    /// A host, and whatever is below it.
    Domain(String),
    Network(Network),
}

/// Which version of HTTP is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum HttpVersion {
    /// Over TLS whichever the server prefers, without it HTTP/1.1.
    #[default]
    Any,
    Http1,
    /// Without TLS from the first byte on, as what both know.
    Http2,
}
