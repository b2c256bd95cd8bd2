//! What a TCP probe has to do.

use crate::probe::Address;

/// A TCP connection, and an exchange over it.
#[derive(Clone, Debug)]
pub struct TcpSpec {
    pub address: Address,
    pub send: Option<String>,
    /// Text that the answer has to contain.
    pub expect: Option<String>,
}
