//! The body of an answer, unpacked as it comes, and no more of it than is wanted.

use crate::{
    domain::check::{Class, Phase},
    probe::trace::Fault,
};
use flate2::write::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use std::io::{self, Write};

/// What is kept of a body.
pub(super) struct Start {
    text: Vec<u8>,
    keep: usize,
    read: usize,
    /// What is longer is not read to its end.
    most: usize,
}

impl Write for Start {
    /// Refuses what comes when it is full: so it stops whoever unpacks into it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.read > self.most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.text.extend_from_slice(&bytes[..bytes.len().min(self.keep - self.text.len())]);
        self.read += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A body, unpacked as it comes.
pub(super) enum Unpacked {
    Plain(Start),
    /// And whether anything came: no body at all (the answer to `HEAD`) is no broken one.
    Gzip(Box<MultiGzDecoder<Start>>, bool),
}

impl Unpacked {
    pub(super) fn new(headers: &HeaderMap, keep: usize, most: usize) -> Unpacked {
        let start = Start { text: Vec::new(), keep, read: 0, most };
        match headers.get(CONTENT_ENCODING) {
            Some(encoding) if encoding.as_bytes().eq_ignore_ascii_case(b"gzip") => {
                Unpacked::Gzip(Box::new(MultiGzDecoder::new(start)), false)
            }
            _ => Unpacked::Plain(start),
        }
    }

    fn start(&self) -> &Start {
        match self {
            Unpacked::Plain(start) => start,
            Unpacked::Gzip(decoder, _) => decoder.get_ref(),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        let start = self.start();
        start.read > start.most
    }

    /// Takes one piece; always false, because it is never known to be the last.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<bool, Fault> {
        let taken = match self {
            Unpacked::Plain(start) => start.write_all(bytes),
            Unpacked::Gzip(decoder, begun) => {
                *begun |= !bytes.is_empty();
                decoder.write_all(bytes)
            }
        };
        if taken.is_err() && !self.is_full() { Err(broken_compression()) } else { Ok(false) }
    }

    /// The body is over.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self {
            Unpacked::Gzip(decoder, true) => match decoder.try_finish() {
                Err(_) if !self.is_full() => Err(broken_compression()),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    pub(super) fn into_start(mut self) -> Vec<u8> {
        match &mut self {
            Unpacked::Plain(start) => std::mem::take(&mut start.text),
            Unpacked::Gzip(decoder, _) => std::mem::take(&mut decoder.get_mut().text),
        }
    }
}

fn broken_compression() -> Fault {
    Fault::new(Class::Protocol, Some(Phase::Body), "the answer's compression is broken")
}
