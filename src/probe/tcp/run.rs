//! The TCP probe: a connection, and an exchange over it.

use super::spec::{TcpSpec, Turn};
use crate::{
    domain::check::{Class, Phase, Reason},
    probe::{
        client::Client,
        connection::Connection,
        diagnose::Place,
        error::ProbeError,
        fault,
        runner::Runner,
        shared::Shared,
        text::{EXCERPT_SOURCE_BYTES, Scrubber, seconds},
        trace::{Fault, Trace},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout_at};

/// How much is read in search of the expected text.
const READ_BYTES: usize = 64 * 1024;
/// What is left of the deadline to say what came instead of the expected text.
const SPARE: Duration = Duration::from_millis(20);

/// A TCP service, ready to be checked.
#[derive(Debug)]
pub(crate) struct Tcp {
    turns: Vec<Turn>,
    client: Client,
    scrubber: Arc<Scrubber>,
}

impl Runner for Tcp {
    type Spec = TcpSpec;

    fn new(spec: &TcpSpec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Tcp, ProbeError> {
        let mut client = Client::new(&spec.address, &spec.security, shared)?;
        client.dialer.announce(spec.proxy_protocol);
        Ok(Tcp { turns: spec.turns.clone(), client, scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let until = Instant::now() + deadline.saturating_sub(SPARE.min(deadline / 10));
        // Whoever says more in all is cut off by the connection.
        let most = READ_BYTES * (self.turns.len() + 1);
        let mut connection = self.client.open(most, trace, deadline).await?;
        let count = self.turns.len();
        let mut read = Vec::new();
        for (number, turn) in (1..).zip(&self.turns) {
            let check = Turns { connection: &mut connection, trace, until, deadline, scrubber: &self.scrubber };
            check.take(turn, &mut read).await.map_err(|mut fault| {
                if count > 1 && !fault.ours {
                    fault.reason.message = format!("turn {number} of {count}: {}", fault.reason.message);
                }
                fault
            })?;
        }
        trace.end();
        Ok(self.client.reservation(trace))
    }
}

struct Turns<'a, 'c> {
    connection: &'a mut Connection<'c>,
    trace: &'a Trace,
    until: Instant,
    deadline: Duration,
    scrubber: &'a Scrubber,
}

impl Turns<'_, '_> {
    /// `read` is what came and belongs to no turn yet.
    async fn take(self, turn: &Turn, read: &mut Vec<u8>) -> Result<(), Fault> {
        if let Some(text) = &turn.send {
            // What came before it is no answer to it.
            read.clear();
            self.connection.send(text.as_bytes()).await?;
        }
        match &turn.expect {
            Some(expected) => self.expect(expected, read).await,
            None => Ok(()),
        }
    }

    async fn expect(self, expected: &str, read: &mut Vec<u8>) -> Result<(), Fault> {
        let Turns { connection, trace, until, deadline, scrubber } = self;
        let mut looked_at = 0;
        let why = loop {
            // The end of a line is that of the answer before.
            let silent = read.iter().all(u8::is_ascii_whitespace);
            if let Some(at) = position(&read[looked_at..], expected.as_bytes()) {
                // What follows is the answer to the next turn.
                read.drain(..looked_at + at + expected.len());
                return Ok(());
            }
            if read.len() >= READ_BYTES {
                read.truncate(READ_BYTES);
                break "in the first 64 KiB".to_owned();
            }
            // The text may lie across two reads.
            looked_at = read.len().saturating_sub(expected.len());
            let got = match timeout_at(until, connection.some()).await {
                Ok(Ok(got)) => got,
                Ok(Err(error)) if silent => return Err(connection.fault(&error)),
                // Nothing at all came: that is a timeout, which the caller reports.
                Err(_) if silent => return Err(fault::late(trace, deadline)),
                Ok(Err(_)) => break "before the connection was lost".to_owned(),
                Err(_) => break format!("within {}", seconds(deadline)),
            };
            if got.is_empty() && silent {
                return Err(connection.failure(Class::Protocol, "connection closed before an answer"));
            }
            if got.is_empty() {
                break "before the connection was closed".to_owned();
            }
            read.extend(got);
        };
        let message = format!("the answer does not contain \"{expected}\" {why}");
        let start = &read[..read.len().min(EXCERPT_SOURCE_BYTES)];
        let excerpt = scrubber.excerpt(&String::from_utf8_lossy(start), start.len() == read.len());
        Err(Fault::new(Class::Content, Some(Phase::Body), message).with_excerpt(excerpt))
    }
}

/// Where `part` is.
fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len().max(1)).position(|window| window == part).or(part.is_empty().then_some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_anywhere() {
        assert_eq!(position(b"+PONG\r\n", b"PONG"), Some(1));
        assert_eq!((position(b"PONG", b"PONG"), position(b"", b"")), (Some(0), Some(0)));
        assert_eq!((position(b"PON", b"PONG"), position(b"", b"P")), (None, None));
    }
}
