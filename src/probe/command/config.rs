//! `type = "command"`.

use super::{
    run::NAMES,
    spec::{CommandSpec, UnknownIs},
    user,
};
use crate::{
    domain::{
        secret::{REDACTED, Secret},
        service::Kind,
    },
    probe::{
        conditions::section,
        descriptor::{Descriptor, ParsedEndpoint, Section},
    },
    settings::{
        error::Mistake,
        masking::{announces_a_credential, assigned_by_an_argument, names_a_credential},
        reader::{Table, Value},
        text::Text,
    },
};
use serde_json::{Map, Value as Json, json};

/// What the configuration and its messages know of this kind.
pub(crate) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::Command,
    aliases: &["exec", "shell", "script", "sh", "cmd"],
    own_key: Some("command"),
    keys: &[
        "degraded_exit_codes",
        "detach",
        "command",
        "plugin",
        "unknown_is",
        "environment",
        "working_directory",
        "user",
        "expect",
        "degraded",
    ],
    sent_keys: &["environment"],
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

    let (expect, of_expect) = section::read(table, "expect", NAMES);
    let (degraded, of_degraded) = section::read(table, "degraded", NAMES);
    let plugin = plugin(table);
    let (environment, environment_shown) = environment(table);
    let directory = table.get("working_directory").and_then(|value| checked(&value));
    let user = user::read(table);

    let Arguments { argv, shown, target, mut secrets } = command?;
    let mut settings = Map::new();
    settings.insert("command".to_owned(), json!(shown));
    settings.insert("degraded_exit_codes".to_owned(), json!(degraded_exit_codes));
    if detach {
        settings.insert("detach".to_owned(), json!(true));
    }
    if let Some(unknown_is) = plugin {
        settings.insert("plugin".to_owned(), json!(true));
        let word = match unknown_is {
            UnknownIs::Down => "down",
            UnknownIs::Degraded => "degraded",
            UnknownIs::Unknown => "unknown",
        };
        settings.insert("unknown_is".to_owned(), json!(word));
    }
    settings.insert("environment".to_owned(), environment_shown);
    settings.insert("working_directory".to_owned(), json!(directory.as_ref().map(Text::shown)));
    settings.insert("user".to_owned(), json!(user.as_ref().map(|user| &user.name)));
    settings.insert("expect".to_owned(), section::shown(&expect));
    settings.insert("degraded".to_owned(), section::shown(&degraded));
    // What names a variable is known; what it holds is not to be seen where its name says so, or it came from ours.
    secrets.extend(of_expect);
    secrets.extend(of_degraded);
    secrets.extend(environment.iter().filter(|variable| variable.is_secret).map(|v| v.value.clone()));
    secrets.extend(directory.iter().flat_map(Text::secrets));
    let environment = environment.into_iter().map(|variable| (variable.name, variable.value)).collect();
    let directory = directory.map(|text| table.source.folder.join(text.value));
    let probe =
        CommandSpec { argv, degraded_exit_codes, detach, plugin, environment, directory, user, expect, degraded };
    Some(ParsedEndpoint { probe, target, secrets, shown: settings })
}

/// `plugin = true`, and what a plugin's "unknown" is.
fn plugin(table: &Table<'_>) -> Option<UnknownIs> {
    let is_plugin = table.boolean("plugin").unwrap_or(false);
    let word = table.get("unknown_is").and_then(|value| Some((value.filled()?, value)));
    let mut unknown_is = UnknownIs::Down;
    if let Some((text, value)) = &word {
        unknown_is = match text.value.as_str() {
            "down" => UnknownIs::Down,
            "degraded" => UnknownIs::Degraded,
            "unknown" => UnknownIs::Unknown,
            _ => {
                let mistake = value.mistake(format!("{} is no status", text.quoted()));
                table.source.report(mistake.label("\"down\", \"degraded\" or \"unknown\""));
                UnknownIs::Down
            }
        };
    }
    for (key, label) in [("unknown_is", "it says what exit code 3 of a plugin is"), ("degraded_exit_codes", "")] {
        let Some(value) = table.peek(key) else { continue };
        if key == "unknown_is" && !is_plugin {
            let mistake = Mistake::at(value.key, "`unknown_is` without `plugin = true`");
            table.source.report(mistake.label(label));
        } else if key == "degraded_exit_codes" && is_plugin {
            let mistake = Mistake::at(value.key, "`degraded_exit_codes` of a plugin");
            table.source.report(mistake.label("1 is degraded, 2 is down, 3 is what `unknown_is` says"));
        }
    }
    is_plugin.then_some(unknown_is)
}

struct Variable {
    name: String,
    value: Secret,
    is_secret: bool,
}

/// `environment = { LANG = "C" }`, and how it is shown.
fn environment(table: &Table<'_>) -> (Vec<Variable>, Json) {
    let entries = table.table("environment").map(|table| table.all()).unwrap_or_default();
    let (mut variables, mut shown) = (Vec::new(), Map::new());
    for (name, value) in entries {
        if name.is_empty() || name.contains(['=', '\0']) {
            let mistake = Mistake::at(value.key, format!("{} cannot be the name of a variable", value.what));
            table.source.report(mistake.label("no `=` in it"));
            continue;
        }
        let Some(text) = value.string().filter(|text| no_nul(&value, text)) else { continue };
        let is_secret = names_a_credential(name) || text.is_guarded();
        shown.insert(name.to_owned(), if is_secret { json!(REDACTED) } else { json!(text.shown()) });
        variables.push(Variable { name: name.to_owned(), value: Secret::new(text.value), is_secret });
    }
    (variables, if shown.is_empty() { Json::Null } else { Json::Object(shown) })
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
