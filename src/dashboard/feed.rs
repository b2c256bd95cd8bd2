//! The incident log as an Atom feed (RFC 4287).

use super::{error::PageError, layout, query::Query, request::Page};
use crate::{
    domain::time::UnixMs,
    format,
    history::as_of::Snapshot,
    http::proxy_headers::{PageState, RequestOrigin},
    render::view_model,
    store::{OutageFilter, OutageKind},
};
use axum::{
    http::header,
    response::{Html, IntoResponse},
};
use serde::Serialize;

/// Incidents in the feed.
const ENTRIES: u32 = 50;

#[derive(Serialize)]
struct Feed {
    title: String,
    /// Where the dashboard is, as the reader reached it.
    here: String,
    id: String,
    updated: String,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    title: String,
    url: String,
    published: String,
    updated: String,
    text: String,
}

/// `GET /dashboard/incidents.atom`
pub(super) async fn atom(PageState(app): PageState, origin: RequestOrigin, query: Query) -> Page {
    query.only(&[], &[])?;
    let now = app.clock.now();
    let here = format!("{}{}", origin.origin, app.base_path);
    let title = format::fit_for_xml(&format!("{}: incidents", app.title));
    let asked = here.clone();
    let entries = app.ask(move |app| {
        let filter = OutageFilter { kind: OutageKind::Incidents, ..OutageFilter::default() };
        let history = app.reader.id()?;
        let outages = app.reader.outages(&filter, None, ENTRIES)?;
        let entry = |o: crate::domain::incident::Outage| {
            let lasted = format::duration(o.duration_ms(now));
            let why = format::clipped(&o.cause.reason.message, 300);
            let began = o.started_at.utc().format("%Y-%m-%d %H:%M:%S UTC");
            let note = o.note.as_ref().map_or(String::new(), |note| format!("\n\nNote: {}", note.text));
            let noted = o.note.as_ref().map(|note| note.at);
            let left = view_model::left_open(&o);
            Entry {
                // The same wherever it is read, and in no other history.
                id: format!("tag:{history},2026:incident/{}", o.id),
                title: format::fit_for_xml(&match o.ended_at {
                    Some(_) => format!("{} was down for {lasted}: {why}", o.service),
                    None if left => format!("{} was down when it was last checked: {why}", o.service),
                    None => format!("{} is down: {why}", o.service),
                }),
                url: format!("{asked}{}", Snapshot::now(Vec::new(), now).incident_url(o.id)),
                published: o.started_at.to_string(),
                updated: o.ended_at.or(o.confirmed_at).max(noted).unwrap_or(o.started_at).to_string(),
                text: format::fit_for_xml(&match o.ended_at {
                    Some(end) => {
                        format!("From {began} to {}: {why}{note}", end.utc().format("%Y-%m-%d %H:%M:%S UTC"))
                    }
                    None if left => format!("From {began}; it is not checked any more: {why}{note}"),
                    None => format!("Since {began}: {why}{note}"),
                }),
            }
        };
        let entries: Vec<Entry> = outages.into_iter().map(entry).collect();
        Ok((history, entries))
    });
    let (history, entries) = entries.await?;
    let newest = entries.iter().map(|e| e.updated.clone()).max();
    let updated = newest.unwrap_or_else(|| UnixMs::MIN.to_string());
    let feed = Feed { title, id: format!("tag:{history},2026:incidents"), here, updated, entries };
    let text = app.templates.render_file("feed.xml", feed).map_err(|error| {
        tracing::error!("the feed could not be rendered: {error:#}");
        PageError::broke()
    })?;
    let content_type = [(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")];
    Ok(layout::whole((content_type, Html(text).0).into_response()))
}
