//! A row of the table: how a server misbehaves, and what has to be said of it.

use super::{bench::Hanging, names::NameServer};
use healthcheck_dashboard::domain::check::Class;
use std::{pin::Pin, sync::Arc};
use tokio::net::TcpStream;

/// What a service has to be shown as while it misbehaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expected {
    Down(Class),
    Degraded(Class),
    /// It passes and fails by turns, so that it never is down.
    Flapping(Class),
    /// It works all the same: whoever calls that a failure cries wolf.
    Up,
}

/// What is done with a connection.
pub(super) type Handler = Arc<dyn Fn(TcpStream, Hanging) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub(super) fn handler<F, Fut>(handle: F) -> Handler
where
    F: Fn(TcpStream, Hanging) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |stream, hanging| Box::pin(handle(stream, hanging)))
}

/// How a port behaves.
#[derive(Clone)]
pub(super) enum Port {
    /// Nobody listens.
    Closed,
    /// What comes is dropped: no connection is made or refused.
    Drops,
    /// The system makes connections, and the program never takes them.
    NeverAccepts,
    Serves(Handler),
    /// A name server, over UDP.
    Names(NameServer),
    /// No port, but a program: this shell script.
    Runs(&'static str),
    /// No port, but a job that reports by itself.
    Reports(Reports),
}

/// What a job reports, again after each period: when in it, in milliseconds, and what the address ends with.
#[derive(Clone, Copy)]
pub(super) struct Reports {
    pub(super) period_ms: i64,
    pub(super) reports: &'static [(i64, &'static str)],
}

/// A fault of a service, and the service.
pub(super) struct Fault {
    /// The kind of probe, as the table says it.
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) expected: Expected,
    /// Its section of the configuration. `ADDRESS` stands for where it is, `PORT` for its port, `PROGRAM` for its script,
    /// `TOKEN` for what it reports with, `CA` for the file of the authority.
    pub(super) keys: String,
    /// The address of this machine that it is at, and another one, where it is well throughout.
    pub(super) at: &'static str,
    pub(super) beside: Option<&'static str>,
    pub(super) well: Port,
    pub(super) broken: Port,
}

impl Fault {
    pub(super) fn new(
        kind: &'static str,
        name: &'static str,
        expected: Expected,
        keys: &str,
        well: Port,
        broken: Port,
    ) -> Fault {
        Fault { kind, name, expected, keys: keys.to_owned(), at: "127.0.0.1", beside: None, well, broken }
    }

    /// The word of the table for what it is shown as.
    pub(super) fn shown(&self) -> String {
        match self.expected {
            Expected::Down(class) => class.as_str().to_owned(),
            Expected::Degraded(class) => format!("degraded, {}", class.as_str()),
            Expected::Flapping(class) => format!("flapping, {}", class.as_str()),
            Expected::Up => "up".to_owned(),
        }
    }
}
