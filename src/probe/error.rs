//! Why a probe cannot be built.

use thiserror::Error;

/// Why a probe cannot be built. None of these texts holds a credential.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The roots are no foundation to judge certificates on.
    #[error("the trusted roots cannot be used: {0}")]
    Roots(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
    /// A certificate under `ca` is not one of an authority.
    #[error("the certificate of the authority cannot be used: {0}")]
    Authority(rustls::Error),
    /// Our own certificate and key do not go together, or cannot be read.
    #[error("the client certificate and its key cannot be used: {0}")]
    ClientCertificate(rustls::Error),
    /// A header's value has characters that no header may have.
    #[error("the value of the header {0} has characters that no header may have")]
    Header(String),
    /// Not `http` or `https`, or without a host.
    #[error("an HTTP probe needs an address that begins with http:// or https://, not {0}:")]
    Url(String),
    /// A host that is neither a name nor an address.
    #[error("{0} is neither a host name nor an IP address")]
    Host(String),
    /// A command without a program.
    #[error("the command is empty")]
    EmptyCommand,
}
