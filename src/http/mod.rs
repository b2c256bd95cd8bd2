//! What handlers share, be they of the interface or of pages: the state they are given, how a request reached us, its
//! parameters, errors as `application/problem+json`, limits by client, who may annotate incidents, and what
//! people do about alerts.
//! Routes and connections are in `server`.

mod accepting;
pub(crate) mod annotations;
pub(crate) mod changes;
pub(crate) mod error;
pub(crate) mod incident_filter;
pub mod limits;
pub(crate) mod named;
pub(crate) mod params;
pub(crate) mod proxy_headers;
pub mod rate_limit;
pub(crate) mod responses;
pub mod state;
