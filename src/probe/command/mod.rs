//! `type = "command"`: a program whose exit code is the answer.

pub(super) mod run;
pub mod spec;
