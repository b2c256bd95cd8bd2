//! What servers do wrong that a conversation is held with.

use super::{
    bench::reset,
    fault::{Expected, Fault, Port, handler},
};
use healthcheck_dashboard::domain::check::Class;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const KEYS: &str = "url = \"tcp://ADDRESS\"\nsend = \"PING\"\nexpect = \"PONG\"\n";

/// Answers a PING with this, and keeps the connection or closes it.
fn says(what: &'static str, closes: bool) -> Port {
    Port::Serves(handler(move |mut stream, hanging| async move {
        let _ = stream.read_exact(&mut [0; 4]).await;
        let _ = stream.write_all(what.as_bytes()).await;
        if !closes {
            hanging.hang(stream).await;
        }
    }))
}

pub(super) fn faults() -> Vec<Fault> {
    use Class::{Connect, Content, Protocol, Timeout};
    let well = says("PONG", true);
    let down = |name, class, broken| Fault::new("tcp", name, Expected::Down(class), KEYS, well.clone(), broken);
    vec![
        down("nobody listens", Connect, Port::Closed),
        down("packets are dropped", Timeout, Port::Drops),
        down("connections are never accepted", Timeout, Port::NeverAccepts),
        down("it accepts and says nothing", Timeout, says("", false)),
        down("the connection is closed without an answer", Protocol, says("", true)),
        down(
            "the connection is reset",
            Protocol,
            Port::Serves(handler(|stream, _| async move {
                let _ = stream.readable().await;
                reset(&stream);
            })),
        ),
        down("another answer", Content, says("-ERR", false)),
        down("another answer, and the end", Content, says("-ERR", true)),
        down(
            "an endless answer",
            Content,
            Port::Serves(handler(
                |mut stream, _| async move { while stream.write_all(&[b'x'; 8192]).await.is_ok() {} },
            )),
        ),
    ]
}
