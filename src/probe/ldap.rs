//! `type = "ldap"`: a directory: it lets a user, or anybody, in, and has an entry.

use super::{
    client::{Client, Security},
    connection::{Connection, MOST},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    login::{self, Login, Schemes},
    protocol::{
        ldap::{self as protocol, made},
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
};
use serde_json::{Map, json};
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Ldap,
    article: "an",
    aliases: &["ad", "openldap"],
    schemes: &["ldap", "ldaps"],
    url_example: "ldap://directory:389",
    keys: &["url", "ip_version", "allow_metadata", "user", "password", "tls", "starttls", "search_base"],
    ..Descriptor::NONE
};

const SCHEMES: Schemes = Schemes {
    plain: ("ldap", 389),
    tls: Some(("ldaps", 636)),
    others: &[],
    starttls: Some(Starttls::Ldap),
    without_user: false,
    path: "",
};

/// A directory, and what is expected of it.
#[derive(Clone, Debug)]
pub struct LdapSpec {
    pub address: Address,
    pub security: Security,
    /// A distinguished name and its password. None: nobody.
    pub login: Option<Login>,
    /// The distinguished name of an entry that has to be there.
    pub search_base: Option<String>,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<LdapSpec>> {
    let mut shown = Map::new();
    let server = login::read(section, &SCHEMES, &mut shown);
    let search_base = section.table.string("search_base");
    shown.insert("search_base".to_owned(), json!(search_base.as_ref().map(|text| text.shown())));
    let server = server?;
    let mut secrets = server.secrets;
    secrets.extend(search_base.iter().flat_map(|text| text.secrets()));
    let spec = LdapSpec {
        address: server.address,
        security: server.security,
        login: server.login,
        search_base: search_base.map(|text| text.value),
    };
    Some(ParsedEndpoint { probe: spec, target: server.target, secrets, shown })
}

/// A directory, ready to be checked.
#[derive(Debug)]
pub(super) struct Ldap {
    client: Client,
    spec: LdapSpec,
}

impl Runner for Ldap {
    type Spec = LdapSpec;

    fn secrets(spec: &LdapSpec) -> Secrets<'_> {
        login::secrets(spec.login.as_ref())
    }

    fn new(spec: &LdapSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Ldap, ProbeError> {
        Ok(Ldap { client: Client::new(&spec.address, &spec.security, shared)?, spec: spec.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = self.client.open(MOST, trace, deadline).await?;
        let (user, password) =
            self.spec.login.as_ref().map_or(("", ""), |login| (&login.user, login.password.expose()));
        connection.send(&protocol::message(2, &bind(user, password))).await?;
        let (_, outcome) = protocol::outcome(&mut connection).await?;
        outcome.accepted(&connection, if user.is_empty() { "a session without a user" } else { "the login" })?;
        if let Some(base) = &self.spec.search_base {
            connection.send(&protocol::message(3, &search(base))).await?;
            find(&mut connection).await?;
        }
        trace.end();
        // Unbind has no answer.
        let _ = connection.send(&protocol::message(4, &[0x42, 0])).await;
        Ok(self.client.reservation(trace))
    }
}

/// A simple bind, version 3.
fn bind(user: &str, password: &str) -> Vec<u8> {
    made(protocol::BIND, &[&[2, 1, 3], &made(0x04, &[user.as_bytes()]), &made(0x80, &[password.as_bytes()])])
}

/// A search for one entry by its name, without its attributes.
fn search(base: &str) -> Vec<u8> {
    // Of this object alone; aliases are not followed; one entry, no limit of time, attributes.
    let how = [0x0a, 1, 0, 0x0a, 1, 0, 2, 1, 1, 2, 1, 0, 1, 1, 0];
    let filter = made(0x87, &[b"objectClass"]);
    let attributes = made(0x30, &[&made(0x04, &[b"1.1"])]);
    made(protocol::SEARCH, &[&made(0x04, &[base.as_bytes()]), &how, &filter, &attributes])
}

async fn find(connection: &mut Connection<'_>) -> Result<(), Fault> {
    let mut found = false;
    loop {
        let (tag, content) = protocol::operation(connection).await?;
        match tag {
            protocol::ENTRY | protocol::REFERENCE => found = true,
            protocol::SEARCH_DONE => {
                let Some(outcome) = protocol::result(&content) else { return Err(connection.unlike("LDAP's", &[])) };
                outcome.accepted(connection, "the search")?;
                if found {
                    return Ok(());
                }
                return Err(connection.failure(Class::Content, "the search found no entry that may be seen"));
            }
            _ => return Err(connection.unlike("LDAP's", &[])),
        }
    }
}
