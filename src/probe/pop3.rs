//! `type = "pop3"`: a server that mail is fetched from: its greeting, what it can do, and its login.

use super::{
    client::{Client, Security},
    connection::MOST,
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    login::{self, Login, Schemes},
    protocol::{capabilities, replies::pop3, starttls::Starttls},
    runner::{Runner, Secrets},
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::{
    domain::{check::Reason, service::Kind},
    probe::Address,
};
use serde_json::Map;
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Pop3,
    aliases: &["pop"],
    schemes: &["pop3", "pop3s"],
    url_example: "pop3s://mail:995",
    keys: &["url", "ip_version", "allow_metadata", "user", "password", "tls", "starttls", "expect_capabilities"],
    ..Descriptor::NONE
};

const SCHEMES: Schemes = Schemes {
    plain: ("pop3", 110),
    tls: Some(("pop3s", 995)),
    others: &[],
    starttls: Some(Starttls::Pop3),
    without_user: false,
    path: "",
};

/// A POP3 server, and what is expected of it.
#[derive(Clone, Debug)]
pub struct Pop3Spec {
    pub address: Address,
    pub security: Security,
    pub login: Option<Login>,
    pub expect_capabilities: Vec<String>,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<Pop3Spec>> {
    let mut shown = Map::new();
    let server = login::read(section, &SCHEMES, &mut shown);
    let expect_capabilities = capabilities::read(section.table, "expect_capabilities", &mut shown);
    let server = server?;
    let spec =
        Pop3Spec { address: server.address, security: server.security, login: server.login, expect_capabilities };
    Some(ParsedEndpoint { probe: spec, target: server.target, secrets: server.secrets, shown })
}

/// A POP3 server, ready to be checked.
#[derive(Debug)]
pub(super) struct Pop3 {
    client: Client,
    spec: Pop3Spec,
    scrubber: Arc<Scrubber>,
}

impl Runner for Pop3 {
    type Spec = Pop3Spec;

    fn secrets(spec: &Pop3Spec) -> Secrets<'_> {
        login::secrets(spec.login.as_ref())
    }

    fn new(spec: &Pop3Spec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Pop3, ProbeError> {
        Ok(Pop3 { client: Client::new(&spec.address, &spec.security, shared)?, spec: spec.clone(), scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = self.client.open(MOST, trace, deadline).await?;
        if self.client.starttls.is_none() {
            pop3(&mut connection, "the session").await?;
        }
        // Old servers do not know the command, and nobody asks them for it unless something is expected.
        if !self.spec.expect_capabilities.is_empty() {
            connection.send(b"CAPA\r\n").await?;
            pop3(&mut connection, "CAPA").await?;
            let mut offered = Vec::new();
            loop {
                let line = connection.line().await?;
                if line == "." {
                    break;
                }
                offered.extend(line.split(' ').next().map(str::to_owned));
            }
            capabilities::check(&connection, &self.spec.expect_capabilities, &offered, &self.scrubber)?;
        }
        if let Some(login) = &self.spec.login {
            connection.send(format!("USER {}\r\n", login.user).as_bytes()).await?;
            pop3(&mut connection, "the user").await?;
            connection.send(format!("PASS {}\r\n", login.password.expose()).as_bytes()).await?;
            pop3(&mut connection, "the login").await?;
        }
        trace.end();
        let _ = connection.send(b"QUIT\r\n").await;
        Ok(self.client.reservation(trace))
    }
}
