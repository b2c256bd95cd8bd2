//! What several tests need: servers that behave and servers that do not, histories made by hand, the whole product on a
//! clock that a test moves.

pub(crate) mod binary;
pub(crate) mod browser;
pub(crate) mod history;
pub(crate) mod net;
pub(crate) mod past;
pub(crate) mod postgres;
pub(crate) mod target;
pub(crate) mod tls;
pub(crate) mod world;
