//! `type = "redis"`: a Redis or Valkey server: whether it answers, takes writes, and is the master or replica that it
//! should be.
//!
//! RESP, version 2: <https://redis.io/docs/latest/develop/reference/protocol-spec/>. Two commands and three forms of
//! answers are all that is needed of it.

use super::{
    client::{Client, Security},
    connection::{Connection, MOST},
    descriptor::{Descriptor, ParsedEndpoint, Section},
    diagnose::Place,
    error::ProbeError,
    login::{self, Login, Schemes},
    runner::{Runner, Secrets},
    shared::Shared,
    text::Scrubber,
    trace::{Fault, Trace},
};
use crate::{
    domain::{
        check::{Class, Phase, Reason},
        service::Kind,
    },
    probe::Address,
    settings::{error::Mistake, nearest, reader::Table},
};
use serde_json::{Map, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What the configuration and its messages know of this kind.
pub(super) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Redis,
    aliases: &["valkey"],
    schemes: &["redis", "rediss"],
    scheme_aliases: &["valkey", "valkeys"],
    url_example: "redis://user:password@cache:6379/0",
    keys: &[
        "url",
        "ip_version",
        "allow_metadata",
        "user",
        "password",
        "tls",
        "expect_role",
        "max_lag_secs",
        "max_lag_bytes",
        "min_replicas",
    ],
    ..Descriptor::NONE
};

const SCHEMES: Schemes = Schemes {
    plain: ("redis", 6379),
    tls: Some(("rediss", 6379)),
    others: &[("valkey", "redis"), ("valkeys", "rediss")],
    starttls: None,
    without_user: true,
    path: "/number of the database",
};

/// A Redis server, and what is expected of it.
#[derive(Clone, Debug)]
pub struct RedisSpec {
    pub address: Address,
    pub security: Security,
    pub login: Option<Login>,
    pub database: u32,
    pub expected: Expected,
}

/// What the server says of itself has to fulfil this.
#[derive(Clone, Default, Debug)]
pub struct Expected {
    pub role: Option<Role>,
    /// How long ago the replica heard of its master, or the master of each replica.
    pub max_lag_secs: Option<u64>,
    /// How far each replica of a master is behind.
    pub max_lag_bytes: Option<u64>,
    pub min_replicas: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Master,
    Replica,
}

impl Role {
    const ALL: [(&'static str, Role); 2] = [("master", Role::Master), ("replica", Role::Replica)];

    fn word(self) -> &'static str {
        Role::ALL.iter().find(|(_, role)| *role == self).map_or("", |(word, _)| word)
    }
}

pub(super) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<RedisSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let server = login::read(section, &SCHEMES, &mut shown);
    let number = |key, from| table.integer(key, from..=i64::MAX).and_then(|number| u64::try_from(number).ok());
    let expected = Expected {
        role: role(table),
        max_lag_secs: number("max_lag_secs", 1),
        max_lag_bytes: number("max_lag_bytes", 0),
        min_replicas: number("min_replicas", 1),
    };
    for key in ["max_lag_bytes", "min_replicas"] {
        if let (Some(Role::Replica), Some(value)) = (expected.role, table.peek(key)) {
            let mistake = Mistake::at(value.key, format!("`{key}` has no effect"));
            table.source.report(mistake.label("only a master knows that, and a replica is expected"));
        }
    }
    shown.insert("expect_role".to_owned(), json!(expected.role.map(Role::word)));
    shown.insert("max_lag_secs".to_owned(), json!(expected.max_lag_secs));
    shown.insert("max_lag_bytes".to_owned(), json!(expected.max_lag_bytes));
    shown.insert("min_replicas".to_owned(), json!(expected.min_replicas));

    let server = server?;
    let database = match server.path.as_deref().unwrap_or("0").parse() {
        Ok(number) => number,
        Err(_) => {
            let place = table.peek("url").map_or(table.span.clone(), |value| value.span);
            let mistake = Mistake::at(place, "this is no database of Redis");
            table.source.report(mistake.label("a number follows the `/`, as in redis://cache:6379/1"));
            return None;
        }
    };
    let spec =
        RedisSpec { address: server.address, security: server.security, login: server.login, database, expected };
    Some(ParsedEndpoint { probe: spec, target: server.target, secrets: server.secrets, shown })
}

fn role(table: &Table<'_>) -> Option<Role> {
    let value = table.get("expect_role")?;
    let text = value.filled()?;
    let found = Role::ALL.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        let label = match (text.value.as_str(), nearest(&text.value, ["master", "replica"])) {
            ("slave", _) => "did you mean \"replica\"?".to_owned(),
            ("primary", _) => "did you mean \"master\"?".to_owned(),
            (_, Some(meant)) => format!("did you mean \"{meant}\"?"),
            (_, None) => "\"master\" or \"replica\"".to_owned(),
        };
        table.source.report(value.mistake(format!("unknown role {}", text.quoted())).label(label));
    }
    found.map(|(_, role)| *role)
}

/// A Redis server, ready to be checked.
#[derive(Debug)]
pub(super) struct Redis {
    client: Client,
    spec: RedisSpec,
    scrubber: Arc<Scrubber>,
}

impl Runner for Redis {
    type Spec = RedisSpec;

    fn secrets(spec: &RedisSpec) -> Secrets<'_> {
        login::secrets(spec.login.as_ref())
    }

    fn new(spec: &RedisSpec, scrubber: Arc<Scrubber>, shared: &Shared) -> Result<Redis, ProbeError> {
        Ok(Redis { client: Client::new(&spec.address, &spec.security, shared)?, spec: spec.clone(), scrubber })
    }

    fn place(&self) -> Option<Place<'_>> {
        Some(self.client.place())
    }

    async fn run(&self, trace: &Arc<Trace>, deadline: Duration) -> Result<Option<Reason>, Fault> {
        let mut connection = self.client.open(MOST, trace, deadline).await?;
        if let Some(login) = &self.spec.login {
            let (user, password) = (login.user.as_str(), login.password.expose());
            let words = if user.is_empty() { vec!["AUTH", password] } else { vec!["AUTH", user, password] };
            ask(&mut connection, &words).await?.accepted(&connection)?;
        }
        if self.spec.database != 0 {
            let number = self.spec.database.to_string();
            ask(&mut connection, &["SELECT", &number]).await?.accepted(&connection)?;
        }
        match ask(&mut connection, &["PING"]).await?.accepted(&connection)? {
            Reply::Text(pong) if pong == "PONG" => {}
            Reply::Text(other) => return Err(connection.unlike("Redis'", other.as_bytes())),
            Reply::Error(_) => {}
        }
        let reservation = match ask(&mut connection, &["INFO"]).await? {
            Reply::Text(info) => {
                let reservation = self.judge(&connection, &info)?;
                prove_room(&mut connection, &info).await?;
                reservation
            }
            // Who may do nothing but PING has no more to say, unless more is wanted.
            Reply::Error(_) if self.spec.expected.is_nothing() => None,
            error @ Reply::Error(_) => return error.accepted(&connection).map(|_| None),
        };
        trace.end();
        Ok(reservation.or_else(|| self.client.reservation(trace)))
    }
}

impl Expected {
    fn is_nothing(&self) -> bool {
        matches!(self, Expected { role: None, max_lag_secs: None, max_lag_bytes: None, min_replicas: None })
    }
}

impl Redis {
    /// What the server says of itself against what is expected.
    fn judge(&self, connection: &Connection<'_>, info: &str) -> Result<Option<Reason>, Fault> {
        let fields = fields(info);
        let of_interest = |line: &&str| {
            let words = ["role:", "master_", "slave", "connected_slaves", "maxmemory", "used_memory:", "redis_version"];
            words.iter().any(|word| line.starts_with(word))
        };
        match judged(&fields, &self.spec.expected) {
            Ok(None) => Ok(None),
            Ok(Some(message)) => Ok(Some(Reason { class: Class::Content, phase: Some(Phase::Body), message })),
            Err((class, message)) => {
                let lines: Vec<&str> = info.lines().filter(of_interest).collect();
                let excerpt = self.scrubber.excerpt(&lines.join("\n"), true);
                Err(connection.failure(class, message).with_excerpt(excerpt))
            }
        }
    }
}

fn fields(info: &str) -> BTreeMap<&str, &str> {
    info.lines().filter_map(|line| line.trim_end().split_once(':')).collect()
}

/// Whether a master that is nearly full takes writes. How much that is in bytes is known to it alone, since it counts what
/// is on the way as well: it is asked for a write that changes nothing, whatever is there.
async fn prove_room(connection: &mut Connection<'_>, info: &str) -> Result<(), Fault> {
    let fields = fields(info);
    let number = |key: &str| fields.get(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    // Without a bound, or where something is thrown away instead, there is always room.
    let bounded = fields.get("maxmemory_policy") == Some(&"noeviction") && number("maxmemory") > 0;
    let nearly_full = number("used_memory") >= number("maxmemory") / 10 * 9;
    if !bounded || !nearly_full || fields.get("role") != Some(&"master") {
        return Ok(());
    }
    match ask(connection, &["SETRANGE", "healthcheck_dashboard", "0", ""]).await? {
        refused @ Reply::Error(_) if refused.is("OOM") => refused.accepted(connection).map(drop),
        _ => Ok(()),
    }
}

/// What is wrong with a server of these fields; or what is not as good as it should be.
fn judged(fields: &BTreeMap<&str, &str>, expected: &Expected) -> Result<Option<String>, (Class, String)> {
    let text = |key: &str| fields.get(key).copied().unwrap_or_default();
    let number = |key: &str| text(key).parse::<u64>().ok();
    let wrong = |message: String| Err((Class::Content, message));
    let role = if text("role") == "slave" { Role::Replica } else { Role::Master };
    if let Some(wanted) = expected.role.filter(|wanted| *wanted != role) {
        return wrong(format!("the server is a {}, expected a {}", role.word(), wanted.word()));
    }
    if role == Role::Replica {
        if text("master_link_status") != "up" {
            let message = match text("master_sync_in_progress") {
                "1" => "the replica is being filled by its master",
                _ => "the replica has no connection to its master",
            };
            let demanded = expected.role.is_some() || expected.max_lag_secs.is_some();
            return if demanded { wrong(message.to_owned()) } else { Ok(Some(message.to_owned())) };
        }
        let lag = number("master_last_io_seconds_ago");
        return match expected.max_lag_secs {
            Some(most) if lag.is_none_or(|lag| lag > most) => {
                wrong(format!("the replica has not heard of its master for more than {most} s"))
            }
            _ => Ok(None),
        };
    }
    let replicas = 0..number("connected_slaves").unwrap_or(0).min(1000);
    let online: Vec<BTreeMap<&str, &str>> = replicas
        .filter_map(|at| fields.get(format!("slave{at}").as_str()))
        .map(|line| line.split(',').filter_map(|pair| pair.split_once('=')).collect::<BTreeMap<&str, &str>>())
        .filter(|replica| replica.get("state") == Some(&"online"))
        .collect();
    if let Some(least) = expected.min_replicas.filter(|least| (online.len() as u64) < *least) {
        let has = if online.is_empty() { "no replica is" } else { "fewer replicas are" };
        return wrong(format!("{has} connected, expected {least}"));
    }
    let field = |replica: &BTreeMap<&str, &str>, key: &str| replica.get(key).and_then(|text| text.parse::<u64>().ok());
    if let Some(most) = expected.max_lag_secs
        && online.iter().any(|replica| field(replica, "lag").is_none_or(|lag| lag > most))
    {
        return wrong(format!("a replica has not been heard of for more than {most} s"));
    }
    let written = number("master_repl_offset").unwrap_or(0);
    if let Some(most) = expected.max_lag_bytes
        && online.iter().any(|replica| written.saturating_sub(field(replica, "offset").unwrap_or(0)) > most)
    {
        return wrong(format!("a replica is behind by more than {most} bytes"));
    }
    Ok(None)
}

/// An answer, of the forms that are asked for.
enum Reply {
    Text(String),
    Error(String),
}

impl Reply {
    fn is(&self, code: &str) -> bool {
        matches!(self, Reply::Error(error) if error.starts_with(code))
    }

    /// Fails for an error, in words that say what it means.
    fn accepted(self, connection: &Connection<'_>) -> Result<Reply, Fault> {
        let Reply::Error(error) = &self else { return Ok(self) };
        let (code, words) = error.split_once(' ').unwrap_or((error, ""));
        let message = match code {
            "NOAUTH" => "the server needs a password".to_owned(),
            "WRONGPASS" => "the server refuses the password".to_owned(),
            "LOADING" => "the server is still loading its data".to_owned(),
            "DENIED" => "the server is in protected mode: it takes nobody from elsewhere without a password".to_owned(),
            "MISCONF" => "the server refuses writes because it cannot save its data".to_owned(),
            "MASTERDOWN" => "the replica has no connection to its master, and answers nothing".to_owned(),
            "OOM" => "the server is out of memory and refuses writes".to_owned(),
            "BUSY" => "the server is busy with a script".to_owned(),
            "NOPERM" => format!("the user is not allowed to: {words}"),
            "ERR" if words.starts_with("max number of clients") => {
                "the server has no place for another connection".to_owned()
            }
            "ERR" if words.contains("without any password") || words.contains("no password is set") => {
                "the server has no password, and one was shown".to_owned()
            }
            "ERR" if words.starts_with("invalid password") => "the server refuses the password".to_owned(),
            _ => format!("the server answered: {error}"),
        };
        Err(connection.failure(Class::Query, message))
    }
}

/// Says a command, and reads its answer.
async fn ask(connection: &mut Connection<'_>, words: &[&str]) -> Result<Reply, Fault> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command += &format!("${}\r\n{word}\r\n", word.len());
    }
    connection.send(command.as_bytes()).await?;
    let line = connection.line().await?;
    let read = line.split_at_checked(1).and_then(|(form, rest)| match form {
        "+" | ":" => Some(Ok(Reply::Text(rest.to_owned()))),
        "-" => Some(Ok(Reply::Error(rest.to_owned()))),
        // A bulk string; -1 is none.
        "$" if rest == "-1" => Some(Ok(Reply::Text(String::new()))),
        "$" => rest.parse::<usize>().ok().map(Err),
        _ => None,
    });
    match read {
        Some(Ok(reply)) => Ok(reply),
        Some(Err(length)) => {
            let bytes = connection.exact(length.saturating_add(2)).await?;
            Ok(Reply::Text(String::from_utf8_lossy(&bytes[..length]).into_owned()))
        }
        None => Err(connection.unlike("Redis'", line.as_bytes())),
    }
}
