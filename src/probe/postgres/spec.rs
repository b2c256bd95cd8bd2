//! What a PostgreSQL probe has to do.

use crate::{
    domain::{decimal::Decimal, secret::Secret},
    probe::conditions::Condition,
    settings::{network::IpVersion, tls::TlsSpec},
};

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
    /// What else has to hold of the answer, …
    pub expect: Vec<Condition>,
    /// … or the service is degraded.
    pub degraded: Vec<Condition>,
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
