//! What a command prints. Output that cannot be written ends the command: quietly where nobody reads on (`… | head`), else
//! with the reason and an exit code that means nothing else.

use std::{
    fmt,
    io::{self, ErrorKind, IsTerminal, Write},
    process::ExitCode,
};

/// What a program's end by SIGPIPE looks like to a shell.
const NOBODY_READS: i32 = 141;

/// `EX_IOERR` of sysexits.h: no command gives this code another meaning.
const NOT_WRITTEN: i32 = 74;

/// Prints a line to the standard output.
macro_rules! out {
    ($($text:tt)*) => { $crate::cli::terminal::line(format_args!($($text)*)) };
}

/// Prints a line to the standard error. Where that cannot be written either, there is nowhere to report it.
macro_rules! err {
    ($($text:tt)*) => { $crate::cli::terminal::complain(format_args!($($text)*)) };
}

pub(super) use {err, out};

pub(super) fn line(text: fmt::Arguments) {
    written(writeln!(io::stdout().lock(), "{text}"));
}

/// Prints a text that has its line ends.
pub(super) fn text(text: &str) {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Ends the program where the standard output could not be written.
pub(super) fn written(done: io::Result<()>) {
    if let Err(error) = done {
        std::process::exit(not_written(&error));
    }
}

/// Reports, where somebody still reads, that the standard output cannot be written; the exit code for it.
pub(super) fn not_written(error: &io::Error) -> i32 {
    if error.kind() == ErrorKind::BrokenPipe {
        return NOBODY_READS;
    }
    complain(format_args!("error: the standard output cannot be written: {error}"));
    NOT_WRITTEN
}

/// The same for `main`.
pub(super) fn exit_code(error: &io::Error) -> ExitCode {
    ExitCode::from(u8::try_from(not_written(error)).unwrap_or(1))
}

pub(super) fn complain(text: fmt::Arguments) {
    // One write: the standard error has no buffer, and the lines of two threads would mix.
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// Whether the standard error is a terminal that moves its cursor.
pub(super) fn moves() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether the standard error takes colours: a terminal that can, and nobody has set `NO_COLOR` (<https://no-color.org>).
pub fn colors() -> bool {
    moves() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
