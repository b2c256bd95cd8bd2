//! What a TCP probe has to do.

use crate::probe::{Address, ProxyProtocol, Security};

/// A TCP connection, and an exchange over it.
#[derive(Clone, Debug)]
pub struct TcpSpec {
    pub address: Address,
    pub security: Security,
    /// Whether it begins with who connects.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// In their order.
    pub turns: Vec<Turn>,
}

/// What is said, and what is answered to it. Either may be missing, not both.
#[derive(Clone, Debug)]
pub struct Turn {
    pub send: Option<String>,
    /// Text that the answer has to contain.
    pub expect: Option<String>,
}
