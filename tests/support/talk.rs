//! Servers that hold a conversation word for word.

use super::net::{hang, serve};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

/// What is heard, byte for byte, and what is said to it. Nothing to hear: it is said at once.
pub(crate) type Steps = Vec<(Vec<u8>, Vec<u8>)>;

/// Steps from what is written in a test.
pub(crate) fn steps<const N: usize>(steps: [(&[u8], &[u8]); N]) -> Steps {
    steps.iter().map(|(heard, said)| (heard.to_vec(), said.to_vec())).collect()
}

/// Holds a conversation. Whoever says something else finds the connection closed.
pub(crate) async fn converse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), steps: &Steps) -> bool {
    for (heard, said) in steps {
        let mut got = vec![0; heard.len()];
        if stream.read_exact(&mut got).await.is_err() || got != *heard || stream.write_all(said).await.is_err() {
            return false;
        }
        let _ = stream.flush().await;
    }
    true
}

/// Holds this conversation with everyone, and keeps the connection.
pub(crate) async fn talking(steps: Steps) -> SocketAddr {
    serve(move |mut stream| {
        let steps = steps.clone();
        async move {
            if converse(&mut stream, &steps).await {
                hang(stream).await;
            }
        }
    })
    .await
}

/// Holds the first conversation, then takes a TLS handshake, then holds the second one.
pub(crate) async fn talking_over_tls(before: Steps, acceptor: TlsAcceptor, after: Steps) -> SocketAddr {
    serve(move |mut stream| {
        let (before, acceptor, after) = (before.clone(), acceptor.clone(), after.clone());
        async move {
            if converse(&mut stream, &before).await
                && let Ok(mut stream) = acceptor.accept(stream).await
                && converse(&mut stream, &after).await
            {
                hang(stream).await;
            }
        }
    })
    .await
}
