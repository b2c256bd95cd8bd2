//! The week: every service against the week before, what went wrong together, what lasted longest.

use super::{
    error::PageError,
    layout::{self, Framing, Live},
    query::Query,
    request::{self, Page},
};
use crate::{
    domain::time::{DAY_MS, UnixMs},
    http::proxy_headers::Here,
    report::{Period, Review, content},
};

/// `GET /dashboard/review`
pub(super) async fn page(Here(site): Here, query: Query) -> Page {
    query.only(&["week", "month", "window", "from", "to", "at", "tz"], &[])?;
    let view = request::view(&site, &query).await?;
    let period = period(&query, view.at)?;
    let seen_from = view.clone();
    let review = request::blocking(&site, move |site| Review::of(&site.reader, &seen_from, period)).await?;
    let Some(review) = review else {
        let then = query.zone.dated(view.at, site.clock.now()).text;
        let last = Some(("Show the last week".to_owned(), view.url("/dashboard/review", "")));
        return Err(match view.past {
            true => {
                let said = format!("What is shown was known at {then}.");
                PageError::unprocessable("This time had not come yet", said, last)
            }
            false => PageError::unprocessable("This time has not come yet", format!("It is {then} now."), last),
        });
    };
    let mut content = content(&view, &review, query.zone);
    content.nav.carry(&query.carried(view.past.then_some(view.at)), view.past);
    let framing = Framing { title: format!("{} · {}", content.name, site.title), current: "review", live: Live::No };
    layout::page(&site, &query, &view, framing, "review.html", content)
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
