//! `type = "command"`.

use super::spec::CommandSpec;
use crate::{
    domain::{
        secret::{REDACTED, Secret},
        service::Kind,
    },
    probe::descriptor::{Descriptor, ParsedEndpoint, Section},
    settings::{
        masking::{announces_a_credential, assigned_by_an_argument},
        reader::Value,
        text::Text,
    },
};
use serde_json::{Map, json};

/// What the configuration and its messages know of this kind.
pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Command,
    aliases: &["exec", "shell", "script", "sh", "cmd"],
    own_key: Some("command"),
    keys: &["degraded_exit_codes", "detach", "command"],
    inherits_environment: true,
    ..Descriptor::NONE
};

pub(crate) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<CommandSpec>> {
    let table = section.table;
    let command = match table.get("command") {
        Some(value) => arguments(&value),
        None => {
            table.missing("command", "as `[\"pg_isready\", \"-h\", \"db\"]`, or a line for the shell");
            None
        }
    };
    let degraded_exit_codes = table.get("degraded_exit_codes").map(|value| value.one_or_many()).unwrap_or_default();
    let degraded_exit_codes: Vec<i32> = degraded_exit_codes
        .iter()
        .filter_map(|code| code.integer(1..=255).and_then(|code| i32::try_from(code).ok()))
        .collect();

    let detach = table.boolean("detach").unwrap_or(false);

    let Arguments { argv, shown, target, secrets } = command?;
    let mut settings = Map::new();
    settings.insert("command".to_owned(), json!(shown));
    settings.insert("degraded_exit_codes".to_owned(), json!(degraded_exit_codes));
    if detach {
        settings.insert("detach".to_owned(), json!(true));
    }
    Some(ParsedEndpoint { probe: CommandSpec { argv, degraded_exit_codes, detach }, target, secrets, shown: settings })
}

struct Arguments {
    argv: Vec<String>,
    /// The same, redacted.
    shown: Vec<String>,
    /// As one would type it.
    target: String,
    secrets: Vec<Secret>,
}

fn arguments(value: &Value<'_>) -> Option<Arguments> {
    if value.value.is_str() {
        let line = checked(value)?;
        let shell = |line: String| vec!["/bin/sh".to_owned(), "-c".to_owned(), line];
        return Some(Arguments {
            secrets: line.secrets().collect(),
            shown: shell(line.shown()),
            target: line.shown().trim().to_owned(),
            argv: shell(line.value),
        });
    }
    let entries = value.list("a list of strings, or one string for the shell")?;
    if entries.is_empty() {
        value.source.report(value.mistake("`command` is empty").label("a program is needed"));
        return None;
    }
    // Every entry is looked at before the first mistake ends it.
    let read: Vec<_> = entries
        .iter()
        .enumerate()
        // The program has to have a name; an argument may be empty.
        .map(|(at, entry)| if at == 0 { checked(entry) } else { entry.string().filter(|text| no_nul(entry, text)) })
        .collect();
    let texts: Vec<Text> = read.into_iter().collect::<Option<_>>()?;
    let mut arguments = Arguments { argv: Vec::new(), shown: Vec::new(), target: String::new(), secrets: Vec::new() };
    let mut announced = false;
    for text in texts {
        arguments.secrets.extend(text.secrets());
        let assigned = assigned_by_an_argument(&text.value);
        arguments.shown.push(match &assigned {
            _ if announced => REDACTED.to_owned(),
            Some(value) => format!("{}{REDACTED}", &text.value[..value.start]),
            None => text.shown(),
        });
        if announced {
            arguments.secrets.push(Secret::new(&text.value));
        }
        arguments.secrets.extend(assigned.map(|value| Secret::new(&text.value[value])));
        announced = announces_a_credential(&text.value);
        arguments.argv.push(text.value);
    }
    arguments.target = arguments.shown.iter().map(|argument| shell_word(argument)).collect::<Vec<_>>().join(" ");
    Some(arguments)
}

fn checked(value: &Value<'_>) -> Option<Text> {
    value.filled().filter(|text| no_nul(value, text))
}

fn no_nul(value: &Value<'_>, text: &Text) -> bool {
    let valid = !text.value.contains('\0');
    if !valid {
        let mistake = value.mistake(format!("{} cannot be passed to a program", value.what));
        value.source.report(mistake.label("there is a NUL character in it"));
    }
    valid
}

/// An argument as a shell would need it.
fn shell_word(argument: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%•".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn an_argument_is_quoted_where_a_shell_needs_it() {
        for (argument, word) in
            [("df", "df"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$HOME", "'$HOME'"), ("-x=1", "-x=1")]
        {
            assert_eq!(shell_word(argument), word);
        }
    }
}
