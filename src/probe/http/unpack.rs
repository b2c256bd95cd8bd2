//! The body of an answer, unpacked as it comes, and no more of it than is wanted.

use crate::{
    domain::check::{Class, Phase},
    probe::trace::Fault,
};
use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
use std::io::{self, Write};
use zstd::stream::raw::{DParameter, Operation};

/// The encodings that are unpacked, as the request says them.
pub(super) const ENCODINGS: &str = "gzip, deflate, br, zstd";

/// A body, unpacked as it comes.
pub(super) struct Unpacked {
    decoder: Decoder,
    /// Whether anything came: no body at all (the answer to `HEAD`) is no broken one.
    begun: bool,
}

/// Each has what was unpacked in it.
enum Decoder {
    Plain(Start),
    Gzip(Box<MultiGzDecoder<Start>>),
    /// Which of the two that are called so is known with the first byte.
    Deflate(Start),
    Zlib(Box<ZlibDecoder<Start>>),
    RawDeflate(Box<DeflateDecoder<Start>>),
    Brotli(Box<DecompressorWriter<Start>>),
    Zstd(Box<Zstd>),
}

impl Unpacked {
    pub(super) fn new(headers: &HeaderMap, keep: usize, most: usize) -> Unpacked {
        let start = Start { text: Vec::new(), keep, read: 0, most };
        let encoding = headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase());
        let decoder = match encoding.as_deref() {
            Some(b"gzip" | b"x-gzip") => Decoder::Gzip(Box::new(MultiGzDecoder::new(start))),
            Some(b"deflate") => Decoder::Deflate(start),
            Some(b"br") => Decoder::Brotli(Box::new(DecompressorWriter::new(start, 0))),
            Some(b"zstd") => match Zstd::new(start) {
                Ok(zstd) => Decoder::Zstd(Box::new(zstd)),
                Err(start) => Decoder::Plain(start),
            },
            _ => Decoder::Plain(start),
        };
        Unpacked { decoder, begun: false }
    }

    fn start(&self) -> &Start {
        match &self.decoder {
            Decoder::Plain(start) | Decoder::Deflate(start) => start,
            Decoder::Gzip(decoder) => decoder.get_ref(),
            Decoder::Zlib(decoder) => decoder.get_ref(),
            Decoder::RawDeflate(decoder) => decoder.get_ref(),
            Decoder::Brotli(decoder) => decoder.get_ref(),
            Decoder::Zstd(decoder) => &decoder.start,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        let start = self.start();
        start.read > start.most
    }

    /// Takes one piece; always false, because it is never known to be the last.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<bool, Fault> {
        if let (Decoder::Deflate(start), Some(first)) = (&mut self.decoder, bytes.first()) {
            let start = start.taken();
            // As RFC 9110 has it, in zlib's format; or without, as some servers send it.
            self.decoder = match first & 0x0f == 8 && first >> 4 <= 7 {
                true => Decoder::Zlib(Box::new(ZlibDecoder::new(start))),
                false => Decoder::RawDeflate(Box::new(DeflateDecoder::new(start))),
            };
        }
        self.begun |= !bytes.is_empty();
        let taken = match &mut self.decoder {
            Decoder::Plain(start) | Decoder::Deflate(start) => start.write_all(bytes),
            Decoder::Gzip(decoder) => decoder.write_all(bytes),
            Decoder::Zlib(decoder) => decoder.write_all(bytes),
            Decoder::RawDeflate(decoder) => decoder.write_all(bytes),
            Decoder::Brotli(decoder) => decoder.write_all(bytes),
            Decoder::Zstd(decoder) => decoder.take(bytes),
        };
        if taken.is_err() && !self.is_full() { Err(broken_compression()) } else { Ok(false) }
    }

    /// The body is over.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if !self.begun {
            return Ok(());
        }
        let ended = match &mut self.decoder {
            Decoder::Plain(_) | Decoder::Deflate(_) => Ok(()),
            Decoder::Gzip(decoder) => decoder.try_finish(),
            Decoder::Zlib(decoder) => decoder.try_finish(),
            Decoder::RawDeflate(decoder) => decoder.try_finish(),
            Decoder::Brotli(decoder) => decoder.close(),
            Decoder::Zstd(decoder) => decoder.end(),
        };
        if ended.is_err() && !self.is_full() { Err(broken_compression()) } else { Ok(()) }
    }

    pub(super) fn into_start(mut self) -> Vec<u8> {
        let start = match &mut self.decoder {
            Decoder::Plain(start) | Decoder::Deflate(start) => start,
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Zlib(decoder) => decoder.get_mut(),
            Decoder::RawDeflate(decoder) => decoder.get_mut(),
            Decoder::Brotli(decoder) => decoder.get_mut(),
            Decoder::Zstd(decoder) => &mut decoder.start,
        };
        std::mem::take(&mut start.text)
    }
}

/// What is kept of a body.
struct Start {
    text: Vec<u8>,
    keep: usize,
    read: usize,
    /// What is longer is not read to its end.
    most: usize,
}

impl Start {
    fn taken(&mut self) -> Start {
        Start { text: std::mem::take(&mut self.text), ..*self }
    }
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

/// Zstandard with the window that RFC 8878 has every decoder support, 8 MiB: a server does not decide on our memory.
struct Zstd {
    decoder: zstd::stream::raw::Decoder<'static>,
    start: Start,
    /// Whether a frame has begun that is not over.
    open: bool,
}

impl Zstd {
    fn new(start: Start) -> Result<Zstd, Start> {
        let decoder = zstd::stream::raw::Decoder::new().and_then(|mut decoder| {
            decoder.set_parameter(DParameter::WindowLogMax(23))?;
            Ok(decoder)
        });
        match decoder {
            Ok(decoder) => Ok(Zstd { decoder, start, open: true }),
            Err(_) => Err(start),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        let mut rest = bytes;
        loop {
            let status = self.decoder.run_on_buffers(rest, &mut buffer)?;
            self.open = status.remaining > 0;
            self.start.write_all(&buffer[..status.bytes_written])?;
            rest = &rest[status.bytes_read..];
            // A buffer that was filled may have left something behind.
            if rest.is_empty() && status.bytes_written < buffer.len() {
                return Ok(());
            }
        }
    }

    fn end(&self) -> io::Result<()> {
        if self.open { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}

fn broken_compression() -> Fault {
    Fault::new(Class::Protocol, Some(Phase::Body), "the answer's compression is broken")
}
