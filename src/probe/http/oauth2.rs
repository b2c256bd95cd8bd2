//! A token for the service, which an OAuth 2 server gives for our own credentials (RFC 6749, section 4.4). It is kept
//! until it ends, so that a check is not two.

use super::{headers::shown, spec::OAuth2, unpack::Unpacked, wire::Wire};
use crate::{
    domain::{
        check::{Class, Phase, Reason},
        secret::Secret,
    },
    probe::{
        error::ProbeError,
        fault,
        trace::{Fault, Trace},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Body, Method, Request, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT},
};
use serde_json::Value as Json;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};
use url::form_urlencoded::{Serializer, byte_serialize};

/// How much of an answer is read in which there should be a token.
const ANSWER_BYTES: usize = 64 * 1024;
/// How long a token is kept whose end the server does not say.
const UNSAID: Duration = Duration::from_secs(300);
/// A token is not used in the last part of its time: it may end on the way.
const MARGIN: Duration = Duration::from_secs(30);
/// What is left of the deadline to say that it was the token that did not come.
const SPARE: Duration = Duration::from_millis(20);

/// Where tokens come from, and the one that is good.
#[derive(Debug)]
pub(super) struct Tokens {
    spec: OAuth2,
    headers: HeaderMap,
    body: String,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone, Debug)]
struct Kept {
    token: Secret,
    until: Instant,
}

impl Tokens {
    pub(super) fn new(spec: &OAuth2, our_name: &'static str) -> Result<Tokens, ProbeError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(our_name));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let mut body = Serializer::new(String::new());
        body.append_pair("grant_type", "client_credentials");
        for (name, value) in [("scope", &spec.scope), ("audience", &spec.audience)] {
            if let Some(value) = value {
                body.append_pair(name, value);
            }
        }
        if spec.in_body {
            body.append_pair("client_id", &spec.client_id);
            body.append_pair("client_secret", spec.client_secret.expose());
        } else {
            let [user, password] = [&spec.client_id, spec.client_secret.expose()]
                .map(|text| byte_serialize(text.as_bytes()).collect::<String>());
            let pair = STANDARD.encode(format!("{user}:{password}"));
            let value = HeaderValue::from_str(&format!("Basic {pair}"));
            headers.insert(AUTHORIZATION, value.map_err(|_| ProbeError::Header("authorization".to_owned()))?);
        }
        Ok(Tokens { spec: spec.clone(), headers, body: body.finish(), kept: Mutex::default() })
    }

    /// The token that is kept, if it is good for a while.
    pub(super) fn kept(&self) -> Option<Secret> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|kept| Instant::now() < kept.until).map(|kept| kept.token.clone())
    }

    /// A new token. It takes the time of the check, and none of its phases: those are the service's.
    pub(super) async fn fetch(&self, wire: &Wire<'_>, until: Instant) -> Result<Secret, Fault> {
        let trace = Arc::new(Trace::start());
        let wire = Wire { trace: &trace, ..*wire };
        let answer = timeout_at(until - SPARE.min(wire.deadline / 10), self.ask(&wire)).await;
        let kept = match answer {
            Ok(answer) => answer,
            Err(_) => {
                Err(fault::waited_for_us(&trace, wire.deadline).unwrap_or_else(|| fault::late(&trace, wire.deadline)))
            }
        };
        let kept = kept.map_err(|fault| {
            let message = format!("no OAuth2 token from {}: {}", shown(&self.spec.token_url), fault.reason.message);
            Fault { reason: Reason { message, ..fault.reason }, ..fault }
        })?;
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept.clone());
        Ok(kept.token)
    }

    async fn ask(&self, wire: &Wire<'_>) -> Result<Kept, Fault> {
        let mut request = Request::new(Method::POST, self.spec.token_url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = Some(Body::from(self.body.clone()));
        let asked_at = Instant::now();
        let mut answer = wire.ask(request).await?;
        wire.trace.enter(Phase::Body);
        let status = answer.response.status();
        let mut body = Unpacked::new(answer.response.headers(), ANSWER_BYTES, ANSWER_BYTES);
        while let Some(chunk) = answer.chunk(wire).await? {
            body.take(&chunk)?;
            if body.is_full() {
                break;
            }
        }
        let json: Option<Json> = serde_json::from_slice(&body.into_start()).ok();
        let field = |name: &str| json.as_ref().and_then(|json| json.get(name));
        if status != StatusCode::OK {
            // The one word that the standard has for what is wrong. What else is said may have anything in it.
            let word = field("error").and_then(Json::as_str);
            let plain = |word: &&str| word.len() <= 40 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            let why = word.filter(plain).map_or_else(String::new, |word| format!(" ({word})"));
            return Err(wrong(Class::HttpStatus, Phase::Ttfb, format!("HTTP {}{why}", status.as_u16())));
        }
        let Some(token) = field("access_token").and_then(Json::as_str).filter(|token| !token.is_empty()) else {
            let what = if json.is_some() { "the answer has no access_token" } else { "the answer is not JSON" };
            return Err(wrong(Class::Content, Phase::Body, what.to_owned()));
        };
        if field("token_type").and_then(Json::as_str).is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(wrong(Class::Content, Phase::Body, "the token is not of the type Bearer".to_owned()));
        }
        let lasts = field("expires_in").and_then(|n| n.as_u64().or_else(|| n.as_str()?.parse().ok()));
        // What is longer than a day is asked for once a day.
        let lasts = lasts.map_or(UNSAID, |seconds| Duration::from_secs(seconds.min(86_400)));
        let until = asked_at + lasts - MARGIN.min(lasts / 10);
        Ok(Kept { token: Secret::new(token), until })
    }
}

fn wrong(class: Class, phase: Phase, message: String) -> Fault {
    Fault::new(class, Some(phase), message)
}
