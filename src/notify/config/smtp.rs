//! `type = "email"`.

use crate::{
    domain::secret::Secret,
    settings::{
        error::{Mistake, quoted},
        reader::{Table, Value},
    },
};
use lettre::message::Mailbox;

/// The keys of `email`.
pub(super) const KEYS: [&str; 8] = ["host", "port", "security", "user", "password", "from", "to", "ca"];

/// How a connection to a mail server is secured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::notify) enum Security {
    Tls,
    StartTls,
    None,
}

#[derive(Clone, Debug)]
pub(in crate::notify) struct SmtpSpec {
    pub(in crate::notify) host: String,
    pub(in crate::notify) port: u16,
    pub(in crate::notify) security: Security,
    pub(in crate::notify) login: Option<(String, Secret)>,
    pub(in crate::notify) from: Mailbox,
    pub(in crate::notify) to: Vec<Mailbox>,
    /// Certificates in PEM that are trusted beside those of the system.
    pub(in crate::notify) ca: Vec<Vec<u8>>,
}

/// Reads the section of an `email` channel.
pub(super) fn read(table: &Table<'_>) -> Option<SmtpSpec> {
    let host = required(table, "host", "the mail server, as host = \"smtp.example.com\"");
    let security = match table.get("security") {
        None => Some(Security::StartTls),
        Some(value) => value.filled().and_then(|text| match text.value.trim() {
            "starttls" => Some(Security::StartTls),
            "tls" => Some(Security::Tls),
            "none" => Some(Security::None),
            _ => {
                let mistake = value.mistake(format!("{} is no way to secure a connection", text.quoted()));
                value.source.report(mistake.label("`starttls`, `tls` or `none`"));
                None
            }
        }),
    };
    let port = table.integer("port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
    let user = table.filled("user");
    let password = table.filled("password");
    if let (None, Some(value)) = (&password, table.peek("user"))
        && table.peek("password").is_none()
    {
        table.source.report(Mistake::at(value.key, "`user` without `password`").label("a login needs both"));
    }
    if let (None, Some(value)) = (&user, table.peek("password"))
        && table.peek("user").is_none()
    {
        table.source.report(Mistake::at(value.key, "`password` without `user`").label("a login needs both"));
    }
    let from = required(table, "from", "the sender, as from = \"Health checks <checks@example.com>\"");
    let from = from.and_then(|text| mailbox(table, "from", &text));
    let to = match table.get("to") {
        None => {
            table.missing("to", "who gets the mail, as to = [\"ops@example.com\"]");
            None
        }
        Some(value) => {
            let entries = value.one_or_many();
            if entries.is_empty() {
                table.source.report(value.mistake("`to` is empty").label("nobody would get the mail"));
            }
            let read = |entry: &Value<'_>| entry.filled().and_then(|text| address(entry, &text.value));
            let all: Vec<_> = entries.iter().map(read).collect();
            all.into_iter().collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
        }
    };
    let ca = table.get("ca").map(|value| certificate(&value));
    let (security, host) = (security?, host?);
    let standard = match security {
        Security::Tls => 465,
        Security::StartTls => 587,
        Security::None => 25,
    };
    let login = user.zip(password).map(|(user, password)| (user.value, Secret::new(password.value)));
    let ca = match ca {
        None => Vec::new(),
        Some(read) => vec![read?],
    };
    Some(SmtpSpec { host, port: port.unwrap_or(standard), security, login, from: from?, to: to?, ca })
}

fn required(table: &Table<'_>, key: &'static str, help: &str) -> Option<String> {
    if table.peek(key).is_none() {
        table.missing(key, help);
    }
    table.filled(key).map(|text| text.value.trim().to_owned())
}

fn mailbox(table: &Table<'_>, key: &'static str, text: &str) -> Option<Mailbox> {
    table.peek(key).and_then(|value| address(&value, text))
}

fn address(value: &Value<'_>, text: &str) -> Option<Mailbox> {
    let read = text.trim().parse().ok();
    if read.is_none() {
        let mistake = value.mistake(format!("{} is no mail address", quoted(text)));
        value.source.report(mistake.label("as \"ops@example.com\" or \"Operations <ops@example.com>\""));
    }
    read
}

/// The certificates of a file.
fn certificate(value: &Value<'_>) -> Option<Vec<u8>> {
    let text = value.filled()?;
    let why = match std::fs::read(value.source.folder.join(&text.value)) {
        Ok(pem) if pem.windows(27).any(|part| part == b"-----BEGIN CERTIFICATE-----") => return Some(pem),
        Ok(_) => "there is no certificate in PEM in it".to_owned(),
        Err(error) => error.to_string(),
    };
    let mistake = value.mistake(format!("the certificates of {} cannot be used", text.quoted()));
    value.source.report(mistake.label(why));
    None
}
