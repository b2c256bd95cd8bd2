//! What forms share: their fields, and what they say that were refused, in words, with the status and the headers of the
//! refusal.

use crate::http::{
    changes::{self, Refused},
    proxy_headers::RequestOrigin,
    state::AppState,
};
use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use std::collections::HashMap;

/// What somebody typed into a form: each field once; the last one counts.
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    /// Reads the body that a browser sends.
    pub(super) fn read(body: &[u8]) -> Fields {
        Fields(url::form_urlencoded::parse(body).into_owned().collect())
    }

    /// A field, which is empty where it is not there.
    pub(super) fn take(&mut self, name: &str) -> String {
        self.0.remove(name).unwrap_or_default()
    }

    /// Whether whoever sent it may change something, by the token in it.
    pub(super) fn admit(&mut self, app: &AppState, headers: &HeaderMap, origin: &RequestOrigin) -> Result<(), Refused> {
        let token = self.0.remove("token");
        changes::admit(app, token.as_deref().map(str::trim), headers, origin)
    }
}

/// Why it was refused, as a sentence.
pub(super) fn sentence(refused: &Refused) -> String {
    match refused {
        Refused::WrongToken => "This is not the token that is configured.".to_owned(),
        Refused::TooMany(seconds) => {
            format!("Too many wrong tokens from this address. The next one is checked in {seconds} s.")
        }
        Refused::Closed => capital(changes::CLOSED) + ".",
        Refused::OtherSite => capital(changes::OTHER_SITE) + ".",
        Refused::Missing => "There is no such incident any more.".to_owned(),
        Refused::Text(why) | Refused::Later(why) => capital(why) + ".",
    }
}

/// Whether it was refused because of its token.
pub(super) fn is_of_token(refused: Option<&Refused>) -> bool {
    matches!(refused, Some(Refused::WrongToken | Refused::TooMany(_)))
}

/// Gives a page that says so the status and the headers of the refusal.
pub(super) fn mark(mut page: Response, refused: &Refused) -> Response {
    *page.status_mut() = refused.status();
    if *refused == Refused::WrongToken {
        page.headers_mut().insert(header::WWW_AUTHENTICATE, changes::SCHEME);
    }
    if let Some(seconds) = refused.retry_after_s() {
        page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    page
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
