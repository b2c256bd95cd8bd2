//! What a form says that was refused: in words, with the status and the headers of the refusal.

use crate::http::annotations::{self, Refused};
use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use std::collections::HashMap;

/// The fields of a form, each once; the last one counts.
pub(super) fn fields(body: &[u8]) -> HashMap<String, String> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

/// Why it was refused, as a sentence.
pub(super) fn sentence(refused: &Refused) -> String {
    match refused {
        Refused::WrongToken => "This is not the token that is configured.".to_owned(),
        Refused::TooMany(seconds) => {
            format!("Too many wrong tokens from this address. The next one is checked in {seconds} s.")
        }
        Refused::Closed => capital(annotations::CLOSED) + ".",
        Refused::OtherSite => capital(annotations::OTHER_SITE) + ".",
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
        page.headers_mut().insert(header::WWW_AUTHENTICATE, annotations::SCHEME);
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
