//! Variables in a URL.

use super::{text::Text, url_credentials::Parts};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Takes what is filled in before the `@` that the file writes literally: it is no part of the URL's text, so that a
/// password from the environment needs no percent-encoding. It comes back percent-encoded.
///
/// One variable that is all of it is `user:password`. What a variable says of more than the user (the whole URL, most
/// often) is the text of a URL, as it would be in the file.
pub(crate) fn literal(text: Text) -> Text {
    // The same with every fill blank: what is left of the signs of a URL is the file's.
    let mut blank = text.value.clone();
    text.fills.iter().for_each(|fill| blank.replace_range(fill.range.clone(), &"x".repeat(fill.range.len())));
    let Some((scheme, rest)) = blank.split_once("://") else { return text };
    let Some(user_information) = Parts::of(rest).user_information else { return text };
    let start = scheme.len() + "://".len();
    let place = start..start + user_information.len();
    let encoded = |part: &str| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string();
    let (mut value, mut fills, mut done) = (String::new(), Vec::new(), 0);
    for fill in &text.fills {
        let part = &text.value[fill.range.clone()];
        let part = match part.split_once(':') {
            Some((user, password)) if fill.range == place => format!("{}:{}", encoded(user), encoded(password)),
            _ if place.start <= fill.range.start && fill.range.end <= place.end => encoded(part),
            _ => part.to_owned(),
        };
        value.push_str(&text.value[done..fill.range.start]);
        fills.push(fill.at(value.len()..value.len() + part.len()));
        value.push_str(&part);
        done = fill.range.end;
    }
    value.push_str(&text.value[done..]);
    Text { value, fills, ..text }
}
