//! What the PostgreSQL probe does beside the client library, on the wire.

use super::bounds::{Bounded, Counted};
use crate::{
    domain::check::Phase,
    probe::{cleanup::Cleanups, tls::Tls, trace::Trace},
};
use std::{io, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_postgres::{
    CancelToken, NoTls,
    tls::{MakeTlsConnect, TlsConnect},
};
use tokio_postgres_rustls::MakeRustlsConnect;

/// "Will you speak TLS?", as the protocol has it: the length of the message, and the code of the question.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// How long a query that was given up is given to be cancelled.
const CANCEL: Duration = Duration::from_secs(5);

/// Asks the server whether it supports TLS: `S` or `N`, from a PostgreSQL server.
pub(super) async fn ask_for_tls(stream: &mut TcpStream) -> io::Result<u8> {
    stream.write_all(&SSL_REQUEST).await?;
    stream.read_u8().await
}

/// What makes a TLS session of a connection.
pub(super) type RustlsConnect = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::TlsConnect;

/// Marks when the TLS handshake is over, and keeps count of what comes below TLS and out of it.
pub(super) struct Timed {
    pub(super) inner: RustlsConnect,
    pub(super) trace: Arc<Trace>,
}

impl TlsConnect<TcpStream> for Timed {
    type Stream = Bounded<<RustlsConnect as TlsConnect<Counted<TcpStream>>>::Stream>;
    type Error = <RustlsConnect as TlsConnect<Counted<TcpStream>>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: TcpStream) -> Self::Future {
        Box::pin(async move {
            let stream = self.inner.connect(Counted::new(stream)).await?;
            self.trace.enter(Phase::Ttfb);
            Ok(Bounded::new(stream))
        })
    }
}

/// Sends a cancel request, over a connection of its own as the protocol has it, unless it is disarmed.
pub(super) struct CancelOnDrop(Option<(Cancel, Cleanups)>);

struct Cancel {
    token: CancelToken,
    /// Where the session has TLS.
    connector: Option<RustlsConnect>,
    address: String,
}

impl CancelOnDrop {
    pub(super) fn new(
        token: CancelToken,
        connector: Option<RustlsConnect>,
        address: String,
        cleanups: Cleanups,
    ) -> CancelOnDrop {
        CancelOnDrop(Some((Cancel { token, connector, address }, cleanups)))
    }

    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some((Cancel { token, connector, address }, cleanups)) = self.0.take() else { return };
        // Nothing depends on it: at worst the query runs to its own end.
        let cancel = timeout(CANCEL, async move {
            let Ok(mut stream) = TcpStream::connect(address).await else { return };
            let _ = match connector {
                None => token.cancel_query_raw(stream, NoTls).await,
                Some(connector) => match ask_for_tls(&mut stream).await {
                    Ok(b'S') => token.cancel_query_raw(stream, connector).await,
                    _ => Ok(()),
                },
            };
        });
        cleanups.spawn(async { drop(cancel.await) });
    }
}

/// The connector for one session of a check.
pub(super) fn connector(tls: &Tls, host: &str, trace: &Arc<Trace>) -> Result<RustlsConnect, String> {
    let mut maker = MakeRustlsConnect::new(tls.config(trace, &[]));
    MakeTlsConnect::<TcpStream>::make_tls_connect(&mut maker, host).map_err(|error| error.to_string())
}
