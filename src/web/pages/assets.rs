//! The style sheet and the script: embedded, compressed by the way they are sent, under names that change with them.

use super::{Named, PageError};
use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A file that pages ask for.
struct Asset {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const STYLE: Asset = Asset {
    stem: "style",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    text: include_str!("../../../templates/style.css"),
};
const SCRIPT: Asset = Asset {
    stem: "script",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    // Rooms of one program: what all of it needs, charts, travel, and the start.
    text: concat!(
        include_str!("../../../templates/script.js"),
        include_str!("../../../templates/charts.js"),
        include_str!("../../../templates/travel.js"),
        "page?.start();\n",
    ),
};
/// That of the page for outsiders, which has nothing of the dashboard in it.
const PUBLIC: Asset = Asset {
    stem: "public",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("../../../templates/public.js"),
};
const ICON: Asset = Asset {
    stem: "icon",
    extension: "svg",
    content_type: "image/svg+xml",
    text: include_str!("../../../templates/icon.svg"),
};

impl Asset {
    /// A name that no other content has had: the file may be kept for ever.
    fn name(&self) -> String {
        // Only compared within one build, so that the hash may differ between versions of the standard library.
        let mut hasher = DefaultHasher::new();
        self.text.hash(&mut hasher);
        format!("{}-{:016x}.{}", self.stem, hasher.finish(), self.extension)
    }
}

/// The style sheet's text, for a file that stands alone.
pub(super) fn style() -> &'static str {
    STYLE.text
}

/// The names of the files, for the head of a page.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Names {
    pub(super) style: String,
    script: String,
    pub(super) public: String,
    pub(super) icon: String,
}

impl Names {
    pub(super) fn new() -> Names {
        Names { style: STYLE.name(), script: SCRIPT.name(), public: PUBLIC.name(), icon: ICON.name() }
    }
}

/// `GET /dashboard/assets/{name}`, and `/public/assets/{name}`
pub(super) async fn asset(named: Result<Named, PageError>) -> Response {
    let named = |asset: &Asset| named.as_ref().is_ok_and(|Named(name)| *name == asset.name());
    match [STYLE, SCRIPT, PUBLIC, ICON].into_iter().find(named) {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.text).into_response()
        }
        // A page of another version asks for what this one does not have. Outsiders may be told no more.
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
