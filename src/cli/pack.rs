//! Compressed files: recognized by their name when they are written, and by their first bytes when they are read.

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
};

/// How a file is compressed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum, Debug)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
}

impl Packing {
    /// What the name of a file says, and the name without it: `a.json.gz` is `a.json`, compressed.
    pub(super) fn of(path: &Path) -> (Packing, &Path) {
        let packing = match path.extension().and_then(|e| e.to_str()) {
            Some("gz" | "gzip") => Packing::Gzip,
            Some("zst" | "zstd") => Packing::Zstd,
            _ => return (Packing::None, path),
        };
        (packing, path.file_stem().map_or(path, Path::new))
    }
}

/// Compresses what is written into it.
pub(super) enum Packer<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Packer<W> {
    pub(super) fn new(packing: Packing, sink: W) -> io::Result<Packer<W>> {
        Ok(match packing {
            Packing::None => Packer::None(sink),
            Packing::Gzip => Packer::Gzip(GzEncoder::new(sink, Compression::default())),
            Packing::Zstd => {
                let mut encoder = zstd::Encoder::new(sink, 0)?;
                // So that a reader notices when a byte has changed on the way.
                encoder.include_checksum(true)?;
                Packer::Zstd(encoder)
            }
        })
    }

    /// Writes what is still to be written.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Packer::None(sink) => Ok(sink),
            Packer::Gzip(encoder) => encoder.finish(),
            Packer::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packer::None(sink) => sink.write(bytes),
            Packer::Gzip(encoder) => encoder.write(bytes),
            Packer::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Packer::None(sink) => sink.flush(),
            Packer::Gzip(encoder) => encoder.flush(),
            Packer::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// Reads a file, compressed or not.
///
/// # Errors
/// When its first bytes cannot be read.
pub(super) fn unpack<'a>(source: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let packing = match source.fill_buf()? {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
        _ => Packing::None,
    };
    Ok(match packing {
        Packing::None => Box::new(source),
        Packing::Gzip => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(source))),
        Packing::Zstd => Box::new(BufReader::with_capacity(1 << 16, zstd::Decoder::with_buffer(source)?)),
    })
}
