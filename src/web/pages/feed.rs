//! The incident log as an Atom feed (RFC 4287).

use super::{Page, PageError, frame};
use crate::{
    domain::time::UnixMs,
    store::{OutageFilter, OutageKind},
    web::{site::Site, view::View, words},
};
use axum::{
    extract::State,
    http::{HeaderMap, header},
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
pub(super) async fn atom(State(site): State<Site>, headers: HeaderMap) -> Page {
    let now = site.clock.now();
    let here = here(&site, &headers);
    let title = format!("{}: incidents", site.title);
    let asked = here.clone();
    let entries = super::blocking(&site, move |site| {
        let filter = OutageFilter { kind: OutageKind::Incidents, ..OutageFilter::default() };
        let history = site.reader.id()?;
        let outages = site.reader.outages(&filter, None, ENTRIES)?;
        let entry = |o: crate::domain::incident::Outage| {
            let lasted = words::duration(o.duration_ms(now));
            let why = words::clipped(&o.cause.reason.message, 300);
            let began = o.started_at.utc().format("%Y-%m-%d %H:%M:%S UTC");
            Entry {
                // The same wherever it is read, and in no other history.
                id: format!("tag:{history},2026:incident/{}", o.id),
                title: match o.ended_at {
                    Some(_) => format!("{} was down for {lasted}: {why}", o.service),
                    None => format!("{} is down: {why}", o.service),
                },
                url: format!("{asked}{}", View::now(Vec::new(), now).incident_url(o.id)),
                published: o.started_at.to_string(),
                updated: o.ended_at.or(o.confirmed_at).unwrap_or(o.started_at).to_string(),
                text: match o.ended_at {
                    Some(end) => {
                        format!("From {began} to {}: {why}", end.utc().format("%Y-%m-%d %H:%M:%S UTC"))
                    }
                    None => format!("Since {began}: {why}"),
                },
            }
        };
        let entries: Vec<Entry> = outages.into_iter().map(entry).collect();
        Ok((history, entries))
    });
    let (history, entries) = entries.await?;
    let newest = entries.iter().map(|e| e.updated.clone()).max();
    let updated = newest.unwrap_or_else(|| UnixMs::MIN.to_string());
    let feed = Feed { title, id: format!("tag:{history},2026:incidents"), here, updated, entries };
    let text = site.templates.render_file("feed.xml", feed).map_err(|error| {
        tracing::error!("the feed could not be made: {error:#}");
        PageError::broke()
    })?;
    let content_type = [(header::CONTENT_TYPE, "application/atom+xml; charset=utf-8")];
    Ok(frame::whole((content_type, Html(text).0).into_response()))
}

/// The address of the dashboard's root, as whoever asks reached it: what a proxy says of it may be believed, because it
/// goes into this answer and nowhere else, and no cache may keep the answer.
fn here(site: &Site, headers: &HeaderMap) -> String {
    let said = |name: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).map(|v| v.split(',').next().unwrap_or(v).trim())
    };
    let plain =
        |host: &&str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
    let host = said("x-forwarded-host").filter(plain).or_else(|| said("host").filter(plain)).unwrap_or("localhost");
    let scheme = if said("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}{}", site.base_path)
}
