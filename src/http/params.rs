//! The query of a request: read once, with every mistake named.

use super::error::{Answer, ApiError};
use crate::{
    domain::{
        time::{DAY_MS, UnixMs},
        window::{DURATION, DURATIONS, Window, is_duration_beyond, parse_duration},
    },
    format::zone::Zone,
};
use axum::{extract::FromRequestParts, http::request::Parts};
use std::convert::Infallible;

/// The parameters of a request, in order.
#[derive(Clone, Debug)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Params, Infallible> {
        let query = parts.uri.query().unwrap_or("");
        Ok(Params(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

const TIME: &str = "takes an RFC 3339 time such as 2026-11-20T03:00:00Z (a + in it written as %2B), or a date";
const YEARS: &str = "is out of range: from 1970 to the end of 9999, in UTC";
/// The most entries of a list that one answer holds.
pub(crate) const MOST: u32 = 5_000;

impl Params {
    /// Refuses what is not among `known`: a misspelt parameter must not be taken for none, and of two values neither for
    /// the one that was meant.
    pub(crate) fn only(&self, known: &[&str]) -> Answer<()> {
        self.only_and_several(known, &[])
    }

    /// The same; those of `several` may come more than once.
    pub(crate) fn only_and_several(&self, known: &[&str], several: &[&str]) -> Answer<()> {
        let is_in = |names: &[&str], name: &str| names.contains(&name);
        for (i, (name, _)) in self.0.iter().enumerate() {
            if !is_in(known, name) && !is_in(several, name) {
                return Err(ApiError::parameter(
                    name,
                    match [known, several].concat() {
                        none if none.is_empty() => "this path takes no parameters".to_owned(),
                        all => format!("there is no such parameter here, only {}", all.join(", ")),
                    },
                ));
            }
            if !is_in(several, name) && self.0[..i].iter().any(|(before, _)| before == name) {
                return Err(ApiError::parameter(name, "is given more than once: give it one value"));
            }
        }
        Ok(())
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a parameter.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    /// A parameter that takes one of some words.
    pub(crate) fn word<T>(&self, name: &str, takes: &str, read: impl FnOnce(&str) -> Option<T>) -> Answer<Option<T>> {
        self.get(name).map(|text| read(text).ok_or_else(|| ApiError::parameter(name, takes))).transpose()
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, name: &str, default: u32, max: u32) -> Answer<u32> {
        let takes = format!("takes a whole number from 1 to {max}");
        let given = self.word(name, &takes, |t| t.parse().ok().filter(|n| (1..=max).contains(n)))?;
        Ok(given.unwrap_or(default))
    }

    fn time(&self, name: &str, zone: Option<Zone>) -> Answer<Option<UnixMs>> {
        let is_beyond = |text: &str| zone.map_or_else(|| UnixMs::is_beyond(text), |zone| zone.is_beyond(text));
        let takes = if self.get(name).is_some_and(is_beyond) { YEARS } else { TIME };
        self.word(name, takes, |text| zone.map_or_else(|| UnixMs::parse(text), |zone| zone.read(text)))
    }

    /// `window=…`: a duration, in milliseconds.
    pub(crate) fn length(&self) -> Answer<Option<i64>> {
        let takes = match self.get("window").is_some_and(is_duration_beyond) {
            true => format!("is out of range: {DURATIONS}"),
            false => format!("takes {DURATION}"),
        };
        self.word("window", &takes, parse_duration)
    }

    /// `at=…`: a moment of the past.
    pub(crate) fn at(&self, now: UnixMs) -> Answer<Option<UnixMs>> {
        match self.time("at", None)? {
            Some(at) if at > now => Err(ApiError::window(format!("{at} lies in the future: it is {now}"))),
            at => Ok(at),
        }
    }

    /// `window=…`, ending now, or `from=…` and `to=…`; seven days without either.
    pub(crate) fn window(&self, now: UnixMs) -> Answer<Window> {
        Ok(self.window_or_none(now, None)?.unwrap_or(Window::ending(now, 7 * DAY_MS)))
    }

    /// The same, where no window is as good an answer. A window never reaches beyond `now`. With a zone, dates and local
    /// times are those of its clocks.
    pub(crate) fn window_or_none(&self, now: UnixMs, zone: Option<Zone>) -> Answer<Option<Window>> {
        let length = self.length()?;
        match (length, self.time("from", zone)?, self.time("to", zone)?) {
            (Some(_), Some(_), _) => Err(ApiError::parameter("from", "goes without window: give one or the other")),
            (Some(_), _, Some(_)) => Err(ApiError::parameter("to", "goes without window: give one or the other")),
            (Some(length), None, None) => Ok(Some(Window::ending(now, length))),
            (None, None, Some(_)) => Err(ApiError::parameter("from", format!("is missing beside to; it {TIME}"))),
            (None, None, None) => Ok(None),
            (None, Some(from), to) => {
                let asked = to.unwrap_or(now);
                if asked == from && to.is_some() {
                    return Err(ApiError::window(format!("this window is empty: it begins and ends at {from}")));
                }
                // Without an end it would end now.
                if to.is_some() && asked < from {
                    return Err(ApiError::window(format!("this window ends before it begins: from {from} to {asked}")));
                }
                match Window::new(from, asked.min(now)) {
                    Some(window) => Ok(Some(window)),
                    None => Err(ApiError::window(format!("this window lies in the future: it is {now}"))),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(query: &str) -> Answer<Window> {
        let params = Params(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        params.window(UnixMs::parse("2026-11-23T12:00:00Z").unwrap())
    }

    #[test]
    fn a_window_is_a_length_or_a_from_and_a_to() {
        assert_eq!(window("").unwrap().length_ms(), 7 * DAY_MS);
        assert_eq!(window("window=24h").unwrap().length_ms(), DAY_MS);
        assert_eq!(window("from=2026-11-16&to=2026-11-18").unwrap().length_ms(), 2 * DAY_MS);
        assert_eq!(window("from=2026-11-23&to=2027-01-01").unwrap().length_ms(), DAY_MS / 2);
    }

    #[test]
    fn a_window_that_makes_no_sense_is_refused_with_the_reason() {
        for (query, status) in [
            ("window=7", 400),
            ("window=7d&from=2026-11-16", 400),
            ("to=2026-11-16", 400),
            ("from=yesterday", 400),
            ("from=2026-11-18&to=2026-11-16", 422),
            ("from=2027-01-01&to=2027-01-02", 422),
        ] {
            use axum::response::IntoResponse;
            assert_eq!(window(query).unwrap_err().into_response().status().as_u16(), status, "{query}");
        }
    }
}
