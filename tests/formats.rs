//! What is written by somebody else (names, notes, what services answered) in every format that is put together by hand:
//! it is read back as that text, and makes nothing of its own.

use crate::support::history::{Answer, History, result, service};
use healthcheck_dashboard::domain::{incident::StatedNote, time::UnixMs};
use pulldown_cmark::{Event, Options, Parser};
use std::collections::BTreeSet;

const BEGIN: &str = "2026-11-16T00:00:00Z";

const TEXTS: [&str; 14] = [
    "<svg onload=alert(1)>",
    "[a](javascript:alert(1))",
    "![a](http://b.example/)",
    r"back\slash \| and | pipe",
    "# 1. - a",
    "- 12) a",
    "=1+1",
    "&lt;b&gt; &#60;",
    "`code` *strong* _em_ ~~gone~~",
    "<!-- ]]> --> <![CDATA[",
    "https://a.example/ <https://b.example/>",
    "[^1]: $x$ [x] [[y]]",
    "\"quoted\" 'too', and, commas",
    "no\u{fffe} character\u{ffff} and no control\u{1}",
];

/// Each of the texts is the name of a service, the reason of its outage, and the note of it.
async fn written() -> History {
    let begin = UnixMs::parse(BEGIN).unwrap();
    let mut history = History::new(BEGIN, TEXTS.map(service).to_vec());
    for text in TEXTS {
        for (n, letter) in "..xxx..".chars().enumerate() {
            let mut result = result(letter, begin.plus(n as i64 * 10_000));
            if let Some(reason) = &mut result.reason {
                text.clone_into(&mut reason.message);
            }
            history.check(text, result);
        }
    }
    history.committed().await;
    let note = |text: &str| StatedNote { service: text.into(), at: begin.plus(20_000), text: text.into() };
    history.store.writer.state_notes(TEXTS.map(note).to_vec());
    history.at(begin.plus(7 * 86_400_000));
    for id in 1..=TEXTS.len() {
        // The writer takes them in one by one.
        while history.get(&format!("/api/v1/incidents/{id}")).await.ok()["note"].is_null() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    history
}

/// The kinds of elements in Markdown, and the text of each.
fn markdown(text: &str) -> (BTreeSet<String>, Vec<String>) {
    let on = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM;
    let (mut elements, mut texts) = (BTreeSet::new(), vec![String::new()]);
    for event in Parser::new_ext(text, on) {
        match event {
            Event::Text(more) => *texts.last_mut().unwrap() += &more,
            Event::SoftBreak | Event::End(_) => texts.push(String::new()),
            Event::Start(tag) => {
                let tag = format!("{tag:?}");
                elements.insert(tag.split([' ', '(', '{']).next().unwrap().to_owned());
                texts.push(String::new());
            }
            other => {
                elements.insert(format!("{other:?}"));
            }
        }
    }
    (elements, texts)
}

fn unescaped(html: &str) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#x2f;", "/"), ("&amp;", "&")];
    entities.into_iter().fold(html.to_owned(), |html, (entity, c)| html.replace(entity, c))
}

#[tokio::test(start_paused = true)]
async fn what_somebody_wrote_is_text_in_the_markdown_of_a_review() {
    let history = written().await;
    let answer = history.get("/api/v1/review?format=markdown&week=2026-W47").await;
    let (elements, texts) = markdown(answer.text());
    let ours = ["Heading", "Item", "List", "Paragraph", "Strong", "Table", "TableCell", "TableHead", "TableRow"];
    assert_eq!(elements.iter().map(String::as_str).collect::<Vec<_>>(), ours, "{}", answer.text());
    let cells = texts.iter().filter(|text| TEXTS.contains(&text.as_str())).count();
    // Each in the table of services; and of the longest outages the service, the cause and the note.
    assert!(cells >= TEXTS.len() + 3 * 5, "{cells} {}", answer.text());
    for text in TEXTS {
        assert!(texts.iter().any(|cell| cell == text), "{text}: {}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_wrote_is_text_in_the_markdown_that_is_copied() {
    let history = written().await;
    for id in 1..=TEXTS.len() {
        let page = history.get(&format!("/dashboard/incidents/{id}")).await;
        let service =
            history.get(&format!("/api/v1/incidents/{id}")).await.ok()["service"].as_str().unwrap().to_owned();
        let copied = page.text().split("<pre class=\"vh\" data-text=\"markdown\">").nth(1).unwrap();
        let copied = unescaped(copied.split("</pre>").next().unwrap());
        let (elements, texts) = markdown(&copied);
        let ours = ["BlockQuote", "Heading", "Item", "Link", "List", "Paragraph", "Strong"];
        assert_eq!(elements.iter().map(String::as_str).collect::<Vec<_>>(), ours, "{copied}");
        assert!(texts.contains(&service), "the note: {copied}");
        // A reason is shown without control characters.
        let why = service.replace('\u{1}', "");
        assert!(texts.contains(&format!("{service} was down: {why}")), "the heading: {copied}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_feed_and_the_badges_can_be_read_whatever_somebody_wrote() {
    let history = written().await;
    let parsed = |answer: &Answer| match roxmltree::Document::parse(answer.text()) {
        Ok(document) => {
            let names: BTreeSet<String> =
                document.descendants().filter(|n| n.is_element()).map(|n| n.tag_name().name().to_owned()).collect();
            let texts: Vec<String> = document.descendants().filter_map(|n| n.text().map(str::to_owned)).collect();
            (names, texts)
        }
        Err(error) => panic!("{error}: {}", answer.text()),
    };
    let fit = |text: &str| text.replace(['\u{fffe}', '\u{ffff}', '\u{1}'], "");
    let (names, texts) = parsed(&history.get("/dashboard/incidents.atom").await);
    let ours = ["author", "content", "entry", "feed", "id", "link", "name", "published", "title", "updated"];
    assert_eq!(names.iter().map(String::as_str).collect::<Vec<_>>(), ours);
    for text in TEXTS.map(fit) {
        assert!(texts.iter().any(|t| t.starts_with(&text) && t.ends_with(&text)), "{text}: {texts:#?}");
        assert!(texts.iter().any(|t| t.ends_with(&format!("Note: {text}"))), "{text}: {texts:#?}");
        let path = percent_encoding::utf8_percent_encode(&text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let web = percent_encoding::utf8_percent_encode(TEXTS[0], percent_encoding::NON_ALPHANUMERIC);
        let (names, texts) = parsed(&history.get(&format!("/badge/{web}/status.svg?label={path}%01%EF%BF%BE")).await);
        assert_eq!(
            names.iter().map(String::as_str).collect::<Vec<_>>(),
            ["clipPath", "g", "rect", "svg", "text", "title"]
        );
        assert!(texts.contains(&format!("{text}: unknown")), "{texts:?}");
    }
}
