//! A history as text: the JSON forms that the interface, exports and reports share, exports, and imports of them.

pub(crate) mod diagnosis;
pub mod export;
pub mod import;
pub(crate) mod json;
mod line;
