//! From a question to its answer, over UDP, TCP, TLS or HTTPS.

use super::spec::Transport;
use crate::{
    domain::check::{Class, Phase},
    probe::{
        address::Dialer,
        connection::Connection,
        datagram,
        http::{HttpVersion, wire::Wire},
        tls::Tls,
        trace::{Fault, Trace},
    },
    settings::address::joined,
};
use hickory_proto::{
    op::{Edns, Message, MessageType, Query},
    rr::{Name, RecordType},
};
use reqwest::{
    Method, Request, Url,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue},
};
use std::{sync::Arc, time::Duration};

/// What fits into a datagram on every way: <https://www.dnsflagday.net/2020/>.
const UDP_BYTES: u16 = 1232;
/// The longest message over a connection, with its length.
const TCP_BYTES: usize = 2 + 65_535;

/// A question, as it is sent.
pub(super) struct Question {
    message: Message,
    bytes: Vec<u8>,
}

impl Question {
    /// `recursive`: the server may ask others; `dnssec`: it says whether it has verified the answer.
    pub(super) fn new(name: Name, record: RecordType, recursive: bool, dnssec: bool) -> Result<Question, Fault> {
        let mut message = Message::query();
        message.metadata.recursion_desired = recursive;
        message.metadata.authentic_data = dnssec;
        let mut query = Query::new();
        query.set_name(name).set_query_type(record);
        message.add_query(query);
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_BYTES).set_dnssec_ok(dnssec);
        message.set_edns(edns);
        match message.to_vec() {
            Ok(bytes) => Ok(Question { message, bytes }),
            Err(error) => {
                let message = format!("the question cannot be made: {error}");
                Err(Fault::new(Class::Protocol, None, message))
            }
        }
    }

    /// Asks `server`. The trace is in phase `Body` when the answer is there.
    pub(super) async fn ask(
        &self,
        server: &Dialer,
        transport: Transport,
        tls: Option<&Tls>,
        trace: &Arc<Trace>,
        deadline: Duration,
    ) -> Result<Message, Fault> {
        if transport == Transport::Udp {
            let answer = datagram::ask(server, &mut Asking(self), trace, deadline).await?;
            // What is cut short may be no message at all: it is not looked at.
            if answer[2] & TRUNCATED == 0 {
                trace.enter(Phase::Body);
                return self.read(&answer);
            }
        }
        if let (Transport::Https, Some(tls)) = (transport, tls) {
            let answer = self.ask_over_http(server, tls, trace, deadline).await?;
            return self.checked(&answer);
        }
        let mut connection = Connection::open(server, tls, TCP_BYTES, trace, deadline).await?;
        let length = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX);
        connection.send(&[&length.to_be_bytes(), self.bytes.as_slice()].concat()).await?;
        let length = connection.exact(2).await?;
        let answer = connection.exact(usize::from(u16::from_be_bytes([length[0], length[1]]))).await?;
        self.checked(&answer)
    }

    /// RFC 8484.
    async fn ask_over_http(
        &self,
        server: &Dialer,
        tls: &Tls,
        trace: &Arc<Trace>,
        deadline: Duration,
    ) -> Result<Vec<u8>, Fault> {
        let url = Url::parse(&format!("https://{}/dns-query", joined(&server.host, server.port)));
        let url = url.map_err(|_| Fault::new(Class::Protocol, None, "the server's name cannot be in a URL"))?;
        let mut request = Request::new(Method::POST, url);
        for name in [ACCEPT, CONTENT_TYPE] {
            request.headers_mut().insert(name, HeaderValue::from_static("application/dns-message"));
        }
        *request.body_mut() = Some(self.bytes.clone().into());
        let (resolver, version, http) = (&server.resolver, server.version, HttpVersion::Any);
        let wire = Wire { tls, resolver, version, proxy: None, http, trace, deadline };
        let mut answer = wire.ask(request).await?;
        let status = answer.response.status().as_u16();
        trace.answered(status);
        if status != 200 {
            let message = format!("HTTP {status} instead of an answer of DNS");
            return Err(Fault::new(Class::HttpStatus, Some(Phase::Ttfb), message));
        }
        trace.enter(Phase::Body);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk(&wire).await? {
            body.extend_from_slice(&chunk);
            if body.len() > TCP_BYTES {
                return Err(malformed("the answer is longer than a DNS message can be"));
            }
        }
        Ok(body)
    }

    fn checked(&self, answer: &[u8]) -> Result<Message, Fault> {
        match self.is_answered_by(answer) {
            true => self.read(answer),
            false => Err(malformed("the answer is none to what was asked")),
        }
    }

    /// By its number, and because it is an answer: whatever else it says is looked at later.
    fn is_answered_by(&self, bytes: &[u8]) -> bool {
        bytes.len() >= HEADER && bytes[..2] == self.bytes[..2] && bytes[2] & RESPONSE != 0
    }

    fn read(&self, bytes: &[u8]) -> Result<Message, Fault> {
        let answer = Message::from_vec(bytes).map_err(|_| malformed("the answer is no DNS message"))?;
        let asked = &self.message.queries[0];
        let same = |query: &Query| query.name == asked.name && query.query_type == asked.query_type;
        // Who did not even read the question does not repeat it.
        let repeated = match answer.queries.as_slice() {
            [] => u16::from(answer.metadata.response_code) != 0,
            [query] => same(query),
            _ => false,
        };
        if answer.metadata.message_type != MessageType::Response || !repeated {
            return Err(malformed("the answer is none to what was asked"));
        }
        Ok(answer)
    }
}

/// A question under way.
struct Asking<'a>(&'a Question);

impl datagram::Exchange for Asking<'_> {
    type Answer = Vec<u8>;

    fn question(&mut self) -> Vec<u8> {
        self.0.bytes.clone()
    }

    fn answer(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.0.is_answered_by(bytes).then(|| bytes.to_vec())
    }
}

/// Bits of the third byte of a message, and how long its header is (RFC 1035, section 4.1.1).
const RESPONSE: u8 = 0x80;
const TRUNCATED: u8 = 0x02;
const HEADER: usize = 12;

fn malformed(message: &str) -> Fault {
    Fault::new(Class::Protocol, Some(Phase::Body), message)
}
