//! What a page's address says: the range, the filters, the reader's zone and colours.

use super::error::PageError;
use crate::{
    domain::{
        time::{DAY_MS, UnixMs},
        window::{DURATION, DURATIONS, Window, is_duration_beyond, parse_duration},
    },
    format::{clipped, zone::Zone},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use std::convert::Infallible;

/// The address and the cookies of a request for a page.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    /// From `?tz=`, else the cookie, else UTC.
    pub(super) zone: Zone,
    /// `?tz=` names a zone that is none.
    zone_unknown: Option<String>,
    /// `light` or `dark`, when the reader chose; otherwise the system decides.
    pub(super) theme: Option<&'static str>,
    /// The reader's zone is not known yet: the script may set it.
    pub(super) zone_is_default: bool,
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Query, Infallible> {
        let query = parts.uri.query().unwrap_or("");
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        Ok(Query::new(pairs, &parts.headers))
    }
}

impl Query {
    fn new(pairs: Vec<(String, String)>, headers: &HeaderMap) -> Query {
        let asked = pairs.iter().rev().find(|(name, _)| name == "tz").map(|(_, zone)| zone.as_str());
        let from_cookie = cookie(headers, "tz").and_then(|name| Zone::parse(&name));
        let zone = asked.and_then(Zone::parse).or(from_cookie);
        let theme = match cookie(headers, "theme").as_deref() {
            Some("light") => Some("light"),
            Some("dark") => Some("dark"),
            _ => None,
        };
        Query {
            zone: zone.unwrap_or(Zone::UTC),
            zone_unknown: asked.filter(|name| Zone::parse(name).is_none()).map(str::to_owned),
            theme,
            zone_is_default: zone.is_none(),
            pairs,
        }
    }

    /// Refuses what is not among `known`: a misspelt parameter must not be taken for none, and of two values neither for
    /// the one that was meant. Those of `several` may come more than once.
    pub(super) fn only(&self, known: &[&str], several: &[&str]) -> Result<(), PageError> {
        for (i, (name, value)) in self.pairs.iter().enumerate() {
            let shown = clipped(name, 40);
            if several.contains(&&**name) {
                continue;
            }
            if !known.contains(&&**name) {
                let takes = match [known, several].concat() {
                    none if none.is_empty() => "Its address takes no parameters.".to_owned(),
                    all => format!("Its address takes {}.", all.join(", ")),
                };
                return Err(PageError::bad_request(format!("This page knows no parameter “{shown}”"), takes));
            }
            let is_again = |(n, v): &(String, String)| n == name && !v.is_empty();
            if !value.is_empty() && self.pairs[..i].iter().any(is_again) {
                return Err(PageError::bad_request(format!("“{shown}” is given more than once"), "Give it one value."));
            }
        }
        Ok(())
    }

    /// The last value of a parameter that is not empty: a form sends its empty fields too.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(n, v)| n == name && !v.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The query with some parameters set (or, with `None`, left out): a link to the same page. It begins with `?`.
    pub(super) fn with(&self, changes: &[(&str, Option<&str>)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.pairs {
            if !value.is_empty() && !changes.iter().any(|(changed, _)| changed == name) {
                query.append_pair(name, value);
            }
        }
        for (name, value) in changes {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        format!("?{}", query.finish())
    }

    /// Every value of a parameter.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The query with one value of a parameter that takes several put in, or taken out where it is there.
    pub(super) fn toggled(&self, name: &str, value: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let is_it = |(n, v): &&(String, String)| n == name && v == value;
        let others = self.pairs.iter().filter(|pair| !pair.1.is_empty() && !is_it(pair));
        for (n, v) in others {
            query.append_pair(n, v);
        }
        if !self.all(name).any(|v| v == value) {
            query.append_pair(name, value);
        }
        format!("?{}", query.finish())
    }

    /// What links to other pages carry on: the moment that is shown, and the zone where the address names it. A query
    /// without its `?`.
    pub(super) fn carried(&self, at: Option<UnixMs>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.carried_pairs(at) {
            query.append_pair(name, &value);
        }
        query.finish()
    }

    /// The same, as the fields of a form.
    pub(super) fn carried_pairs(&self, at: Option<UnixMs>) -> Vec<(&'static str, String)> {
        let at = at.map(|at| ("at", at.to_string()));
        let tz = self.get("tz").filter(|_| self.zone_unknown.is_none()).map(|tz| ("tz", tz.to_owned()));
        at.into_iter().chain(tz).collect()
    }

    /// All that the page depends on besides the history and the time. What is empty makes no other page.
    pub(super) fn key(&self) -> String {
        let pairs: Vec<_> = self.pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
        format!("{pairs:?} {:?} {:?} {} {:?}", self.zone, self.zone_unknown, self.zone_is_default, self.theme)
    }

    /// `window=…`, ending now, or `from=…` and `to=…` in the reader's zone; `default_ms` without either.
    pub(super) fn window(&self, now: UnixMs, default_ms: i64) -> Result<Window, PageError> {
        let time = |name: &str| self.get(name).map(|text| self.time(name, text)).transpose();
        if let Some(name) = &self.zone_unknown {
            return Err(PageError::bad_request(
                format!("There is no time zone named “{name}”"),
                "“tz” takes a name of the IANA database, such as Europe/Berlin or UTC.",
            ));
        }
        let (from, to) = (time("from")?, time("to")?);
        let Some(from) = from else {
            let length = match self.get("window") {
                None => default_ms,
                Some(text) => parse_duration(text).ok_or_else(|| {
                    let shown = clipped(text, 40);
                    match is_duration_beyond(text) {
                        true => PageError::bad_request(
                            format!("“{shown}” is out of range"),
                            format!("“window” takes durations {DURATIONS}."),
                        ),
                        false => PageError::bad_request(
                            format!("“{shown}” is no duration"),
                            format!("“window” takes {DURATION}."),
                        ),
                    }
                })?,
            };
            let to = to.unwrap_or(now).min(now);
            return Ok(Window::ending(to, length));
        };
        let to = to.unwrap_or(now);
        if from >= now && self.get("at").is_some() {
            return Err(PageError::unprocessable(
                "This range had not begun yet",
                format!("What is shown was known at {}.", self.zone.dated(now, now).text),
                Some(("Show what is known now".to_owned(), self.with(&[("at", None)]))),
            ));
        }
        if to <= from {
            let (a, b) = (self.zone.dated(from, now).text, self.zone.dated(to, now).text);
            return Err(PageError::unprocessable(
                "This range ends before it begins",
                format!("It was asked for from {a} to {b}."),
                Some(("Swap them".to_owned(), self.with(&[("from", self.get("to")), ("to", self.get("from"))]))),
            ));
        }
        Window::new(from, to.min(now)).ok_or_else(|| {
            PageError::unprocessable(
                "This range lies in the future",
                format!("It is {} now.", self.zone.dated(now, now).text),
                Some(("Show the last 7 days".to_owned(), "?window=7d".to_owned())),
            )
        })
    }

    /// What a parameter that is a time says, in the reader's zone.
    fn time(&self, name: &str, text: &str) -> Result<UnixMs, PageError> {
        self.zone.read(text).ok_or_else(|| {
            let shown = clipped(text, 40);
            if self.zone.is_beyond(text) {
                return PageError::bad_request(
                    format!("“{shown}” is out of range"),
                    format!("“{name}” takes times from 1970 to the end of 9999, in UTC."),
                );
            }
            PageError::bad_request(
                format!("“{shown}” is no time"),
                format!("“{name}” takes a date such as 2026-11-20, or a date and time such as 2026-11-20T03:00."),
            )
        })
    }

    /// `at=…`: a moment of the past, in the reader's zone.
    pub(super) fn at(&self, now: UnixMs) -> Result<Option<UnixMs>, PageError> {
        let Some(text) = self.get("at") else { return Ok(None) };
        let at = self.time("at", text)?;
        if at > now {
            return Err(PageError::unprocessable(
                "This moment lies in the future",
                format!("It is {} now.", self.zone.dated(now, now).text),
                Some(("Back to now".to_owned(), self.with(&[("at", None)]))),
            ));
        }
        Ok(Some(at))
    }

    /// A whole number that a parameter holds.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }
}

/// The usual ranges of a service's page: what the address says, and what the button says.
pub(super) const RANGES: [(&str, &str, i64); 6] = [
    ("1h", "1 h", DAY_MS / 24),
    ("24h", "24 h", DAY_MS),
    ("7d", "7 d", 7 * DAY_MS),
    ("30d", "30 d", 30 * DAY_MS),
    ("90d", "90 d", 90 * DAY_MS),
    ("365d", "1 y", 365 * DAY_MS),
];

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, value)| percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str, cookies: &str) -> Query {
        let pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookies.parse().unwrap());
        Query::new(pairs, &headers)
    }

    #[test]
    fn the_zone_comes_from_the_address_then_the_cookie() {
        assert_eq!(query("tz=Asia/Tokyo", "tz=Europe%2FBerlin").zone.name(), "Asia/Tokyo");
        assert_eq!(query("", "a=b; tz=Europe%2FBerlin; theme=dark").zone.name(), "Europe/Berlin");
        assert_eq!(query("", "tz=Nowhere; theme=purple").zone.name(), "UTC");
        assert_eq!(query("", "theme=dark").theme, Some("dark"));
        assert_eq!(query("", "theme=purple").theme, None);
    }

    #[test]
    fn a_link_to_the_same_page_keeps_what_it_does_not_change() {
        let query = query("state=down&q=a+b&empty=&group=x", "");
        assert_eq!(query.with(&[("state", None)]), "?q=a+b&group=x");
        assert_eq!(query.with(&[("state", Some("up"))]), "?q=a+b&group=x&state=up");
    }

    #[test]
    fn a_value_of_several_is_put_in_and_taken_out() {
        let query = query("open=a&sort=name&open=b+c&q=", "");
        assert_eq!(query.toggled("open", "a"), "?sort=name&open=b+c");
        assert_eq!(query.toggled("open", "d"), "?open=a&sort=name&open=b+c&open=d");
        assert_eq!(query.all("open").collect::<Vec<_>>(), ["a", "b c"]);
    }

    #[test]
    fn a_range_is_read_in_the_readers_zone() {
        let now = UnixMs::parse("2026-11-23T12:00:00Z").unwrap();
        let range = |text: &str| query(text, "tz=Europe/Berlin").window(now, 7 * DAY_MS);
        assert_eq!(range("").unwrap().length_ms(), 7 * DAY_MS);
        assert_eq!(range("window=24h&from=&to=").unwrap().length_ms(), DAY_MS);
        let exact = range("from=2026-11-20T03:00&to=2026-11-20T04:00").unwrap();
        assert_eq!(exact.from(), UnixMs::parse("2026-11-20T02:00:00Z").unwrap());
        assert_eq!(exact.length_ms(), 3_600_000);
        assert_eq!(range("from=2026-11-23&to=2027-01-01").unwrap().to(), now);
        for bad in ["window=7", "from=yesterday", "from=2026-11-20&to=2026-11-19", "from=2027-01-01", "tz=Atlantis"] {
            assert!(range(bad).is_err(), "{bad}");
        }
    }
}
