//! The review as one HTML file that needs nothing else.

use super::{
    content::{Content, content},
    json::in_json,
    review::Review,
};
use crate::{
    domain::time::UnixMs,
    format::zone::Zone,
    history::as_of::Snapshot,
    render::{self, Templates},
};
use serde::Serialize;

/// The review as one file that needs nothing else, with its data inside.
pub(crate) fn file(
    templates: &Templates,
    title: &str,
    review: &Review,
    zone: Zone,
    now: UnixMs,
) -> Result<String, minijinja::Error> {
    #[derive(Serialize)]
    struct File<'a> {
        product: &'a str,
        style: &'static str,
        data: String,
        page: Content,
    }
    // Inside a script element nothing may look like its end.
    let data = in_json(review, now).to_string().replace('<', "\\u003c");
    let page = content(&Snapshot::now(Vec::new(), now), review, zone);
    templates.render_file("report.html", File { product: title, style: render::style(), data, page })
}
