//! The HTTP probe: a request on a connection of its own, its redirects, and the time that each phase took.
//!
//! With redirects, a phase's time is its sum over all hops: the phases still add up to the response time, and a slow
//! hop cannot hide. The status and the answer are the last hop's; of several certificates the one that ends first is
//! recorded.

use super::{
    ProbeError, Shared,
    connect::{LookupError, Resolver},
    fault, http_answer,
    http_headers::{is_harmless, same_owner},
    spec::{Auth, HttpSpec, IpVersion},
    text::{EXCERPT_SOURCE_BYTES, Scrubber, base64},
    tls::{Judge, Tls, expiry_warning},
    trace::{Fault, Trace},
};
use crate::domain::{
    check::{Class, Phase, Reason},
    secret::Secret,
};
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION},
};
use std::{
    net::IpAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// How much of an answer is read, after decompression. What is longer is cut off, and not a fault.
pub(super) const BODY_BYTES: usize = 1024 * 1024;
/// How long the check waits for the text of an answer whose status is wrong already.
const EXCERPT_WAIT: Duration = Duration::from_secs(1);

const USER_AGENT: &str = concat!("healthcheck_dashboard/", env!("CARGO_PKG_VERSION"));

/// An HTTP service, ready to be asked.
#[derive(Debug)]
pub(super) struct Http {
    spec: HttpSpec,
    /// For the configured host; a stranger gets the harmless ones among them.
    headers: HeaderMap,
    tls: Tls,
    resolver: Resolver,
    scrubber: Arc<Scrubber>,
}

impl Http {
    pub(super) fn new(spec: &HttpSpec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Http, ProbeError> {
        if !matches!(spec.url.scheme(), "http" | "https") || spec.url.host().is_none() {
            return Err(ProbeError::Url(spec.url.scheme().to_owned()));
        }
        let mut headers = HeaderMap::new();
        // What curl sends; some servers refuse a request without it.
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let value = |name: &str, text: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| ProbeError::Header(name.to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        match &spec.auth {
            Some(Auth::Basic { user, password }) => {
                let pair = base64(format!("{user}:{}", password.expose()).as_bytes());
                headers.insert(AUTHORIZATION, value("authorization", &format!("Basic {pair}"))?);
            }
            Some(Auth::Bearer(token)) => {
                headers.insert(AUTHORIZATION, value("authorization", &format!("Bearer {}", token.expose()))?);
            }
            None => {}
        }
        let mut own = HeaderMap::new();
        for (name, secret) in &spec.headers {
            own.append(name.clone(), value(name.as_str(), secret.expose())?);
        }
        headers.extend(own);
        let tls = Tls::new(&spec.tls, Judge::ChainAndName, &shared.roots)?;
        let resolver = shared.resolver.clone();
        Ok(Http { spec: spec.clone(), headers, tls, resolver, scrubber })
    }

    /// The secrets that the specification itself holds, and the pairs of basic authentication.
    pub(super) fn secrets(spec: &HttpSpec) -> (Vec<Secret>, Vec<(&str, &Secret)>) {
        // A short value in an unknown header ("true", "eu") is no credential, and would blot out half an answer.
        let telling = |text: &str| text.len() >= 8;
        let headers = spec.headers.iter().filter(|(name, value)| !is_harmless(name) && telling(value.expose()));
        let mut secrets: Vec<Secret> = Vec::new();
        for (_, value) in headers {
            // "Bearer abc": the second word is the secret, with or without the first.
            secrets.extend(value.expose().split_once(' ').map(|(_, token)| Secret::new(token)));
            secrets.push(value.clone());
        }
        match &spec.auth {
            Some(Auth::Basic { user, password }) => (secrets, vec![(user, password)]),
            Some(Auth::Bearer(token)) => {
                secrets.push(token.clone());
                (secrets, Vec::new())
            }
            None => (secrets, Vec::new()),
        }
    }

    pub(super) async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let until = Instant::now() + deadline;
        let client = self.client(trace, deadline)?;
        let response = self.follow(&client, trace, deadline).await?;
        let status = response.status();
        let head = http_answer::head(&response);
        let content_type = response.headers().get(CONTENT_TYPE).cloned();
        if !self.spec.expect_status.contains(status.as_u16()) {
            let wait = EXCERPT_WAIT.min(until.saturating_duration_since(Instant::now()) / 2);
            let body = start_of_body(response, Instant::now() + wait).await;
            let message = format!("HTTP {}, expected {}", status.as_u16(), self.spec.expect_status);
            let text = head + &http_answer::decode(&body, content_type.as_ref());
            let excerpt = self.scrubber.excerpt(&text, false);
            return Err(Fault::new(Class::HttpStatus, Some(Phase::Ttfb), message).with_excerpt(excerpt));
        }
        let (body, complete) = self.body(response, trace, deadline).await?;
        trace.end();
        http_answer::judge(&self.spec, &body, complete, content_type.as_ref()).map_err(|message| {
            let start = &body[..body.len().min(EXCERPT_SOURCE_BYTES)];
            let text = head + &http_answer::decode(start, content_type.as_ref());
            let excerpt = self.scrubber.excerpt(&text, complete && start.len() == body.len());
            Fault::new(Class::Content, Some(Phase::Body), message).with_excerpt(excerpt)
        })?;
        Ok(expiry_warning(trace, self.spec.tls.expiry_warning_days, self.spec.url.host_str().unwrap_or_default()))
    }

    /// One check's client. It is built anew for every check: that takes some microseconds, next to a fresh connection
    /// nothing, leaves no memory behind for the time between two checks, and gives the marks of a check to it alone.
    fn client(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Client, Fault> {
        let names = Names { resolver: self.resolver.clone(), version: self.spec.ip_version, trace: Arc::clone(trace) };
        Client::builder()
            .tls_backend_preconfigured(self.tls.config(trace, &[b"h2", b"http/1.1"]))
            .dns_resolver(Arc::new(names))
            .connector_layer(Marks(Arc::clone(trace)))
            // Divided among the addresses of a name: a silent one leaves time for the next.
            .connect_timeout(deadline)
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .user_agent(USER_AGENT)
            .no_proxy()
            .build()
            .map_err(|error| Fault::ours(None, format!("no HTTP client: {error}")))
    }

    /// Asks, and asks on where the answer points, up to the answer that is to be judged.
    async fn follow(&self, client: &Client, trace: &Arc<Trace>, deadline: Duration) -> Result<Response, Fault> {
        let mut url = self.spec.url.clone();
        let mut method = self.spec.method.clone();
        let mut headers = self.headers.clone();
        let mut body = self.spec.body.clone();
        let mut asked: Vec<(Method, Url)> = Vec::new();
        loop {
            let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
            trace.go_to(host, url.port_or_known_default().unwrap_or(0));
            // A literal is not looked up by the client; the trace, and the choice of IP version, are told here.
            if host.parse::<IpAddr>().is_ok() {
                let found = self.resolver.lookup(host, 0, self.spec.ip_version, trace).await;
                found.map_err(|error| fault::of_lookup(&error))?;
            }
            let mut request = client.request(method.clone(), url.clone()).headers(headers.clone());
            if let Some(body) = &body {
                request = request.body(body.clone());
            }
            let response = request.send().await.map_err(|error| exchange_fault(&error, trace, deadline))?;
            trace.enter(Phase::Body);
            trace.answered(response.status().as_u16());
            let Some(location) = response.headers().get(LOCATION).filter(|_| self.redirects(response.status())) else {
                return Ok(response);
            };
            let refused = |message: String| {
                let excerpt = self.scrubber.excerpt(&http_answer::head(&response), true);
                Fault::new(Class::Protocol, Some(Phase::Ttfb), message).with_excerpt(excerpt)
            };
            let location = String::from_utf8_lossy(location.as_bytes());
            let mut next = url.join(&location).map_err(|_| refused("redirected to what is no address".to_owned()))?;
            if !matches!(next.scheme(), "http" | "https") {
                return Err(refused(format!("redirected to what is no HTTP address ({}:)", next.scheme())));
            }
            next.set_fragment(None);
            // Credentials that a server puts into its redirects are not ours to use. (Neither call fails: it has a host.)
            let _ = next.set_username("").and_then(|()| next.set_password(None));
            asked.push((method.clone(), url.clone()));
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
            if asked.iter().any(|(known_method, known)| (known_method, known) == (&method, &next)) {
                return Err(refused(format!("redirect loop at {}", shown(&next))));
            }
            if !same_owner(&url, &next) {
                if body.is_some() {
                    return Err(refused(format!("redirected to {}, which is not sent the body", shown(&next))));
                }
                // They do not come back when a later hop does: whoever sent us there was not trusted with them either.
                headers = headers.into_iter().filter_map(|(n, v)| n.filter(is_harmless).map(|n| (n, v))).collect();
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
        mut response: Response,
        trace: &Arc<Trace>,
        deadline: Duration,
    ) -> Result<(Vec<u8>, bool), Fault> {
        let keep = if http_answer::needs_body(&self.spec) { BODY_BYTES } else { EXCERPT_SOURCE_BYTES };
        let mut body = Vec::new();
        let mut read = 0;
        loop {
            match response.chunk().await {
                Ok(None) => return Ok((body, true)),
                Ok(Some(chunk)) => {
                    body.extend_from_slice(&chunk[..chunk.len().min(keep - body.len())]);
                    read += chunk.len();
                    if read > BODY_BYTES {
                        return Ok((body, false));
                    }
                }
                Err(error) => {
                    let content_type = response.headers().get(CONTENT_TYPE);
                    let text = http_answer::head(&response) + &http_answer::decode(&body, content_type);
                    let excerpt = self.scrubber.excerpt(&text, false);
                    return Err(exchange_fault(&error, trace, deadline).with_excerpt(excerpt));
                }
            }
        }
    }
}

/// As much of a wrong answer as comes in time and goes into an excerpt.
async fn start_of_body(mut response: Response, until: Instant) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < EXCERPT_SOURCE_BYTES {
        match timeout_at(until, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk[..chunk.len().min(EXCERPT_SOURCE_BYTES - body.len())]),
            _ => break,
        }
    }
    body
}

/// An address in a message: without its query, which may hold a credential and changes from check to check.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

/// What went wrong between the first packet and the last byte.
fn exchange_fault(error: &reqwest::Error, trace: &Trace, deadline: Duration) -> Fault {
    let phase = trace.phase();
    if error.is_timeout() {
        return fault::late(trace, deadline);
    }
    if let Some(fault) = fault::of_error(error, trace, deadline) {
        return fault;
    }
    let before = if phase == Some(Phase::Body) { "before the answer was complete" } else { "before the answer" };
    let message = match fault::find::<hyper::Error>(error) {
        Some(error) if error.is_incomplete_message() || error.is_closed() => format!("connection closed {before}"),
        Some(error) if error.is_parse_too_large() => "the answer's headers are too large, or too many".to_owned(),
        Some(error) if error.is_parse() => "the answer is not HTTP".to_owned(),
        Some(error) => format!("the HTTP exchange broke off: {}", innermost(error)),
        None if error.is_decode() => "the answer's compression is broken".to_owned(),
        None if error.is_builder() => "the request cannot be made: its address is not valid".to_owned(),
        None => format!("the HTTP exchange broke off: {}", innermost(error)),
    };
    Fault::new(Class::Protocol, phase, message)
}

/// The text of the first cause, which says most.
fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}

/// The client's way to our resolver; it marks when the lookup begins and ends.
struct Names {
    resolver: Resolver,
    version: IpVersion,
    trace: Arc<Trace>,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, version, trace) = (self.resolver.clone(), self.version, Arc::clone(&self.trace));
        Box::pin(async move {
            trace.enter_instead(Phase::Dns);
            let found: Result<_, LookupError> = resolver.lookup(name.as_str(), 0, version, &trace).await;
            let found = found?;
            trace.enter(Phase::Connect);
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Marks when a connection begins and when it is there, TLS included.
#[derive(Clone)]
struct Marks(Arc<Trace>);

#[derive(Clone)]
struct Marked<S> {
    inner: S,
    trace: Arc<Trace>,
}

impl<S> tower::Layer<S> for Marks {
    type Service = Marked<S>;

    fn layer(&self, inner: S) -> Marked<S> {
        Marked { inner, trace: Arc::clone(&self.0) }
    }
}

impl<S, R> tower::Service<R> for Marked<S>
where
    S: tower::Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.trace.enter(Phase::Connect);
        let (connecting, trace) = (self.inner.call(request), Arc::clone(&self.trace));
        Box::pin(async move {
            let connection = connecting.await?;
            trace.enter(Phase::Ttfb);
            Ok(connection)
        })
    }
}
