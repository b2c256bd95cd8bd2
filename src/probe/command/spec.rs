//! What a command probe has to do.

use crate::{domain::secret::Secret, probe::conditions::Condition};
use std::path::PathBuf;

/// A program to run.
#[derive(Clone, Default, Debug)]
pub struct CommandSpec {
    /// The program and its arguments; a command given as a string is `sh -c` with it. Never empty.
    pub argv: Vec<String>,
    /// Exit codes that mean "degraded".
    pub degraded_exit_codes: Vec<i32>,
    /// What the program leaves running in the background goes on when it has ended.
    pub detach: bool,
    /// It keeps to the convention of Nagios' plugins: 1 is degraded, 2 is down, and this is 3.
    pub plugin: Option<UnknownIs>,
    /// Beside the environment of the monitor.
    pub environment: Vec<(String, Secret)>,
    /// Where it runs; else where the monitor does.
    pub directory: Option<PathBuf>,
    pub user: Option<RunAs>,
    /// What else has to hold when its exit code is good, …
    pub expect: Vec<Condition>,
    /// … or it is degraded.
    pub degraded: Vec<Condition>,
}

/// What it means that a plugin could not find out.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum UnknownIs {
    #[default]
    Down,
    Degraded,
    /// The check is not judged.
    Unknown,
}

/// A user of this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunAs {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}
