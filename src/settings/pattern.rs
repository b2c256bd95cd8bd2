//! Regular expressions that are constants of this program.

use regex::Regex;

/// Compiles a constant pattern. The tests compile each of them, so that it can be relied on.
pub(super) fn constant(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern, which a test compiles")
}
