//! The cookies of one check (RFC 6265): an answer sets them, the requests after it send them back, and they are gone
//! with the check.

use crate::domain::{secret::Secret, time::UnixMs};
use chrono::NaiveDate;
use reqwest::{
    Url,
    header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE},
};

/// How many are kept, and how many values are kept out of an excerpt.
const MOST: usize = 50;
/// How long one is at most, its attributes included.
const LONGEST: usize = 4096;
/// A shorter value ("1", "en-GB") is no credential, and would blot out half an answer.
const TELLING: usize = 6;

/// The cookies of one check.
#[derive(Clone, Default)]
pub(super) struct Jar {
    /// In the order in which they were made.
    cookies: Vec<Cookie>,
    values: Vec<Secret>,
    too_many: bool,
}

#[derive(Clone)]
struct Cookie {
    name: Vec<u8>,
    value: Vec<u8>,
    domain: String,
    /// For this very host, and not for those below it.
    host_only: bool,
    path: String,
    secure: bool,
}

/// The attributes of a `Set-Cookie`. Of an attribute that is there twice the last one counts.
#[derive(Default)]
struct Attributes {
    domain: Option<String>,
    path: Option<String>,
    secure: bool,
    expires: Option<UnixMs>,
    /// In seconds; it counts before `expires`.
    max_age: Option<i64>,
}

impl Jar {
    /// Takes in what the answer from `url` sets.
    pub(super) fn take(&mut self, url: &Url, answer: &HeaderMap, now: UnixMs) {
        for line in answer.get_all(SET_COOKIE) {
            let line = line.as_bytes();
            let end = line.iter().position(|byte| *byte == b';').unwrap_or(line.len());
            let (pair, rest) = line.split_at(end);
            let Some((name, value)) = split_pair(pair) else { continue };
            self.hide(value);
            if line.len() <= LONGEST && !name.is_empty() {
                self.set(url, (name, value), Attributes::of(&String::from_utf8_lossy(rest)), now);
            }
        }
    }

    fn set(&mut self, url: &Url, (name, value): (&[u8], &[u8]), attributes: Attributes, now: UnixMs) {
        let host = url.host_str().unwrap_or_default();
        let (domain, host_only) = match attributes.domain {
            None => (host.to_owned(), true),
            // A whole `com` would be everybody's.
            Some(domain) if !domain.trim_end_matches('.').contains('.') => {
                if domain != host {
                    return;
                }
                (domain, true)
            }
            Some(domain) if domain_matches(url, &domain) => (domain, false),
            Some(_) => return,
        };
        let path = attributes.path.unwrap_or_else(|| default_path(url.path()));
        let expired = match (attributes.max_age, attributes.expires) {
            (Some(seconds), _) => seconds <= 0,
            (None, expires) => expires.is_some_and(|at| at <= now),
        };
        let cookie =
            Cookie { name: name.into(), value: value.into(), domain, host_only, path, secure: attributes.secure };
        let same =
            |known: &Cookie| (&known.name, &known.domain, &known.path) == (&cookie.name, &cookie.domain, &cookie.path);
        match self.cookies.iter().position(same) {
            Some(at) if expired => drop(self.cookies.remove(at)),
            // It keeps its age.
            Some(at) => self.cookies[at] = cookie,
            None if expired => {}
            None => {
                if self.cookies.len() == MOST {
                    self.cookies.remove(0);
                }
                self.cookies.push(cookie);
            }
        }
    }

    /// Keeps a value out of what is said of this check.
    pub(super) fn hide(&mut self, value: &[u8]) {
        let value = String::from_utf8_lossy(value);
        let value = value.trim_matches('"');
        if value.len() < TELLING || self.values.iter().any(|known| known.expose() == value) {
            return;
        }
        self.too_many |= self.values.len() >= MOST;
        if !self.too_many {
            self.hide_short(value);
        }
    }

    /// The same, where the value is meant and may be short. Of these there are few: however many cookies came, they are
    /// hidden.
    pub(super) fn hide_short(&mut self, value: &str) {
        if !value.is_empty() && !self.values.iter().any(|known| known.expose() == value) {
            self.values.push(Secret::new(value));
        }
    }

    /// What must not be seen of the answers of this check.
    pub(super) fn values(&self) -> &[Secret] {
        &self.values
    }

    /// More values came than can be kept out of an excerpt.
    pub(super) fn too_many(&self) -> bool {
        self.too_many
    }

    /// The `Cookie` of a request to `url`, where the jar has something for it. The configured ones among `headers` come
    /// first, as they are, and no cookie is sent under a name of theirs.
    pub(super) fn header(&self, url: &Url, headers: &HeaderMap) -> Option<HeaderValue> {
        let configured: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        let is_configured = |name: &[u8]| {
            let mut pairs = configured.iter().flat_map(|line| line.split(|byte| *byte == b';'));
            pairs.any(|pair| split_pair(pair).is_some_and(|(known, _)| known == name))
        };
        let mut own: Vec<&Cookie> =
            self.cookies.iter().filter(|cookie| cookie.goes_to(url) && !is_configured(&cookie.name)).collect();
        if own.is_empty() {
            return None;
        }
        // Stable: of equally long paths the older one comes first.
        own.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut parts: Vec<Vec<u8>> = configured.into_iter().map(Vec::from).collect();
        parts.extend(own.into_iter().map(|cookie| [&cookie.name, &b"="[..], &cookie.value].concat()));
        let mut value = HeaderValue::from_bytes(&parts.join(&b"; "[..])).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Cookie {
    fn goes_to(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        (if self.host_only { self.domain == host } else { domain_matches(url, &self.domain) })
            && path_matches(url.path(), &self.path)
            && (!self.secure || url.scheme() == "https")
    }
}

impl Attributes {
    fn of(text: &str) -> Attributes {
        let mut attributes = Attributes::default();
        for attribute in text.split(';') {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim_matches([' ', '\t']);
            match name.trim_matches([' ', '\t']).to_ascii_lowercase().as_str() {
                "domain" if !value.is_empty() => {
                    let bare = value.strip_prefix('.').unwrap_or(value);
                    // As hosts are written in addresses; what no host can be matches none.
                    attributes.domain = Some(url::Host::parse(bare).map_or_else(|_| ".".to_owned(), |h| h.to_string()));
                }
                "path" => attributes.path = value.starts_with('/').then(|| value.to_owned()),
                "secure" => attributes.secure = true,
                "expires" => attributes.expires = date(value).or(attributes.expires),
                "max-age" => attributes.max_age = seconds(value).or(attributes.max_age),
                _ => {}
            }
        }
        attributes
    }
}

/// `name=value`, without the space around both. None without a `=`.
fn split_pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    Some((pair[..at].trim_ascii(), pair[at + 1..].trim_ascii()))
}

/// RFC 6265, section 5.1.3. An address matches itself alone.
fn domain_matches(url: &Url, domain: &str) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == domain
        || url.domain().is_some()
            && host.strip_suffix(domain).is_some_and(|below| !domain.is_empty() && below.ends_with('.'))
}

/// RFC 6265, section 5.1.4: the directory of the requested path.
fn default_path(path: &str) -> String {
    match path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(at) => path[..at].to_owned(),
    }
}

/// The same section: the path itself, and what is below it.
fn path_matches(path: &str, of_cookie: &str) -> bool {
    path.strip_prefix(of_cookie)
        .is_some_and(|below| below.is_empty() || below.starts_with('/') || of_cookie.ends_with('/'))
}

/// A `Max-Age`; what is too long a number is as long as fits.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(if digits.len() < text.len() { i64::MIN } else { i64::MAX }))
}

/// An `Expires`, in whatever order its parts come (RFC 6265, section 5.1.1).
fn date(text: &str) -> Option<UnixMs> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let delimits = |c: char| matches!(c, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~');
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(delimits).filter(|token| !token.is_empty()) {
        let is_month = || {
            let start = token.get(..3)?.to_ascii_lowercase();
            (1_u32..).zip(MONTHS).find(|(_, name)| *name == start).map(|(month, _)| month)
        };
        if time.is_none()
            && let Some(found) = time_of(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some((found, _)) = number(token, 1, 2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(found) = is_month()
        {
            month = Some(found);
        } else if year.is_none()
            && let Some((found, _)) = number(token, 2, 4)
        {
            year = Some(found);
        }
    }
    let year = match year? {
        year @ 70..=99 => year + 1900,
        year @ ..70 => year + 2000,
        year => year,
    };
    let (hour, minute, second) = time?;
    let day = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month?, day?).filter(|_| year >= 1601)?;
    Some(UnixMs(day.and_hms_opt(hour, minute, second)?.and_utc().timestamp_millis()))
}

/// `h:m:s`, and whatever follows it.
fn time_of(token: &str) -> Option<(u32, u32, u32)> {
    let (hour, rest) = number(token, 1, 2)?;
    let (minute, rest) = number(rest.strip_prefix(':')?, 1, 2)?;
    let (second, _) = number(rest.strip_prefix(':')?, 1, 2)?;
    Some((hour, minute, second))
}

/// The number that `text` begins with, of so many digits, and the rest.
fn number(text: &str, least: usize, most: usize) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(digits);
    if !(least..=most).contains(&digits) { None } else { Some((number.parse().ok()?, rest)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    /// 2026-11-30, noon.
    const NOW: UnixMs = UnixMs(1_796_040_000_000);

    fn headers(name: reqwest::header::HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect()
    }

    /// What goes to `to` after `from` has set these.
    fn sent(from: &str, lines: &[&str], to: &str) -> String {
        let mut jar = Jar::default();
        jar.take(&url(from), &headers(SET_COOKIE, lines), NOW);
        jar.header(&url(to), &HeaderMap::new()).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_whatever_the_port_and_to_no_other() {
        let from = "https://a.example/";
        assert_eq!(sent(from, &["seen=1; Path=/; HttpOnly"], "http://a.example:8080/x"), "seen=1");
        for other in ["https://b.example/", "https://www.a.example/", "https://example/", "https://aa.example/"] {
            assert_eq!(sent(from, &["seen=1; Path=/"], other), "");
        }
    }

    #[test]
    fn a_domain_is_for_the_hosts_below_it() {
        let from = "https://www.a.example/";
        for set in ["s=1; Domain=a.example", "s=1; domain=.A.Example", "s=1; Domain=b.example; Domain=a.example"] {
            for to in ["https://a.example/", "https://www.a.example/", "https://x.y.a.example/"] {
                assert_eq!(sent(from, &[set], to), "s=1", "{set} {to}");
            }
            assert_eq!(sent(from, &[set], "https://evila.example/"), "");
        }
        assert_eq!(sent(from, &["s=1; Domain="], "https://www.a.example/"), "s=1");
        assert_eq!(
            sent("https://bücher.example/", &["s=1; Domain=xn--bcher-kva.example"], "https://x.bücher.example/"),
            "s=1"
        );
    }

    #[test]
    fn nobody_sets_a_cookie_for_strangers() {
        for domain in
            ["b.example", "www.a.example", "example", ".example", "com", "xample", ".", "..", "a b", "1.2.3.4"]
        {
            let set = format!("s=1; Domain={domain}");
            for to in ["https://a.example/", "https://b.example/", "https://www.a.example/"] {
                assert_eq!(sent("https://a.example/", &[&set], to), "", "{domain} {to}");
            }
        }
        // Its own name, though it is a whole one; and an address is no domain.
        assert_eq!(sent("http://localhost/", &["s=1; Domain=localhost"], "http://localhost/"), "s=1");
        assert_eq!(sent("http://localhost/", &["s=1; Domain=localhost"], "http://x.localhost/"), "");
        assert_eq!(sent("http://127.0.0.1/", &["s=1; Domain=127.0.0.1"], "http://127.0.0.1/"), "s=1");
        assert_eq!(sent("http://127.0.0.1/", &["s=1; Domain=0.0.1"], "http://127.0.0.1/"), "");
        assert_eq!(sent("http://[::1]/", &["s=1"], "http://[::1]/"), "s=1");
    }

    #[test]
    fn a_path_is_for_itself_and_what_is_below_it() {
        let from = "http://a.example/app/login";
        for (set, to, goes) in [
            ("s=1", "/app", true),
            ("s=1", "/app/x/y", true),
            ("s=1", "/application", false),
            ("s=1", "/", false),
            ("s=1; Path=/app/", "/app/x", true),
            ("s=1; Path=/app/", "/app", false),
            ("s=1; Path=/other", "/other?x=1", true),
            ("s=1; Path=relative", "/app/x", true),
            ("s=1; Path=/x; Path=", "/app/x", true),
        ] {
            let expected = if goes { "s=1" } else { "" };
            assert_eq!(sent(from, &[set], &format!("http://a.example{to}")), expected, "{set} {to}");
        }
    }

    #[test]
    fn a_secure_cookie_goes_over_tls_alone() {
        assert_eq!(sent("https://a.example/", &["s=1; secure"], "https://a.example/"), "s=1");
        assert_eq!(sent("https://a.example/", &["s=1; secure"], "http://a.example/"), "");
    }

    #[test]
    fn what_has_ended_is_deleted() {
        let after = |second: &str| sent("http://a.example/", &["s=1", second], "http://a.example/");
        for gone in [
            "s=2; Max-Age=0",
            "s=2; Max-Age=-99999999999999999999",
            "s=; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "s=2; expires=Thursday, 01-Jan-70 00:00:00 GMT",
            "s=2; Expires=Mon Nov 30 11:59:59 2026",
            "s=2; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Max-Age=0",
        ] {
            assert_eq!(after(gone), "", "{gone}");
        }
        for kept in [
            "s=2; Max-Age=1",
            "s=2; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=99999999999999999999",
            "s=2; Expires=Mon, 30 Nov 2026 12:00:01 GMT",
            "s=2; Expires=soon",
            "s=2; Max-Age=soon",
            "s=2; Expires=Thu, 31 Feb 1970 00:00:00 GMT",
        ] {
            assert_eq!(after(kept), "s=2", "{kept}");
        }
        assert_eq!(after("s=2; Path=/x; Max-Age=0"), "s=1");
    }

    #[test]
    fn the_longest_path_comes_first_and_then_the_oldest() {
        let lines = ["a=1; Path=/", "b=2; Path=/x", "c=3; Path=/", "a=4; Path=/", "d=5; Path=/x"];
        assert_eq!(sent("http://a.example/x/", &lines, "http://a.example/x/y"), "b=2; d=5; a=4; c=3");
    }

    #[test]
    fn what_is_no_cookie_is_none() {
        for line in ["", "s", "=1", " = 1", ";s=1", "; Path=/"] {
            assert_eq!(sent("http://a.example/", &[line], "http://a.example/"), "", "{line:?}");
        }
        assert_eq!(sent("http://a.example/", &[" s = a=b c "], "http://a.example/"), "s=a=b c");
        let long = format!("s={}", "x".repeat(LONGEST));
        assert_eq!(sent("http://a.example/", &[&long], "http://a.example/"), "");
    }

    #[test]
    fn a_configured_cookie_stays_as_it_is_and_is_not_said_twice() {
        let mut jar = Jar::default();
        let from = url("http://a.example/");
        jar.take(&from, &headers(SET_COOKIE, &["seen=1", "session=theirs"]), NOW);
        let header = |lines: &[&str]| jar.header(&from, &headers(COOKIE, lines)).unwrap();
        assert_eq!(header(&["session=ours"]), "session=ours; seen=1");
        assert_eq!(header(&["x=1;session=ours", "y"]), "x=1;session=ours; y; seen=1");
        assert!(header(&[]).is_sensitive());
        assert_eq!(jar.header(&from, &headers(COOKIE, &["seen=0; session="])), None);
    }

    #[test]
    fn of_too_many_the_oldest_go_and_too_many_values_are_known_to_be() {
        let lines: Vec<String> = (0..60).map(|i| format!("c{i}=value-{i}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let sent = sent("http://a.example/", &lines, "http://a.example/");
        assert_eq!((sent.split("; ").count(), sent.starts_with("c10=")), (MOST, true));
        let mut jar = Jar::default();
        jar.take(&url("http://a.example/"), &headers(SET_COOKIE, &lines[..MOST]), NOW);
        assert_eq!((jar.values().len(), jar.too_many()), (MOST, false));
        jar.take(&url("http://a.example/"), &headers(SET_COOKIE, &lines), NOW);
        assert_eq!((jar.values().len(), jar.too_many()), (MOST, true));
    }

    proptest! {
        /// Whatever a stranger sets goes to no other host than those below the one that it was for.
        #[test]
        fn no_attribute_leads_to_a_stranger(attributes in "(; ?(domain|path|secure|expires|max-age)=?[.a-c:/ 0-9]{0,9}){0,4}") {
            for to in ["http://b.c/", "http://c/", "http://1.2.3.4/"] {
                prop_assert_eq!(sent("http://a.b/", &[&format!("s=1{attributes}")], to), "");
            }
        }

        #[test]
        fn no_bytes_break_the_jar(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(line) = HeaderValue::from_bytes(&line) {
                let mut jar = Jar::default();
                jar.take(&url("http://a.b/"), &[(SET_COOKIE, line)].into_iter().collect(), NOW);
                jar.header(&url("http://a.b/"), &HeaderMap::new());
            }
        }
    }
}
