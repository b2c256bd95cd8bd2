//! Answers that are lines: with a code of three digits (SMTP, FTP), with `+OK` and `-ERR` (POP3), with a tag (IMAP).

use crate::{
    domain::check::Class,
    probe::{connection::Connection, trace::Fault},
};

/// An answer of SMTP or FTP.
#[derive(Debug)]
pub(in crate::probe) struct Reply {
    pub(in crate::probe) code: u16,
    /// Without the code.
    pub(in crate::probe) lines: Vec<String>,
}

impl Reply {
    /// The next answer: `220 text`, or `220-text` and more lines up to one that begins with `220 `.
    pub(in crate::probe) async fn read(connection: &mut Connection<'_>, protocol: &str) -> Result<Reply, Fault> {
        let first = connection.line().await?;
        let digits = first.get(..3).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        let rest = first.get(3..).unwrap_or_default();
        let (Some(digits), true) = (digits, rest.is_empty() || rest.starts_with([' ', '-'])) else {
            return Err(connection.unlike(protocol, first.as_bytes()));
        };
        let code = digits.parse().unwrap_or_default();
        let mut lines = vec![rest.get(1..).unwrap_or_default().to_owned()];
        let mut more = rest.starts_with('-');
        while more {
            let line = connection.line().await?;
            let own = line.strip_prefix(digits);
            more = !own.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
            lines.push(own.and_then(|rest| rest.get(1..)).unwrap_or(line.as_str()).to_owned());
        }
        Ok(Reply { code, lines })
    }

    /// The same, where only this code will do. `what` was refused otherwise.
    pub(in crate::probe) async fn expect(
        connection: &mut Connection<'_>,
        protocol: &str,
        code: u16,
        what: &str,
    ) -> Result<Reply, Fault> {
        let reply = Reply::read(connection, protocol).await?;
        if reply.code == code { Ok(reply) } else { Err(reply.refusal(connection, what)) }
    }

    /// What a server says that refuses something.
    pub(in crate::probe) fn refusal(&self, connection: &Connection<'_>, what: &str) -> Fault {
        let said = format!("{} {}", self.code, self.lines.join(" "));
        connection.failure(Class::Query, format!("the server refused {what}: {}", said.trim_end()))
    }
}

/// The next answer of POP3, where `+OK` will do; what follows that comes back.
pub(in crate::probe) async fn pop3(connection: &mut Connection<'_>, what: &str) -> Result<String, Fault> {
    let line = connection.line().await?;
    if let Some(rest) = line.strip_prefix("+OK") {
        return Ok(rest.trim().to_owned());
    }
    match line.strip_prefix("-ERR") {
        Some(why) => Err(connection.failure(Class::Query, format!("the server refused {what}: {}", why.trim()))),
        None => Err(connection.unlike("POP3's", line.as_bytes())),
    }
}

/// The greeting of IMAP.
pub(in crate::probe) async fn imap_greeting(connection: &mut Connection<'_>) -> Result<(), Fault> {
    let line = connection.line().await?;
    let greeting = line.strip_prefix("* ").unwrap_or_default();
    let word = greeting.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    match word.as_str() {
        "OK" | "PREAUTH" => Ok(()),
        "BYE" => {
            let why = greeting.get(word.len()..).unwrap_or_default().trim();
            Err(connection.failure(Class::Query, format!("the server refused the session: {why}")))
        }
        _ => Err(connection.unlike("IMAP's", line.as_bytes())),
    }
}

/// Says a command of IMAP, and gives the lines that came before its end, if the end is `OK`.
pub(in crate::probe) async fn imap(
    connection: &mut Connection<'_>,
    tag: &str,
    command: &str,
    what: &str,
) -> Result<Vec<String>, Fault> {
    connection.send(format!("{tag} {command}\r\n").as_bytes()).await?;
    let mut lines = Vec::new();
    loop {
        let line = connection.line().await?;
        if let Some(end) = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' ')) {
            let (word, why) = end.split_once(' ').unwrap_or((end, ""));
            if word.eq_ignore_ascii_case("OK") {
                return Ok(lines);
            }
            return Err(connection.failure(Class::Query, format!("the server refused {what}: {why}")));
        }
        match line.strip_prefix("* ") {
            Some(rest) => lines.push(rest.to_owned()),
            None => return Err(connection.unlike("IMAP's", line.as_bytes())),
        }
    }
}
