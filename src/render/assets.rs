//! The style sheet and the script: embedded, compressed by the way they are sent, under names that change with them.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A file that pages ask for.
#[derive(Debug)]
pub(crate) struct Asset {
    stem: &'static str,
    extension: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) text: &'static str,
}

static STYLE: Asset = Asset {
    stem: "style",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    text: include_str!("../../templates/style.css"),
};
static SCRIPT: Asset = Asset {
    stem: "script",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    // Rooms of one program: what all of it needs, charts, travel, and the start.
    text: concat!(
        include_str!("../../templates/script.js"),
        include_str!("../../templates/charts.js"),
        include_str!("../../templates/travel.js"),
        "page?.start();\n",
    ),
};
/// That of the page for outsiders, which has nothing of the dashboard in it.
static PUBLIC: Asset = Asset {
    stem: "public",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("../../templates/public.js"),
};
static ICON: Asset = Asset {
    stem: "icon",
    extension: "svg",
    content_type: "image/svg+xml",
    text: include_str!("../../templates/icon.svg"),
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

/// The style sheet's text, for a file of its own.
pub(crate) fn style() -> &'static str {
    STYLE.text
}

/// The names of the files, for the head of a page.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Names {
    pub(crate) style: String,
    script: String,
    pub(crate) public: String,
    pub(crate) icon: String,
}

impl Names {
    pub(crate) fn new() -> Names {
        Names { style: STYLE.name(), script: SCRIPT.name(), public: PUBLIC.name(), icon: ICON.name() }
    }
}

/// The file of this name.
pub(crate) fn find(name: &str) -> Option<&'static Asset> {
    [&STYLE, &SCRIPT, &PUBLIC, &ICON].into_iter().find(|asset| asset.name() == name)
}
