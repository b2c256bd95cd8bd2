//! What a probe has to do, checked and ready: the configuration becomes this, and [`Probe`](super::Probe) carries it out.

pub use super::{
    command::spec::CommandSpec,
    http::spec::{Auth, HttpSpec, JsonExpectation, StatusSet},
    postgres::spec::{Expected, PostgresSpec, SslMode},
    tcp::spec::TcpSpec,
};
pub use crate::settings::{network::IpVersion, tls::TlsSpec};

/// A probe of one kind.
#[derive(Clone, Debug)]
pub enum Spec {
    Http(Box<HttpSpec>),
    Tcp(TcpSpec),
    Postgres(Box<PostgresSpec>),
    Command(CommandSpec),
}
