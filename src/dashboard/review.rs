//! The week: every service against the week before, what went wrong together, what lasted longest.

use super::{
    error::PageError,
    layout::{self, LayoutOptions, Refresh},
    query::Query,
    request::{self, Page},
};
use crate::{
    domain::time::{DAY_MS, UnixMs},
    http::proxy_headers::PageState,
    report::{Period, Review, content},
};

/// `GET /dashboard/review`
pub(super) async fn page(PageState(app): PageState, query: Query) -> Page {
    query.only(&["week", "month", "window", "from", "to", "at", "tz"], &[])?;
    let snapshot = request::snapshot(&app, &query).await?;
    let period = period(&query, snapshot.at)?;
    let seen_from = snapshot.clone();
    let review = app.ask(move |app| Review::of(&app.reader, &seen_from, period)).await?;
    let Some(review) = review else {
        let then = query.zone.dated(snapshot.at, app.clock.now()).text;
        let last = Some(("Show the last week".to_owned(), snapshot.url("/dashboard/review", "")));
        return Err(match snapshot.past {
            true => {
                let said = format!("What is shown was known at {then}.");
                PageError::unprocessable("This time had not come yet", said, last)
            }
            false => PageError::unprocessable("This time has not come yet", format!("It is {then} now."), last),
        });
    };
    let mut content = content(&snapshot, &review, query.zone);
    content.nav.carry(&query.carried(snapshot.past.then_some(snapshot.at)), snapshot.past);
    let options =
        LayoutOptions { title: format!("{} · {}", content.name, app.title), current: "review", live: Refresh::Never };
    layout::page(&app, &query, &snapshot, options, "review.html", content)
}

/// The period that an address asks for: `week=`, `month=`, `from=` and `to=`, or the last full week.
fn period(query: &Query, now: UnixMs) -> Result<Period, PageError> {
    let wrong = |text: &str, takes: &str| PageError::bad_request(format!("“{text}” is no such time"), takes);
    if let Some(text) = query.get("week") {
        let takes = "“week” takes an ISO week such as 2026-W47.";
        return Period::week(text, query.zone).ok_or_else(|| wrong(text, takes));
    }
    if let Some(text) = query.get("month") {
        return Period::month(text, query.zone).ok_or_else(|| wrong(text, "“month” takes a month such as 2026-11."));
    }
    if query.get("from").is_some() || query.get("window").is_some() {
        return query.window(now, 7 * DAY_MS).map(Period::free);
    }
    query.window(now, DAY_MS)?;
    Ok(Period::last_week(now, query.zone))
}
