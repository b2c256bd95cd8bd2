//! What pages and files are made with: templates, the files that pages ask for, and the cache of pages that many look at.
//! What they show is decided elsewhere.

mod assets;
mod page_cache;
mod templates;
pub(crate) mod view_model;

pub(crate) use assets::{Names, find as find_asset, style};
pub use page_cache::PageCache;
pub use templates::Templates;
