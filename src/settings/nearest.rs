//! The known word that someone probably meant.

/// The candidate nearest to `word`, if one is near enough to be what was meant: a slip or two of the keyboard, or the
/// beginning of it (`interval` for `interval_secs`).
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let slips = distance(&word, candidate);
            let begins = word.len() >= 4 && (candidate.starts_with(&word) || word.starts_with(candidate));
            // A beginning counts as a near miss, but any honest slip of the keyboard is nearer.
            let cost = if slips <= allowed { slips } else { allowed + slips };
            (slips <= allowed || begins).then_some((cost, candidate))
        })
        .min_by_key(|(cost, _)| *cost)
        .map(|(_, candidate)| candidate)
}

/// How many characters have to be inserted, removed, replaced or swapped with their neighbour to get from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
    // Words of a configuration are short. What is not short is no slip of the keyboard, and costs nothing to detect.
    let (long, short) = (a.chars().count().max(b.chars().count()), a.chars().count().min(b.chars().count()));
    if long - short > 24 || long > 80 { usize::MAX / 4 } else { strsim::osa_distance(a, b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 6] = ["interval_secs", "retry_interval_secs", "timeout_secs", "http", "tcp", "postgres"];

    #[test]
    fn a_slip_of_the_keyboard_finds_its_word() {
        assert_eq!(nearest("intervall_secs", WORDS), Some("interval_secs"));
        assert_eq!(nearest("interval-secs", WORDS), Some("interval_secs"));
        assert_eq!(nearest("htpt", WORDS), Some("http"));
        assert_eq!(nearest("TCP", WORDS), Some("tcp"));
    }

    #[test]
    fn the_beginning_of_a_word_finds_it_and_so_does_a_longer_form() {
        assert_eq!(nearest("interval", WORDS), Some("interval_secs"));
        assert_eq!(nearest("timeout", WORDS), Some("timeout_secs"));
        assert_eq!(nearest("postgresql", WORDS), Some("postgres"));
    }

    #[test]
    fn what_is_far_from_everything_finds_nothing() {
        assert_eq!(nearest("colour", WORDS), None);
        assert_eq!(nearest("x", WORDS), None);
        assert_eq!(nearest(&"x".repeat(10_000), WORDS), None);
    }
}
