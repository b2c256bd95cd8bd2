//! What name servers do wrong.

use super::{
    bench::Hanging,
    fault::{Expected, Fault, Port},
};
use healthcheck_dashboard::domain::check::Class;
use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, Record, rdata::A},
};
use std::{net::SocketAddr, sync::Arc};
use tokio::net::{TcpListener, UdpSocket};

const KEYS: &str = "url = \"dns://ADDRESS/example.com\"\nexpect = \"192.0.2.1\"\n";

/// What comes of a question.
pub(super) enum Said {
    Answer(Message),
    /// Whoever asked goes on waiting.
    InVain(Option<Vec<u8>>),
}

/// A name server: what it makes of a question, and whether it takes connections as well, on which it says nothing.
#[derive(Clone)]
pub(super) struct NameServer {
    script: Arc<dyn Fn(Message) -> Said + Send + Sync>,
    takes_connections: bool,
}

impl NameServer {
    pub(super) async fn serve(self, address: SocketAddr, hanging: Hanging) {
        let udp = UdpSocket::bind(address).await.unwrap();
        let tcp = match self.takes_connections {
            true => Some(TcpListener::bind(address).await.unwrap()),
            false => None,
        };
        let mut buffer = [0; 4096];
        loop {
            let (got, from) = tokio::select! {
                got = udp.recv_from(&mut buffer) => match got {
                    Ok(got) => got,
                    // Whoever asked is gone already.
                    Err(_) => continue,
                },
                stream = async { tcp.as_ref().unwrap().accept().await }, if tcp.is_some() => {
                    let (hanging, (stream, _)) = (hanging.clone(), stream.unwrap());
                    tokio::spawn(async move { hanging.hang_when_asked(stream).await });
                    continue;
                }
            };
            let said = match (self.script)(Message::from_vec(&buffer[..got]).unwrap()) {
                Said::Answer(answer) => Some(answer.to_vec().unwrap()),
                Said::InVain(bytes) => {
                    hanging.until_a_timeout();
                    bytes
                }
            };
            if let Some(bytes) = said {
                let _ = udp.send_to(&bytes, from).await;
            }
        }
    }
}

fn address(last: u8) -> Record {
    Record::from_rdata("example.com.".parse().unwrap(), 60, RData::A(A::new(192, 0, 2, last)))
}

fn scripted(script: impl Fn(Message) -> Said + Send + Sync + 'static) -> NameServer {
    NameServer { script: Arc::new(script), takes_connections: false }
}

/// Answers with what becomes of a response that says nothing yet.
fn answering(answer: impl Fn(&mut Message) + Send + Sync + 'static) -> NameServer {
    scripted(move |question| {
        let mut message = question.into_response();
        answer(&mut message);
        Said::Answer(message)
    })
}

fn refusing(code: ResponseCode) -> Port {
    Port::Names(answering(move |answer| answer.metadata.response_code = code))
}

pub(super) fn faults() -> Vec<Fault> {
    use Class::{Connect, Content, Dns, Timeout};
    let well = answering(|answer| _ = answer.add_answer(address(1)));
    let down =
        |name, class, broken| Fault::new("dns", name, Expected::Down(class), KEYS, Port::Names(well.clone()), broken);
    let truncated = answering(|answer| answer.metadata.truncation = true);
    let silent_over_tcp = NameServer { takes_connections: true, ..truncated.clone() };
    vec![
        down("nobody listens", Connect, Port::Closed),
        down("a question is never answered", Timeout, Port::Names(scripted(|_| Said::InVain(None)))),
        down("NXDOMAIN", Dns, refusing(ResponseCode::NXDomain)),
        down("SERVFAIL", Dns, refusing(ResponseCode::ServFail)),
        down("REFUSED", Dns, refusing(ResponseCode::Refused)),
        down("another address", Content, Port::Names(answering(|answer| _ = answer.add_answer(address(9))))),
        down(
            "an address too many",
            Content,
            Port::Names(answering(|answer| _ = answer.add_answers([address(1), address(9)]))),
        ),
        down("no address", Content, Port::Names(answering(|_| {}))),
        down("a truncated answer, and TCP is refused", Connect, Port::Names(truncated)),
        down("a truncated answer, and silence over TCP", Timeout, Port::Names(silent_over_tcp)),
        down(
            "the answer to a question that was not asked",
            Timeout,
            Port::Names(scripted(|question| {
                let mut answer = question.into_response();
                answer.metadata.id ^= 1;
                answer.add_answer(address(1));
                Said::InVain(Some(answer.to_vec().unwrap()))
            })),
        ),
    ]
}
