//! `type = "grpc"`: what a server says of its own health, by gRPC's protocol for that.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>: one request, one answer, of one field each.

use super::{
    address::{Address, Dialer},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    fault,
    http::wire::Tasks,
    runner::{Runner, Secrets},
    shared::Shared,
    stream::{Bounded, Budget},
    text::Scrubber,
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
        address::joined,
        error::Mistake,
        tls::{self, TlsSpec},
    },
};
use bytes::Bytes;
use hyper::{
    HeaderMap, Request,
    body::{Body, Incoming},
    client::conn::http2,
    header::{CONTENT_TYPE, TE},
};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use serde_json::{Map, json};
use std::{error::Error, future::poll_fn, pin::Pin, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Grpc,
    schemes: &["grpc", "grpcs"],
    url_example: "grpc://api:50051",
    keys: &["url", "ip_version", "allow_metadata", "tls", "service", "bearer_token"],
    ..Descriptor::NONE
};

/// How much is read of an answer's heads and of its messages. One message has two bytes.
const MOST: usize = 64 * 1024;

/// A server of gRPC.
#[derive(Clone, Debug)]
pub struct GrpcSpec {
    pub address: Address,
    pub secure: bool,
    pub tls: TlsSpec,
    /// Whose health is asked for. Empty: the server's as a whole.
    pub service: String,
    pub token: Option<Secret>,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<GrpcSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let secure = table.peek("url").and_then(|value| {
        let written = value.value.as_str()?;
        Some(written.get(..8)?.eq_ignore_ascii_case("grpcs://"))
    });
    let secure = secure.unwrap_or(false);
    let address = Address::read(section, Some(if secure { 443 } else { 80 }), &mut shown);
    let tls = tls::read(table);
    if let Some(value) = table.peek("tls").filter(|_| !secure) {
        let mistake = Mistake::at(value.key, "`tls` has no effect").label("with `grpc://` there is no TLS");
        table.source.report(mistake.help("with TLS the URL begins with `grpcs://`"));
    }
    let service = table.get("service").and_then(|value| {
        let text = value.filled()?;
        if text.value.len() > 127 {
            table.source.report(value.mistake("`service` is too long").label("at most 127 bytes"));
            return None;
        }
        Some(text.value)
    });
    let token = table.filled("bearer_token").map(|text| Secret::new(text.value));

    let address = address?;
    let target = address.target(if secure { "grpcs" } else { "grpc" });
    shown.insert("url".to_owned(), json!(target));
    shown.insert("service".to_owned(), json!(service));
    shown.insert("bearer_token".to_owned(), json!(token.as_ref().map(|_| REDACTED)));
    if secure {
        shown.insert("tls".to_owned(), tls.shown);
    }
    let secrets = token.iter().cloned().collect();
    let probe = GrpcSpec { address, secure, tls: tls.spec, service: service.unwrap_or_default(), token };
    Some(ParsedEndpoint { probe, target, secrets, shown })
}

/// A server of gRPC, ready to be asked.
#[derive(Debug)]
pub(super) struct Grpc {
    spec: GrpcSpec,
    dialer: Dialer,
    tls: Option<Tls>,
}

impl Runner for Grpc {
    type Spec = Box<GrpcSpec>;

    fn secrets(spec: &Box<GrpcSpec>) -> Secrets<'_> {
        (spec.token.iter().cloned().collect(), Vec::new())
    }

    fn new(spec: &Box<GrpcSpec>, _: Arc<Scrubber>, shared: &Shared) -> Result<Grpc, ProbeError> {
        let tls = spec.secure.then(|| Tls::new(&spec.tls, Verification::ChainAndName, &shared.roots)).transpose()?;
        Ok(Grpc { spec: (**spec).clone(), dialer: Dialer::new(&spec.address, shared)?, tls })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.dialer.place(self.tls.as_ref()))
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let stream = self.dialer.dial(trace, deadline).await?;
        let answer = match &self.tls {
            None => self.ask(stream, trace, deadline).await?,
            Some(tls) => {
                let handshake = tls.handshake(stream, &self.dialer.host, &[b"h2"], 4 * MOST, trace, deadline);
                let stream = handshake.await?;
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    return Err(Fault::new(Class::Protocol, Some(Phase::Tls), "the server does not speak HTTP/2"));
                }
                self.ask(stream, trace, deadline).await?
            }
        };
        trace.end();
        self.judge(&answer)?;
        Ok(expiry_warning(trace, self.spec.tls.expiry_warning_days, &self.dialer.host))
    }
}

/// What came back.
struct Answer {
    http_status: u16,
    is_grpc: bool,
    /// `grpc-status` and `grpc-message`, as the head or the trailer has them.
    status: Option<(String, String)>,
    body: Vec<u8>,
}

impl Grpc {
    async fn ask<S>(&self, stream: S, trace: &Arc<Trace>, deadline: Duration) -> Result<Answer, Fault>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        trace.enter(Phase::Ttfb);
        let budget = Arc::new(Budget::new(MOST, MOST, 0));
        let tasks = Tasks::default();
        let broken = |error: hyper::Error| broken(&error, &budget, trace, deadline);
        let io = TokioIo::new(Bounded::http2(stream, Arc::clone(&budget)));
        let (mut sender, connection) = http2::Builder::new(tasks.handle()).handshake(io).await.map_err(broken)?;
        tasks.spawn(async move { drop(connection.await) });
        let answer = sender.send_request(self.request()?).await.map_err(broken)?;
        trace.enter(Phase::Body);
        let head = answer.headers();
        let is_grpc = head.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
        let (http_status, mut status) = (answer.status().as_u16(), status(head));
        trace.answered(http_status);
        let (mut incoming, mut body): (Incoming, _) = (answer.into_body(), Vec::new());
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await {
            tokio::task::consume_budget().await;
            match frame.map_err(broken)?.into_data() {
                Ok(data) => body.extend_from_slice(&data),
                Err(frame) => status = frame.trailers_ref().and_then(self::status).or(status),
            }
        }
        Ok(Answer { http_status, is_grpc, status, body })
    }

    fn request(&self) -> Result<Request<reqwest::Body>, Fault> {
        let name = self.spec.service.as_bytes();
        let mut message = Vec::new();
        if !name.is_empty() {
            // Field 1, a string of so many bytes.
            message.extend([0x0a, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
            message.extend_from_slice(name);
        }
        // Not compressed, and so many bytes.
        let mut body = vec![0];
        body.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
        body.extend(message);
        let scheme = if self.spec.secure { "https" } else { "http" };
        let place = joined(&self.dialer.host, self.dialer.port);
        let mut request = Request::post(format!("{scheme}://{place}/grpc.health.v1.Health/Check"))
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers");
        if let Some(token) = &self.spec.token {
            request = request.header("authorization", format!("Bearer {}", token.expose()));
        }
        request.body(reqwest::Body::from(Bytes::from(body))).map_err(|_| {
            Fault::new(
                Class::Protocol,
                Some(Phase::Ttfb),
                "the request cannot be made: its token or its host is not valid",
            )
        })
    }

    fn judge(&self, answer: &Answer) -> Result<(), Fault> {
        let phase = Some(Phase::Body);
        let service = match self.spec.service.as_str() {
            "" => "the server".to_owned(),
            name => format!("the service {name}"),
        };
        let protocol = |message: String| Err(Fault::new(Class::Protocol, phase, message));
        if answer.http_status != 200 {
            let message = format!("HTTP {} instead of an answer of gRPC", answer.http_status);
            return Err(Fault::new(Class::HttpStatus, phase, message));
        }
        let Some((code, message)) = answer.status.as_ref().filter(|_| answer.is_grpc) else {
            return protocol("the answer is not gRPC's: it has no status".to_owned());
        };
        match code.as_str() {
            "0" => {}
            "5" => {
                let message = format!("{service} is not known to the health service there (NOT_FOUND)");
                return Err(Fault::new(Class::Content, phase, message));
            }
            "12" => return protocol("the server does not speak the health protocol (UNIMPLEMENTED)".to_owned()),
            code => {
                let said = if message.is_empty() { String::new() } else { format!(": {message}") };
                return protocol(format!("the server answered {}{said}", code_word(code)));
            }
        }
        match serving(&answer.body) {
            Some(1) => Ok(()),
            Some(2) => Err(Fault::new(Class::Content, phase, format!("{service} is not serving (NOT_SERVING)"))),
            Some(3) => {
                Err(Fault::new(Class::Content, phase, format!("{service} is not known there (SERVICE_UNKNOWN)")))
            }
            Some(_) => {
                Err(Fault::new(Class::Content, phase, format!("the health of {service} is not known there (UNKNOWN)")))
            }
            None => protocol("the answer is not that of the health protocol".to_owned()),
        }
    }
}

fn status(headers: &HeaderMap) -> Option<(String, String)> {
    let text = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let message = text("grpc-message").unwrap_or_default();
    Some((text("grpc-status")?, percent_decode_str(&message).decode_utf8_lossy().into_owned()))
}

/// The names of statuses: <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>.
fn code_word(code: &str) -> String {
    const WORDS: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let word = code.parse::<usize>().ok().and_then(|code| WORDS.get(code));
    word.map_or_else(|| "a status that is none of gRPC's".to_owned(), |word| (*word).to_owned())
}

/// The health in the first message; `None` where it is none of the protocol.
fn serving(body: &[u8]) -> Option<u64> {
    let (head, rest) = body.split_at_checked(5)?;
    let length = usize::try_from(u32::from_be_bytes([head[1], head[2], head[3], head[4]])).ok()?;
    let mut message = rest.get(..length).filter(|_| head[0] == 0)?;
    let mut status = 0;
    while let Some(key) = varint(&mut message) {
        match (key >> 3, key & 7) {
            (1, 0) => status = varint(&mut message)?,
            // Whatever a later version adds is passed over.
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => message = message.get(8..)?,
            (_, 2) => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            (_, 5) => message = message.get(4..)?,
            _ => return None,
        }
    }
    message.is_empty().then_some(status)
}

/// A number in seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let end = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at(end + 1);
    *bytes = rest;
    Some(number.iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f)))
}

fn broken(error: &(dyn Error + 'static), budget: &Budget, trace: &Trace, deadline: Duration) -> Fault {
    if budget.is_spent() {
        return Fault::new(Class::Protocol, trace.phase(), "the answer is longer than 64 KiB");
    }
    fault::of_error(error, trace, deadline).unwrap_or_else(|| {
        let message = format!("the server does not speak gRPC: {}", innermost(error));
        Fault::new(Class::Protocol, trace.phase(), message)
    })
}

/// The text of the first cause, which says most.
fn innermost(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_health_is_one_field_and_others_are_passed_over() {
        assert_eq!(serving(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        // The default is not sent.
        assert_eq!(serving(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(serving(&[0, 0, 0, 0, 6, 0x12, 2, b'o', b'k', 8, 2]), Some(2));
        assert_eq!(serving(&[1, 0, 0, 0, 2, 8, 1]), None, "compressed");
        assert_eq!(serving(&[0, 0, 0, 0, 9, 8, 1]), None, "cut short");
    }

    proptest! {
        /// A stranger chose them.
        #[test]
        fn reading_whatever_comes_ends(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = serving(&bytes);
            let _ = varint(&mut bytes.as_slice());
        }
    }
}
