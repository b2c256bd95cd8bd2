//! The word of a registry by RDAP.

use super::registration::{Known, Registration};
use crate::{
    domain::{
        check::{Class, Phase},
        time::UnixMs,
    },
    probe::{
        http::{HttpVersion, wire::Wire},
        resolver::Resolver,
        tls::Tls,
        trace::{Fault, Trace},
    },
    settings::network::IpVersion,
};
use reqwest::{
    Method, Request, Url,
    header::{ACCEPT, HeaderValue, LOCATION},
};
use serde_json::Value as Json;
use std::{sync::Arc, time::Duration};

/// How much is read of an answer. IANA's list has a tenth of it.
const MOST: usize = 1024 * 1024;
/// A server may send to another one that many times.
const REDIRECTS: usize = 3;

/// Who asks.
pub(super) struct Client<'a> {
    pub(super) tls: &'a Tls,
    pub(super) resolver: &'a Resolver,
    pub(super) trace: &'a Arc<Trace>,
    pub(super) deadline: Duration,
}

impl Client<'_> {
    /// The server for this domain, of the list; `None` where its registry has none.
    pub(super) async fn server(&self, list: &Url, domain: &str) -> Result<Option<Url>, Fault> {
        match self.get(list.clone()).await? {
            (200, Some(answer)) => Ok(in_list(&answer, domain)),
            (status, _) => Err(unusable(format!("HTTP {status} in the place of IANA's list of registries"))),
        }
    }

    /// What the server says of it.
    pub(super) async fn ask(&self, server: &Url, domain: &str) -> Result<Known, Fault> {
        let mut url = server.clone();
        url.set_path(&format!("{}/domain/{domain}", server.path().trim_end_matches('/')));
        match self.get(url).await? {
            (404, _) => Ok(Known::Free),
            (200, Some(answer)) => match read(&answer) {
                Some(registration) => Ok(Known::Registered(registration)),
                None => Err(unusable("the answer is not RDAP's".to_owned())),
            },
            (200, None) => Err(unusable("the answer is not RDAP's".to_owned())),
            (429, _) => Err(unusable("the registry is asked too often (HTTP 429)".to_owned())),
            (status, _) => Err(unusable(format!("the registry answered HTTP {status}"))),
        }
    }

    /// A status, and the JSON that came with it.
    async fn get(&self, mut url: Url) -> Result<(u16, Option<Json>), Fault> {
        let (tls, resolver, trace, deadline) = (self.tls, self.resolver, self.trace, self.deadline);
        let (version, http) = (IpVersion::Any, HttpVersion::Any);
        let wire = Wire { tls, resolver, version, proxy: None, http, trace, deadline };
        for _ in 0..=REDIRECTS {
            let mut request = Request::new(Method::GET, url.clone());
            let accepted = HeaderValue::from_static("application/rdap+json, application/json");
            request.headers_mut().insert(ACCEPT, accepted);
            let mut answer = wire.ask(request).await?;
            let status = answer.response.status();
            if status.is_redirection() {
                let to = answer.response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
                let next = to.and_then(|to| url.join(to).ok()).filter(|to| matches!(to.scheme(), "http" | "https"));
                url = next.ok_or_else(|| unusable("the registry redirects to nowhere".to_owned()))?;
                continue;
            }
            trace.enter(Phase::Body);
            let mut body = Vec::new();
            while let Some(chunk) = answer.chunk(&wire).await? {
                body.extend_from_slice(&chunk);
                if body.len() > MOST {
                    return Err(unusable("the registry's answer is longer than 1 MiB".to_owned()));
                }
            }
            return Ok((status.as_u16(), serde_json::from_slice(&body).ok()));
        }
        Err(unusable(format!("the registry redirects more than {REDIRECTS} times")))
    }
}

fn unusable(message: String) -> Fault {
    Fault::new(Class::Protocol, Some(Phase::Body), message)
}

/// The server in IANA's list whose names are nearest to this domain's.
fn in_list(list: &Json, domain: &str) -> Option<Url> {
    let services = list["services"].as_array()?;
    let mut ends =
        std::iter::successors(domain.split_once('.'), |(_, rest)| rest.split_once('.')).map(|(_, rest)| rest);
    ends.find_map(|end| {
        let of_it = services.iter().find(|service| {
            let names = service[0].as_array();
            names.is_some_and(|names| names.iter().any(|name| name.as_str() == Some(end)))
        })?;
        let urls: Vec<Url> = of_it[1].as_array()?.iter().filter_map(|url| Url::parse(url.as_str()?).ok()).collect();
        urls.iter().find(|url| url.scheme() == "https").or(urls.first()).cloned()
    })
}

fn read(answer: &Json) -> Option<Registration> {
    (answer["objectClassName"] == "domain").then_some(())?;
    let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ends = events.iter().find(|event| event["eventAction"] == "expiration");
    let statuses = answer["status"].as_array().map(Vec::as_slice).unwrap_or_default();
    Some(Registration {
        ends: ends.and_then(|event| UnixMs::parse(event["eventDate"].as_str()?)),
        statuses: statuses.iter().filter_map(Json::as_str).map(Registration::status).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_server_of_the_longest_name_is_taken() {
        let list = json!({ "services": [
            [["uk"], ["https://uk.example/"]],
            [["co.uk", "com"], ["http://plain.example/", "https://co.example/v1/"]],
        ] });
        let server = |domain| in_list(&list, domain).map(String::from);
        assert_eq!(server("shop.co.uk").as_deref(), Some("https://co.example/v1/"));
        assert_eq!(server("shop.org.uk").as_deref(), Some("https://uk.example/"));
        assert_eq!(server("shop.de"), None);
        assert_eq!(in_list(&json!([]), "a.com"), None);
    }
}
