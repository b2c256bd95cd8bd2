//! Packed answers: unpacked within bounds, and broken ones told.

use super::{http::spec, *};
use crate::support::net::{answer, http, read_head, serve};
use flate2::{Compression, write};
use healthcheck_dashboard::probe::http::HttpSpec;
use std::{io::Write, net::SocketAddr};
use tokio::io::AsyncWriteExt;

const TEXT: &str = "all systems go";

fn expecting(address: SocketAddr, text: &str) -> HttpSpec {
    HttpSpec { expect_body: Some(text.to_owned()), ..spec(&format!("http://{address}/")) }
}

async fn run(spec: HttpSpec) -> Report {
    probe(Spec::Http(Box::new(spec))).run(AMPLE).await
}

async fn packed(encoding: &str, body: &[u8]) -> SocketAddr {
    answer(http("200 OK", &[&format!("content-encoding: {encoding}")], body)).await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = write::GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = write::ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = write::DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(text, 19).unwrap()
}

/// What the program `brotli` makes of the text, and of 8 MiB of zeros.
const BROTLI: &[u8] = b"\x1f\x0d\x00\xf8\xa5\xc3\xce\xd8\xde\x94\x24\x9d\x04\x3d\xa9\x3f\x07";
const BROTLI_BOMB: &[u8] = b"\x9f\xff\xff\x7f\xf8\x27\x00\xe2\xb1\x40\x20\xf7\xfe\x0f";

/// The text in every encoding that is unpacked.
fn texts() -> [(&'static str, Vec<u8>); 6] {
    let text = TEXT.as_bytes();
    [
        ("gzip", gzip(text)),
        ("x-gzip", gzip(text)),
        ("deflate", zlib(text)),
        // Wrong, and so common that everybody reads it.
        ("deflate", deflate(text)),
        ("br", BROTLI.to_vec()),
        ("zstd", zstd(text)),
    ]
}

#[tokio::test]
async fn every_encoding_is_asked_for_and_unpacked() {
    for (encoding, body) in texts() {
        assert_passed(&run(expecting(packed(&encoding.to_uppercase(), &body).await, TEXT)).await);
    }
    let address = serve(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let _ = stream.write_all(&http("200 OK", &[], head)).await;
    })
    .await;
    assert_passed(&run(expecting(address, "accept-encoding: gzip, deflate, br, zstd\r\n")).await);
}

#[tokio::test]
async fn a_packed_answer_may_come_in_pieces_or_be_empty() {
    for (encoding, body) in texts() {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ntransfer-encoding: chunked\r\n\r\n");
        let mut pieces = head.into_bytes();
        for byte in body {
            pieces.extend([b"1\r\n", &[byte][..], b"\r\n"].concat());
        }
        pieces.extend(b"0\r\n\r\n");
        assert_passed(&run(expecting(answer(pieces).await, TEXT)).await);
        assert_passed(&run(expecting(packed(encoding, b"").await, "")).await);
    }
}

#[tokio::test]
async fn broken_or_cut_off_compression_is_a_protocol_failure() {
    let message = "the answer's compression is broken";
    for (encoding, body) in texts() {
        for body in [&body[..body.len() - 2], &body[..1], b"\xffthis is not packed at all"] {
            let report = run(expecting(packed(encoding, body).await, TEXT)).await;
            assert_failed(&report, Class::Protocol, Phase::Body, message);
        }
    }
}

#[tokio::test]
async fn a_bomb_is_unpacked_to_a_mebibyte_and_no_further() {
    let zeros = vec![0; 8 * 1024 * 1024];
    let bombs = [
        ("gzip", gzip(&zeros)),
        ("deflate", zlib(&zeros)),
        ("deflate", deflate(&zeros)),
        ("br", BROTLI_BOMB.to_vec()),
        ("zstd", zstd(&zeros)),
    ];
    for (encoding, bomb) in bombs {
        let report = run(expecting(packed(encoding, &bomb).await, "ok")).await;
        let message = "the answer does not contain \"ok\" in its first 1 MiB";
        assert_failed(&report, Class::Content, Phase::Body, message);
    }
}

#[tokio::test]
async fn a_server_does_not_decide_how_much_memory_unpacking_takes() {
    let mut encoder = ::zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(TEXT.as_bytes()).unwrap();
    let report = run(expecting(packed("zstd", &encoder.finish().unwrap()).await, TEXT)).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the answer's compression is broken");
}
