//! How much a PostgreSQL server may send. The client library waits for every message whole, and keeps notices: what a
//! server announces, or goes on sending, has to be refused below it, as it comes in.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

const MIB: u64 = 1024 * 1024;
/// The longest message, by the length that it announces.
const MESSAGE: u64 = MIB;
/// All that is no row: what opens the session, notices, settings, errors.
const BESIDE_ROWS: u64 = MIB;
/// So many messages of that: each of them costs more to keep than its bytes.
const MESSAGES_BESIDE_ROWS: u32 = 4096;
/// All rows of the query.
const ROWS: u64 = 16 * MIB;
/// What TLS makes of all this, with its handshake: for the stream below it, whose contents are not seen.
const ENCRYPTED: u64 = 2 * (BESIDE_ROWS + ROWS);

/// What was too much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TooMuch {
    Message,
    BesideRows,
    MessagesBesideRows,
    Rows,
    Encrypted,
}

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TooMuch::Message => "the server announced a message of more than 1 MiB",
            TooMuch::BesideRows => "the server sent more than 1 MiB beside the rows of the query",
            TooMuch::MessagesBesideRows => "the server sent more than 4096 messages beside the rows of the query",
            TooMuch::Rows => "the query gave more than 16 MiB",
            TooMuch::Encrypted => "the server sent too much over TLS",
        })
    }
}

impl std::error::Error for TooMuch {}

impl From<TooMuch> for io::Error {
    fn from(what: TooMuch) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, what)
    }
}

/// The query moves data in or out instead of giving rows, which the client library takes for nonsense.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copies;

impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the query is a COPY, which gives no value: ask with a select")
    }
}

impl std::error::Error for Copies {}

/// What has come of the server's messages. It holds the head of one of them and nothing else.
#[derive(Default)]
struct Meter {
    head: [u8; 5],
    /// How much of the head there is.
    head_length: usize,
    /// What is still to come of the message under way.
    left: u64,
    greeted: bool,
    /// Whether the session was opened: what comes before is no row, whatever it calls itself.
    ready: bool,
    beside_rows: u64,
    messages_beside_rows: u32,
    rows: u64,
}

impl Meter {
    /// Takes in what has been read, and refuses a message as soon as its head is there.
    fn feed(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.left -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            self.head[self.head_length] = bytes[0];
            self.head_length += 1;
            bytes = &bytes[1..];
            if !self.greeted {
                // Authentication, error, negotiation of the version. Without this, the client would take any text for
                // the announcement of a message of a gigabyte, and wait for it.
                if !matches!(self.head[0], b'R' | b'E' | b'v') {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                self.greeted = true;
            }
            if self.head_length == self.head.len() {
                self.head_length = 0;
                self.begin()?;
            }
        }
        Ok(())
    }

    /// The head of a message is there.
    fn begin(&mut self) -> io::Result<()> {
        let [tag, length @ ..] = self.head;
        let length = u64::from(u32::from_be_bytes(length));
        if length > MESSAGE {
            return Err(TooMuch::Message.into());
        }
        // The length counts itself, but not the tag. The client refuses a length that is too short.
        self.left = length.saturating_sub(4);
        if self.ready && tag == b'D' {
            self.rows += length + 1;
            return if self.rows > ROWS { Err(TooMuch::Rows.into()) } else { Ok(()) };
        }
        if self.ready && matches!(tag, b'G' | b'H' | b'W') {
            return Err(io::Error::new(io::ErrorKind::InvalidData, Copies));
        }
        self.ready |= tag == b'Z';
        self.beside_rows += length + 1;
        self.messages_beside_rows += 1;
        if self.beside_rows > BESIDE_ROWS {
            Err(TooMuch::BesideRows.into())
        } else if self.messages_beside_rows > MESSAGES_BESIDE_ROWS {
            Err(TooMuch::MessagesBesideRows.into())
        } else {
            Ok(())
        }
    }
}

/// A stream of the server's messages, with an end to them.
pub(super) struct Bounded<S> {
    inner: S,
    meter: Meter,
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S) -> Bounded<S> {
        Bounded { inner, meter: Meter::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        Poll::Ready(self.meter.feed(&buf.filled()[before..]))
    }
}

/// The stream below TLS, with an end to what comes in all.
pub(super) struct Counted<S> {
    inner: S,
    read: u64,
}

impl<S> Counted<S> {
    pub(super) fn new(inner: S) -> Counted<S> {
        Counted { inner, read: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.read += (buf.filled().len() - before) as u64;
        Poll::Ready(if self.read > ENCRYPTED { Err(TooMuch::Encrypted.into()) } else { Ok(()) })
    }
}

macro_rules! writes_through {
    ($stream:ident) => {
        impl<S: AsyncWrite + Unpin> AsyncWrite for $stream<S> {
            fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.inner).poll_write(cx, buf)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.inner).poll_flush(cx)
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.inner).poll_shutdown(cx)
            }
        }
    };
}

writes_through!(Bounded);
writes_through!(Counted);

impl<S: TlsStream + Unpin> TlsStream for Bounded<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tag: u8, body: usize) -> Vec<u8> {
        let length = u32::try_from(body + 4).unwrap().to_be_bytes();
        [&[tag][..], &length, &vec![b'x'; body]].concat()
    }

    /// Feeds `first`, and then `again` over and over, in pieces of so many bytes: how much of `again` went in before it
    /// was refused, and why.
    fn flooded(first: &[u8], again: &[u8], piece: usize) -> (u64, Option<TooMuch>) {
        let (mut meter, mut taken) = (Meter::default(), 0);
        first.chunks(piece).for_each(|bytes| meter.feed(bytes).unwrap());
        for bytes in again.chunks(piece).cycle() {
            if let Err(error) = meter.feed(bytes) {
                return (taken, error.get_ref().and_then(|inner| inner.downcast_ref().copied()));
            }
            taken += bytes.len() as u64;
            assert!(taken < 64 * MIB, "it does not end");
        }
        unreachable!()
    }

    #[test]
    fn a_flood_ends_after_so_many_bytes_however_it_is_cut() {
        let greeting = message(b'R', 4);
        let opened = [greeting.clone(), message(b'Z', 1)].concat();
        for piece in [1, 7, 8192] {
            for (first, again, most, why) in [
                // After "authentication ok", for ever.
                (&greeting, message(b'N', 5000), BESIDE_ROWS, TooMuch::BesideRows),
                // Rows are none before the session is there.
                (&greeting, message(b'D', 5000), BESIDE_ROWS, TooMuch::BesideRows),
                (&greeting, message(b'N', 1), 6 * 4097, TooMuch::MessagesBesideRows),
                (&opened, message(b'S', 5000), BESIDE_ROWS, TooMuch::BesideRows),
                (&opened, message(b'D', 5000), ROWS, TooMuch::Rows),
                (&opened, message(b'D', MIB as usize - 4), ROWS, TooMuch::Rows),
                // A settings message a row does not make it a row.
                (&opened, [message(b'D', 10), message(b'S', 10)].concat(), 30 * 4097, TooMuch::MessagesBesideRows),
            ] {
                let (taken, refused) = flooded(first, &again, piece);
                assert_eq!(refused, Some(why));
                assert!(taken <= most + piece as u64, "{taken} bytes in pieces of {piece}: {why}");
            }
        }
    }

    #[test]
    fn a_message_is_refused_by_the_length_that_it_announces() {
        for length in [MESSAGE as u32 + 1, 0x7fff_ffff, u32::MAX] {
            let mut meter = Meter::default();
            let head = [&b"R"[..], &length.to_be_bytes()].concat();
            let (last, all_but_last) = head.split_last().unwrap();
            meter.feed(all_but_last).unwrap();
            let error = meter.feed(&[*last]).unwrap_err();
            assert_eq!(error.get_ref().unwrap().downcast_ref(), Some(&TooMuch::Message));
        }
        let opened = [message(b'R', 4), message(b'Z', 1), message(b'D', MESSAGE as usize - 4)];
        Meter::default().feed(&opened.concat()).unwrap();
    }

    #[test]
    fn what_a_query_usually_gives_goes_through() {
        let mut meter = Meter::default();
        let session = [message(b'R', 4), message(b'S', 30), message(b'K', 8), message(b'Z', 1), message(b'T', 100)];
        session.iter().for_each(|message| meter.feed(message).unwrap());
        (0..500_000).for_each(|_| meter.feed(&message(b'D', 20)).unwrap());
        meter.feed(&[message(b'C', 10), message(b'Z', 1)].concat()).unwrap();
    }

    #[test]
    fn what_does_not_begin_like_postgresql_is_none() {
        for text in ["HTTP/1.1 400", "N", "SSH-2.0", "\0"] {
            let error = Meter::default().feed(text.as_bytes()).unwrap_err();
            assert!(error.get_ref().is_none());
        }
    }
}
