//! `type = "websocket"`: a WebSocket is opened, and what is said over it (RFC 6455).

use super::{
    address::{Address, Dialer},
    connection::{Connection, MOST},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    fault,
    runner::{Runner, Secrets},
    shared::Shared,
    text::{EXCERPT_SOURCE_BYTES, Scrubber, seconds},
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
        masking::sent_credentials,
        network,
        reader::Table,
        text::Text,
        tls::{self, TlsSpec},
        weburl,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use serde_json::{Map, json};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Websocket,
    aliases: &["ws"],
    schemes: &["ws", "wss"],
    url_example: "wss://chat/socket",
    keys: &["url", "ip_version", "allow_metadata", "tls", "bearer_token", "subprotocol", "send", "expect"],
    sent_keys: &["send"],
    ..Descriptor::NONE
};

/// Header lines of an answer at most.
const HEADERS: usize = 100;
/// What is left of the deadline to say what came instead of the expected text.
const SPARE: Duration = Duration::from_millis(20);

/// A WebSocket, and an exchange over it.
#[derive(Clone, Debug)]
pub struct WebsocketSpec {
    pub address: Address,
    pub secure: bool,
    /// Path and query.
    pub path: String,
    pub tls: TlsSpec,
    pub authorization: Option<Secret>,
    pub subprotocol: Option<String>,
    pub send: Option<String>,
    /// Text that a message of the server has to contain.
    pub expect: Option<String>,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<WebsocketSpec>> {
    let table = section.table;
    let url = section.url().and_then(|text| weburl::read(table, &text));
    let tls = tls::read(table);
    let token = table.filled("bearer_token");
    let subprotocol = table.get("subprotocol").and_then(|value| {
        let text = value.filled()?;
        let fits = |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c);
        if !text.value.chars().all(fits) {
            let mistake = value.mistake(format!("{} is no name of a subprotocol", text.quoted()));
            table.source.report(mistake.label("one word, as `graphql-ws`"));
            return None;
        }
        Some(text.value)
    });
    let (send, expect) = (table.filled("send"), table.filled("expect"));
    let ip_version = network::ip_version(table);
    let mut shown = Map::new();
    shown.insert("ip_version".to_owned(), network::ip_version_shown(ip_version));
    let allow_metadata = network::allow_metadata(table, &mut shown);

    let url = url?;
    if let (Some(_), Some(value)) = (&url.user_information, table.peek("bearer_token")) {
        report_both(table, &value.key);
    }
    let mut secrets = url.secrets;
    secrets.extend(send.iter().chain(&expect).flat_map(Text::secrets));
    let login = send.as_ref().map_or_else(Vec::new, |text| sent_credentials(&text.value));
    if let Some(text) = &send {
        secrets.extend(login.iter().map(|range| Secret::new(&text.value[range.clone()])));
    }
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
    let host = url.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let secure = url.url.scheme() == "wss";
    let port = url.url.port_or_known_default().unwrap_or(if secure { 443 } else { 80 });
    let path = url.url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
    shown.insert("url".to_owned(), json!(url.target));
    shown.insert("subprotocol".to_owned(), json!(subprotocol));
    shown.insert("send".to_owned(), json!(send.as_ref().map(|text| text.shown_without(login))));
    shown.insert("expect".to_owned(), json!(expect.as_ref().map(Text::shown)));
    if secure {
        shown.insert("tls".to_owned(), tls.shown);
    }
    let probe = WebsocketSpec {
        address: Address { host, port, ip_version, allow_metadata },
        secure,
        path,
        tls: tls.spec,
        authorization: authorization.map(Secret::new),
        subprotocol,
        send: send.map(|text| text.value),
        expect: expect.map(|text| text.value),
    };
    Some(ParsedEndpoint { probe, target: url.target, secrets, shown })
}

fn report_both(table: &Table<'_>, span: &crate::settings::error::Span) {
    let mistake = Mistake::at(span.clone(), "both `bearer_token` and a user in the URL");
    table.source.report(mistake.label("one of them"));
}

/// A WebSocket, ready to be opened.
#[derive(Debug)]
pub(super) struct Websocket {
    spec: WebsocketSpec,
    dialer: Dialer,
    tls: Option<Tls>,
    scrubber: Arc<Scrubber>,
}

impl Runner for Websocket {
    type Spec = Box<WebsocketSpec>;

    fn secrets(spec: &Box<WebsocketSpec>) -> Secrets<'_> {
        (spec.authorization.iter().cloned().collect(), Vec::new())
    }

    fn new(spec: &Box<WebsocketSpec>, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Websocket, ProbeError> {
        let tls = spec.secure.then(|| Tls::new(&spec.tls, Verification::ChainAndName, &shared.roots)).transpose()?;
        let dialer = Dialer::new(&spec.address, shared)?;
        Ok(Websocket { spec: (**spec).clone(), dialer, tls, scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.dialer.place(self.tls.as_ref()))
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let until = Instant::now() + deadline.saturating_sub(SPARE.min(deadline / 10));
        let mut connection = Connection::open(&self.dialer, self.tls.as_ref(), MOST, trace, deadline).await?;
        self.open(&mut connection, trace).await?;
        if let Some(text) = &self.spec.send {
            connection.send(&frame(TEXT, text.as_bytes())?).await?;
        }
        if let Some(expected) = &self.spec.expect {
            self.expect(&mut connection, expected, until, deadline, trace).await?;
        }
        trace.end();
        // A goodbye, for the server's log; nobody waits for its answer.
        let _ = timeout_at(until, connection.send(&frame(CLOSE, &1000u16.to_be_bytes())?)).await;
        Ok(expiry_warning(trace, self.spec.tls.expiry_warning_days, &self.dialer.host))
    }
}

/// Operations of frames (RFC 6455, section 5.2).
const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

impl Websocket {
    /// The handshake: a request of HTTP/1.1.
    async fn open(&self, connection: &mut Connection<'_>, trace: &Trace) -> Result<(), Fault> {
        let WebsocketSpec { address, path, authorization, subprotocol, secure, .. } = &self.spec;
        let key = STANDARD.encode(random::<16>()?);
        let usual = if *secure { 443 } else { 80 };
        let host = match address.port == usual {
            true => {
                joined(&self.dialer.host, address.port).rsplit_once(':').map_or_else(String::new, |(h, _)| h.to_owned())
            }
            false => joined(&self.dialer.host, address.port),
        };
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n\
             Sec-WebSocket-Version: 13\r\n"
        );
        if let Some(authorization) = authorization {
            request += &format!("Authorization: {}\r\n", authorization.expose());
        }
        if let Some(subprotocol) = subprotocol {
            request += &format!("Sec-WebSocket-Protocol: {subprotocol}\r\n");
        }
        request += "\r\n";
        connection.send(request.as_bytes()).await?;
        let first = connection.line().await?;
        let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
        let Some(status) = status else { return Err(connection.unlike("HTTP", first.as_bytes())) };
        trace.answered(status);
        let (mut accepted, mut chosen) = (String::new(), None);
        for number in 0.. {
            let line = connection.line().await?;
            if line.is_empty() {
                break;
            }
            if number == HEADERS {
                return Err(protocol("the answer has more than 100 headers"));
            }
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("sec-websocket-accept") => {
                    accepted = value.trim().to_owned()
                }
                Some((name, value)) if name.eq_ignore_ascii_case("sec-websocket-protocol") => {
                    chosen = Some(value.trim().to_owned());
                }
                _ => {}
            }
        }
        if status != 101 {
            let message = format!("HTTP {status} instead of a WebSocket");
            return Err(Fault::new(Class::HttpStatus, Some(Phase::Ttfb), message));
        }
        if accepted != answer_to(&key) {
            return Err(protocol(
                "the server did not accept this WebSocket: its Sec-WebSocket-Accept is not the answer",
            ));
        }
        match (subprotocol, &chosen) {
            (Some(wanted), None) => Err(protocol(&format!("the server does not speak the subprotocol {wanted}"))),
            (Some(wanted), Some(chosen)) if chosen != wanted => Err(protocol("the server chose another subprotocol")),
            (None, Some(_)) => Err(protocol("the server chose a subprotocol that it was not offered")),
            _ => Ok(()),
        }
    }

    /// Reads messages until one of them contains what is expected.
    async fn expect(
        &self,
        connection: &mut Connection<'_>,
        expected: &str,
        until: Instant,
        deadline: Duration,
        trace: &Trace,
    ) -> Result<(), Fault> {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let message = match timeout_at(until, message(connection)).await {
                Ok(message) => message?,
                Err(_) => {
                    let Some(last) = last else { return Err(fault::late(trace, deadline)) };
                    let message = format!("no message contains \"{expected}\" within {}", seconds(deadline));
                    let start = &last[..last.len().min(EXCERPT_SOURCE_BYTES)];
                    let excerpt = self.scrubber.excerpt(&String::from_utf8_lossy(start), start.len() == last.len());
                    return Err(Fault::new(Class::Content, Some(Phase::Body), message).with_excerpt(excerpt));
                }
            };
            if message.windows(expected.len()).any(|part| part == expected.as_bytes()) {
                return Ok(());
            }
            last = Some(message);
        }
    }
}

/// What a server makes of a key, to prove that it knows what a WebSocket is.
fn answer_to(key: &str) -> String {
    const KNOWN: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{KNOWN}").as_bytes()))
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(Fault::ours(None, "this machine has no random numbers")),
    }
}

fn protocol(message: &str) -> Fault {
    Fault::new(Class::Protocol, Some(Phase::Body), message)
}

/// A frame of ours: the last of its message, and masked.
fn frame(operation: u8, payload: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut frame = vec![0x80 | operation];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ 0..=125), _) => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    let mask = random::<4>()?;
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    Ok(frame)
}

/// The next message of text or bytes; pings are answered on the way.
async fn message(connection: &mut Connection<'_>) -> Result<Vec<u8>, Fault> {
    let mut message = Vec::new();
    loop {
        let head = connection.exact(2).await?;
        let (is_last, operation) = (head[0] & 0x80 != 0, head[0] & 0x0f);
        if head[1] & 0x80 != 0 {
            return Err(protocol("the server masks its frames, which only clients do"));
        }
        let length = match head[1] & 0x7f {
            126 => connection.exact(2).await?,
            127 => connection.exact(8).await?,
            length => vec![length],
        };
        let length = length.iter().fold(0u64, |length, byte| length << 8 | u64::from(*byte));
        let payload = connection.exact(usize::try_from(length).unwrap_or(usize::MAX)).await?;
        match operation {
            TEXT | BINARY | CONTINUATION => {
                message.extend_from_slice(&payload);
                if is_last {
                    return Ok(message);
                }
            }
            PING => connection.send(&frame(PONG, &payload)?).await?,
            PONG => {}
            CLOSE => {
                let code = payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]));
                let code = code.map_or_else(String::new, |code| format!(" (code {code})"));
                return Err(protocol(&format!("the server closed the WebSocket{code}")));
            }
            _ => return Err(protocol("the answer is not a WebSocket's: it has a frame of an unknown kind")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455, section 1.3.
    #[test]
    fn a_key_has_one_answer() {
        assert_eq!(answer_to("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn frames_have_their_length_in_three_forms() {
        for (length, head) in [(5, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            assert_eq!(frame(TEXT, &vec![0; length]).unwrap().len(), head + length);
        }
    }
}
