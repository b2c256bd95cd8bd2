//! Where a kind of probe connects to that may log in: a URL with a user and a password, or the two as keys of their own;
//! and TLS, by the scheme or by `starttls`.

use super::{address::Address, client::Security, descriptor::Section, protocol::starttls::Starttls, runner::Secrets};
use crate::{
    domain::secret::{REDACTED, Secret, scrub},
    settings::{
        Parts,
        address::{host_and_port, joined},
        error::{Mistake, Span},
        network,
        reader::Table,
        text::Text,
        tls,
    },
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value as Json, json};

/// Who logs in.
#[derive(Clone, Debug)]
pub struct Login {
    /// Empty where only a password is shown.
    pub user: String,
    pub password: Secret,
}

/// The schemes of a kind.
pub(super) struct Schemes {
    pub(super) plain: (&'static str, u16),
    /// TLS from the first byte.
    pub(super) tls: Option<(&'static str, u16)>,
    /// Other spellings of the two.
    pub(super) others: &'static [(&'static str, &'static str)],
    pub(super) starttls: Option<Starttls>,
    /// Whether a password may stand alone.
    pub(super) without_user: bool,
    /// What may follow the address, for messages. Empty: nothing.
    pub(super) path: &'static str,
}

/// What was read.
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) security: Security,
    pub(super) login: Option<Login>,
    /// What follows the address: percent-decoded, without its `/`.
    pub(super) path: Option<String>,
    pub(super) target: String,
    pub(super) secrets: Vec<Secret>,
}

/// What must not be seen in a report.
pub(super) fn secrets(login: Option<&Login>) -> Secrets<'_> {
    (Vec::new(), login.map(|login| (login.user.as_str(), &login.password)).into_iter().collect())
}

/// The parts of a URL.
struct Url {
    over_tls: bool,
    scheme: &'static str,
    host: String,
    port: u16,
    login: Option<(Login, Secret)>,
    path: Option<String>,
    named: Vec<Secret>,
    span: Span,
}

/// Reads `url`, `user`, `password`, `tls`, `starttls` and what every kind that connects has. What the API shows of it goes
/// into `shown`.
pub(super) fn read(section: &Section<'_>, schemes: &Schemes, shown: &mut Map<String, Json>) -> Option<Server> {
    let table = section.table;
    let url = section.url().and_then(|text| url(section, schemes, &text));
    let over_tls = url.as_ref().is_some_and(|url| url.over_tls);
    let security = security(table, schemes, over_tls, shown);
    let keys = login_keys(table, schemes);
    let ip_version = network::ip_version(table);
    shown.insert("ip_version".to_owned(), network::ip_version_shown(ip_version));
    let allow_metadata = network::allow_metadata(table, shown);

    let (url, keys) = (url?, keys?);
    if let (Some(_), Some(_), Some(value)) = (&url.login, &keys, table.peek("password")) {
        table.both(("a password in the URL", &url.span), ("`password`", &value.key), "say it once");
    }
    let path = url.path.as_deref().map_or_else(String::new, |path| format!("/{path}"));
    let target = scrub(&format!("{}://{}{path}", url.scheme, joined(&url.host, url.port)), &url.named);
    shown.insert("url".to_owned(), json!(target));
    let mut secrets = url.named;
    let (login, spelled) = url.login.unzip();
    secrets.extend(spelled);
    let login = login.or(keys);
    if let Some(login) = &login {
        let user = scrub(&login.user, &secrets);
        shown.insert("user".to_owned(), json!((!user.is_empty()).then_some(user)));
        shown.insert("password".to_owned(), json!(REDACTED));
        secrets.push(login.password.clone());
    }
    let address = Address { host: url.host, port: url.port, ip_version, allow_metadata };
    Some(Server { address, security, login, path: url.path, target, secrets })
}

/// Takes a URL apart. What is reported quotes nothing of it.
fn url(section: &Section<'_>, schemes: &Schemes, text: &Text) -> Option<Url> {
    let value = text.value.trim();
    let (scheme, rest) = value.split_once("://")?;
    let lower = scheme.to_ascii_lowercase();
    let other = schemes.others.iter().find(|(other, _)| *other == lower).map(|(_, name)| *name);
    let name = other.unwrap_or(&lower);
    let (over_tls, (scheme, port)) = match schemes.tls {
        Some(tls) if tls.0 == name => (true, tls),
        _ => (false, schemes.plain),
    };
    let Parts { user_information, address, tail } = Parts::of(rest);
    let report = |why: &str| {
        let title = format!("this is no URL of type {}", section.own.name());
        let mistake = Mistake::at(text.span.clone(), title).label(text.blaming_variables(why));
        section.table.source.report(mistake.help(format!(
            "as `{}`; in a user name or a password, `@` is written %40, `/` %2F, `:` %3A, `#` %23, `?` %3F, `%` %25",
            section.own.url_example
        )));
    };
    if tail.contains('@') {
        report("a `/`, `?` or `#` before the `@` has to be percent-encoded");
        return None;
    }
    let path = tail.strip_prefix('/').unwrap_or(tail);
    if tail.starts_with(['?', '#']) || path.contains(['?', '#', '/']) || (schemes.path.is_empty() && !path.is_empty()) {
        let what =
            if schemes.path.is_empty() { "nothing".to_owned() } else { format!("nothing but `{}`", schemes.path) };
        report(&format!("{what} follows the host and the port"));
        return None;
    }
    let login = match user_information {
        None => None,
        Some(both) => {
            let (user, spelled) = both.split_once(':').unwrap_or((both, ""));
            let Some((user, password)) = decoded(user).zip(decoded(spelled)) else {
                report("the user or the password is not percent-encoded UTF-8");
                return None;
            };
            if password.is_empty() {
                report("the password is missing");
                return None;
            }
            if user.is_empty() && !schemes.without_user {
                report("the user is missing");
                return None;
            }
            if user.chars().chain(password.chars()).any(char::is_control) {
                report("there is a control character in the user or the password");
                return None;
            }
            Some((Login { user, password: Secret::new(password) }, Secret::new(spelled)))
        }
    };
    let (host, port) = match host_and_port(address, Some(port)) {
        Ok(place) => place,
        Err(why) => {
            report(&why);
            return None;
        }
    };
    let Some(path) = decoded(path) else {
        report("what follows the host is not percent-encoded UTF-8");
        return None;
    };
    let path = tail.starts_with('/').then_some(path).filter(|path| !path.is_empty());
    Some(Url { over_tls, scheme, host, port, login, path, named: named(text), span: text.span.clone() })
}

/// A host from the environment is no secret, but a variable that is named like one is.
fn named(text: &Text) -> Vec<Secret> {
    let fills = text.fills.iter().filter(|fill| fill.names_a_credential());
    let parts = fills.map(|fill| &text.value[fill.range.clone()]);
    parts.flat_map(|part| [Some(part.to_owned()), decoded(part)]).flatten().map(Secret::new).collect()
}

/// Decodes what is percent-encoded; `None` for what is not text, and for a `%` that encodes nothing.
fn decoded(text: &str) -> Option<String> {
    let encodes = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit());
    let plain = percent_decode_str(text).decode_utf8().ok()?;
    text.split('%').skip(1).all(encodes).then(|| plain.into_owned())
}

/// `user` and `password`. The outer `None` means that a mistake was reported.
fn login_keys(table: &Table<'_>, schemes: &Schemes) -> Option<Option<Login>> {
    let text = |key: &'static str| {
        let Some(value) = table.get(key) else { return Some(None) };
        let text = value.filled()?;
        if text.value.chars().any(char::is_control) {
            let mistake = value.mistake(format!("`{key}` cannot be sent"));
            table.source.report(mistake.label("there is a control character in it"));
            return None;
        }
        Some(Some(text.value))
    };
    let (user, password) = (text("user"), text("password"));
    let (user, password) = (user?, password?);
    match (user, password) {
        (None, None) => Some(None),
        (None, Some(password)) if schemes.without_user => {
            Some(Some(Login { user: String::new(), password: Secret::new(password) }))
        }
        (Some(user), Some(password)) => Some(Some(Login { user, password: Secret::new(password) })),
        (user, _) => {
            table.missing(if user.is_some() { "password" } else { "user" }, "they come together");
            None
        }
    }
}

/// `tls` and `starttls`, and what they say of each other and of the scheme.
fn security(table: &Table<'_>, schemes: &Schemes, over_tls: bool, shown: &mut Map<String, Json>) -> Security {
    let starttls = schemes.starttls.filter(|_| table.boolean("starttls").unwrap_or(false));
    let tls = tls::read(table);
    if let (Some(_), true, Some(value)) = (starttls, over_tls, table.peek("starttls")) {
        let mistake = Mistake::at(value.key, "`starttls` contradicts the scheme of the URL");
        table.source.report(mistake.label("there is TLS from the first byte"));
    }
    if let (None, false, Some(value)) = (starttls, over_tls, table.peek("tls")) {
        let ways = [
            schemes.tls.map(|(scheme, _)| format!("a URL that begins with {scheme}://")),
            schemes.starttls.map(|_| "`starttls = true`".to_owned()),
        ];
        let ways: Vec<String> = ways.into_iter().flatten().collect();
        let mistake = Mistake::at(value.key, "`tls` has no effect");
        table.source.report(mistake.label(format!("there is TLS with {}", ways.join(" or "))));
    }
    if starttls.is_none() && !over_tls {
        return Security::Plain;
    }
    shown.insert("starttls".to_owned(), json!(starttls.map(|_| true)));
    shown.insert("tls".to_owned(), tls.shown);
    match starttls {
        Some(protocol) => Security::Starttls(protocol, Box::new(tls.spec)),
        None => Security::Tls(Box::new(tls.spec)),
    }
}
