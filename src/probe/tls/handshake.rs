//! A TLS handshake over a stream with a budget.

use super::Tls;
use crate::{
    domain::check::{Class, Phase},
    probe::{
        beginning::instead_of_tls,
        fault,
        stream::{Bounded, Budget},
        trace::{Fault, Trace},
    },
};
use rustls::pki_types::ServerName;
use std::{error::Error, sync::Arc, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How much is read of a handshake. A chain of certificates has at most 64 KiB.
const HANDSHAKE_BYTES: usize = 256 * 1024;
/// What is kept of it, to say what it was instead of one.
const BEGINNING_KEPT: usize = 512;

impl Tls {
    /// A TLS session with `host`, a name or an address without brackets, in phase `Tls`. Of what follows the handshake
    /// at most `most` bytes are read, as they come over the network.
    pub(in crate::probe) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
        alpn: &[&[u8]],
        most: usize,
        trace: &Arc<Trace>,
        deadline: Duration,
    ) -> Result<TlsStream<Bounded<S>>, Fault> {
        trace.enter(Phase::Tls);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Fault::new(Class::Protocol, Some(Phase::Tls), format!("{host} cannot be the name in a certificate"))
        })?;
        let budget = Arc::new(Budget::new(HANDSHAKE_BYTES, most, BEGINNING_KEPT));
        let connector = TlsConnector::from(Arc::new(self.config(trace, alpn)));
        let stream = connector.connect(name, Bounded::new(stream, Arc::clone(&budget))).await;
        let stream = stream.map_err(|error| handshake_fault(&error, &budget, trace, deadline))?;
        budget.head_is_over();
        Ok(stream)
    }
}

fn handshake_fault(error: &(dyn Error + 'static), budget: &Budget, trace: &Trace, deadline: Duration) -> Fault {
    let phase = Some(Phase::Tls);
    if budget.too_long_a_head() {
        return Fault::new(Class::Protocol, phase, "the TLS handshake is longer than 256 KiB");
    }
    if let Some(rustls::Error::InvalidMessage(_)) = fault::find::<rustls::Error>(error) {
        return Fault::new(Class::Tls, phase, instead_of_tls(&budget.beginning(), &trace.peer()));
    }
    fault::of_error(error, trace, deadline)
        .unwrap_or_else(|| Fault::new(Class::Protocol, phase, format!("the TLS handshake broke off: {error}")))
}
