//! What several tests need: servers that behave and servers that do not.

pub(crate) mod net;
pub(crate) mod postgres;
pub(crate) mod tls;
