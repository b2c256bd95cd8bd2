//! Badges: a status or an uptime as a small picture, for a README or another page.

use crate::{
    clock::Clock,
    domain::{status::Status, time::DAY_MS, window::Window},
    format,
    history::figures,
    http::{
        error::ApiError,
        named::Named,
        params::Params,
        state::{AppState, Queries},
    },
    live::LiveState,
};
use axum::{
    Router,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;

/// Both badges.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/badge/{service}/status.svg", get(status)).route("/badge/{service}/uptime.svg", get(uptime))
}

/// What a badge's right half is filled with: dark enough for white letters (contrast 4.5 and more).
const GREEN: &str = "#1b7a61";
const AMBER: &str = "#8a5a00";
const RED: &str = "#b3221a";
const GREY: &str = "#5b606b";

/// `GET /badge/{service}/status.svg`
async fn status(
    State(live): State<Arc<LiveState>>,
    State(clock): State<Clock>,
    Named(name): Named,
    params: Params,
) -> Result<Response, ApiError> {
    params.only(&["label"])?;
    let service = live.get(&name).ok_or_else(|| missing(&name))?;
    let (said, colour) = match service.status(clock.now()) {
        Status::Up => ("up", GREEN),
        Status::Degraded => ("degraded", AMBER),
        Status::Down => ("down", RED),
        Status::Unknown => ("unknown", GREY),
        Status::Pending => ("pending", GREY),
        Status::Maintenance => ("maintenance", GREY),
        Status::Paused => ("paused", GREY),
    };
    Ok(badge(params.get("label").unwrap_or(&name), said, colour))
}

/// `GET /badge/{service}/uptime.svg?window=30d`
async fn uptime(
    State(queries): State<Queries>,
    State(live): State<Arc<LiveState>>,
    State(clock): State<Clock>,
    Named(name): Named,
    params: Params,
) -> Result<Response, ApiError> {
    params.only(&["label", "window"])?;
    let length = params.length()?.unwrap_or(30 * DAY_MS);
    let word = params.get("window").unwrap_or("30d").to_owned();
    let service = live.get(&name).ok_or_else(|| missing(&name))?;
    let now = clock.now();
    let uptime =
        queries.ask(move |reader| figures::uptime(reader, service.id, Window::ending(now, length), now)).await?;
    let colour = match uptime.uptime {
        None => GREY,
        Some(share) if share >= 99.9 => GREEN,
        Some(share) if share >= 99.0 => AMBER,
        Some(_) => RED,
    };
    let label = params.get("label").map_or_else(|| format!("{name} uptime {word}"), str::to_owned);
    Ok(badge(&label, &format::percent(uptime.uptime, 2), colour))
}

fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("no service named “{name}” is watched"))
}

/// A picture of two halves. Its widths are estimated, and `textLength` makes the letters fit.
fn badge(label: &str, said: &str, colour: &str) -> Response {
    let label = format::clipped(label, 60);
    let width = |text: &str| (text.chars().count() as f64 * 6.6 + 12.0).ceil();
    let (left, right) = (width(&label), width(said));
    let (label, said) = (escaped(&label), escaped(said));
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{total}\" height=\"20\" role=\"img\" aria-label=\"{label}: {said}\">\
         <title>{label}: {said}</title><clipPath id=\"r\"><rect width=\"{total}\" height=\"20\" rx=\"3\"/></clipPath>\
         <g clip-path=\"url(#r)\"><rect width=\"{left}\" height=\"20\" fill=\"#3a3f47\"/>\
         <rect x=\"{left}\" width=\"{right}\" height=\"20\" fill=\"{colour}\"/></g>\
         <g fill=\"#fff\" text-anchor=\"middle\" font-family=\"Verdana,DejaVu Sans,Geneva,sans-serif\" font-size=\"11\">\
         <text x=\"{x1}\" y=\"14\" textLength=\"{w1}\">{label}</text>\
         <text x=\"{x2}\" y=\"14\" textLength=\"{w2}\">{said}</text></g></svg>",
        total = left + right,
        x1 = left / 2.0,
        x2 = left + right / 2.0,
        w1 = left - 10.0,
        w2 = right - 10.0,
    );
    let mut response = ([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response();
    // Pages that show a badge are often behind a cache of their own.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=30"));
    response
}

fn escaped(text: &str) -> String {
    let text = format::fit_for_xml(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
