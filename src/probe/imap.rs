//! `type = "imap"`: a server that mail is read from: its greeting, what it can do, and its login.

use super::{
    client::{Client, Security},
    connection::MOST,
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    login::{self, Login, Schemes},
    protocol::{
        capabilities,
        replies::{imap, imap_greeting},
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
use serde_json::Map;
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Imap,
    article: "an",
    schemes: &["imap", "imaps"],
    url_example: "imaps://mail:993",
    keys: &["url", "ip_version", "allow_metadata", "user", "password", "tls", "starttls", "expect_capabilities"],
    ..Descriptor::NONE
};

const SCHEMES: Schemes = Schemes {
    plain: ("imap", 143),
    tls: Some(("imaps", 993)),
    others: &[],
    starttls: Some(Starttls::Imap),
    without_user: false,
    path: "",
};

/// An IMAP server, and what is expected of it.
#[derive(Clone, Debug)]
pub struct ImapSpec {
    pub address: Address,
    pub security: Security,
    pub login: Option<Login>,
    pub expect_capabilities: Vec<String>,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<ImapSpec>> {
    let mut shown = Map::new();
    let server = login::read(section, &SCHEMES, &mut shown);
    let expect_capabilities = capabilities::read(section.table, "expect_capabilities", &mut shown);
    let server = server?;
    let spec =
        ImapSpec { address: server.address, security: server.security, login: server.login, expect_capabilities };
    Some(ParsedEndpoint { probe: spec, target: server.target, secrets: server.secrets, shown })
}

/// An IMAP server, ready to be checked.
#[derive(Debug)]
pub(super) struct Imap {
    client: Client,
    spec: ImapSpec,
    scrubber: Arc<Scrubber>,
}

impl Runner for Imap {
    type Spec = ImapSpec;

    fn secrets(spec: &ImapSpec) -> Secrets<'_> {
        login::secrets(spec.login.as_ref())
    }

    fn new(spec: &ImapSpec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Imap, ProbeError> {
        Ok(Imap { client: Client::new(&spec.address, &spec.security, shared)?, spec: spec.clone(), scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = self.client.open(MOST, trace, deadline).await?;
        if self.client.starttls.is_none() {
            imap_greeting(&mut connection).await?;
        }
        let lines = imap(&mut connection, "a2", "CAPABILITY", "CAPABILITY").await?;
        let of_capabilities = lines.iter().filter_map(|line| {
            let (word, rest) = line.split_once(' ')?;
            word.eq_ignore_ascii_case("CAPABILITY").then_some(rest)
        });
        let offered: Vec<String> = of_capabilities.flat_map(str::split_whitespace).map(str::to_owned).collect();
        capabilities::check(&connection, &self.spec.expect_capabilities, &offered, &self.scrubber)?;
        if let Some(login) = &self.spec.login {
            if offered.iter().any(|word| word.eq_ignore_ascii_case("LOGINDISABLED")) {
                let message = "the server takes no password here: most take one only over TLS";
                return Err(connection.failure(Class::Query, message));
            }
            let command = format!("LOGIN {} {}", quoted(&login.user), quoted(login.password.expose()));
            imap(&mut connection, "a3", &command, "the login").await?;
        }
        trace.end();
        let _ = connection.send(b"a4 LOGOUT\r\n").await;
        Ok(self.client.reservation(trace))
    }
}

/// A string of IMAP. Control characters are not in it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
