//! `user = "nagios"`: as whom a command runs.

use super::spec::RunAs;
use crate::settings::reader::{Table, Value};
use std::fs;

/// The user under the key. One that this machine does not have is a mistake.
pub(super) fn read(table: &Table<'_>) -> Option<RunAs> {
    let value = table.get("user")?;
    let text = value.filled()?;
    let users = match fs::read_to_string("/etc/passwd") {
        Ok(users) => users,
        Err(error) => {
            report(&value, format!("/etc/passwd cannot be read: {error}"));
            return None;
        }
    };
    let found = find(&users, text.value.trim());
    if found.is_none() {
        report(&value, "no line of /etc/passwd has this name or number".to_owned());
    }
    found
}

fn report(value: &Value<'_>, why: String) {
    value.source.report(value.mistake("this machine has no such user").label(why));
}

fn find(users: &str, wanted: &str) -> Option<RunAs> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _, uid, gid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        if name != wanted && uid != wanted {
            return None;
        }
        let home = fields.nth(1).unwrap_or("/").to_owned();
        Some(RunAs { name: name.to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nnagios:x:105:110::/var/lib/nagios:/bin/false\nbad:x:a:b\n";
        let nagios = RunAs { name: "nagios".to_owned(), uid: 105, gid: 110, home: "/var/lib/nagios".to_owned() };
        for wanted in ["nagios", "105"] {
            assert_eq!(find(users, wanted).as_ref(), Some(&nagios));
        }
        assert_eq!((find(users, "bad"), find(users, "")), (None, None));
    }
}
