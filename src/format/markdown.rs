//! Text that somebody else wrote (names, notes, what services answered) in Markdown: it means itself, and nothing else.
//!
//! What is escaped is what begins a construct of CommonMark 0.31 or of GitHub's: tables, strikethrough, footnotes, formulas,
//! links without brackets.

/// For a heading, a cell, or behind other words. White space becomes a single space, as it looks.
pub(crate) fn inline(text: &str) -> String {
    let white = |c: char| c.is_ascii_whitespace() || ['\u{b}', '\u{a0}', '\u{202f}'].contains(&c);
    let mut said = String::with_capacity(text.len() + 8);
    for word in text.split(white).filter(|word| !word.is_empty()) {
        if !said.is_empty() {
            said.push(' ');
        }
        for (at, c) in word.char_indices() {
            let begins = match c {
                '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '|' | '~' | '#' | '$' => true,
                ':' => word[at..].starts_with("://"),
                '.' => word.as_bytes()[..at].to_ascii_lowercase().ends_with(b"www"),
                _ => false,
            };
            if begins {
                said.push('\\');
            }
            said.push(if c == '\0' { char::REPLACEMENT_CHARACTER } else { c });
        }
    }
    said
}

/// For the beginning of a line, of an item or of a quotation, where lists, headings and rulers begin as well.
pub(crate) fn line(text: &str) -> String {
    let mut said = inline(text);
    let digits = said.bytes().take_while(u8::is_ascii_digit).count();
    let begins = match digits {
        0 => said.starts_with(['-', '+', '=', ':']),
        _ => said[digits..].starts_with(['.', ')']),
    };
    if begins {
        said.insert(digits, '\\');
    }
    said
}

/// A link that shows where it leads.
pub(crate) fn link(address: &str) -> String {
    let mut link = String::from("<");
    for c in address.chars() {
        match c {
            '<' | '>' | '\0'..=' ' | '\u{7f}' => link.push_str(&format!("%{:02X}", u32::from(c))),
            c => link.push(c),
        }
    }
    link + ">"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use pulldown_cmark::{Event, Options, Parser};

    /// The elements of a document, and its text.
    fn read(document: &str) -> (Vec<String>, String) {
        let on = Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_FOOTNOTES
            | Options::ENABLE_MATH
            | Options::ENABLE_GFM
            | Options::ENABLE_DEFINITION_LIST
            | Options::ENABLE_WIKILINKS
            | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
        let (mut elements, mut text) = (Vec::new(), String::new());
        for event in Parser::new_ext(document, on) {
            match event {
                Event::Text(more) => text += &more,
                Event::SoftBreak => text.push('\n'),
                other => {
                    elements.push(format!("{other:?}"));
                    text.push('¶');
                }
            }
        }
        (elements, text)
    }

    const PLACE: &str = "Xplace";

    type Escape = fn(&str) -> String;

    /// Every place in which the product puts such a text.
    const DOCUMENTS: [(Escape, &str); 8] = [
        (inline, "# Xplace\n\nbehind\n"),
        (inline, "### web was down: Xplace\n\nbehind\n"),
        (line, "Xplace\nbehind\n"),
        (line, "before\nXplace\nbehind\n"),
        (line, "- Xplace\n- behind\n"),
        (inline, "- Name: **1** (Xplace)\n"),
        (line, "Note:\n\n> Xplace\n> behind\n"),
        (inline, "| a | b | c |\n| --- | ---: | --- |\n| Xplace | Xplace | Xplace |\n| x | y | z |\n"),
    ];

    /// What is wrong with what comes out.
    fn wrong(text: &str) -> Option<String> {
        let seen = text.replace('\0', "\u{fffd}");
        let white = |c: char| " \t\n\r\u{b}\u{c}\u{a0}\u{202f}".contains(c);
        let seen = seen.split(white).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        DOCUMENTS.into_iter().find_map(|(escaped, document)| {
            let (elements, plain) = read(document);
            let made = document.replace(PLACE, &escaped(text));
            (read(&made) != (elements, plain.replace(PLACE, &seen))).then(|| format!("{made}\n{:#?}", read(&made)))
        })
    }

    fn texts() -> impl Strategy<Value = String> {
        let parts = [
            "<svg onload=alert(1)>",
            "</b>",
            "<!--",
            "-->",
            "<https://a.example/>",
            "[a](javascript:alert(1))",
            "![x](y)",
            "[x]: /y",
            "[^1]",
            "[^1]: y",
            "[ ] ",
            "[[x]]",
            "]",
            "(",
            ")",
            "&lt;",
            "&#60;",
            "&",
            "\\",
            "\\|",
            "|",
            "| --- |",
            ":--",
            "---",
            "- ",
            "+ ",
            "* ",
            "***",
            "===",
            "= ",
            "# ",
            "#",
            "> ",
            "1. ",
            "12) ",
            "7.",
            ":",
            ": ",
            "```",
            "~~~",
            "`",
            "``",
            "**",
            "__",
            "_",
            "*",
            "~~",
            "$",
            "$$",
            "  \n",
            "\n\n",
            "\t",
            "    ",
            "\u{a0}",
            "https://a.example",
            "www.a.example",
            "a@b.example",
            "é",
            "{#id}",
            "\"",
            "'",
            "x",
            "y",
            " ",
            "\0",
        ];
        let part = prop_oneof![
            8 => prop::sample::select(parts.to_vec()).prop_map(str::to_owned),
            1 => "[ -~]{0,4}",
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(part, 1..8)
            .prop_map(|parts| parts.concat())
            .prop_filter("something", |text| !text.trim().is_empty())
    }

    proptest! {
        #![proptest_config(crate::domain::law(2048))]

        #[test]
        fn whatever_goes_in_comes_out_and_no_element_with_it(text in texts()) {
            prop_assert_eq!(wrong(&text), None);
        }
    }

    #[test]
    fn what_is_plain_stays_as_it_is() {
        let text = "HTTP 503 from 10.0.0.7:5432 (expected 200–399): it's \"down\", 50 % - 1 + 2 = 3!";
        assert_eq!(inline(text), text);
        assert_eq!(inline("<img src=x> [a](b) *c* `d`"), r"\<img src=x\> \[a\](b) \*c\* \`d\`");
        // What GitHub makes a link of by itself.
        assert_eq!(inline("https://a.example WWW.a.example"), r"https\://a.example WWW\.a.example");
        assert_eq!(line("1. a"), r"1\. a");
        assert_eq!(line("- a"), r"\- a");
    }

    #[test]
    fn a_link_ends_where_it_should() {
        let (elements, text) = read(&format!("- More: {}", link("http://a.example/<b> c")));
        assert!(elements.iter().any(|element| element.contains("Autolink")), "{elements:?}");
        assert_eq!(text.replace('¶', ""), "More: http://a.example/%3Cb%3E%20c");
    }
}
