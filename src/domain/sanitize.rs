//! Text from outside (answers, errors, what commands print) made fit for a terminal, a log and a sentence.

/// The most characters of a reason's message. The rest is in the excerpt.
pub const LONGEST_MESSAGE: usize = 200;

/// `text` on one line of at most `longest` characters: its lines are joined by ` · `, without empty ones and without
/// those that only repeat the one before.
///
/// Whatever is written into the log or a sentence goes through here, also what the history has already: a line of
/// output must never pass for a line of the log.
pub fn one_line(text: &str, longest: usize) -> String {
    let text = clean(text);
    let mut line = String::new();
    let (mut length, mut last) = (0, "");
    for part in text.lines().map(str::trim).filter(|part| !part.is_empty()) {
        if part == last {
            continue;
        }
        let joint = if last.is_empty() { "" } else { " · " };
        for c in joint.chars().chain(part.chars()) {
            if length >= longest {
                // The last character makes room for the mark.
                line.pop();
                return format!("{}…", line.trim_end_matches([' ', '·']));
            }
            line.push(if c == '\t' { ' ' } else { c });
            length += 1;
        }
        last = part;
    }
    line
}

/// `text` without what a terminal or a page could trip over: control characters, terminal sequences and marks that turn
/// the direction of writing are dropped; line breaks (of every kind, as `\n`) and tabs stay.
pub fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => out.push(c),
            '\r' if chars.peek() == Some(&'\n') => {}
            // What a terminal would write over itself, such as progress; and what else begins a line somewhere.
            '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => out.push('\n'),
            // A terminal sequence: ESC [ parameters letter.
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next_if(|c| matches!(c, ' '..='?')).is_some() {}
                chars.next_if(|c| matches!(c, '@'..='~'));
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_sequences_and_control_characters_do_not_get_through() {
        assert_eq!(clean("\u{1b}[1;31mred\u{1b}[0m\r\n\u{7}\u{202e}bell\0"), "red\nbell");
    }

    #[test]
    fn every_kind_of_line_break_is_joined() {
        assert_eq!(one_line("a\nb\r\nc\rd\u{85}e\u{2028}f\u{c}g\u{b}h\ti\n", 200), "a · b · c · d · e · f · g · h i");
    }

    #[test]
    fn empty_and_repeated_lines_are_left_out() {
        assert_eq!(one_line("exit code 3: x\nx\nx\n\n \n y \n y", 200), "exit code 3: x · x · y");
        assert_eq!(one_line("\n\u{1b}[2J\n", 200), "");
    }

    #[test]
    fn a_long_text_is_clipped_to_so_many_characters() {
        assert_eq!(one_line("äöüä", 4), "äöüä");
        assert_eq!(one_line("äöüäö", 4), "äöü…");
        assert_eq!(one_line("abc\ndef", 5), "abc…");
        assert_eq!(one_line(&"line\n".repeat(1000), LONGEST_MESSAGE), "line");
    }
}
