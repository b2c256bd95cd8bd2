//! Templates: those of the services, and what is wrong with others.

use super::{
    super::{
        notice::Detail,
        sample::{notice, notices},
    },
    *,
};
use serde_json::{Value, json};

fn settings(template: &Template) -> BTreeMap<String, Option<String>> {
    let value = |name: &String, setting: &Setting| {
        let given = if setting.url { "https://example.com/hook".to_owned() } else { format!("the-{name}") };
        let number = setting.integer.map(|(least, _)| least.to_string());
        let chosen = setting.one_of.first().cloned();
        Some(setting.default.clone().or(number).or(chosen).unwrap_or(given))
    };
    template.settings().iter().map(|(name, setting)| (name.clone(), value(name, setting))).collect()
}

#[test]
fn every_service_writes_every_notice() {
    let mut services = 0;
    for file in SERVICES.files() {
        let name = file.path().display();
        let text = file.contents_utf8().unwrap();
        let template = Template::parse(text).unwrap_or_else(|e| panic!("{}", e.in_file(&name.to_string(), text)));
        let all = settings(&template);
        let mut least = all.clone();
        for (name, setting) in template.settings().iter().filter(|(_, s)| s.optional && s.default.is_none()) {
            assert!(setting.optional);
            least.insert(name.clone(), None);
        }
        for settings in [all, least] {
            let tried = template.try_out(text, &settings, &notices());
            tried.unwrap_or_else(|error| panic!("{}", error.in_file(&name.to_string(), text)));
            for notice in notices() {
                let message = template.render(&notice, &settings, &Place::New).unwrap();
                assert!(reqwest::Url::parse(&message.url).is_ok(), "{name}: {}", message.url);
            }
        }
        services += 1;
    }
    assert_eq!(services, Template::names().count());
    assert!(Template::built_in("nobody").is_none());
}

#[test]
fn a_webhook_gets_the_notice_as_it_is() {
    let template = Template::built_in("webhook").unwrap().unwrap();
    let settings = BTreeMap::from([("webhook".to_owned(), Some("https://example.com/a?b=c&d".to_owned()))]);
    for notice in notices() {
        let message = template.render(&notice, &settings, &Place::New).unwrap();
        assert_eq!(message.body, serde_json::to_string(&notice).unwrap());
        assert_eq!((message.method.as_str(), message.url.as_str()), ("POST", "https://example.com/a?b=c&d"));
        assert_eq!(
            message.headers,
            [
                ("content-type".to_owned(), "application/json".to_owned()),
                ("idempotency-key".to_owned(), "h-7-confirmed".to_owned())
            ]
        );
    }
    let later = Answer::Later { why: None, after_s: None };
    let answers = [200, 299, 301, 199, 400].map(|status| template.judge(&Place::New, status, ""));
    assert_eq!(answers, [Answer::Accepted, Answer::Accepted, later.clone(), later.clone(), later]);
}

const HEAD: &str = "title = \"X\"\nurl = \"https://x\"\naccepted = \"200\"\n";

#[test]
fn words_of_others_cannot_leave_their_place() {
    let json_template = Template::parse(&format!("{HEAD}+++\n{{\"text\": {{{{ text }}}}, \"of\": {{{{ service }}}}}}"));
    let form = Template::parse(&format!("{HEAD}body = \"form\"\n+++\ntext={{{{ text }}}}&of={{{{ service }}}}"));
    for notice in notices() {
        let message = json_template.as_ref().unwrap().render(&notice, &BTreeMap::new(), &Place::New).unwrap();
        let body: Value = serde_json::from_str(&message.body).unwrap();
        assert_eq!(body, json!({"text": notice.text, "of": notice.service}));
        let message = form.as_ref().unwrap().render(&notice, &BTreeMap::new(), &Place::New).unwrap();
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(message.body.as_bytes()).into_owned().collect();
        let service = notice.service.clone().unwrap_or_default();
        assert_eq!(pairs, [("text".to_owned(), notice.text.clone()), ("of".to_owned(), service)]);
    }
}

#[test]
fn what_is_wrong_with_a_template_is_said_with_its_place() {
    let wrong = |text: &str| Template::parse(text).unwrap_err();
    assert!(wrong("url = \"\"").what.contains("+++"));
    assert!(wrong("title = \"\"\nurl = \"\"\naccepted = \"ok\"\n+++\n").what.contains("no list of HTTP statuses"));
    let unknown_key = wrong(&format!("{HEAD}retries = 3\n+++\n"));
    assert!(unknown_key.what.contains("retries") && unknown_key.line == Some(4), "{unknown_key:?}");
    let broken = wrong(&format!("{HEAD}+++\n{{{{ text"));
    assert!(broken.what.contains("syntax error") && broken.line == Some(5), "{broken:?}");
    let text = format!("{HEAD}+++\n{{\"a\": 1,\n \"b\": {{{{ texts }}}}}}");
    let error = Template::parse(&text).unwrap().try_out(&text, &BTreeMap::new(), &notices()).unwrap_err();
    assert_eq!(
        error.in_file("x.template", &text),
        "x.template:6:10: `texts` is no variable of templates\n \"b\": {{ texts }}}\n         ^"
    );
    let text = format!("{HEAD}+++\n{{\"a\": 1,");
    let error = Template::parse(&text).unwrap().try_out(&text, &BTreeMap::new(), &notices()).unwrap_err();
    assert!(error.what.contains("is no JSON"), "{error:?}");
}

#[test]
fn an_answer_is_judged_by_its_status_and_its_body() {
    let text = "title = \"X\"\nurl = \"https://x\"\naccepted = \"200\"\nrefused = \"400-404\"\nerror = \"error.text\"\nretry_after = \"wait\"\nlater_errors = [\"busy\"]\naccepted_if = { path = \"ok\", value = true }\n+++\n{}";
    let template = Template::parse(text).unwrap();
    let why = |text: &str| Some(text.to_owned());
    for (status, body, expected) in [
        (200, r#"{"ok": true}"#, Answer::Accepted),
        (200, r#"{"ok": false, "error": {"text": "no"}}"#, Answer::Refused { why: why("no") }),
        (200, r#"{"ok": false, "error": {"text": "busy"}}"#, Answer::Later { why: why("busy"), after_s: None }),
        (404, "not JSON", Answer::Refused { why: None }),
        (429, r#"{"wait": 2.5}"#, Answer::Later { why: None, after_s: Some(3) }),
    ] {
        assert_eq!(template.judge(&Place::New, status, body), expected, "{status} {body}");
    }
    let head = format!("{HEAD}refused = \"400, 404\"\nerror = \"\"\nretry_after_ms = \"wait_ms\"\n");
    let text = format!("{head}[meanings]\n400 = \"no such room\"\n+++\n{{}}");
    let template = Template::parse(&text).unwrap();
    for (status, body, expected) in [
        (404, "no_service\n", Answer::Refused { why: why("no_service") }),
        (404, "\"no_service\"", Answer::Refused { why: why("no_service") }),
        (404, "<html>no</html>", Answer::Refused { why: None }),
        // It says nothing: the template does.
        (400, "", Answer::Refused { why: why("no such room") }),
        (400, "no text", Answer::Refused { why: why("no text") }),
        (429, r#"{"wait_ms": 2500}"#, Answer::Later { why: None, after_s: Some(3) }),
    ] {
        assert_eq!(template.judge(&Place::New, status, body), expected, "{status} {body}");
    }
}

#[test]
fn a_template_of_ones_own_can_follow_and_replace_and_is_tried_in_every_place() {
    let head = format!(
        "{HEAD}receipt = {{ id = \"message.0.id\" }}\n[update]\nmethod = \"PUT\"\nurl = \"https://x/{{{{ edit.id }}}}\"\n"
    );
    let text = format!("{head}+++\n{{{{ {{\"after\": thread, \"text\": text}}|tojson }}}}");
    let template = Template::parse(&text).unwrap();
    template.try_out(&text, &BTreeMap::new(), &notices()).unwrap();
    assert!(template.can_edit());
    let receipt = template.receipt(r#"{"message": [{"id": "a7"}]}"#).unwrap();
    assert_eq!((receipt.as_json(), template.receipt(r#"{"message": []}"#)), (r#"{"id":"a7"}"#, None));
    let render = |place: Place| template.render(&notice("incidents"), &BTreeMap::new(), &place).unwrap();
    let edited = render(Place::Edit(receipt.clone()));
    assert_eq!((edited.method.as_str(), edited.url.as_str()), ("PUT", "https://x/a7"));
    assert_eq!(serde_json::from_str::<Value>(&edited.body).unwrap()["after"], Value::Null);
    let below = render(Place::Below(receipt));
    assert_eq!((below.method.as_str(), below.url.as_str()), ("POST", "https://x"));
    assert_eq!(serde_json::from_str::<Value>(&below.body).unwrap()["after"]["id"], "a7");

    for (body, expected) in [
        ("{\n{% if thread %}\"a\": {{ thread.nmae }}{% endif %}}", "`thread.nmae` is no variable of templates"),
        ("{\n{% if edit %}\"a\": {{ edit.nmae }}{% endif %}}", "`edit.nmae` is no variable of templates"),
    ] {
        let text = format!("{head}+++\n{body}");
        let error = Template::parse(&text).unwrap().try_out(&text, &BTreeMap::new(), &notices()).unwrap_err();
        assert_eq!((error.what.as_str(), error.line), (expected, Some(10)), "{}", error.in_file("x.template", &text));
    }
    for (part, place) in [("edit", "as an edit"), ("thread", "in a thread")] {
        let text = format!("{head}+++\n{{\n{{% if {part} %}},{{% endif %}}\n}}");
        let error = Template::parse(&text).unwrap().try_out(&text, &BTreeMap::new(), &notices()).unwrap_err();
        assert!(error.what.contains(&format!("{place} is no JSON")), "{error:?}");
    }
    let text = format!("{}+++\n{{}}", head.replace("edit.id", "edit.ts"));
    let error = Template::parse(&text).unwrap().try_out(&text, &BTreeMap::new(), &notices()).unwrap_err();
    assert!(error.what.contains("update.url"), "{error:?}");
    let wrong = |text: String| Template::parse(&text).unwrap_err().what;
    let update = "[update]\nurl = \"https://x\"\n+++\n{}";
    assert!(wrong(format!("{HEAD}{update}")).contains("`update` needs a `receipt`"));
    assert!(wrong(format!("{HEAD}keeps_state = true\nreceipt = {{ id = \"id\" }}\n{update}")).contains("keeps_state"));
    assert!(wrong(format!("{HEAD}repeat_s = 300\n+++\n{{}}")).contains("it needs `keeps_state` and `groups`"));
    assert!(wrong(head.replace("method", "mehtod") + "+++\n{}").contains("mehtod"));
}

#[test]
fn filters_leave_no_markup() {
    assert_eq!(markdown("a*b_@x"), "a\\*b\\_@\u{200b}x");
    assert_eq!(markdown("03:14:15 :15: a:1"), "03:14:15 :\u{200b}15:\u{200b} a:\u{200b}1");
    assert_eq!(markdown("127.0.0.1:1234: refused"), "127\\.0\\.0\\.1:\u{200b}1234:\u{200b} refused");
    assert_eq!(html("<!channel> & \"x\""), "&lt;!channel&gt; &amp; &quot;x&quot;");
    assert_eq!((cut("abc", 3), cut("abcd", 3)), ("abc".to_owned(), "ab…".to_owned()));
    assert_eq!((cut_bytes("äöü", 6), cut_bytes("äöüß", 7)), ("äöü".to_owned(), "äö…".to_owned()));
    let moment = "2026-11-30T03:00:00Z";
    assert_eq!((plus(moment, 3600).as_str(), plus("x", 1).as_str()), ("2026-11-30T04:00:00.000Z", "x"));
    assert_eq!(base64("Aladdin:open sesame"), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(
        notice("test").plain().lines().next(),
        Some("[DOWN] web <!channel> @everyone *x* _y_ `z` [a](http://b) <b>\"&\\")
    );
}

#[test]
fn a_headline_says_why_and_says_it_once() {
    let titled = |event: &str, label: &str| Notice {
        title: "[DOWN] web".to_owned(),
        text: "The monitor itself: the disk is full".to_owned(),
        details: vec![Detail { label: label.to_owned(), value: "HTTP 503".to_owned() }],
        ..notice(event)
    };
    for (event, label, expected) in [
        ("incident.confirmed", "cause", "[DOWN] web: HTTP 503"),
        ("incident.reminder", "cause", "[DOWN] web: HTTP 503"),
        ("degraded", "reason", "[DOWN] web: HTTP 503"),
        ("incident.resolved", "cause", "[DOWN] web"),
        ("incidents", "down", "[DOWN] web"),
        ("monitor.failing", "error", "[DOWN] web"),
    ] {
        assert_eq!(titled(event, label).headline(), expected, "{event}");
    }
    let history = Notice { details: Vec::new(), ..titled("monitor.failing", "") };
    assert_eq!(history.headline(), "[DOWN] web: the disk is full");
}
