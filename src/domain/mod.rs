//! The words and the numbers, pure: std and chrono only, no async, no I/O, no wire formats.
//!
//! Everything that the product claims (when an outage began, how long it was, what the uptime is) is decided here,
//! by functions of values. The other rooms fetch those values and show the answers.

pub mod burn;
pub mod check;
pub mod circumstances;
pub mod decimal;
pub mod dependencies;
pub mod diagnosis;
pub mod flapping;
pub mod health;
pub mod histogram;
pub mod incident;
pub(crate) mod leb128;
pub mod maintenance;
pub mod metadata;
pub mod network;
pub mod normal;
pub mod replay;
pub mod rolling;
pub mod sanitize;
pub mod secret;
pub mod service;
pub mod status;
pub mod time;
pub mod timeline;
pub mod uptime;
pub mod window;

/// So many random cases of a law, after those that failed once, which are kept with the other tests'.
#[cfg(test)]
pub(crate) fn law(cases: u32) -> proptest::test_runner::Config {
    use proptest::test_runner::{Config, FileFailurePersistence};
    let kept = FileFailurePersistence::Direct("tests/proptest-regressions/lib.txt");
    Config { cases, failure_persistence: Some(Box::new(kept)), ..Config::default() }
}
