//! What a server began with, in words: to say what it speaks instead of what was expected.

/// What a server that `peer` names says in the place of a TLS handshake.
pub(super) fn instead_of_tls(beginning: &[u8], peer: &str) -> String {
    let line = lines(beginning).find(|line| !line.is_empty()).unwrap_or_default();
    match words(line) {
        _ if is_tls(beginning) => format!("{peer} does not speak TLS as it should"),
        Some(words) if line.starts_with(b"HTTP/") => format!("{peer} speaks plain HTTP, not TLS: {words}"),
        Some(words) => format!("{peer} does not speak TLS: it begins with {words}"),
        None => format!("{peer} does not speak TLS"),
    }
}

/// A record of TLS: an alert or a handshake.
pub(super) fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x15 | 0x16, 3, 0..=4, ..])
}

/// Without their ends.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// The first three words of a line, quoted: those that follow are often a time or a number that is another one in every
/// answer. None where they are no text.
pub(super) fn words(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line.get(..200).unwrap_or(line)).ok()?;
    if line.trim().is_empty() || line.contains(|c: char| c.is_control() && c != '\t') {
        return None;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let more = if words.len() > 3 { " …" } else { "" };
    Some(quoted(format!("{}{more}", words[..words.len().min(3)].join(" ")).as_bytes()))
}

/// In quotes, cut short, without what would tear a sentence apart.
pub(super) fn quoted(bytes: &[u8]) -> String {
    const LONGEST: usize = 60;
    let text = String::from_utf8_lossy(bytes);
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    if text.chars().count() > LONGEST {
        short.push('…');
    }
    format!("\"{short}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_server_speaks_instead_of_tls_is_said() {
        for (beginning, said) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "h:1 speaks plain HTTP, not TLS: \"HTTP/1.1 400 Bad …\""),
            (b"\r\nSSH-2.0-x\r\n", "h:1 does not speak TLS: it begins with \"SSH-2.0-x\""),
            (&[0x15, 3, 3, 0, 2], "h:1 does not speak TLS as it should"),
            (b"\0\xff", "h:1 does not speak TLS"),
        ] {
            assert_eq!(instead_of_tls(beginning, "h:1"), said);
        }
    }

    proptest! {
        /// A stranger chose the input: reading always ends, and the description fits into a sentence.
        #[test]
        fn whatever_comes_is_said_in_a_short_line(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let message = instead_of_tls(&bytes, "127.0.0.1:443");
            prop_assert!(message.chars().count() < 200 && !message.contains(char::is_control), "{}", message);
        }
    }
}
