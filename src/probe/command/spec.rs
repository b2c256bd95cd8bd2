//! What a command probe has to do.

/// A program to run.
#[derive(Clone, Debug)]
pub struct CommandSpec {
    /// The program and its arguments; a command given as a string is `sh -c` with it. Never empty.
    pub argv: Vec<String>,
    /// Exit codes that mean "degraded".
    pub degraded_exit_codes: Vec<i32>,
    /// What the program leaves running in the background goes on when it has ended.
    pub detach: bool,
}
