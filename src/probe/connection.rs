//! A connection over which a kind of probe speaks its protocol itself: bounded, plain or over TLS, its phases timed, its
//! faults in words.

use super::{
    address::Dialer,
    beginning, fault,
    stream::{Bounded, Budget},
    tls::Tls,
    trace::{Fault, Trace},
};
use crate::domain::check::{Class, Phase};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

/// How much is read of one connection, unless a kind needs more.
pub(super) const MOST: usize = 64 * 1024;
/// How long a line may be.
const LINE: usize = 8 * 1024;
/// What TLS adds to what is said.
const WITH_TLS: usize = 16 * 1024;

/// A connection of one check.
///
/// The phase is `Ttfb` from the first word of either side on, and `Body` from the first byte of the other side on.
pub(super) struct Connection<'a> {
    stream: Stream,
    budget: Arc<Budget>,
    most: usize,
    /// What came and was not asked for yet.
    unread: Vec<u8>,
    dialer: &'a Dialer,
    trace: &'a Arc<Trace>,
    deadline: Duration,
}

/// A bounded stream, plain or over TLS.
enum Stream {
    Plain(Bounded<TcpStream>),
    Tls(Box<Bounded<TlsStream<Bounded<TcpStream>>>>),
}

impl<'a> Connection<'a> {
    /// Connects, and over TLS where it is given from the first byte. At most `most` bytes will be read.
    pub(super) async fn open(
        dialer: &'a Dialer,
        tls: Option<&Tls>,
        most: usize,
        trace: &'a Arc<Trace>,
        deadline: Duration,
    ) -> Result<Connection<'a>, Fault> {
        let stream = dialer.dial(trace, deadline).await?;
        let budget = Arc::new(Budget::new(most, 0, 0));
        let stream = match tls {
            None => Stream::Plain(Bounded::new(stream, Arc::clone(&budget))),
            Some(tls) => over_tls(stream, dialer, tls, most, &budget, trace, deadline).await?,
        };
        Ok(Connection { stream, budget, most, unread: Vec::new(), dialer, trace, deadline })
    }

    /// The same connection over TLS from here on, as after `STARTTLS`.
    ///
    /// # Errors
    /// Also where the other side sent more than its consent: what comes before the handshake may be anybody's.
    pub(super) async fn secure(self, tls: &Tls) -> Result<Connection<'a>, Fault> {
        let Connection { stream, most, unread, dialer, trace, deadline, .. } = self;
        let Stream::Plain(stream) = stream else {
            return Err(Fault::new(Class::Protocol, trace.phase(), "the connection is over TLS already"));
        };
        if !unread.is_empty() {
            let message = "the server sent more before the TLS handshake than it was asked for";
            return Err(Fault::new(Class::Protocol, trace.phase(), message));
        }
        let budget = Arc::new(Budget::new(most, 0, 0));
        let stream = over_tls(stream.into_inner(), dialer, tls, most, &budget, trace, deadline).await?;
        Ok(Connection { stream, budget, most, unread: Vec::new(), dialer, trace, deadline })
    }

    /// The exchange begins, if it did not yet.
    fn begin(&self) {
        for phase in [Phase::Connect, Phase::Tls] {
            self.trace.enter_from(phase, Phase::Ttfb);
        }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.begin();
        let written = match self.stream.write_all(bytes).await {
            Ok(()) => self.stream.flush().await,
            Err(error) => Err(error),
        };
        written.map_err(|error| self.fault(&error))
    }

    /// The next line, without its end. What is no UTF-8 is replaced.
    pub(super) async fn line(&mut self) -> Result<String, Fault> {
        let mut looked_at = 0;
        loop {
            if let Some(end) = self.unread[looked_at..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=looked_at + end).collect();
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                return Ok(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned());
            }
            looked_at = self.unread.len();
            if looked_at > LINE {
                return Err(Fault::new(
                    Class::Protocol,
                    self.trace.phase(),
                    "a line of the answer is longer than 8 KiB",
                ));
            }
            self.more().await?;
        }
    }

    /// The next `count` bytes.
    pub(super) async fn exact(&mut self, count: usize) -> Result<Vec<u8>, Fault> {
        if count > self.most {
            let message = format!("the answer announces {count} bytes, of which at most {} are read", self.most);
            return Err(Fault::new(Class::Protocol, self.trace.phase(), message));
        }
        while self.unread.len() < count {
            self.more().await?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    /// What is there of an answer; nothing where it ended.
    pub(super) async fn some(&mut self) -> io::Result<Vec<u8>> {
        if self.unread.is_empty() {
            self.fill().await?;
        }
        Ok(self.rest())
    }

    /// What came and was not asked for yet.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    async fn more(&mut self) -> Result<(), Fault> {
        match self.fill().await {
            Ok(0) => Err(self.fault(&io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault(&error)),
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.begin();
        // A peer that always has a next piece must not keep all others waiting.
        tokio::task::consume_budget().await;
        self.unread.reserve(1024);
        let got = self.stream.read_buf(&mut self.unread).await?;
        if got > 0 {
            self.trace.enter_from(Phase::Ttfb, Phase::Body);
        }
        Ok(got)
    }

    /// What an error of this connection says of the service.
    pub(super) fn fault(&self, error: &io::Error) -> Fault {
        broken(error, &self.budget, self.most, self.trace, self.deadline)
    }

    /// A failure in the phase that the check is in.
    pub(super) fn failure(&self, class: Class, message: impl Into<String>) -> Fault {
        Fault::new(class, self.trace.phase(), message)
    }

    /// What was said is not what `protocol` has here. Its first words go into the message.
    pub(super) fn unlike(&self, protocol: &str, said: &[u8]) -> Fault {
        let line = beginning::lines(said).find(|line| !line.is_empty()).unwrap_or_default();
        let said = beginning::words(line).unwrap_or_else(|| "bytes that are no text".to_owned());
        let message = format!("the answer is not {protocol}: it begins with {said}");
        Fault::new(Class::Protocol, self.trace.phase(), message)
    }
}

/// What went wrong on a connection that was there.
pub(super) fn broken(error: &io::Error, budget: &Budget, most: usize, trace: &Trace, deadline: Duration) -> Fault {
    if budget.is_spent() {
        let message = format!("the answer is longer than {} KiB", most / 1024);
        return Fault::new(Class::Protocol, trace.phase(), message);
    }
    fault::of_error(error, trace, deadline)
        .unwrap_or_else(|| Fault::new(Class::Protocol, trace.phase(), format!("the connection was lost: {error}")))
}

async fn over_tls(
    stream: TcpStream,
    dialer: &Dialer,
    tls: &Tls,
    most: usize,
    budget: &Arc<Budget>,
    trace: &Arc<Trace>,
    deadline: Duration,
) -> Result<Stream, Fault> {
    let stream = tls.handshake(stream, &dialer.host, &[], 2 * most + WITH_TLS, trace, deadline).await?;
    Ok(Stream::Tls(Box::new(Bounded::new(stream, Arc::clone(budget)))))
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
