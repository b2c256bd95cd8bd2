//! How a connection that began without TLS goes over to it, in each protocol that can.

use super::{
    ldap,
    mysql::{self, Greeting},
    replies::{self, Reply},
};
use crate::{
    domain::check::Class,
    probe::{connection::Connection, trace::Fault},
};
use serde_json::Value as Json;

/// A protocol in which TLS is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Starttls {
    Smtp,
    Imap,
    Pop3,
    Ldap,
    Ftp,
    Postgres,
    Mysql,
    Nats,
}

impl Starttls {
    /// All of them, by their words in the configuration.
    pub(in crate::probe) const ALL: [(&'static str, Starttls); 8] = [
        ("smtp", Starttls::Smtp),
        ("imap", Starttls::Imap),
        ("pop3", Starttls::Pop3),
        ("ldap", Starttls::Ldap),
        ("ftp", Starttls::Ftp),
        ("postgres", Starttls::Postgres),
        ("mysql", Starttls::Mysql),
        ("nats", Starttls::Nats),
    ];

    pub(in crate::probe) fn word(self) -> &'static str {
        Starttls::ALL.iter().find(|(_, protocol)| *protocol == self).map_or("", |(word, _)| word)
    }

    /// Reads the greeting and asks for TLS. The handshake is next.
    pub(in crate::probe) async fn ask(self, connection: &mut Connection<'_>) -> Result<(), Fault> {
        match self {
            Starttls::Smtp => smtp(connection).await,
            Starttls::Imap => {
                replies::imap_greeting(connection).await?;
                replies::imap(connection, "a1", "STARTTLS", TLS).await.map(drop)
            }
            Starttls::Pop3 => {
                replies::pop3(connection, "the session").await?;
                connection.send(b"STLS\r\n").await?;
                replies::pop3(connection, TLS).await.map(drop)
            }
            Starttls::Ldap => {
                connection.send(ldap::START_TLS).await?;
                let (_, outcome) = ldap::outcome(connection).await?;
                outcome.accepted(connection, TLS)
            }
            Starttls::Ftp => {
                Reply::expect(connection, "FTP's", 220, "the session").await?;
                connection.send(b"AUTH TLS\r\n").await?;
                Reply::expect(connection, "FTP's", 234, TLS).await.map(drop)
            }
            Starttls::Postgres => {
                // A request of 8 bytes with this number in the place of a version.
                connection.send(&[0, 0, 0, 8, 4, 210, 22, 47]).await?;
                match connection.exact(1).await?.as_slice() {
                    b"S" => Ok(()),
                    b"N" => Err(not_offered(connection)),
                    other => Err(connection.unlike("PostgreSQL's", other)),
                }
            }
            Starttls::Mysql => {
                let greeting = mysql::greeting(connection).await?;
                Starttls::ask_mysql(connection, &greeting).await
            }
            Starttls::Nats => {
                let line = connection.line().await?;
                let info = line.strip_prefix("INFO ").and_then(|info| serde_json::from_str::<Json>(info).ok());
                let Some(info) = info else { return Err(connection.unlike("NATS'", line.as_bytes())) };
                // The handshake begins at once.
                let offers = info["tls_required"] == true || info["tls_available"] == true;
                if offers { Ok(()) } else { Err(not_offered(connection)) }
            }
        }
    }
}

impl Starttls {
    /// The same for who needs the greeting as well.
    pub(in crate::probe) async fn ask_mysql(connection: &mut Connection<'_>, greeting: &Greeting) -> Result<(), Fault> {
        if !greeting.offers_tls() {
            return Err(not_offered(connection));
        }
        connection.send(&mysql::tls_request(greeting.sequence)).await
    }
}

const TLS: &str = "TLS";

async fn smtp(connection: &mut Connection<'_>) -> Result<(), Fault> {
    Reply::expect(connection, "SMTP's", 220, "the session").await?;
    connection.send(b"EHLO localhost\r\n").await?;
    let offered = Reply::expect(connection, "SMTP's", 250, "EHLO").await?;
    if !offered.lines.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS")) {
        return Err(not_offered(connection));
    }
    connection.send(b"STARTTLS\r\n").await?;
    Reply::expect(connection, "SMTP's", 220, TLS).await.map(drop)
}

fn not_offered(connection: &Connection<'_>) -> Fault {
    connection.failure(Class::Tls, "the server does not offer TLS")
}
