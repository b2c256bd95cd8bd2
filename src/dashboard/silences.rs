//! Silences: the form in which one is made, and the one in which it is ended.

use super::{
    error::PageError,
    forms::{self, Fields},
    layout::{self, LayoutOptions, Refresh},
    query::Query,
    request::{Page, known_now},
};
use crate::{
    domain::time::{HOUR_MS, UnixMs},
    format::zone::Moment,
    history::as_of::Snapshot,
    http::{
        changes::Refused,
        named::Named,
        proxy_headers::{PageState, RequestOrigin},
        responses::{self, LONGEST_REASON, Statement},
        state::AppState,
    },
    render::view_model::{Headline, Kind},
    routing::{LONGEST_AUTHOR, LONGEST_DAYS, Silence, Silenced},
};
use axum::{
    body::Bytes,
    http::HeaderMap,
    response::{IntoResponse, Redirect},
};
use serde::Serialize;

/// A silence as a page shows it.
#[derive(Serialize)]
pub(super) struct Row {
    what: String,
    from: Option<Moment>,
    until: Moment,
    author: String,
    reason: Option<String>,
    end_url: Option<String>,
}

/// The silences that are not over.
pub(super) fn rows(app: &AppState, snapshot: &Snapshot, query: &Query) -> Vec<Row> {
    let now = snapshot.at;
    let silences = app.writer.responses().silences(now);
    silences.iter().map(|silence| row(app, snapshot, query, silence)).collect()
}

fn row(app: &AppState, snapshot: &Snapshot, query: &Query, silence: &Silence) -> Row {
    let now = snapshot.at;
    Row {
        what: silence.silenced.words(),
        from: (now < silence.from).then(|| query.zone.dated(silence.from, now)),
        until: query.zone.dated(silence.until, now),
        author: silence.author.clone(),
        reason: silence.reason.clone(),
        end_url: app.token.is_some().then(|| snapshot.url(&format!("/dashboard/silences/{}", silence.id), "")),
    }
}

#[derive(Serialize)]
struct Content {
    truth: Headline,
    after: String,
    /// What is ended; `None`: a new one is made.
    ends: Option<Row>,
    service: String,
    group: String,
    hours: String,
    author: String,
    reason: String,
    longest_author: usize,
    longest: usize,
    most_hours: i64,
    back_url: String,
    refused: Option<String>,
    token_refused: bool,
}

/// What somebody typed.
#[derive(Default)]
struct Typed {
    service: String,
    group: String,
    hours: String,
    statement: Statement,
}

fn closed(app: &AppState) -> Result<(), PageError> {
    if app.token.is_some() {
        return Ok(());
    }
    let after = "Set “token” below [dashboard] in the configuration, and start again: whoever has it may do so.";
    Err(PageError::forbidden("Nobody can silence alerts here", after))
}

fn form(app: &AppState, query: &Query, ends: Option<&Silence>, typed: Typed, refused: Option<&Refused>) -> Page {
    let snapshot = known_now(app, query);
    let (said, after) = match ends {
        Some(_) => ("End this silence now?", "What is open then is told."),
        None => (
            "Silence alerts",
            "Nobody is notified of what it covers. It is recorded all the same; what is still down when the silence ends is \
             told then.",
        ),
    };
    let mut truth = Headline::plain(Kind::Unknown, said);
    truth.glyph = false;
    let content = Content {
        truth,
        after: after.to_owned(),
        ends: ends.map(|silence| row(app, &snapshot, query, silence)),
        service: typed.service,
        group: typed.group,
        hours: if typed.hours.is_empty() { "1".to_owned() } else { typed.hours },
        author: typed.statement.author,
        reason: typed.statement.reason,
        longest_author: LONGEST_AUTHOR,
        longest: LONGEST_REASON,
        most_hours: LONGEST_DAYS * 24,
        back_url: snapshot.url("/dashboard/alerts", ""),
        refused: refused.map(forms::sentence),
        token_refused: forms::is_of_token(refused),
    };
    let options =
        LayoutOptions { title: format!("Silence alerts · {}", app.title), current: "alerts", live: Refresh::Never };
    layout::page(app, query, &snapshot, options, "silence.html", content)
}

/// `GET /dashboard/silences/new`
pub(super) async fn page(PageState(app): PageState, query: Query) -> Page {
    query.only(&["service", "group", "tz"], &[])?;
    closed(&app)?;
    let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let typed = Typed { service: text("service"), group: text("group"), ..Typed::default() };
    form(&app, &query, None, typed, None)
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `POST /dashboard/silences/new`
pub(super) async fn make(
    PageState(app): PageState,
    origin: RequestOrigin,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
) -> Page {
    closed(&app)?;
    let mut fields = Fields::read(&body);
    let mut field = |name: &str| fields.take(name);
    let statement = Statement { author: field("author"), reason: field("reason") };
    let typed = Typed { service: field("service"), group: field("group"), hours: field("hours"), statement };
    let silenced = Silenced { service: list(&typed.service), group: list(&typed.group), ..Silenced::default() };
    let made = match fields.admit(&app, &headers, &origin) {
        Ok(()) => match typed.hours.trim().parse::<f64>() {
            Ok(hours) if hours > 0.0 => {
                let now = app.clock.now();
                let span: (UnixMs, UnixMs) = (now, now.plus((hours * HOUR_MS as f64) as i64));
                responses::silence(&app, silenced, span, &typed.statement, "whoever has the token").await
            }
            _ => Err(Refused::Text("how long is a number of hours, as 1 or 0.5".to_owned())),
        },
        Err(refused) => Err(refused),
    };
    match made {
        Ok(_) => Ok(Redirect::to(&known_now(&app, &query).url("/dashboard/alerts", "")).into_response()),
        Err(refused) => Ok(forms::mark(form(&app, &query, None, typed, Some(&refused))?, &refused)),
    }
}

fn found(app: &AppState, id: &str) -> Result<Silence, PageError> {
    let silences = app.writer.responses().silences(app.clock.now());
    let silence = silences.iter().find(|silence| silence.id == id).map(|silence| silence.as_ref().clone());
    silence.ok_or_else(|| PageError::not_found("There is no such silence, or it is over", None))
}

/// `GET /dashboard/silences/{id}`
pub(super) async fn one(PageState(app): PageState, Named(id): Named, query: Query) -> Page {
    query.only(&["tz"], &[])?;
    closed(&app)?;
    form(&app, &query, Some(&found(&app, &id)?), Typed::default(), None)
}

/// `POST /dashboard/silences/{id}`: it ends now.
pub(super) async fn end(
    PageState(app): PageState,
    origin: RequestOrigin,
    Named(id): Named,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
) -> Page {
    closed(&app)?;
    let silence = found(&app, &id)?;
    let ended = match Fields::read(&body).admit(&app, &headers, &origin) {
        Ok(()) => responses::end_silence(&app, &id).await,
        Err(refused) => Err(refused),
    };
    match ended {
        Ok(_) => Ok(Redirect::to(&known_now(&app, &query).url("/dashboard/alerts", "")).into_response()),
        Err(refused) => {
            Ok(forms::mark(form(&app, &query, Some(&silence), Typed::default(), Some(&refused))?, &refused))
        }
    }
}
