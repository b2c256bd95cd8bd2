//! One HTTP request on a connection of its own, over a stream with a budget.
//!
//! The connection is ours and not the client library's: only so is there a bound below the library, which would read
//! interim answers for ever, and only so is every address seen before it is dialled.

use super::{
    malformed::{instead_of_http1, instead_of_http2},
    proxy::Way,
    spec::{HttpVersion, Proxy, ProxyKind},
};
use crate::{
    domain::check::{Class, Phase, Reason},
    probe::{
        connect, fault,
        resolver::Resolver,
        stream::{Bounded, Budget, INTERIM},
        tls::Tls,
        trace::{Fault, Trace},
    },
    settings::network::IpVersion,
};
use hyper::{
    Uri,
    client::conn::{http1, http2},
    rt::Executor,
};
use hyper_util::rt::TokioIo;
use reqwest::{
    Body, Request, Response, Url,
    header::{CONTENT_LENGTH, HOST, HeaderValue, PROXY_AUTHORIZATION, TRANSFER_ENCODING},
};
use std::{
    error::Error,
    io,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
};
use url::Position;

/// How much is read of an answer's head, interim answers included.
const HEAD_BYTES: usize = 64 * 1024;
/// How much is read for an answer's body: four times of what is kept, for what compresses badly or comes in small pieces.
const BODY_BYTES: usize = 4 * super::answer::BODY_BYTES;
/// What is kept of frames, to say what it was instead of them.
const BEGINNING_KEPT: usize = 512;

/// Who asks, and how.
pub(in crate::probe) struct Wire<'a> {
    pub(in crate::probe) tls: &'a Tls,
    pub(in crate::probe) resolver: &'a Resolver,
    pub(in crate::probe) version: IpVersion,
    pub(in crate::probe) proxy: Option<&'a Proxy>,
    pub(in crate::probe) http: HttpVersion,
    pub(in crate::probe) trace: &'a Arc<Trace>,
    pub(in crate::probe) deadline: Duration,
}

/// An answer whose body is still to be read.
pub(in crate::probe) struct Answer {
    pub(in crate::probe) response: Response,
    budget: Arc<Budget>,
    /// The tasks that carry the connection: they end with the answer.
    _tasks: Tasks,
}

impl Wire<'_> {
    /// Connects, asks, and returns with the head of the answer.
    pub(in crate::probe) async fn ask(&self, request: Request) -> Result<Answer, Fault> {
        let url = request.url();
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or_default();
        let secure = url.scheme() == "https";
        let place = (host.as_str(), port);
        let proxy = self.proxy.filter(|proxy| proxy.is_for(&host));
        // What is not secret is handed to an HTTP proxy, which asks in its turn; unless it would not know the language.
        let handed = proxy.filter(|proxy| !secure && proxy.kind == ProxyKind::Http && self.http != HttpVersion::Http2);
        let stream = match proxy {
            Some(proxy) => {
                let Wire { resolver, version, trace, deadline, .. } = *self;
                proxy.open(&Way { resolver, version, trace, deadline }, &host, port, handed.is_none()).await?
            }
            None => connect::open(self.resolver, place, self.version, self.trace, self.deadline).await?,
        };
        if !secure {
            self.trace.enter(Phase::Ttfb);
            return self.ask_over(stream, self.http == HttpVersion::Http2, handed, request).await;
        }
        let alpn: &[&[u8]] = match self.http {
            HttpVersion::Any => &[b"h2", b"http/1.1"],
            HttpVersion::Http1 => &[b"http/1.1"],
            HttpVersion::Http2 => &[b"h2"],
        };
        let handshake = self.tls.handshake(stream, &host, alpn, 4 * BODY_BYTES, self.trace, self.deadline);
        let stream = handshake.await?;
        self.trace.enter(Phase::Ttfb);
        let frames = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if self.http == HttpVersion::Http2 && !frames {
            let message = "the server does not speak HTTP/2";
            return Err(Fault::new(Class::Protocol, Some(Phase::Tls), message));
        }
        self.ask_over(stream, frames, None, request).await
    }

    /// Asks in frames (HTTP/2) or in lines, the service or a proxy that it is `handed` to.
    async fn ask_over<S>(
        &self,
        stream: S,
        frames: bool,
        handed: Option<&Proxy>,
        request: Request,
    ) -> Result<Answer, Fault>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let kept = if frames { BEGINNING_KEPT } else { HEAD_BYTES };
        let budget = Arc::new(Budget::new(HEAD_BYTES, BODY_BYTES, kept));
        let tasks = Tasks::default();
        let url = request.url().clone();
        let mut request = hyper::Request::<Body>::try_from(request).map_err(|_| self.invalid())?;
        let fault = |error: hyper::Error| self.answer_fault(&error, &budget, frames);
        let response = if frames {
            *request.uri_mut() = url.as_str().parse().map_err(|_| self.invalid())?;
            let stream = TokioIo::new(Bounded::http2(stream, Arc::clone(&budget)));
            let (mut sender, connection) =
                http2::Builder::new(tasks.handle()).handshake(stream).await.map_err(fault)?;
            tasks.spawn(async move { drop(connection.await) });
            sender.send_request(request).await.map_err(fault)?
        } else {
            *request.uri_mut() = match handed {
                Some(_) => url.as_str().parse().map_err(|_| self.invalid())?,
                None => origin_form(&url).ok_or_else(|| self.invalid())?,
            };
            if let Some(authorization) = handed.and_then(Proxy::authorization) {
                let mut value = HeaderValue::from_str(&authorization).map_err(|_| self.invalid())?;
                value.set_sensitive(true);
                request.headers_mut().insert(PROXY_AUTHORIZATION, value);
            }
            *request.version_mut() = hyper::Version::HTTP_11;
            if !request.headers().contains_key(HOST) {
                let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]);
                request.headers_mut().insert(HOST, host.map_err(|_| self.invalid())?);
            }
            let stream = TokioIo::new(Bounded::http1(stream, Arc::clone(&budget)));
            let (mut sender, connection) = http1::Builder::new()
                // Obsolete, but not wrong: RFC 9112, section 5.2, has it read as one line.
                .allow_obsolete_multiline_headers_in_responses(true)
                .handshake(stream)
                .await
                .map_err(fault)?;
            tasks.spawn(async move { drop(connection.await) });
            sender.send_request(request).await.map_err(fault)?
        };
        Ok(Answer { response: response.map(Body::wrap).into(), budget, _tasks: tasks })
    }

    /// What went wrong before there was the head of an answer. The excerpt is as it came.
    fn answer_fault(&self, error: &hyper::Error, budget: &Budget, frames: bool) -> Fault {
        let fault = self.fault(error, budget);
        let beginning = budget.beginning();
        let unread = error.is_parse() && !error.is_parse_too_large()
            // The answer of a server that sends first may be read before the library has sent the request.
            || !beginning.is_empty() && !beginning.starts_with(b"HTTP/");
        let malformed = match frames {
            true => instead_of_http2(&beginning, self.trace.times().tls_us.is_some()),
            false => (unread && !budget.is_spent()).then(|| instead_of_http1(&beginning)),
        };
        match malformed {
            Some(malformed) => {
                Fault::new(Class::Protocol, fault.reason.phase, malformed.message).with_excerpt(Some(malformed.lines))
            }
            None => fault,
        }
    }

    /// What went wrong between the first packet and the last byte.
    fn fault(&self, error: &(dyn Error + 'static), budget: &Budget) -> Fault {
        let phase = self.trace.phase();
        let message = if budget.too_many_interim() {
            format!("more than {INTERIM} interim answers (1xx) came before the answer")
        } else if budget.too_long_a_body() {
            "more than 4 MiB were sent for less than 1 MiB of answer".to_owned()
        } else if budget.too_long_a_head() {
            "the answer's head is longer than 64 KiB".to_owned()
        } else {
            return exchange_fault(error, self.trace, self.deadline);
        };
        Fault::new(Class::Protocol, phase, message)
    }

    fn invalid(&self) -> Fault {
        let message = "the request cannot be made: its address is not valid";
        Fault::new(Class::Protocol, self.trace.phase(), message)
    }
}

impl Answer {
    /// The next piece of the body; `None` at its end.
    pub(in crate::probe) async fn chunk(&mut self, wire: &Wire<'_>) -> Result<Option<bytes::Bytes>, Fault> {
        // A peer that always has a next piece must not keep all others waiting.
        tokio::task::consume_budget().await;
        self.response.chunk().await.map_err(|error| {
            let fault = wire.fault(&error, &self.budget);
            if self.response.headers().contains_key(CONTENT_LENGTH) && breaks_http2(&error) {
                let message = "the answer's length is not its Content-Length";
                return Fault::new(Class::Protocol, fault.reason.phase, message);
            }
            match self.promise().filter(|_| ended_early(&error)) {
                Some(promise) => {
                    let message = format!("{}: {promise}", fault.reason.message);
                    Fault { reason: Reason { message, ..fault.reason }, ..fault }
                }
                None => fault,
            }
        })
    }

    /// What an answer that ended too early did not keep.
    fn promise(&self) -> Option<&'static str> {
        let headers = self.response.headers();
        if headers.contains_key(CONTENT_LENGTH) {
            Some("it is shorter than its Content-Length")
        } else if headers.contains_key(TRANSFER_ENCODING) {
            Some("its last chunk is missing")
        } else {
            None
        }
    }
}

fn origin_form(url: &Url) -> Option<Uri> {
    url[Position::BeforePath..Position::AfterQuery].parse().ok()
}

/// What went wrong between the first packet and the last byte, where the budget was not spent.
fn exchange_fault(error: &(dyn Error + 'static), trace: &Trace, deadline: Duration) -> Fault {
    let phase = trace.phase();
    if let Some(fault) = fault::of_error(error, trace, deadline) {
        return fault;
    }
    let before = if phase == Some(Phase::Body) { "before the answer was complete" } else { "before the answer" };
    let message = match fault::find::<hyper::Error>(error) {
        _ if lost_below_http2(error) => format!("connection closed {before}"),
        Some(error) if error.is_incomplete_message() || error.is_closed() || error.is_canceled() => {
            format!("connection closed {before}")
        }
        Some(error) if error.is_parse_too_large() => "the answer's headers are too large, or too many".to_owned(),
        _ => format!("the HTTP exchange broke off: {}", innermost(error)),
    };
    Fault::new(Class::Protocol, phase, message)
}

/// Whether frames came that break HTTP/2. In the body of an answer that is its length.
fn breaks_http2(error: &(dyn Error + 'static)) -> bool {
    let broken = |error: &h2::Error| error.is_library() && error.reason() == Some(h2::Reason::PROTOCOL_ERROR);
    fault::find::<h2::Error>(error).is_some_and(broken)
}

/// Whether the other side closed the connection in the middle of an answer.
fn ended_early(error: &(dyn Error + 'static)) -> bool {
    let ended = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    fault::find::<hyper::Error>(error).is_some_and(hyper::Error::is_incomplete_message)
        || fault::find::<io::Error>(error).is_some_and(ended)
        || lost_below_http2(error)
}

/// Whether the connection that carries HTTP/2 ended, which its library says of every stream.
fn lost_below_http2(error: &(dyn Error + 'static)) -> bool {
    let ended = |error: &io::Error| matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof);
    fault::find::<h2::Error>(error).and_then(h2::Error::get_io).is_some_and(ended)
}

/// The text of the first cause, which says most.
fn innermost(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}

/// The tasks of one connection, which end with it. A library would let them live for as long as the other side likes.
#[derive(Default)]
pub(in crate::probe) struct Tasks(Arc<Mutex<JoinSet<()>>>);

/// How the connection itself starts more of them: it does not keep them alive.
#[derive(Clone)]
pub(in crate::probe) struct Handle(Weak<Mutex<JoinSet<()>>>);

impl Tasks {
    pub(in crate::probe) fn handle(&self) -> Handle {
        Handle(Arc::downgrade(&self.0))
    }

    pub(in crate::probe) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.handle().execute(task);
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Handle {
    fn execute(&self, task: F) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
        }
    }
}
