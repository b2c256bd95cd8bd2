//! What several tests need: servers that behave and servers that do not, histories made by hand, the whole product on a
//! clock that a test moves.

pub(crate) mod binary;
pub(crate) mod browser;
pub(crate) mod events;
pub(crate) mod history;
pub(crate) mod net;
pub(crate) mod past;
pub(crate) mod postgres;
pub(crate) mod smtp;
pub(crate) mod talk;
pub(crate) mod target;
pub(crate) mod tls;
pub(crate) mod world;

use proptest::test_runner::{Config, FileFailurePersistence};

/// So many random cases of a law, after those that failed once: they are kept in this file, named from the project's root,
/// and a new one is added to it. `PROPTEST_CASES` asks for another number of them.
pub(crate) fn law(cases: u32, failed_once: &'static str) -> Config {
    let kept = FileFailurePersistence::Direct(failed_once);
    let cases =
        std::env::var("PROPTEST_CASES").map_or(cases, |asked| asked.parse().expect("PROPTEST_CASES is a number"));
    Config { cases, failure_persistence: Some(Box::new(kept)), ..Config::default() }
}
