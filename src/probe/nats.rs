//! `type = "nats"`: a NATS server: what it says of itself, its login, and whether it answers a PING.
//!
//! <https://docs.nats.io/reference/reference-protocols/nats-protocol>

use super::{
    client::{Client, Security},
    connection::{Connection, MOST},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    login::{self, Login, Schemes},
    protocol::starttls::Starttls,
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
use serde_json::{Map, Value as Json, json};
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Nats,
    schemes: &["nats"],
    url_example: "nats://user:password@queue:4222",
    keys: &["url", "ip_version", "allow_metadata", "user", "password", "tls", "starttls"],
    ..Descriptor::NONE
};

const SCHEMES: Schemes = Schemes {
    plain: ("nats", 4222),
    tls: None,
    others: &[],
    starttls: Some(Starttls::Nats),
    without_user: true,
    path: "",
};

/// A NATS server.
#[derive(Clone, Debug)]
pub struct NatsSpec {
    pub address: Address,
    pub security: Security,
    /// A password without a user is a token.
    pub login: Option<Login>,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<NatsSpec>> {
    let mut shown = Map::new();
    let server = login::read(section, &SCHEMES, &mut shown)?;
    let spec = NatsSpec { address: server.address, security: server.security, login: server.login };
    Some(ParsedEndpoint { probe: spec, target: server.target, secrets: server.secrets, shown })
}

/// A NATS server, ready to be checked.
#[derive(Debug)]
pub(super) struct Nats {
    client: Client,
    login: Option<Login>,
}

impl Runner for Nats {
    type Spec = NatsSpec;

    fn secrets(spec: &NatsSpec) -> Secrets<'_> {
        login::secrets(spec.login.as_ref())
    }

    fn new(spec: &NatsSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<Nats, ProbeError> {
        Ok(Nats { client: Client::new(&spec.address, &spec.security, shared)?, login: spec.login.clone() })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = self.client.open(MOST, trace, deadline).await?;
        if self.client.starttls.is_none() {
            let line = connection.line().await?;
            let info = line.strip_prefix("INFO ").and_then(|info| serde_json::from_str::<Json>(info).ok());
            let Some(info) = info else { return Err(refused(&connection, &line)) };
            if info["tls_required"] == true {
                return Err(connection.failure(Class::Tls, "the server requires TLS: write starttls = true"));
            }
        }
        let mut options = json!({
            "verbose": false,
            "pedantic": false,
            "tls_required": self.client.starttls.is_some(),
            "name": "healthcheck_dashboard",
            "lang": "rust",
            "version": env!("CARGO_PKG_VERSION"),
        });
        if let Some(login) = &self.login {
            if login.user.is_empty() {
                options["auth_token"] = json!(login.password.expose());
            } else {
                options["user"] = json!(login.user);
                options["pass"] = json!(login.password.expose());
            }
        }
        connection.send(format!("CONNECT {options}\r\nPING\r\n").as_bytes()).await?;
        loop {
            let line = connection.line().await?;
            match line.split(' ').next() {
                Some("PONG") => break,
                // News of the cluster.
                Some("INFO" | "+OK") => {}
                _ => return Err(refused(&connection, &line)),
            }
        }
        trace.end();
        Ok(self.client.reservation(trace))
    }
}

/// What was said in the place of an answer.
fn refused(connection: &Connection<'_>, line: &str) -> Fault {
    match line.strip_prefix("-ERR") {
        Some(why) => {
            let message = format!("the server refused the session: {}", why.trim().trim_matches('\''));
            connection.failure(Class::Query, message)
        }
        None => connection.unlike("NATS'", line.as_bytes()),
    }
}
