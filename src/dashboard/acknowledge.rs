//! The form in which somebody says that they take care of incidents: for whoever has the token, or the link of a message.
//!
//! A link is looked at by programs before people open it: looking changes nothing.

use super::{
    error::PageError,
    forms::{self, Fields},
    layout::{self, LayoutOptions, Refresh},
    query::Query,
    request::{Page, known_now},
};
use crate::{
    domain::{
        incident::Outage,
        time::{HOUR_MS, UnixMs},
    },
    format::{self, zone::Moment},
    history::as_of::Snapshot,
    http::{
        changes::Refused,
        proxy_headers::{PageState, RequestOrigin},
        responses::{self, LONGEST_REASON, Statement},
        state::AppState,
    },
    render::view_model::{Headline, Kind},
    routing::{LONGEST_AUTHOR, signed_link::AcknowledgeLink},
};
use axum::{
    body::Bytes,
    http::HeaderMap,
    response::{IntoResponse, Redirect},
};
use serde::Serialize;

/// Incidents of one form, at most.
const MOST: usize = 100;
const KNOWN: [&str; 5] = ["incidents", "channel", "expires", "signature", "tz"];

#[derive(Serialize)]
struct Content {
    truth: Headline,
    after: String,
    rows: Vec<Row>,
    is_open: bool,
    needs_token: bool,
    author: String,
    note: String,
    longest_author: usize,
    longest: usize,
    back_url: String,
    refused: Option<String>,
    token_refused: bool,
}

#[derive(Serialize)]
struct Row {
    service: String,
    url: String,
    began: Moment,
    cause: String,
    is_open: bool,
    /// Who takes care of it already.
    taken: Option<String>,
}

/// What lets somebody acknowledge.
enum Permit {
    /// The link of a message, which this channel got.
    Link(String),
    Token,
    /// The token, because the link has expired, or was changed on its way.
    TokenInstead(&'static str),
}

fn permit(app: &AppState, query: &Query, incidents: &[i64]) -> Result<Permit, PageError> {
    let permit = match query.get("signature") {
        None => Permit::Token,
        Some(signature) => {
            let expires = query.get("expires").and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
            let link = AcknowledgeLink {
                incidents: incidents.to_vec(),
                channel: query.get("channel").unwrap_or_default().to_owned(),
                expires_at: UnixMs(expires.saturating_mul(1000)),
            };
            let key = app.writer.responses().link_key();
            match key.is_some_and(|key| link.is_signed(&key, signature)) {
                true if app.clock.now() < link.expires_at => Permit::Link(link.channel),
                true => Permit::TokenInstead("This link has expired"),
                false => Permit::TokenInstead("This link is not whole: a part of it is missing, or was changed"),
            }
        }
    };
    match permit {
        Permit::TokenInstead(why) if app.token.is_none() => {
            Err(PageError::forbidden(why, "Open the link of a later message, or set “token” below [dashboard]."))
        }
        Permit::Token if app.token.is_none() => {
            let after = "Set “token” below [dashboard] in the configuration, and start again: whoever has it may do so. \
                         The links in messages work without it.";
            Err(PageError::forbidden("Nobody can acknowledge incidents here", after))
        }
        permit => Ok(permit),
    }
}

fn numbers(query: &Query) -> Result<Vec<i64>, PageError> {
    let text = query.get("incidents").unwrap_or_default();
    let read: Option<Vec<i64>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    read.filter(|all| all.len() <= MOST).ok_or_else(|| {
        PageError::bad_request(
            "Which incidents is not said",
            format!("As incidents=12 or incidents=12,13, {MOST} at most."),
        )
    })
}

async fn incidents(app: &AppState, ids: Vec<i64>) -> Result<Vec<Outage>, PageError> {
    let read = move |app: &AppState| ids.into_iter().map(|id| app.reader.outage(id)).collect::<Result<Vec<_>, _>>();
    let found: Vec<Outage> = app.ask(read).await?.into_iter().flatten().filter(Outage::is_incident).collect();
    if found.is_empty() {
        return Err(PageError::not_found("There are no such incidents", None));
    }
    Ok(found)
}

fn row(app: &AppState, snapshot: &Snapshot, query: &Query, outage: &Outage) -> Row {
    let now = snapshot.at;
    let service = app.live.get(&outage.service);
    let taken = service.and_then(|one| app.writer.responses().acknowledgement((one.id, outage.started_at), now));
    Row {
        service: outage.service.clone(),
        url: snapshot.incident_url(outage.id),
        began: query.zone.dated(outage.started_at, now),
        cause: format::clipped(&outage.cause.reason.message, 200),
        is_open: outage.ended_at.is_none(),
        taken: taken.map(|by| format!("{} since {}", by.author, query.zone.dated(by.at, now).text)),
    }
}

fn form(
    app: &AppState,
    query: &Query,
    found: &[Outage],
    permit: &Permit,
    statement: &Statement,
    refused: Option<&Refused>,
) -> Page {
    let snapshot = known_now(app, query);
    let open = found.iter().filter(|outage| outage.ended_at.is_none()).count();
    let said = match (found, open) {
        (_, 0) => "It is over already".to_owned(),
        ([one], _) => format!("Who takes care of {}?", one.service),
        (_, open) => format!("Who takes care of these {open} incidents?"),
    };
    let mut truth = Headline::plain(if open == 0 { Kind::Up } else { Kind::Down }, said);
    truth.glyph = open == 0;
    let after = match permit {
        _ if open == 0 => "There is nothing to acknowledge any more.".to_owned(),
        Permit::TokenInstead(why) => format!("{why}. The token works instead."),
        _ => "No reminder is sent while it is acknowledged, and nobody else is told.".to_owned(),
    };
    let back_url = match found {
        [one] => snapshot.incident_url(one.id),
        _ => snapshot.url("/dashboard/incidents", ""),
    };
    let content = Content {
        truth,
        after,
        rows: found.iter().map(|outage| row(app, &snapshot, query, outage)).collect(),
        is_open: open > 0,
        needs_token: !matches!(permit, Permit::Link(_)),
        author: statement.author.clone(),
        note: statement.reason.clone(),
        longest_author: LONGEST_AUTHOR,
        longest: LONGEST_REASON,
        back_url,
        refused: refused.map(forms::sentence),
        token_refused: forms::is_of_token(refused),
    };
    let options =
        LayoutOptions { title: format!("Acknowledge · {}", app.title), current: "incident", live: Refresh::Never };
    layout::page(app, query, &snapshot, options, "acknowledge.html", content)
}

/// `GET /dashboard/acknowledge?incidents=…`
pub(super) async fn page(PageState(app): PageState, query: Query) -> Page {
    query.only(&KNOWN, &[])?;
    let ids = numbers(&query)?;
    let permit = permit(&app, &query, &ids)?;
    let found = incidents(&app, ids).await?;
    form(&app, &query, &found, &permit, &Statement::default(), None)
}

/// `POST /dashboard/acknowledge?incidents=…`
pub(super) async fn save(
    PageState(app): PageState,
    origin: RequestOrigin,
    query: Query,
    headers: HeaderMap,
    body: Bytes,
) -> Page {
    query.only(&KNOWN, &[])?;
    let ids = numbers(&query)?;
    let permit = permit(&app, &query, &ids)?;
    let found = incidents(&app, ids.clone()).await?;
    let mut fields = Fields::read(&body);
    let statement = Statement { author: fields.take("author"), reason: fields.take("note") };
    let hours: i64 = fields.take("hours").parse().unwrap_or(0);
    let until = (1..=24 * 90).contains(&hours).then(|| app.clock.now().plus(hours * HOUR_MS));
    let admitted = match &permit {
        Permit::Link(_) => Ok(()),
        _ => fields.admit(&app, &headers, &origin),
    };
    let anonymous = match &permit {
        Permit::Link(channel) => format!("whoever was told by {channel}"),
        _ => "whoever has the token".to_owned(),
    };
    let written = match admitted {
        Ok(()) => responses::acknowledge(&app, ids, &statement, until, &anonymous).await,
        Err(refused) => Err(refused),
    };
    match written {
        Ok(_) => {
            let snapshot = known_now(&app, &query);
            let there = match found.as_slice() {
                [one] => snapshot.incident_url(one.id),
                _ => snapshot.url("/dashboard/incidents", ""),
            };
            Ok(Redirect::to(&there).into_response())
        }
        Err(refused) => {
            let page = form(&app, &query, &found, &permit, &statement, Some(&refused))?;
            Ok(forms::mark(page, &refused))
        }
    }
}
