//! A request on a connection of its own, its redirects, and the time that each phase took.
//!
//! With redirects, a phase's time is its sum over all hops: the phases still add up to the response time, and a slow
//! hop cannot hide. The status and the answer are the last hop's; of several certificates the one that ends first is
//! recorded.

use super::{
    answer::{self, BODY_BYTES, Content},
    cookies::Jar,
    facts::{Before, Found, Status},
    headers::{is_harmless, same_owner, shown},
    keeper::Keeper,
    names,
    oauth2::Tokens,
    spec::{Auth, HttpSpec},
    unpack::{ENCODINGS, Unpacked},
    wire::{Answer, Wire},
};
use crate::{
    clock::Clock,
    domain::{
        check::{Class, Phase, Reason},
        secret::{REDACTED, Secret},
    },
    probe::{
        conditions::Condition,
        error::ProbeError,
        resolver::Resolver,
        shared::Shared,
        text::{EXCERPT_SOURCE_BYTES, Scrubber},
        tls::{Tls, Verification},
        trace::{Fault, Trace},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{
    Body, Method, Request, StatusCode, Url,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap,
        HeaderValue, LOCATION, USER_AGENT,
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// How long the check waits for the text of an answer whose status is wrong already.
const EXCERPT_WAIT: Duration = Duration::from_secs(1);

const OUR_NAME: &str = concat!("healthcheck_dashboard/", env!("CARGO_PKG_VERSION"));

/// A request with its redirects, ready to be sent any number of times.
#[derive(Debug)]
pub(super) struct Exchange {
    spec: HttpSpec,
    /// For the configured host; a stranger gets the harmless ones among them.
    headers: HeaderMap,
    tls: Tls,
    resolver: Resolver,
    scrubber: Arc<Scrubber>,
    tokens: Option<Arc<Tokens>>,
}

impl Exchange {
    pub(super) fn new(spec: &HttpSpec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Exchange, ProbeError> {
        if !matches!(spec.url.scheme(), "http" | "https") || spec.url.host().is_none() {
            return Err(ProbeError::Url(spec.url.scheme().to_owned()));
        }
        let mut headers = HeaderMap::new();
        // What curl sends; some servers refuse a request without it.
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(USER_AGENT, HeaderValue::from_static(OUR_NAME));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ENCODINGS));
        let value = |name: &str, text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| ProbeError::Header(name.to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        match &spec.auth {
            Some(Auth::Basic { user, password }) => {
                let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
                headers.insert(AUTHORIZATION, value("authorization", &format!("Basic {pair}"))?);
            }
            Some(Auth::Bearer(token)) => {
                headers.insert(AUTHORIZATION, value("authorization", &format!("Bearer {}", token.expose()))?);
            }
            Some(Auth::OAuth2(_)) | None => {}
        }
        let tokens = match &spec.auth {
            Some(Auth::OAuth2(oauth2)) => Some(Arc::new(Tokens::new(oauth2, OUR_NAME)?)),
            _ => None,
        };
        let mut own = HeaderMap::new();
        for (name, secret) in &spec.headers {
            own.append(name.clone(), value(name.as_str(), secret.expose())?);
        }
        headers.extend(own);
        let tls = Tls::new(&spec.tls, Verification::ChainAndName, &shared.roots)?;
        let resolver = shared.resolver.to_metadata_too(spec.allow_metadata).with(&spec.resolve);
        Ok(Exchange { spec: spec.clone(), headers, tls, resolver, scrubber, tokens })
    }
}

/// A request, as it is sent.
pub(super) struct Outgoing {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<String>,
}

/// The answer that counts, and how the check got there.
struct Arrival {
    answer: Answer,
    url: Url,
    redirects: usize,
}

impl Exchange {
    pub(super) fn wire<'a>(&'a self, trace: &'a Arc<Trace>, deadline: Duration) -> Wire<'a> {
        let HttpSpec { ip_version: version, http_version: http, .. } = self.spec;
        let proxy = self.spec.proxy.as_ref();
        Wire { tls: &self.tls, resolver: &self.resolver, version, proxy, http, trace, deadline }
    }

    /// The same, with the tokens of another one.
    pub(super) fn sharing(mut self, other: &Exchange) -> Exchange {
        self.tokens = self.tokens.and(other.tokens.clone());
        self
    }

    pub(super) fn spec(&self) -> &HttpSpec {
        &self.spec
    }

    pub(super) fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// A request and its redirects, and what is expected of the answer. Of a sequence: what was before it, and what is
    /// kept of it.
    pub(super) async fn exchange(
        &self,
        wire: &Wire<'_>,
        jar: &mut Jar,
        request: Outgoing,
        until: Instant,
        (before, mut keeper): (Before, Option<&mut Keeper<'_>>),
    ) -> Result<Option<Reason>, Fault> {
        let trace = wire.trace;
        let Arrival { answer, url, redirects } = self.arrive(wire, jar, request, until).await?;
        let status = answer.response.status();
        let head = answer::head(&answer.response);
        let content_type = answer.response.headers().get(CONTENT_TYPE).cloned();
        let is_read = self.spec.has_conditions() || keeper.is_some();
        let headers = if is_read { answer.response.headers().clone() } else { HeaderMap::new() };
        if let Err(message) = self.check_status(status) {
            let wait = EXCERPT_WAIT.min(until.saturating_duration_since(Instant::now()) / 2);
            let (body, complete) = start_of_body(answer, wire, Instant::now() + wait).await;
            let mut text = head.clone() + &answer::decode(&body, content_type.as_ref());
            if let Some(keeper) = keeper {
                let content = Content::new(&body, complete, content_type.as_ref());
                let found = Found { status, headers: &headers, content: &content, url: &url, redirects, trace, before };
                // What would have been kept is not shown, and neither is that in which it may be.
                if !keeper.hide(&found, jar) && !complete {
                    text = head;
                }
            }
            let fault = Fault::new(Class::HttpStatus, Some(Phase::Ttfb), message).with_excerpt(Some(text));
            return Err(self.cleaned(fault, jar, false));
        }
        let needs_body = keeper.as_ref().is_some_and(|keeper| keeper.needs_body());
        let (body, complete) = self.body(answer, wire, jar, needs_body).await?;
        trace.end();
        let content = Content::new(&body, complete, content_type.as_ref());
        let found = Found { status, headers: &headers, content: &content, url: &url, redirects, trace, before };
        let kept = keeper.as_mut().map_or(Ok(()), |keeper| keeper.keep(&found, jar));
        let keeper_found = kept.is_ok();
        self.check(&found, jar).and(kept).map_err(|message| {
            let start = &body[..body.len().min(EXCERPT_SOURCE_BYTES)];
            // What should have been kept may be in it.
            let is_shown = complete || keeper_found;
            let text = if is_shown { head + &answer::decode(start, content_type.as_ref()) } else { head };
            let whole = complete && start.len() == body.len();
            let fault = Fault::new(Class::Content, Some(Phase::Body), message).with_excerpt(Some(text));
            self.cleaned(fault, jar, whole)
        })?;
        Ok(self.unmet(&self.spec.degraded, &found, jar).map(|message| {
            let message = self.scrubber.with(jar.values()).message(&message);
            Reason { class: Class::Content, phase: Some(Phase::Body), message }
        }))
    }

    /// What can be said as soon as the status is there.
    fn check_status(&self, status: StatusCode) -> Result<(), String> {
        if !self.spec.expect_status.contains(status.as_u16()) {
            return Err(format!("HTTP {}, expected {}", status.as_u16(), self.spec.expect_status));
        }
        let of_it_alone = self.spec.expect.iter().filter(|condition| condition.names_only(names::STATUS));
        // A status has no secret in it.
        of_it_alone.into_iter().try_for_each(|condition| condition.judge(&Status(status), &str::to_owned))
    }

    fn check(&self, found: &Found<'_>, jar: &Jar) -> Result<(), String> {
        answer::check(&self.spec, found.content)?;
        self.unmet(&self.spec.expect, found, jar).map_or(Ok(()), Err)
    }

    /// The first condition that does not hold, as a sentence.
    fn unmet(&self, conditions: &[Condition], found: &Found<'_>, jar: &Jar) -> Option<String> {
        let scrub = |text: &str| match jar.too_many() {
            true => REDACTED.to_owned(),
            false => self.scrubber.with(jar.values()).message(text),
        };
        conditions.iter().find_map(|condition| condition.judge(found, &scrub).err())
    }

    /// A failure whose excerpt is the beginning of the answer as it came: without secrets, and without what the answers
    /// of this check set as cookies.
    fn cleaned(&self, fault: Fault, jar: &Jar, complete: bool) -> Fault {
        let scrubber = self.scrubber.with(jar.values());
        let reason = Reason { message: scrubber.message(&fault.reason.message), ..fault.reason };
        let excerpt = fault.excerpt.filter(|_| !jar.too_many()).and_then(|text| scrubber.excerpt(&text, complete));
        Fault { reason, excerpt, ..fault }
    }

    /// Asks with whatever token is needed. One that was kept and is good no more is replaced.
    async fn arrive(
        &self,
        wire: &Wire<'_>,
        jar: &mut Jar,
        request: Outgoing,
        until: Instant,
    ) -> Result<Arrival, Fault> {
        let Some(tokens) = &self.tokens else { return self.follow(wire, jar, request).await };
        let with = |headers: HeaderMap| Outgoing { url: request.url.clone(), headers, body: request.body.clone() };
        if let Some(kept) = tokens.kept() {
            let before = jar.clone();
            let headers = headers_with(&request.headers, &kept, jar)?;
            let arrival = self.follow(wire, jar, with(headers)).await?;
            if arrival.answer.response.status() != StatusCode::UNAUTHORIZED {
                return Ok(arrival);
            }
            *jar = before;
        }
        let token = tokens.fetch(wire, until).await?;
        let headers = headers_with(&request.headers, &token, jar)?;
        self.follow(wire, jar, with(headers)).await
    }

    /// Asks, and asks on where the answer points, up to the answer that counts. What answers set as cookies
    /// goes into the jar, and out of it into the next request.
    async fn follow(&self, wire: &Wire<'_>, jar: &mut Jar, request: Outgoing) -> Result<Arrival, Fault> {
        let Outgoing { mut url, mut headers, mut body } = request;
        let mut method = self.spec.method.clone();
        // What earlier requests of the check were given.
        let mut cookies = jar.header(&url, &headers);
        // The same request with other cookies is another one.
        let mut asked: Vec<(Method, Url, Option<HeaderValue>)> = Vec::new();
        loop {
            let mut request = Request::new(method.clone(), url.clone());
            *request.headers_mut() = headers.clone();
            if let Some(cookies) = &cookies {
                request.headers_mut().insert(COOKIE, HeaderValue::clone(cookies));
            }
            *request.body_mut() = body.clone().map(Body::from);
            let answer = wire.ask(request).await.map_err(|fault| self.cleaned(fault, jar, true))?;
            let response = &answer.response;
            wire.trace.enter(Phase::Body);
            wire.trace.answered(response.status().as_u16());
            // By the machine's clock, as certificates are verified.
            jar.take(&url, response.headers(), Clock::system().now());
            let Some(location) = response.headers().get(LOCATION).filter(|_| self.redirects(response.status())) else {
                return Ok(Arrival { answer, url, redirects: asked.len() });
            };
            let refused = |message: String| {
                let fault = Fault::new(Class::Protocol, Some(Phase::Ttfb), message);
                self.cleaned(fault.with_excerpt(Some(answer::head(response))), jar, true)
            };
            let location = String::from_utf8_lossy(location.as_bytes());
            let mut next = url.join(&location).map_err(|_| refused("redirected to what is no address".to_owned()))?;
            if !matches!(next.scheme(), "http" | "https") {
                return Err(refused(format!("redirected to what is no HTTP address ({}:)", next.scheme())));
            }
            next.set_fragment(None);
            // Credentials that a server puts into its redirects are not ours to use. (Neither call fails: it has a host.)
            let _ = next.set_username("").and_then(|()| next.set_password(None));
            if self.spec.forbid_redirects {
                let message =
                    format!("HTTP {} to {}, and redirects are forbidden", response.status().as_u16(), shown(&next));
                let fault = Fault::new(Class::HttpStatus, Some(Phase::Ttfb), message);
                return Err(self.cleaned(fault.with_excerpt(Some(answer::head(response))), jar, true));
            }
            asked.push((method.clone(), url.clone(), cookies));
            if asked.len() > self.spec.max_redirects {
                return Err(refused(format!("more than {} redirects", self.spec.max_redirects)));
            }
            let status = response.status();
            if status == StatusCode::SEE_OTHER && method != Method::HEAD
                || matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND) && method == Method::POST
            {
                method = Method::GET;
                body = None;
                for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
                    headers.remove(name);
                }
            }
            if !same_owner(&url, &next) {
                if body.is_some() {
                    return Err(refused(format!("redirected to {}, which is not sent the body", shown(&next))));
                }
                // They do not come back when a later hop does: whoever sent us there was not trusted with them either.
                headers = headers.into_iter().filter_map(|(n, v)| n.filter(is_harmless).map(|n| (n, v))).collect();
            }
            cookies = jar.header(&next, &headers);
            if asked.iter().any(|known| (&known.0, &known.1, &known.2) == (&method, &next, &cookies)) {
                return Err(refused(format!("redirect loop at {}", shown(&next))));
            }
            url = next;
        }
    }

    fn redirects(&self, status: StatusCode) -> bool {
        self.spec.max_redirects > 0 && matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
    }

    /// Reads the answer, at most its first MiB, and whether that was all. Only what is needed is kept.
    async fn body(
        &self,
        mut answer: Answer,
        wire: &Wire<'_>,
        jar: &Jar,
        whole: bool,
    ) -> Result<(Vec<u8>, bool), Fault> {
        let keep = if whole || answer::needs_body(&self.spec) { BODY_BYTES } else { EXCERPT_SOURCE_BYTES };
        let mut body = Unpacked::new(answer.response.headers(), keep, BODY_BYTES);
        loop {
            let taken = match answer.chunk(wire).await {
                Ok(Some(chunk)) => body.take(&chunk),
                Ok(None) => body.end().map(|()| true),
                Err(fault) => Err(fault),
            };
            match taken {
                Ok(complete) if complete || body.is_full() => return Ok((body.into_start(), complete)),
                Ok(_) => {}
                Err(fault) => {
                    let content_type = answer.response.headers().get(CONTENT_TYPE);
                    let head = answer::head(&answer.response);
                    // What should be kept may be in it, and is not known yet.
                    let text = if whole { head } else { head + &answer::decode(&body.into_start(), content_type) };
                    return Err(self.cleaned(fault.with_excerpt(Some(text)), jar, false));
                }
            }
        }
    }
}

/// The headers with a token, which must not be seen from now on.
fn headers_with(headers: &HeaderMap, token: &Secret, jar: &mut Jar) -> Result<HeaderMap, Fault> {
    jar.hide(token.expose().as_bytes());
    let mut headers = headers.clone();
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| {
        Fault::new(Class::Content, Some(Phase::Body), "the OAuth2 token has characters that no header may have")
    })?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(headers)
}

/// As much of a wrong answer as comes in time and goes into an excerpt, and whether that is all.
async fn start_of_body(mut answer: Answer, wire: &Wire<'_>, until: Instant) -> (Vec<u8>, bool) {
    let mut body = Unpacked::new(answer.response.headers(), EXCERPT_SOURCE_BYTES, EXCERPT_SOURCE_BYTES - 1);
    while !body.is_full() {
        match timeout_at(until, answer.chunk(wire)).await {
            Ok(Ok(Some(chunk))) if body.take(&chunk).is_ok() => {}
            Ok(Ok(None)) => return (body.into_start(), true),
            _ => break,
        }
    }
    (body.into_start(), false)
}
