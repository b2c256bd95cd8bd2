//! A stream with a budget. Whatever library reads from it, a stranger cannot make it read for ever: the bound is below
//! the library, in bytes and in interim answers.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Interim answers (1xx) before the answer at most.
pub(super) const INTERIM: usize = 16;

/// What may be read from one connection.
#[derive(Debug)]
pub(super) struct Budget {
    /// Bytes that are left, and one more: at 0 more came than may be read. For what comes before the answer's body, …
    head: AtomicUsize,
    /// … and for the body and what frames it.
    body: AtomicUsize,
    head_is_over: AtomicBool,
    interim: AtomicUsize,
    /// How the peer began, up to `kept` bytes: to say what it was where the library could not read it.
    beginning: Mutex<Vec<u8>>,
    kept: usize,
}

impl Budget {
    pub(super) fn new(head: usize, body: usize, kept: usize) -> Budget {
        Budget {
            head: AtomicUsize::new(head + 1),
            body: AtomicUsize::new(body + 1),
            head_is_over: AtomicBool::new(false),
            interim: AtomicUsize::new(0),
            beginning: Mutex::default(),
            kept,
        }
    }

    /// What comes from now on counts for the body.
    pub(super) fn head_is_over(&self) {
        self.head_is_over.store(true, Relaxed);
    }

    pub(super) fn too_long_a_head(&self) -> bool {
        self.head.load(Relaxed) == 0
    }

    pub(super) fn too_long_a_body(&self) -> bool {
        self.body.load(Relaxed) == 0
    }

    pub(super) fn too_many_interim(&self) -> bool {
        self.interim.load(Relaxed) > INTERIM
    }

    pub(super) fn is_spent(&self) -> bool {
        self.too_long_a_head() || self.too_long_a_body() || self.too_many_interim()
    }

    /// How the peer began.
    pub(super) fn beginning(&self) -> Vec<u8> {
        self.beginning.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take_head(&self, bytes: &[u8]) {
        spend(&self.head, bytes.len());
        self.keep(bytes);
    }

    fn keep(&self, bytes: &[u8]) {
        let mut beginning = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.kept - beginning.len();
        beginning.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn count_interim(&self) {
        self.interim.fetch_add(1, Relaxed);
    }
}

fn spend(left: &AtomicUsize, bytes: usize) {
    // One task reads: nobody else changes it meanwhile.
    left.store(left.load(Relaxed).saturating_sub(bytes), Relaxed);
}

/// How the head and the body are distinguished: as they come, because a library may read on from one into the other before
/// anybody has seen the head.
#[derive(Debug)]
enum Language {
    /// Whoever reads says when the head is over.
    Any,
    Http1(Lines),
    Http2(Frames),
}

impl Language {
    fn take(&mut self, bytes: &[u8], budget: &Budget) {
        match self {
            Language::Http2(frames) => {
                budget.keep(bytes);
                frames.take(bytes, budget);
            }
            _ if budget.head_is_over.load(Relaxed) => spend(&budget.body, bytes.len()),
            Language::Any => budget.take_head(bytes),
            Language::Http1(lines) => {
                let end = lines.find_end(bytes, budget).unwrap_or(bytes.len());
                budget.take_head(&bytes[..end]);
                spend(&budget.body, bytes.len() - end);
            }
        }
    }
}

/// The lines of heads of HTTP/1.
#[derive(Debug, Default)]
struct Lines {
    /// Up to the status.
    first: Vec<u8>,
    first_is_over: bool,
    /// Of the line that is being read.
    length: usize,
}

impl Lines {
    /// `HTTP/1.1 200`.
    const UP_TO_STATUS: usize = 12;

    /// Where the head of the answer ends; heads of interim answers are counted and passed.
    fn find_end(&mut self, bytes: &[u8], budget: &Budget) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if self.length == 0 && self.first_is_over => {
                    // 101 is final: nothing follows it in this language.
                    let interim = self.first.get(9) == Some(&b'1') && !self.first.ends_with(b" 101");
                    *self = Lines::default();
                    if !interim {
                        budget.head_is_over();
                        return Some(at + 1);
                    }
                    budget.count_interim();
                }
                b'\n' => {
                    self.first_is_over |= self.length > 0;
                    self.length = 0;
                }
                b'\r' => {}
                byte => {
                    self.length += 1;
                    if !self.first_is_over && self.first.len() < Self::UP_TO_STATUS {
                        self.first.push(*byte);
                    }
                }
            }
        }
        None
    }
}

/// The frames of HTTP/2.
#[derive(Debug, Default)]
struct Frames {
    header: [u8; 9],
    got: usize,
    payload: usize,
    heads: usize,
}

impl Frames {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;

    fn take(&mut self, mut bytes: &[u8], budget: &Budget) {
        while !bytes.is_empty() {
            if self.payload > 0 {
                let part = self.payload.min(bytes.len());
                self.spend(part, budget);
                self.payload -= part;
                bytes = &bytes[part..];
                continue;
            }
            let part = (self.header.len() - self.got).min(bytes.len());
            self.header[self.got..self.got + part].copy_from_slice(&bytes[..part]);
            self.got += part;
            bytes = &bytes[part..];
            if self.got == self.header.len() {
                self.got = 0;
                self.payload = self.header[..3].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                self.spend(self.header.len(), budget);
                if self.header[3] == Self::HEADERS {
                    self.heads += 1;
                    // Two are the answer's own head and its trailer.
                    if self.heads > 2 {
                        budget.count_interim();
                    }
                }
            }
        }
    }

    fn spend(&self, bytes: usize, budget: &Budget) {
        let left = if self.header[3] == Self::DATA { &budget.body } else { &budget.head };
        spend(left, bytes);
    }
}

/// More came than may be read.
#[derive(Debug)]
struct TooMuch;

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("more came than may be read")
    }
}

impl std::error::Error for TooMuch {}

/// A stream that fails when its budget is spent.
pub(super) struct Bounded<S> {
    inner: S,
    budget: Arc<Budget>,
    language: Language,
}

impl<S> Bounded<S> {
    pub(super) fn new(inner: S, budget: Arc<Budget>) -> Bounded<S> {
        Bounded { inner, budget, language: Language::Any }
    }

    /// The stream itself, without its budget.
    pub(super) fn into_inner(self) -> S {
        self.inner
    }

    /// The same for answers of HTTP/1.
    pub(super) fn http1(inner: S, budget: Arc<Budget>) -> Bounded<S> {
        Bounded { inner, budget, language: Language::Http1(Lines::default()) }
    }

    /// The same for HTTP/2.
    pub(super) fn http2(inner: S, budget: Arc<Budget>) -> Bounded<S> {
        Bounded { inner, budget, language: Language::Http2(Frames::default()) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        this.language.take(&buf.filled()[before..], &this.budget);
        if this.budget.is_spent() {
            buf.set_filled(before);
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of 100 and 100, and the interim answers; the same wherever the reads divide it.
    fn read(wire: &[u8], language: fn() -> Language) -> (usize, usize, usize) {
        let read = |size: usize| {
            let (budget, mut language) = (Budget::new(100, 100, 4), language());
            wire.chunks(size).for_each(|part| language.take(part, &budget));
            assert!(wire.starts_with(&budget.beginning()));
            (budget.head.load(Relaxed) - 1, budget.body.load(Relaxed) - 1, budget.interim.load(Relaxed))
        };
        let whole = read(wire.len());
        for size in 1..wire.len() {
            assert_eq!(read(size), whole);
        }
        whole
    }

    #[test]
    fn the_head_of_http_1_ends_with_its_empty_line_and_interim_heads_belong_to_it() {
        let lines = || Language::Http1(Lines::default());
        assert_eq!(read(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody\r\n\r\n", lines), (100 - 25, 100 - 8, 0));
        assert_eq!(read(b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 204 X\r\n\r\n", lines), (100 - 36, 100, 1));
        assert_eq!(read(b"\r\nHTTP/1.0 200\n\nbody", lines), (100 - 16, 100 - 4, 0));
        assert_eq!(read(b"HTTP/1.1 101 X\r\n\r\nbody", lines), (100 - 18, 100 - 4, 0));
    }

    #[test]
    fn of_http_2_only_frames_of_data_are_the_body() {
        // Settings, headers, ten bytes of data.
        let mut wire = vec![0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];
        wire.extend([0, 0, 10, 0, 0, 0, 0, 0, 1]);
        wire.extend([b'x'; 10]);
        assert_eq!(read(&wire, || Language::Http2(Frames::default())), (100 - 19, 100 - 19, 0));
    }
}
