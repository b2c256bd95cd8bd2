//! How far long work has come, for somebody who watches: only where the standard error is a terminal that moves its cursor.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of `length` steps of something, or without a length a count.
pub(super) fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    let target = match super::terminal::moves() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(length, target);
    // A template that cannot be read falls back to the plain one.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
