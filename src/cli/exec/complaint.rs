//! What is said of reports that go wrong, on the standard error.

use crate::cli::terminal::err;

/// Says what became of a report. The command goes on.
pub(super) fn complain(why: &str) {
    err!("healthcheck_dashboard exec: {why}");
}
