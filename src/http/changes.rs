//! What is changed from outside: who may change it, why it was refused, and how long an answer waits for its commit.

use super::{
    proxy_headers::RequestOrigin,
    state::{AppState, ReadError},
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::timeout;

/// How long an answer waits for its commit while the history cannot be written.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why something was not changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// No token is configured, so nobody can have the right one.
    Closed,
    /// Another site's page had the browser send it.
    OtherSite,
    /// No token was given, or a wrong one.
    WrongToken,
    /// The address sent too many wrong tokens, so this token was not checked. In how many seconds the next one is.
    TooMany(i64),
    /// What is wrong with what was sent, in words.
    Text(String),
    /// There is nothing of this name or number.
    Missing,
    /// The history cannot be written right now, or not be read.
    Later(String),
}

impl Refused {
    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refused::Closed | Refused::OtherSite => StatusCode::FORBIDDEN,
            Refused::WrongToken => StatusCode::UNAUTHORIZED,
            Refused::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Refused::Text(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refused::Missing => StatusCode::NOT_FOUND,
            Refused::Later(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// In how many seconds it may be tried again, where only time is needed.
    pub(crate) fn retry_after_s(&self) -> Option<i64> {
        if let Refused::TooMany(seconds) = self { Some(*seconds) } else { None }
    }
}

/// How a client without the right token has to authenticate.
pub(crate) const SCHEME: HeaderValue = HeaderValue::from_static("Bearer realm=\"healthcheck_dashboard\"");

/// What the refusal of a change says where no token is configured.
pub(crate) const CLOSED: &str =
    "changes are not taken here: set `token` below [dashboard] in the configuration, and start again";

/// What the refusal of a change says that a page of another site sent.
pub(crate) const OTHER_SITE: &str = "the request comes from a page of another site, so its token was not checked. Behind \
     a proxy that changes the Host header, name the proxy in `trusted_proxies` and have it send X-Forwarded-Host";

/// Whether a browser says that a page of another site made it send this request. What is no browser says nothing of it.
fn is_of_another_site(headers: &HeaderMap, own: &RequestOrigin) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // Browsers of today say it in so many words, but only where they trust the connection: over TLS, or to this machine.
    if let Some(site) = text("sec-fetch-site") {
        return !["same-origin", "none"].contains(&site);
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return false };
    // A proxy may terminate TLS and not say so: the scheme proves nothing here.
    let host = |origin: &str| {
        let (scheme, host) = origin.split_once("://")?;
        let port = if scheme == "https" { ":443" } else { ":80" };
        Some(host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase())
    };
    host(origin).is_none_or(|from| Some(from) != host(&own.origin))
}

/// The credential of `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether something may be changed with this token. It takes as long for a wrong one as for the right one. What a page of
/// another site sends is not counted: it could lock out whoever reads that page.
pub(crate) fn admit(
    app: &AppState,
    token: Option<&str>,
    headers: &HeaderMap,
    origin: &RequestOrigin,
) -> Result<(), Refused> {
    let Some(right) = &app.token else { return Err(Refused::Closed) };
    if is_of_another_site(headers, origin) {
        return Err(Refused::OtherSite);
    }
    let (client, now) = (origin.client, app.clock.now());
    if let Some(wait_ms) = token.and_then(|_| app.attempts.wait_ms(client, origin.claimed, now)) {
        return Err(Refused::TooMany(wait_ms / 1000 + 1));
    }
    match token {
        Some(given) if bool::from(given.as_bytes().ct_eq(right.expose().as_bytes())) => Ok(()),
        given => {
            if given.is_some() {
                app.attempts.wrong(client, origin.claimed, now);
                let client = client.map_or("an unknown address".to_owned(), |address| address.to_string());
                tracing::warn!(client, "a change was refused: wrong token");
            }
            Err(Refused::WrongToken)
        }
    }
}

/// Waits for a commit, as long as an answer can. `what` is what it writes, as in "the note".
pub(crate) async fn committed(app: &AppState, what: &str, commit: impl Future<Output = bool>) -> Result<(), Refused> {
    match timeout(PATIENCE, commit).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Refused::Later(format!("the monitor is stopping: {what} was not written"))),
        Err(_elapsed) => {
            let why = app.writer.trouble().unwrap_or_else(|| "it takes too long".to_owned());
            Err(Refused::Later(format!(
                "the history cannot be written right now ({why}): {what} waits in memory and is written when it can be"
            )))
        }
    }
}

/// What a query of the history that failed says of a change.
pub(crate) fn unread(why: ReadError) -> Refused {
    Refused::Later(match why {
        ReadError::Store(_) => why.to_string(),
        why => format!("the history cannot be read right now: {why}"),
    })
}
