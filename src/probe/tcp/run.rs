//! The TCP probe: a connection, and an exchange over it.

use super::spec::TcpSpec;
use crate::{
    domain::check::{Class, Phase, Reason},
    probe::{
        address::Dialer,
        error::ProbeError,
        fault,
        runner::Runner,
        shared::Shared,
        text::{EXCERPT_SOURCE_BYTES, Scrubber, seconds},
        trace::{Fault, Trace},
    },
};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

/// How much is read in search of the expected text.
const READ_BYTES: usize = 64 * 1024;
/// What is left of the deadline to say what came instead of the expected text.
const SPARE: Duration = Duration::from_millis(20);

/// A TCP service, ready to be checked.
#[derive(Debug)]
pub(crate) struct Tcp {
    spec: TcpSpec,
    dialer: Dialer,
    scrubber: Arc<Scrubber>,
}

impl Runner for Tcp {
    type Spec = TcpSpec;

    fn new(spec: &TcpSpec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Tcp, ProbeError> {
        Ok(Tcp { spec: spec.clone(), dialer: Dialer::new(&spec.address, shared)?, scrubber })
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let until = Instant::now() + deadline.saturating_sub(SPARE.min(deadline / 10));
        let TcpSpec { send, expect, .. } = &self.spec;
        let mut stream = self.dialer.dial(trace, deadline).await?;
        let broken = |error: &io::Error| {
            let fault = fault::of_io(error, trace.phase(), trace, deadline);
            fault.unwrap_or_else(|| {
                Fault::new(Class::Protocol, trace.phase(), format!("the connection was lost: {error}"))
            })
        };
        if send.is_none() && expect.is_none() {
            trace.end();
            return Ok(None);
        }
        trace.enter(Phase::Ttfb);
        if let Some(text) = send {
            stream.write_all(text.as_bytes()).await.map_err(|error| broken(&error))?;
        }
        if let Some(expected) = expect {
            self.expect(&mut stream, expected, trace, until, deadline, broken).await?;
        }
        trace.end();
        Ok(None)
    }
}

impl Tcp {
    async fn expect(
        &self,
        stream: &mut TcpStream,
        expected: &str,
        trace: &Trace,
        until: Instant,
        deadline: Duration,
        broken: impl Fn(&io::Error) -> Fault,
    ) -> Result<(), Fault> {
        let mut read = Vec::new();
        let mut buffer = [0; 4096];
        let why = loop {
            let got = match timeout_at(until, stream.read(&mut buffer)).await {
                Ok(Ok(got)) => got,
                Ok(Err(error)) if read.is_empty() => return Err(broken(&error)),
                // Nothing at all came: that is a timeout, which the caller reports.
                Err(_) if read.is_empty() => return Err(fault::late(trace, deadline)),
                Ok(Err(_)) => break "before the connection was lost".to_owned(),
                Err(_) => break format!("within {}", seconds(deadline)),
            };
            if got == 0 && read.is_empty() {
                let message = "connection closed before an answer";
                return Err(Fault::new(Class::Protocol, Some(Phase::Ttfb), message));
            }
            if got == 0 {
                break "before the connection was closed".to_owned();
            }
            trace.enter_from(Phase::Ttfb, Phase::Body);
            // The text may lie across two reads.
            let seen = read.len().saturating_sub(expected.len());
            read.extend_from_slice(&buffer[..got.min(READ_BYTES - read.len())]);
            if contains(&read[seen..], expected.as_bytes()) {
                return Ok(());
            }
            if read.len() == READ_BYTES {
                break "in the first 64 KiB".to_owned();
            }
        };
        let message = format!("the answer does not contain \"{expected}\" {why}");
        let start = &read[..read.len().min(EXCERPT_SOURCE_BYTES)];
        let excerpt = self.scrubber.excerpt(&String::from_utf8_lossy(start), start.len() == read.len());
        Err(Fault::new(Class::Content, Some(Phase::Body), message).with_excerpt(excerpt))
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_found_anywhere() {
        assert!(contains(b"+PONG\r\n", b"PONG") && contains(b"PONG", b"PONG") && contains(b"", b""));
        assert!(!contains(b"PON", b"PONG") && !contains(b"", b"P"));
    }
}
