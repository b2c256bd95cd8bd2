//! How a section of the configuration is read.
//!
//! [`reader`] asks a table of the file typed questions: it reports every wrong value with its place, and finds the keys
//! that nothing reads. `config`, and each kind of probe, read their sections with it. What a section means is not here.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `reader` | typed values: strings, numbers, durations, tables, lists |
//! | `text`, `url_variables` | strings with environment variables in them |
//! | `address`, `weburl` | hosts, ports, HTTP URLs |
//! | `effective` | what a service is set to, as the API shows it |
//! | `zone` | names of time zones |
//! | `network`, `tls` | the keys of whatever connects: IP versions, certificates |
//! | `masking`, `url_credentials`, `hidden` | credentials, found by their look and by their place, so that no message shows one |
//! | `vocabulary` | the keys of all sections, as these say them |
//! | `error`, `syntax`, `nearest` | mistakes, where they are in the file, and what was probably meant |

pub(crate) mod address;
pub mod effective;
pub(crate) mod error;
pub(crate) mod hidden;
pub(crate) mod masking;
mod nearest;
pub mod network;
mod pattern;
pub(crate) mod reader;
pub(crate) mod syntax;
pub(crate) mod text;
pub mod tls;
mod url_credentials;
pub(crate) mod url_variables;
pub(crate) mod vocabulary;
pub(crate) mod weburl;
pub(crate) mod zone;

pub use error::ConfigError;
pub use nearest::nearest;
pub(crate) use url_credentials::{Parts, is_postgres_parameter};
