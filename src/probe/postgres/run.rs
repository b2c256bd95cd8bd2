//! The PostgreSQL probe: a session, a query, and an orderly end.
//!
//! `sslmode` means what it means to libpq, the second try of `prefer` without TLS included.

use super::{
    answer::Answer,
    bounds::{Bounded, Copies, TooMuch},
    spec::{Expected, PostgresSpec, SslMode},
    wire::{CancelOnDrop, RustlsConnect, Timed, ask_for_tls, connector},
};
use crate::{
    domain::{
        check::{Class, Phase, Reason},
        decimal::Decimal,
    },
    probe::{
        cleanup::Cleanups,
        conditions::Condition,
        connect,
        diagnose::Place,
        error::ProbeError,
        fault,
        resolver::Resolver,
        runner::{Runner, Secrets},
        shared::Shared,
        text::{Scrubber, counted, seconds, showable},
        tls::{Tls, Verification, expiry_warning},
        trace::{Fault, Trace},
    },
};
use futures_util::TryStreamExt;
use std::{io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_postgres::{
    Client, Config, Connection, Error, NoTls, SimpleQueryMessage,
    config::{SslMode as Wire, SslNegotiation},
    error::SqlState,
    tls::TlsStream,
};

/// How long the end of a session that was good may take. Its result is settled by then.
const GOODBYE: Duration = Duration::from_millis(200);
/// A PostgreSQL service, ready to be checked.
#[derive(Debug)]
pub(crate) struct Postgres {
    spec: PostgresSpec,
    config: Config,
    tls: Tls,
    resolver: Resolver,
    cleanups: Cleanups,
    scrubber: Arc<Scrubber>,
}

/// A session that is ready for queries, with or without TLS.
type Session<S, T> = (Client, Connection<S, T>);

impl Runner for Postgres {
    type Spec = PostgresSpec;

    fn secrets(spec: &PostgresSpec) -> Secrets<'_> {
        (spec.password.iter().cloned().collect(), Vec::new())
    }

    fn new(spec: &PostgresSpec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Postgres, ProbeError> {
        let spec = PostgresSpec { host: connect::ascii_host(&spec.host)?, ..spec.clone() };
        let mut config = Config::new();
        config.user(&spec.user).dbname(&spec.database).application_name("healthcheck_dashboard");
        if let Some(password) = &spec.password {
            config.password(password.expose());
        }
        let verification = match spec.sslmode {
            // As libpq: a named authority is meant to be verified against.
            SslMode::Require if !spec.tls.ca.is_empty() => Verification::Chain,
            SslMode::Disable | SslMode::Prefer | SslMode::Require => Verification::Nothing,
            SslMode::VerifyCa => Verification::Chain,
            SslMode::VerifyFull => Verification::ChainAndName,
        };
        let tls = Tls::new(&spec.tls, verification, &shared.roots)?;
        let resolver = shared.resolver.to_metadata_too(spec.allow_metadata);
        Ok(Postgres { spec, config, tls, resolver, cleanups: shared.cleanups.clone(), scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        // TLS is agreed on in PostgreSQL's own words first.
        Some(Place { host: &self.spec.host, port: self.spec.port, resolver: &self.resolver, tls: None })
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let first = self.attempt(self.spec.sslmode != SslMode::Disable, trace, deadline).await;
        let reserved = match first {
            // TLS did not come about, or the server does not want this user to come with it.
            Err((_, true)) if self.spec.sslmode == SslMode::Prefer => {
                self.attempt(false, trace, deadline).await.map_err(|(fault, _)| fault)?
            }
            Err((fault, _)) => return Err(fault),
            Ok(reserved) => reserved,
        };
        if reserved.is_some() {
            return Ok(reserved);
        }
        if !self.tls.verifies() {
            // Nobody looks at this certificate, so nobody will miss it.
            return Ok(None);
        }
        Ok(expiry_warning(trace, self.spec.tls.expiry_warning_days, &self.spec.host))
    }

    fn late(trace: &Trace, deadline: Duration) -> Fault {
        let mut fault = fault::late(trace, deadline);
        match trace.phase() {
            Some(Phase::Ttfb) => {
                fault.reason.message = format!("the session was not ready within {}", seconds(deadline))
            }
            Some(Phase::Body) => {
                fault.reason.message = format!("the query was not finished within {}", seconds(deadline))
            }
            _ => {}
        }
        fault
    }
}

impl Postgres {
    /// One session. An error says whether it may be another one without TLS.
    async fn attempt(
        &self,
        secure: bool,
        trace: &Arc<Trace>,
        deadline: Duration,
    ) -> Result<Option<Reason>, (Fault, bool)> {
        let last = |fault: Fault| (fault, false);
        let (host, version) = ((self.spec.host.as_str(), self.spec.port), self.spec.ip_version);
        let mut stream = connect::open(&self.resolver, host, version, trace, deadline).await.map_err(last)?;
        let refused = |error: Error| {
            let hint = error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION);
            let tls = trace.phase() == Some(Phase::Tls);
            (self.session_fault(&error, trace, deadline), secure && (tls || hint))
        };
        if secure {
            trace.enter(Phase::Tls);
            if self.offers_tls(&mut stream, trace, deadline).await.map_err(last)? {
                let connector = self.connector(trace).map_err(last)?;
                let mut config = self.config.clone();
                // "Direct": TLS was negotiated above.
                config.ssl_mode(Wire::Require).ssl_negotiation(SslNegotiation::Direct);
                let connector = Timed { inner: connector, trace: Arc::clone(trace) };
                let session = config.connect_raw(stream, connector).await.map_err(refused)?;
                return self.ask(session, true, trace, deadline).await.map_err(last);
            }
            if self.spec.sslmode != SslMode::Prefer {
                let fault = Fault::new(Class::Tls, Some(Phase::Tls), "the server does not offer TLS");
                return Err(last(fault));
            }
        }
        trace.enter(Phase::Ttfb);
        let mut config = self.config.clone();
        config.ssl_mode(Wire::Disable);
        let session = config.connect_raw(Bounded::new(stream), NoTls).await.map_err(refused)?;
        self.ask(session, false, trace, deadline).await.map_err(last)
    }

    /// Asks the server whether it supports TLS.
    async fn offers_tls(&self, stream: &mut TcpStream, trace: &Trace, deadline: Duration) -> Result<bool, Fault> {
        let answer = ask_for_tls(stream).await;
        let answer = answer.map_err(|error| {
            let fault = fault::of_io(&error, Some(Phase::Tls), trace, deadline);
            fault.unwrap_or_else(|| {
                Fault::new(Class::Tls, Some(Phase::Tls), format!("the connection was lost: {error}"))
            })
        })?;
        match answer {
            b'S' => Ok(true),
            b'N' => Ok(false),
            _ => Err(Fault::new(Class::Protocol, Some(Phase::Tls), "the answer is not PostgreSQL's")),
        }
    }

    fn connector(&self, trace: &Arc<Trace>) -> Result<RustlsConnect, Fault> {
        connector(&self.tls, &self.spec.host, trace)
            .map_err(|error| Fault::new(Class::Tls, Some(Phase::Tls), format!("TLS cannot be set up: {error}")))
    }

    /// Runs the query and ends the session.
    async fn ask<S, T>(
        &self,
        (client, connection): Session<S, T>,
        secure: bool,
        trace: &Arc<Trace>,
        deadline: Duration,
    ) -> Result<Option<Reason>, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        T: TlsStream + Unpin,
    {
        trace.enter(Phase::Body);
        let mut connection = Box::pin(connection);
        let cancel = self.cancel_on_drop(&client, secure, trace);
        let (result, connection) = {
            let mut query = pin!(self.query(&client));
            let broken = tokio::select! {
                biased;
                result = &mut query => Ok(result),
                broken = &mut connection => Err(broken.err()),
            };
            match broken {
                Ok(result) => (result, Some(connection)),
                Err(broken) => {
                    // For as long as it is held, the query waits for more from it.
                    drop(connection);
                    let result = match query.await {
                        // The query ends with the connection, which knows better why.
                        Err(QueryError::Broke(error)) if error.is_closed() => {
                            Err(QueryError::Broke(broken.unwrap_or(error)))
                        }
                        result => result,
                    };
                    (result, None)
                }
            }
        };
        cancel.disarm();
        let result = result.map_err(|error| match error {
            QueryError::Broke(error) => self.query_fault(&error, trace, deadline),
            QueryError::Unexpected(message, found) => Fault::new(Class::Content, Some(Phase::Body), message)
                .with_excerpt(found.and_then(|found| self.scrubber.excerpt(&found, true))),
        });
        trace.end();
        drop(client);
        // Without its client the connection says goodbye and closes, which leaves the server nothing to clean up.
        if let Some(connection) = connection {
            let _ = timeout(GOODBYE, connection).await;
        }
        result
    }

    async fn query(&self, client: &Client) -> Result<Option<Reason>, QueryError> {
        let mut messages = pin!(client.simple_query_raw(&self.spec.query).await.map_err(QueryError::Broke)?);
        let mut rows: u64 = 0;
        let mut value: Option<Found> = None;
        let has_conditions = !self.spec.expect.is_empty() || !self.spec.degraded.is_empty();
        let mut answer = Answer::default();
        // One row at a time: a query may give more of them than this process should hold.
        while let Some(message) = messages.try_next().await.map_err(QueryError::Broke)? {
            if let SimpleQueryMessage::Row(row) = message {
                if rows == 0 && self.spec.expect_value.is_some() {
                    value = Some(match row.is_empty() {
                        true => Found::NoColumn,
                        false => Found::Value(row.try_get(0).map_err(QueryError::Broke)?.map(str::to_owned)),
                    });
                }
                if has_conditions {
                    answer.take(&row).map_err(QueryError::Broke)?;
                }
                rows += 1;
            }
        }
        if let Some(expected) = self.spec.expect_rows
            && rows != expected
        {
            // The number itself may be another one every time; see `showable`.
            let gave = match rows {
                0 => "no row".to_owned(),
                _ if rows > expected => format!("more than {}", counted(expected, "row")),
                _ => format!("fewer than {}", counted(expected, "row")),
            };
            let message = format!("the query gave {gave}, expected {expected}");
            return Err(QueryError::Unexpected(message, Some(counted(rows, "row"))));
        }
        if let Some(expected) = &self.spec.expect_value {
            compare(expected, value.unwrap_or(Found::NoRow))?;
        }
        let scrub = |text: &str| self.scrubber.message(text);
        let unmet =
            |conditions: &[Condition]| conditions.iter().find_map(|condition| condition.judge(&answer, &scrub).err());
        if let Some(message) = unmet(&self.spec.expect) {
            return Err(QueryError::Unexpected(message, answer.first()));
        }
        Ok(unmet(&self.spec.degraded).map(|message| Reason {
            class: Class::Content,
            phase: Some(Phase::Body),
            message,
        }))
    }

    fn session_fault(&self, error: &Error, trace: &Trace, deadline: Duration) -> Fault {
        if let Some(refusal) = error.as_db_error() {
            let message = format!("the server refused the session: {}", refusal.message());
            return Fault::new(Class::Query, Some(Phase::Ttfb), message);
        }
        wire_fault(error, trace, deadline, "the session could not be opened")
    }

    fn query_fault(&self, error: &Error, trace: &Trace, deadline: Duration) -> Fault {
        if let Some(refusal) = error.as_db_error() {
            let message = format!("the query failed: {}", refusal.message());
            return Fault::new(Class::Query, Some(Phase::Body), message);
        }
        wire_fault(error, trace, deadline, "the query broke off")
    }

    /// A query that is given up goes on in the server, which does not notice before it is done: it is cancelled.
    fn cancel_on_drop(&self, client: &Client, secure: bool, trace: &Arc<Trace>) -> CancelOnDrop {
        let connector = secure.then(|| self.connector(trace).ok()).flatten();
        CancelOnDrop::new(client.cancel_token(), connector, trace.peer(), self.cleanups.clone())
    }
}

enum QueryError {
    Broke(Error),
    /// The message, and what was found.
    Unexpected(String, Option<String>),
}

/// What came first.
enum Found {
    NoRow,
    NoColumn,
    /// `None` is NULL.
    Value(Option<String>),
}

/// Holds what came against what is expected, which says how to read it: the simple protocol gives text and no types.
///
/// The message of a failure is its cause, and has to stay the same while the cause does. A number that came may be
/// another one every time, so it is only in the excerpt.
fn compare(expected: &Expected, found: Found) -> Result<(), QueryError> {
    let wanted = match expected {
        Expected::Text(text) => format!("\"{text}\""),
        Expected::Number(written, _) => written.clone(),
        Expected::Boolean(value) => value.to_string(),
        Expected::Null => "NULL".to_owned(),
        Expected::NotNull => "a value".to_owned(),
    };
    let gave =
        |what: &str, found| Err(QueryError::Unexpected(format!("the query gave {what}, expected {wanted}"), found));
    let found = match found {
        Found::NoRow => return gave("no row", None),
        Found::NoColumn => return gave("a row without a column", None),
        Found::Value(None) if *expected == Expected::Null => return Ok(()),
        Found::Value(None) => return gave("NULL", None),
        Found::Value(Some(found)) => found,
    };
    let met = match expected {
        Expected::Text(text) => found == *text,
        Expected::Number(_, number) => Decimal::parse(&found).as_ref() == Some(number),
        Expected::Boolean(value) => boolean(&found) == Some(*value),
        Expected::Null => false,
        Expected::NotNull => true,
    };
    if met {
        return Ok(());
    }
    let what = match (expected, boolean(&found), showable(&found)) {
        (Expected::Boolean(_), Some(value), _) => value.to_string(),
        (_, _, Some(found)) => format!("\"{found}\""),
        (Expected::Number(..), ..) if Decimal::parse(&found).is_some() => "another number (see the excerpt)".to_owned(),
        _ => "something else (see the excerpt)".to_owned(),
    };
    gave(&what, Some(found))
}

/// A boolean as PostgreSQL writes it, and as a cast to text does.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "t" | "true" => Some(true),
        "f" | "false" => Some(false),
        _ => None,
    }
}

/// An error that is none of the server's own words.
fn wire_fault(error: &Error, trace: &Trace, deadline: Duration, what: &str) -> Fault {
    let phase = trace.phase().or(Some(Phase::Body));
    if let Some(too_much) = fault::find::<TooMuch>(error) {
        return Fault::new(Class::Protocol, phase, too_much.to_string());
    }
    if let Some(copies) = fault::find::<Copies>(error) {
        return Fault::new(Class::Query, phase, copies.to_string());
    }
    if let Some(fault) = fault::of_error(error, trace, deadline) {
        return fault;
    }
    if error.is_closed() {
        return Fault::new(Class::Protocol, phase, format!("{what}: connection closed"));
    }
    match std::error::Error::source(error) {
        // A login that asks for what the client will not do, such as a million iterations.
        Some(cause) if cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::InvalidInput) => {
            Fault::new(Class::Protocol, phase, format!("{what}: {cause}"))
        }
        // Neither the server's words nor the network's: the client's own, on a login that it has no password for.
        Some(cause) if !cause.is::<io::Error>() => Fault::new(Class::Query, phase, format!("{what}: {cause}")),
        _ => Fault::new(Class::Protocol, phase, "the answer is not PostgreSQL's"),
    }
}
