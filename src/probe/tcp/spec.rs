//! What a TCP probe has to do.

use crate::settings::network::IpVersion;

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
