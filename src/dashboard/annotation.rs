//! The form in which a note of an incident is written. It is a page of its own: nothing renews it while one types.
//!
//! The token in the form is the login: no cookie opens this door, so no other site can have a browser go through it. What
//! a form of another site sends is refused before its token is looked at.

use super::{
    error::PageError,
    forms::{self, Fields},
    incident::missing,
    layout::{self, LayoutOptions, Refresh},
    query::Query,
    request::{Page, known_now},
};
use crate::{
    domain::incident::{LONGEST_NOTE, Outage},
    format::{self, zone::Moment},
    http::{
        annotations,
        changes::Refused,
        named::Named,
        proxy_headers::{PageState, RequestOrigin},
        state::AppState,
    },
    render::view_model::{Headline, Kind},
};
use axum::{
    body::Bytes,
    http::HeaderMap,
    response::{IntoResponse, Redirect},
};
use serde::Serialize;

#[derive(Serialize)]
struct Content {
    truth: Headline,
    id: i64,
    began: Moment,
    cause: String,
    incident_url: String,
    text: String,
    longest: usize,
    /// Why what was sent was not written.
    refused: Option<String>,
    /// The note was refused because of its token.
    token_refused: bool,
}

async fn incident(app: &AppState, query: &Query, id: &str) -> Result<Outage, PageError> {
    if app.token.is_none() {
        let after =
            "Set “token” below [dashboard] in the configuration, and start again: whoever has it may write them.";
        return Err(PageError::forbidden("Notes are not taken here", after));
    }
    let number: i64 = id.parse().map_err(|_| missing(&known_now(app, query), id))?;
    let outage = app.ask(move |app| app.reader.outage(number)).await?;
    outage.filter(Outage::is_incident).ok_or_else(|| missing(&known_now(app, query), id))
}

fn form(app: &AppState, query: &Query, outage: &Outage, text: String, refused: Option<&Refused>) -> Page {
    let snapshot = known_now(app, query);
    let mut truth = Headline::plain(Kind::Unknown, format!("A note on incident {} of {}", outage.id, outage.service));
    truth.glyph = false;
    let content = Content {
        truth,
        id: outage.id,
        began: query.zone.dated(outage.started_at, snapshot.at),
        cause: format::clipped(&outage.cause.reason.message, 200),
        incident_url: snapshot.incident_url(outage.id),
        text,
        longest: LONGEST_NOTE,
        token_refused: forms::is_of_token(refused),
        refused: refused.map(forms::sentence),
    };
    let options = LayoutOptions {
        title: format!("Note on incident {} · {}", outage.id, app.title),
        current: "incident",
        live: Refresh::Never,
    };
    layout::page(app, query, &snapshot, options, "note.html", content)
}

/// `GET /dashboard/incidents/{id}/note`
pub(super) async fn page(PageState(app): PageState, Named(id): Named, query: Query) -> Page {
    query.only(&["tz"], &[])?;
    let outage = incident(&app, &query, &id).await?;
    let text = outage.note.as_ref().map_or(String::new(), |note| note.text.clone());
    form(&app, &query, &outage, text, None)
}

/// `POST /dashboard/incidents/{id}/note`
pub(super) async fn save(
    PageState(app): PageState,
    origin: RequestOrigin,
    Named(id): Named,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
) -> Page {
    let outage = incident(&app, &query, &id).await?;
    let mut fields = Fields::read(&body);
    let text = fields.take("note");
    let written = match fields.admit(&app, &headers, &origin) {
        Ok(()) => annotations::write(&app, outage.id, &text).await,
        Err(refused) => Err(refused),
    };
    let Err(refused) = written else {
        return Ok(Redirect::to(&known_now(&app, &query).incident_url(outage.id)).into_response());
    };
    Ok(forms::mark(form(&app, &query, &outage, text, Some(&refused))?, &refused))
}
