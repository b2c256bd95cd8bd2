//! A service: a thing watched.

/// Makes the enum of the kinds and its words.
macro_rules! kinds {
    ($($kind:ident, $word:literal;)*) => {
        /// The mechanism that watches it.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Kind {
            $($kind,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// Its word in the configuration (`type = "…"`), the API and the database.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Kind::$kind => $word,)*
                }
            }
        }
    };
}

kinds! {
    Http, "http";
    Tcp, "tcp";
    Postgres, "postgres";
    Command, "command";
    Memcached, "memcached";
    Tls, "tls";
    Push, "push";
    Dns, "dns";
    Redis, "redis";
    Smtp, "smtp";
    Imap, "imap";
    Pop3, "pop3";
    Udp, "udp";
    Ntp, "ntp";
    Icmp, "icmp";
    File, "file";
    Disk, "disk";
    Memory, "memory";
    Load, "load";
    Systemd, "systemd";
    Docker, "docker";
    Websocket, "websocket";
    Grpc, "grpc";
    Prometheus, "prometheus";
    Ssh, "ssh";
    Ldap, "ldap";
    Mysql, "mysql";
    Nats, "nats";
    Mqtt, "mqtt";
    Domain, "domain";
    Amqp, "amqp";
    Kafka, "kafka";
    Group, "group";
}

impl Kind {
    /// Whether its target is a command line, of which others may see the program only.
    pub(crate) fn runs_a_command(self) -> bool {
        self == Kind::Command
    }

    /// Whether each of its checks makes a connection to a host.
    pub(crate) fn connects(self) -> bool {
        use Kind::*;
        let aside = [Command, Group, Push, File, Disk, Memory, Load, Systemd, Docker, Icmp, Udp, Ntp, Domain];
        !aside.contains(&self)
    }

    /// The kind that a word names.
    pub fn parse(word: &str) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| kind.as_str() == word)
    }
}

/// How often and how long. The arithmetic of the history depends on it, so its changes are recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckSchedule {
    /// From the start of one check to the start of the next, in milliseconds, at least 1.
    pub interval_ms: i64,
    /// A check's hard deadline, in milliseconds, at most the interval.
    pub timeout_ms: i64,
    /// Between rechecks, in milliseconds, at most the interval.
    pub retry_interval_ms: i64,
}

impl CheckSchedule {
    /// The longest time that one result is valid for: 2 × interval + timeout.
    pub fn validity_ms(&self) -> i64 {
        2 * self.interval_ms + self.timeout_ms
    }
}

/// How many contradicting checks in a row change the status. Both at least 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Thresholds {
    pub failure: u32,
    pub success: u32,
}

/// What is watched, in words, without credentials: a URL, an address, a command line.
///
/// The literal text of a command may be anything, and only its author knows what. So whoever shows a target says to
/// whom: there is no other way to its text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Target(String);

/// How much of a command is for everyone's eyes: `[dashboard] show_commands`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Commands {
    /// The program that it starts, without its arguments.
    Program,
    Whole,
}

impl Target {
    /// As it is kept, for whoever may read the history.
    pub fn whole(&self) -> &str {
        &self.0
    }

    /// As it is shown on pages, in answers and in what is downloaded.
    pub fn shown(&self, kind: Kind, commands: Commands) -> &str {
        match commands {
            Commands::Program if kind.runs_a_command() => program(&self.0),
            Commands::Program | Commands::Whole => &self.0,
        }
    }
}

impl From<String> for Target {
    fn from(text: String) -> Target {
        Target(text)
    }
}

impl From<&str> for Target {
    fn from(text: &str) -> Target {
        Target(text.to_owned())
    }
}

/// The program that a command line starts: its first word, where that is nothing but a name or a path. A line that begins
/// with anything else (an assignment, say) is the shell's.
fn program(line: &str) -> &str {
    let plain = |word: &str| {
        // `[`, `:` and `.` are programs, too.
        [":", "["].contains(&word) || word.chars().all(|c| c.is_alphanumeric() || "-_./+•".contains(c))
    };
    let line = line.trim_start();
    // A name with a space in it, or a whole line in the place of one: nobody knows which.
    if let Some((quoted, _)) = line.strip_prefix('\'').and_then(|rest| rest.split_once('\''))
        && let Some((word, _)) = quoted.split_once(char::is_whitespace)
        && !word.is_empty()
        && plain(word)
    {
        return word;
    }
    match line.split_whitespace().next() {
        Some(word) if plain(word) => word,
        _ => "sh",
    }
}

/// A service as the configuration describes it, less the way it is probed.
#[derive(Clone, PartialEq, Debug)]
pub struct Service {
    /// Unique, and its identity in the history.
    pub name: String,
    pub group: Option<String>,
    pub description: Option<String>,
    pub kind: Kind,
    pub target: Target,
    /// Whether the whole is `unhealthy` when this is down, or only `degraded`.
    pub critical: bool,
    /// A service that is not enabled is `paused`.
    pub enabled: bool,
    pub cadence: CheckSchedule,
    pub thresholds: Thresholds,
    /// Passed checks slower than this are `degraded`, in milliseconds.
    pub degraded_after_ms: Option<i64>,
    /// Passed checks are `degraded` while the latest ones are slower than normal ([`super::normal`]).
    pub is_degraded_when_unusual: bool,
    /// Passed checks are `degraded` while more of the last ones failed.
    pub at_most: Option<super::rolling::AtMost>,
    /// The share of time in which it is to be up, in per cent: above 0, below 100.
    pub objective: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_command_everyone_sees_the_program() {
        for (line, seen) in [
            ("df -h / --token SECRET", "df"),
            ("  /usr/lib/nagios/plugins/check_disk -w SECRET", "/usr/lib/nagios/plugins/check_disk"),
            ("sh -c 'curl -u SECRET'", "sh"),
            ("/opt/•••/check --all", "/opt/•••/check"),
            ("df\n-h", "df"),
            ("[ -e /SECRET ]", "["),
            // What is no plain word may hold anything.
            ("TOKEN=SECRET psql", "sh"),
            ("true;SECRET", "sh"),
            ("https://u:SECRET@host/", "sh"),
            ("\"$SECRET\"", "sh"),
            ("'SECRET'", "sh"),
            ("", "sh"),
            ("'/opt/My App/check' SECRET", "/opt/My"),
            ("'curl -u SECRET'", "curl"),
            ("'A=SECRET curl'", "sh"),
            ("' SECRET'", "sh"),
        ] {
            let target = Target::from(line);
            assert_eq!(target.shown(Kind::Command, Commands::Program), seen, "{line}");
            assert_eq!(target.shown(Kind::Command, Commands::Whole), line);
            assert_eq!(target.shown(Kind::Http, Commands::Program), line);
        }
    }
}
