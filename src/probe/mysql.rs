//! `type = "mysql"`: a MySQL or MariaDB server: whether it has a place for a session, and with a user whether that gets
//! one, and an answer to a query.

use super::{
    client::{Client, Security},
    connection::{Connection, MOST},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    login::{self, Login, Schemes},
    protocol::{
        mysql::{self as protocol, Greeting, capability},
        starttls::Starttls,
    },
    runner::{Runner, Secrets},
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Reason},
        service::Kind,
    },
    probe::Address,
    settings::error::Mistake,
};
use ring::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use serde_json::{Map, json};
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Mysql,
    aliases: &["mariadb"],
    schemes: &["mysql"],
    scheme_aliases: &["mariadb"],
    url_example: "mysql://user:password@db:3306/name",
    keys: &["url", "ip_version", "allow_metadata", "user", "password", "tls", "starttls", "query"],
    ..Descriptor::NONE
};

const SCHEMES: Schemes = Schemes {
    plain: ("mysql", 3306),
    tls: None,
    others: &[("mariadb", "mysql")],
    starttls: Some(Starttls::Mysql),
    without_user: false,
    path: "/database",
};

/// A MySQL server, and what is asked of it.
#[derive(Clone, Debug)]
pub struct MysqlSpec {
    pub address: Address,
    pub security: Security,
    pub login: Option<Login>,
    pub database: Option<String>,
    pub query: String,
}

const QUERY: &str = "select 1";

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<MysqlSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let server = login::read(section, &SCHEMES, &mut shown);
    let query = table.filled("query");
    if let (Some(server), Some(value)) = (&server, table.peek("query"))
        && server.login.is_none()
    {
        let mistake = Mistake::at(value.key, "`query` without `user`");
        table.source.report(mistake.label("who has no session can ask nothing"));
    }
    let server = server?;
    let mut secrets = server.secrets;
    secrets.extend(query.iter().flat_map(|text| text.secrets()));
    if server.login.is_some() {
        shown.insert("query".to_owned(), json!(query.as_ref().map_or_else(|| QUERY.to_owned(), |text| text.shown())));
    }
    let spec = MysqlSpec {
        address: server.address,
        security: server.security,
        login: server.login,
        database: server.path,
        query: query.map_or_else(|| QUERY.to_owned(), |text| text.value),
    };
    Some(ParsedEndpoint { probe: spec, target: server.target, secrets, shown })
}

/// A MySQL server, ready to be checked.
#[derive(Debug)]
pub(super) struct Mysql {
    client: Client,
    spec: MysqlSpec,
}

const BEGIN_QUERY: u8 = 3;
const QUIT: u8 = 1;

impl Runner for Mysql {
    type Spec = MysqlSpec;

    fn secrets(spec: &MysqlSpec) -> Secrets<'_> {
        login::secrets(spec.login.as_ref())
    }

    fn new(spec: &MysqlSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Mysql, ProbeError> {
        Ok(Mysql { client: Client::new(&spec.address, &spec.security, shared)?, spec: spec.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let (mut connection, greeting) = self.client.open_mysql(MOST, trace, deadline).await?;
        if let Some(login) = &self.spec.login {
            self.log_in(&mut connection, &greeting, login).await?;
            let query = [&[BEGIN_QUERY], self.spec.query.as_bytes()].concat();
            connection.send(&protocol::framed(0, &query)).await?;
            let (_, packet) = protocol::packet(&mut connection).await?;
            if let Some(why) = protocol::refusal(&packet) {
                return Err(connection.failure(Class::Query, format!("the query failed: {why}")));
            }
        }
        trace.end();
        let _ = connection.send(&protocol::framed(0, &[QUIT])).await;
        Ok(self.client.reservation(trace))
    }
}

// What a packet of the login begins with.
const OK: u8 = 0;
const MORE: u8 = 1;
const SWITCH: u8 = 0xfe;

impl Mysql {
    async fn log_in(&self, connection: &mut Connection<'_>, greeting: &Greeting, login: &Login) -> Result<(), Fault> {
        let over_tls = self.client.starttls.is_some();
        let mut capabilities = protocol::OURS;
        if over_tls {
            capabilities |= capability::TLS;
        }
        if self.spec.database.is_some() {
            capabilities |= capability::WITH_DATABASE;
        }
        let mut plugin = greeting.plugin.clone();
        let proof = proof(&plugin, login.password.expose(), &greeting.challenge).unwrap_or_default();
        let mut packet = protocol::login_head(capabilities);
        packet.extend([login.user.as_bytes(), &[0, proof.len() as u8], &proof].concat());
        if let Some(database) = &self.spec.database {
            packet.extend([database.as_bytes(), &[0]].concat());
        }
        packet.extend([plugin.as_bytes(), &[0]].concat());
        // The request for TLS was a packet of its own.
        let number = greeting.sequence.wrapping_add(if over_tls { 2 } else { 1 });
        connection.send(&protocol::framed(number, &packet)).await?;
        // Some say first that they want something else, or more.
        for _ in 0..4 {
            let (number, packet) = protocol::packet(connection).await?;
            if let Some(why) = protocol::refusal(&packet) {
                return Err(connection.failure(Class::Query, format!("the server refused the login: {why}")));
            }
            let next = number.wrapping_add(1);
            match packet.as_slice() {
                [OK, ..] => return Ok(()),
                // Known by its hash; or not, and then it wants the password itself.
                [MORE, 3] => {}
                [MORE, 4] if over_tls => {
                    let password = [login.password.expose().as_bytes(), &[0]].concat();
                    connection.send(&protocol::framed(next, &password)).await?;
                }
                [MORE, 4] => {
                    let message =
                        "the server wants the password itself, which it gets only over TLS: write starttls = true";
                    return Err(connection.failure(Class::Query, message));
                }
                [SWITCH, rest @ ..] => {
                    let mut parts = rest.splitn(2, |byte| *byte == 0);
                    plugin = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
                    let challenge = parts.next().unwrap_or_default();
                    let challenge = challenge.strip_suffix(&[0]).unwrap_or(challenge);
                    let Some(proof) = self::proof(&plugin, login.password.expose(), challenge) else {
                        let message =
                            format!("the server wants to see the password by {plugin}, which is not supported");
                        return Err(connection.failure(Class::Query, message));
                    };
                    connection.send(&protocol::framed(next, &proof)).await?;
                }
                other => return Err(connection.unlike("MySQL's", other)),
            }
        }
        Err(connection.failure(Class::Protocol, "the login does not end"))
    }
}

/// What shows that we know the password, by the server's way to ask for it.
fn proof(plugin: &str, password: &str, challenge: &[u8]) -> Option<Vec<u8>> {
    let mixed = |algorithm: &'static digest::Algorithm, challenge_first: bool| {
        let once = digest(algorithm, password.as_bytes());
        let twice = digest(algorithm, once.as_ref());
        let both = if challenge_first { [challenge, twice.as_ref()] } else { [twice.as_ref(), challenge] };
        let mask = digest(algorithm, &both.concat());
        once.as_ref().iter().zip(mask.as_ref()).map(|(a, b)| a ^ b).collect()
    };
    match plugin {
        "mysql_native_password" => Some(mixed(&SHA1_FOR_LEGACY_USE_ONLY, true)),
        "caching_sha2_password" => Some(mixed(&SHA256, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_as_long_as_their_hashes() {
        let length = |plugin: &str| proof(plugin, "hunter2", b"abcdefghijklmnopqrst").map(|proof| proof.len());
        assert_eq!(length("mysql_native_password"), Some(20));
        assert_eq!(length("caching_sha2_password"), Some(32));
        assert_eq!(length("dialog"), None);
    }
}
