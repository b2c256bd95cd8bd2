//! What a probe has to do, checked and ready: `config` builds these, the files beside this one carry them out.

use crate::domain::{decimal::Decimal, secret::Secret};
use regex::Regex;
use reqwest::{Method, Url, header::HeaderName};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::{ops::RangeInclusive, sync::Arc};

/// A probe of one kind.
#[derive(Clone, Debug)]
pub enum Spec {
    Http(Box<HttpSpec>),
    Tcp(TcpSpec),
    Postgres(Box<PostgresSpec>),
    Command(CommandSpec),
}

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
    pub auth: Option<Auth>,
    pub tls: TlsSpec,
    pub ip_version: IpVersion,
    /// Whether it may lead to a cloud's metadata service.
    pub allow_metadata: bool,
    /// Redirects followed at most, 0 to 10. Default 10.
    pub max_redirects: usize,
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
    Basic { user: String, password: Secret },
    Bearer(Secret),
}

/// How certificates are judged, and our own.
#[derive(Clone, Debug)]
pub struct TlsSpec {
    /// Trusted beside the system's roots.
    pub ca: Vec<CertificateDer<'static>>,
    /// Our own chain and key.
    pub client: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
    /// Accept any certificate. Its expiry is seen all the same.
    pub skip_verify: bool,
    /// A certificate with fewer days left than this makes the service `degraded`. 0 switches it off. Default 14.
    pub expiry_warning_days: u32,
}

impl Default for TlsSpec {
    fn default() -> TlsSpec {
        TlsSpec { ca: Vec::new(), client: None, skip_verify: false, expiry_warning_days: 14 }
    }
}

/// Which addresses of a name are used.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum IpVersion {
    #[default]
    Any,
    V4,
    V6,
}

/// A TCP connection, and an exchange over it.
#[derive(Clone, Debug)]
pub struct TcpSpec {
    pub host: String,
    pub port: u16,
    pub send: Option<String>,
    /// Text that the answer has to contain.
    pub expect: Option<String>,
    pub ip_version: IpVersion,
    /// Whether it may lead to a cloud's metadata service.
    pub allow_metadata: bool,
}

/// A PostgreSQL session and a query.
#[derive(Clone, Debug)]
pub struct PostgresSpec {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Option<Secret>,
    pub database: String,
    pub sslmode: SslMode,
    pub tls: TlsSpec,
    /// Default `select 1`.
    pub query: String,
    /// How many rows the query has to give.
    pub expect_rows: Option<u64>,
    /// What the first column of the first row has to be.
    pub expect_value: Option<Expected>,
    pub ip_version: IpVersion,
    /// Whether it may lead to a cloud's metadata service.
    pub allow_metadata: bool,
}

/// A value that a query has to give. It decides how the text that PostgreSQL gives is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// This text, byte for byte.
    Text(String),
    /// This number, however it is written; first as the file writes it.
    Number(String, Decimal),
    Boolean(bool),
    Null,
    /// Any value but NULL.
    NotNull,
}

/// libpq's `sslmode`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum SslMode {
    Disable,
    /// TLS where the server offers it, its certificate not verified.
    #[default]
    Prefer,
    /// TLS, its certificate not verified (as libpq: verified when a CA is given).
    Require,
    /// TLS with a certificate of a trusted CA.
    VerifyCa,
    /// TLS with a certificate of a trusted CA, for this host.
    VerifyFull,
}

/// A program to run.
#[derive(Clone, Debug)]
pub struct CommandSpec {
    /// The program and its arguments; a command given as a string is `sh -c` with it. Never empty.
    pub argv: Vec<String>,
    /// Exit codes that mean "degraded".
    pub degraded_exit_codes: Vec<i32>,
    /// What the program leaves running in the background goes on when it has ended.
    pub detach: bool,
}
