//! `type = "smtp"`: a mail server: its greeting, what it offers, and its login. No mail is ever sent.

use super::{
    client::{Client, Security},
    connection::{Connection, MOST},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    login::{self, Login, Schemes},
    protocol::{capabilities, replies::Reply, starttls::Starttls},
    runner::{Runner, Secrets},
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Reason},
        secret::Secret,
        service::Kind,
    },
    probe::Address,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, json};
use std::{sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Smtp,
    article: "an",
    aliases: &["mail", "mx"],
    schemes: &["smtp", "smtps"],
    url_example: "smtp://mail:25",
    keys: &[
        "url",
        "ip_version",
        "allow_metadata",
        "user",
        "password",
        "tls",
        "starttls",
        "helo",
        "expect_auth",
        "expect_capabilities",
    ],
    ..Descriptor::NONE
};

const SCHEMES: Schemes = Schemes {
    plain: ("smtp", 25),
    tls: Some(("smtps", 465)),
    others: &[],
    starttls: Some(Starttls::Smtp),
    without_user: false,
    path: "",
};

const SMTP: &str = "SMTP's";

/// A mail server, and what is expected of it.
#[derive(Clone, Debug)]
pub struct SmtpSpec {
    pub address: Address,
    pub security: Security,
    pub login: Option<Login>,
    /// The name by which we introduce ourselves.
    pub helo: String,
    /// Mechanisms of authentication, and other keywords of the answer to EHLO, that have to be offered.
    pub expect_auth: Vec<String>,
    pub expect_capabilities: Vec<String>,
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<SmtpSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let server = login::read(section, &SCHEMES, &mut shown);
    let helo = table.get("helo").and_then(|value| {
        let text = value.filled()?;
        if text.value.contains(|c: char| c.is_whitespace() || c.is_control()) {
            table.source.report(value.mistake("`helo` cannot be sent").label("a host name, or an address in brackets"));
        }
        Some(text)
    });
    shown.insert("helo".to_owned(), json!(helo.as_ref().map(|text| text.shown())));
    let expect_auth = capabilities::read(table, "expect_auth", &mut shown);
    let expect_capabilities = capabilities::read(table, "expect_capabilities", &mut shown);

    let server = server?;
    let spec = SmtpSpec {
        address: server.address,
        security: server.security,
        login: server.login,
        helo: helo.map_or_else(|| "localhost".to_owned(), |text| text.value),
        expect_auth,
        expect_capabilities,
    };
    Some(ParsedEndpoint { probe: spec, target: server.target, secrets: server.secrets, shown })
}

/// A mail server, ready to be checked.
#[derive(Debug)]
pub(super) struct Smtp {
    client: Client,
    spec: SmtpSpec,
    scrubber: Arc<Scrubber>,
}

impl Runner for Smtp {
    type Spec = SmtpSpec;

    fn secrets(spec: &SmtpSpec) -> Secrets<'_> {
        let (mut secrets, pairs) = login::secrets(spec.login.as_ref());
        secrets.extend(spec.login.iter().map(|login| Secret::new(plain(login))));
        (secrets, pairs)
    }

    fn new(spec: &SmtpSpec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Smtp, ProbeError> {
        Ok(Smtp { client: Client::new(&spec.address, &spec.security, shared)?, spec: spec.clone(), scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = self.client.open(MOST, trace, deadline).await?;
        if self.client.starttls.is_none() {
            Reply::expect(&mut connection, SMTP, 220, "the session").await?;
        }
        connection.send(format!("EHLO {}\r\n", self.spec.helo).as_bytes()).await?;
        let reply = Reply::expect(&mut connection, SMTP, 250, "EHLO").await?;
        // The first line is the server's name. `SIZE 1000`, `AUTH PLAIN LOGIN`: the first word is the keyword.
        let lines = reply.lines.get(1..).unwrap_or_default();
        let words = lines.iter().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect::<Vec<_>>();
        let of_auth = lines.iter().filter_map(|line| {
            let (word, mechanisms) = line.split_at_checked(5)?;
            (word.eq_ignore_ascii_case("AUTH ") || word.eq_ignore_ascii_case("AUTH=")).then_some(mechanisms)
        });
        let mechanisms: Vec<String> = of_auth.flat_map(str::split_whitespace).map(str::to_owned).collect();
        capabilities::check(&connection, &self.spec.expect_capabilities, &words, &self.scrubber)?;
        capabilities::check(&connection, &self.spec.expect_auth, &mechanisms, &self.scrubber)?;
        if let Some(login) = &self.spec.login {
            log_in(&mut connection, login, &mechanisms).await?;
        }
        trace.end();
        let _ = connection.send(b"QUIT\r\n").await;
        Ok(self.client.reservation(trace))
    }
}

/// What the mechanism PLAIN shows.
fn plain(login: &Login) -> String {
    STANDARD.encode(format!("\0{}\0{}", login.user, login.password.expose()))
}

async fn log_in(connection: &mut Connection<'_>, login: &Login, mechanisms: &[String]) -> Result<(), Fault> {
    let has = |name: &str| mechanisms.iter().any(|other| other.eq_ignore_ascii_case(name));
    let (user, password) = (&login.user, login.password.expose());
    if has("PLAIN") {
        connection.send(format!("AUTH PLAIN {}\r\n", plain(login)).as_bytes()).await?;
    } else if has("LOGIN") {
        connection.send(b"AUTH LOGIN\r\n").await?;
        for part in [user.as_str(), password] {
            Reply::expect(connection, SMTP, 334, "the login").await?;
            connection.send(format!("{}\r\n", STANDARD.encode(part)).as_bytes()).await?;
        }
    } else {
        let message = "the server offers no login by PLAIN or LOGIN: most offer it only over TLS";
        return Err(connection.failure(Class::Query, message));
    }
    Reply::expect(connection, SMTP, 235, "the login").await.map(drop)
}
