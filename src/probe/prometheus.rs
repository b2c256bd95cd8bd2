//! `type = "prometheus"`: a query to a Prometheus (or whatever speaks its API), and conditions on what it gives.
//!
//! <https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries>

use super::{
    conditions::{Absence, Condition, Facts, Name, Type, Value, section},
    connect,
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    http::{HttpVersion, wire::Wire},
    resolver::Resolver,
    runner::{Runner, Secrets},
    shared::Shared,
    text::{EXCERPT_SOURCE_BYTES, Scrubber},
    tls::{Tls, Verification, expiry_warning},
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Phase, Reason},
        secret::{REDACTED, Secret},
        service::Kind,
    },
    settings::{
        network::{self, IpVersion},
        text::Text,
        tls::{self, TlsSpec},
        weburl,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Method, Request, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderValue},
};
use serde_json::{Map, Value as Json, json};
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Prometheus,
    aliases: &["promql", "metric", "metrics"],
    own_key: Some("promql"),
    keys: &["url", "ip_version", "allow_metadata", "tls", "promql", "expect", "degraded", "bearer_token"],
    ..Descriptor::NONE
};

/// How much is read of an answer.
const MOST: usize = 1024 * 1024;

/// What conditions may name.
const NAMES: &[Name] = &[
    // Of the only series, or of a scalar.
    Name::new("value", Type::Number),
    // How many series there are.
    Name::new("count", Type::Number),
    // The lowest and the highest value of all series.
    Name::new("min", Type::Number),
    Name::new("max", Type::Number),
];

/// A query, and what it has to give.
#[derive(Clone, Debug)]
pub struct PrometheusSpec {
    /// Of the query, which is in it.
    pub url: Url,
    pub authorization: Option<Secret>,
    pub tls: TlsSpec,
    /// None: the query has to give anything at all.
    pub expect: Vec<Condition>,
    pub degraded: Vec<Condition>,
    pub ip_version: IpVersion,
    pub allow_metadata: bool,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<PrometheusSpec>> {
    let table = section.table;
    let url = match table.get("url") {
        None => {
            table.missing("url", "as `http://prometheus:9090`");
            None
        }
        Some(value) => value.filled().and_then(|text| {
            let is_http = ["http://", "https://"].iter().any(|scheme| text.value.trim().starts_with(scheme));
            if !is_http {
                let mistake = value.mistake("this URL does not fit the type prometheus");
                table.source.report(mistake.label("as `http://prometheus:9090`"));
                return None;
            }
            weburl::read(table, &text)
        }),
    };
    let query = match table.get("promql") {
        Some(value) => value.filled(),
        None => {
            table.missing("promql", "a query, as `promql = \"sum(rate(errors_total[5m]))\"`");
            None
        }
    };
    let (expect, mut secrets) = section::read(table, "expect", NAMES);
    let (degraded, of_degraded) = section::read(table, "degraded", NAMES);
    let token = table.filled("bearer_token");
    let tls = tls::read(table);
    let ip_version = network::ip_version(table);
    let mut shown = Map::new();
    shown.insert("ip_version".to_owned(), network::ip_version_shown(ip_version));
    let allow_metadata = network::allow_metadata(table, &mut shown);

    let (mut url, query) = (url?, query?);
    if let (Some(_), Some(value)) = (&url.user_information, table.peek("bearer_token")) {
        let mistake = value.mistake("both `bearer_token` and a user in the URL");
        table.source.report(mistake.label("one of them"));
    }
    secrets.extend(of_degraded);
    secrets.append(&mut url.secrets);
    secrets.extend(query.secrets());
    let authorization = match (&url.user_information, &token) {
        (Some((user, password)), _) => {
            Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose()))))
        }
        (None, Some(token)) => {
            secrets.push(Secret::new(&token.value));
            shown.insert("bearer_token".to_owned(), json!(REDACTED));
            Some(format!("Bearer {}", token.value))
        }
        (None, None) => None,
    };
    let base = url.url.path().trim_end_matches('/').to_owned();
    let base = base.strip_suffix("/api/v1/query").unwrap_or(&base).to_owned();
    url.url.set_path(&format!("{base}/api/v1/query"));
    url.url.query_pairs_mut().append_pair("query", &query.value);
    shown.insert("url".to_owned(), json!(url.target));
    shown.insert("promql".to_owned(), json!(Text::shown(&query)));
    shown.insert("expect".to_owned(), section::shown(&expect));
    shown.insert("degraded".to_owned(), section::shown(&degraded));
    shown.insert("tls".to_owned(), tls.shown);
    let probe = PrometheusSpec {
        url: url.url,
        authorization: authorization.map(Secret::new),
        tls: tls.spec,
        expect,
        degraded,
        ip_version,
        allow_metadata,
    };
    Some(ParsedEndpoint { probe, target: url.target, secrets, shown })
}

/// A query, ready to be asked.
#[derive(Debug)]
pub(super) struct Prometheus {
    spec: PrometheusSpec,
    tls: Tls,
    resolver: Resolver,
    authorization: Option<HeaderValue>,
    scrubber: Arc<Scrubber>,
}

impl Runner for Prometheus {
    type Spec = Box<PrometheusSpec>;

    fn secrets(spec: &Box<PrometheusSpec>) -> Secrets<'_> {
        (spec.authorization.iter().cloned().collect(), Vec::new())
    }

    fn new(spec: &Box<PrometheusSpec>, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Prometheus, ProbeError> {
        let host = spec.url.host_str().unwrap_or_default();
        connect::ascii_host(host)?;
        let authorization = spec.authorization.as_ref().map(|text| {
            let mut value = HeaderValue::from_str(text.expose());
            value.iter_mut().for_each(|value| value.set_sensitive(true));
            value.map_err(|_| ProbeError::Header("authorization".to_owned()))
        });
        let tls = Tls::new(&spec.tls, Verification::ChainAndName, &shared.roots)?;
        let resolver = shared.resolver.to_metadata_too(spec.allow_metadata);
        Ok(Prometheus { spec: (**spec).clone(), tls, resolver, authorization: authorization.transpose()?, scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        Place::of_url(&self.spec.url, &self.resolver, &self.tls)
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let (tls, resolver, version) = (&self.tls, &self.resolver, self.spec.ip_version);
        let (proxy, http) = (None, HttpVersion::Any);
        let wire = Wire { tls, resolver, version, proxy, http, trace, deadline };
        let mut request = Request::new(Method::GET, self.spec.url.clone());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let mut answer = wire.ask(request).await?;
        let status = answer.response.status().as_u16();
        trace.answered(status);
        trace.enter(Phase::Body);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk(&wire).await? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST {
                let message = "the answer is longer than 1 MiB: let the query aggregate";
                return Err(Fault::new(Class::Protocol, Some(Phase::Body), message));
            }
        }
        trace.end();
        let unlike = |class, message: String| {
            let start = &body[..body.len().min(EXCERPT_SOURCE_BYTES)];
            let excerpt = self.scrubber.excerpt(&String::from_utf8_lossy(start), start.len() == body.len());
            Fault::new(class, Some(Phase::Body), message).with_excerpt(excerpt)
        };
        let found = match (status, Found::read(&body)) {
            (_, Err(Some(error))) => return Err(unlike(Class::Query, format!("the query failed: {error}"))),
            (200, Ok(found)) => found,
            (200, Err(None)) => {
                return Err(unlike(Class::Protocol, "the answer is not that of Prometheus".to_owned()));
            }
            (status, _) => return Err(unlike(Class::HttpStatus, format!("HTTP {status}, expected 200"))),
        };
        let scrub = |text: &str| self.scrubber.message(text);
        let unmet = |conditions: &[Condition]| conditions.iter().find_map(|one| one.judge(&found, &scrub).err());
        if found.values.is_empty() && self.spec.expect.is_empty() {
            return Err(unlike(Class::Content, "the query gives nothing".to_owned()));
        }
        if let Some(message) = unmet(&self.spec.expect) {
            return Err(unlike(Class::Content, message));
        }
        if let Some(message) = unmet(&self.spec.degraded) {
            return Ok(Some(Reason { class: Class::Content, phase: Some(Phase::Body), message }));
        }
        let host = self.spec.url.host_str().unwrap_or_default();
        Ok(expiry_warning(trace, self.spec.tls.expiry_warning_days, host))
    }
}

/// The values that a query gave, as they were written.
struct Found {
    values: Vec<Json>,
}

impl Found {
    /// Reads an answer; the error is what Prometheus says against the query, if it is Prometheus.
    fn read(body: &[u8]) -> Result<Found, Option<String>> {
        let answer: Json = serde_json::from_slice(body).map_err(|_| None)?;
        match answer["status"].as_str() {
            Some("success") => {}
            Some("error") => return Err(Some(answer["error"].as_str().unwrap_or_default().to_owned())),
            _ => return Err(None),
        }
        let (kind, result) = (&answer["data"]["resultType"], &answer["data"]["result"]);
        let samples: Vec<&Json> = match (kind.as_str(), result) {
            (Some("scalar"), one) => vec![one],
            (Some("vector"), Json::Array(series)) => series.iter().map(|one| &one["value"]).collect(),
            (Some(kind @ ("matrix" | "string")), _) => {
                return Err(Some(format!("it gives a {kind}, and not one value for each series")));
            }
            _ => return Err(None),
        };
        // A moment and a value, which is text, because JSON has neither NaN nor infinity.
        let value = |sample: &Json| {
            let text = sample.get(1)?.as_str()?;
            // As a whole number where it is one, so that it is compared and shown as one.
            let whole = text.parse::<i64>().ok().map(Json::from);
            whole.or_else(|| Some(text.parse::<f64>().ok().filter(|n| n.is_finite()).map_or(Json::Null, Json::from)))
        };
        let values: Option<Vec<Json>> = samples.into_iter().map(value).collect();
        values.map(|values| Found { values }).ok_or(None)
    }
}

impl Facts for Found {
    fn fact(&self, name: &str) -> Result<Value<'_>, Absence> {
        let number = |value: &Json| value.as_f64();
        let order = |a: &&Json, b: &&Json| number(a).partial_cmp(&number(b)).unwrap_or(std::cmp::Ordering::Equal);
        let found = match name {
            "count" => return Ok(Value::whole(self.values.len() as u64)),
            "value" if self.values.len() > 1 => {
                return Err(Absence::Unknown("the query gives several series".to_owned()));
            }
            "value" => self.values.first(),
            "min" => self.values.iter().min_by(order),
            "max" => self.values.iter().max_by(order),
            _ => return Err(Absence::Unknown(format!("{name} stands for nothing"))),
        };
        if self.values.iter().any(Json::is_null) {
            return Err(Absence::Unknown("the query gives what is no number (NaN or infinite)".to_owned()));
        }
        found.map(Value::json).ok_or_else(|| Absence::Missing("the query gives nothing".to_owned()))
    }
}
