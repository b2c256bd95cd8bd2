//! Our side of a connection: where it goes, and TLS where it is wanted, from the first byte or after it was asked for.

use super::{
    address::{Address, Dialer},
    connection::Connection,
    diagnose::Place,
    error::ProbeError,
    protocol::{
        mysql::{self, Greeting},
        starttls::Starttls,
    },
    shared::Shared,
    tls::{Tls, Verification, expiry_warning},
    trace::{Fault, Trace},
};
use crate::{domain::check::Reason, settings::tls::TlsSpec};
use std::{sync::Arc, time::Duration};

/// How a connection is secured.
#[derive(Clone, Debug)]
pub enum Security {
    Plain,
    /// TLS from the first byte.
    Tls(Box<TlsSpec>),
    /// TLS once the server agreed.
    Starttls(Starttls, Box<TlsSpec>),
}

/// What connects, as often as there are checks.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) dialer: Dialer,
    tls: Option<Tls>,
    pub(super) starttls: Option<Starttls>,
    warning_days: u32,
}

impl Client {
    pub(super) fn new(address: &Address, security: &Security, shared: &Shared) -> Result<Client, ProbeError> {
        let (starttls, spec) = match security {
            Security::Plain => (None, None),
            Security::Tls(spec) => (None, Some(spec)),
            Security::Starttls(protocol, spec) => (Some(*protocol), Some(spec)),
        };
        let tls = spec.map(|spec| Tls::new(spec, Verification::ChainAndName, &shared.roots)).transpose()?;
        let warning_days = spec.map_or(0, |spec| spec.expiry_warning_days);
        let dialer = Dialer::new(address, shared)?;
        Ok(Client { dialer, tls, starttls, warning_days })
    }

    /// Where it goes.
    pub(super) fn place(&self) -> Place<'_> {
        self.dialer.place(self.tls.as_ref().filter(|_| self.starttls.is_none()))
    }

    /// A connection, over TLS where it is to be: with `starttls`, the greeting was read and TLS agreed on.
    pub(super) async fn open<'a>(
        &'a self,
        most: usize,
        trace: &'a Arc<Trace>,
        deadline: Duration,
    ) -> Result<Connection<'a>, Fault> {
        let from_the_start = self.tls.as_ref().filter(|_| self.starttls.is_none());
        let mut connection = Connection::open(&self.dialer, from_the_start, most, trace, deadline).await?;
        if let Some((protocol, tls)) = self.starttls.zip(self.tls.as_ref()) {
            protocol.ask(&mut connection).await?;
            connection = connection.secure(tls).await?;
        }
        Ok(connection)
    }

    /// The same for MySQL, where a login needs what the server says first.
    pub(super) async fn open_mysql<'a>(
        &'a self,
        most: usize,
        trace: &'a Arc<Trace>,
        deadline: Duration,
    ) -> Result<(Connection<'a>, Greeting), Fault> {
        let mut connection = Connection::open(&self.dialer, None, most, trace, deadline).await?;
        let greeting = mysql::greeting(&mut connection).await?;
        if let Some(tls) = &self.tls {
            Starttls::ask_mysql(&mut connection, &greeting).await?;
            connection = connection.secure(tls).await?;
        }
        Ok((connection, greeting))
    }

    /// What is to be said of a check that passed: its certificate may be about to expire.
    pub(super) fn reservation(&self, trace: &Trace) -> Option<Reason> {
        expiry_warning(trace, self.warning_days, &self.dialer.host)
    }
}
