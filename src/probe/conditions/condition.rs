//! A condition, from its text to its judgement.

use super::{
    flaw::Flaw,
    judge::{self, Facts},
    names::Name,
    parser,
    tree::{Expr, Node},
    types,
};
use std::fmt;

/// A condition, ready to be judged any number of times.
#[derive(Clone)]
pub struct Condition {
    /// As it is shown: without what came from the environment.
    shown: String,
    root: Node,
    /// The names in it, each once.
    names: Vec<&'static Name>,
}

impl Condition {
    /// Reads a condition in which these names are known.
    pub(super) fn parse(text: &str, shown: String, names: &'static [Name]) -> Result<Condition, Flaw> {
        let root = parser::parse(text, names)?;
        types::condition(&root)?;
        let mut found: Vec<&'static Name> = Vec::new();
        root.visit(&mut |node| {
            if let Expr::Name(name) = &node.expr
                && !found.iter().any(|known| known.name == name.name)
            {
                found.push(name);
            }
        });
        if found.is_empty() {
            let label = "it is the same in every check";
            return Err(Flaw::new(root.span.clone(), "this condition names nothing that a check finds", label));
        }
        Ok(Condition { shown, root, names: found })
    }

    /// Holds the condition against what a check found. The error is a sentence: the condition, and the values in it,
    /// or why it cannot be judged, which is never taken for holding.
    pub(in crate::probe) fn judge(&self, facts: &dyn Facts, scrub: &dyn Fn(&str) -> String) -> Result<(), String> {
        judge::judge(&self.root, facts, scrub).map_err(|why| format!("{} {why}", self.shown))
    }

    /// As it is shown.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether it has this name in it.
    pub(in crate::probe) fn names(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.name == name)
    }

    /// Whether it has no other name in it.
    pub(in crate::probe) fn names_only(&self, name: &str) -> bool {
        self.names.iter().all(|known| known.name == name)
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            judge::Absence,
            names::Type,
            value::{Fields, Value},
        },
        *,
    };
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};
    use std::borrow::Cow;

    const NAMES: &[Name] = &[
        Name::new("status", Type::Number),
        Name::new("body", Type::Text),
        Name::new("headers", Type::Fields),
        Name::new("json", Type::Anything),
        Name::new("cert_days", Type::Number),
        Name::measured("response_time_ms"),
    ];

    struct Answer(Json);

    impl Fields for Answer {
        fn noun(&self) -> &'static str {
            "header"
        }

        fn field(&self, name: &str) -> Option<Cow<'_, str>> {
            name.eq_ignore_ascii_case("Content-Type").then_some(Cow::Borrowed("application/json"))
        }
    }

    impl Facts for Answer {
        fn fact(&self, name: &str) -> Result<Value<'_>, Absence> {
            match name {
                "status" => Ok(Value::whole(200)),
                "body" => Ok(Value::text("OK, ready")),
                "headers" => Ok(Value::Fields(self)),
                "json" if self.0.is_null() => Err(Absence::Unknown("the answer is not JSON".to_owned())),
                "json" => Ok(Value::json(&self.0)),
                "response_time_ms" => Ok(Value::milliseconds(1_043_000)),
                _ => Err(Absence::Missing("there is no certificate".to_owned())),
            }
        }
    }

    fn judged(condition: &str, json: Json) -> Result<(), String> {
        let condition = Condition::parse(condition, condition.to_owned(), NAMES).unwrap();
        condition.judge(&Answer(json), &|text| text.replace("hunter2", "•••"))
    }

    fn flaw(condition: &str) -> Flaw {
        Condition::parse(condition, String::new(), NAMES).unwrap_err()
    }

    #[test]
    fn what_holds_holds() {
        let answer = json!({ "ok": true, "queue": { "depth": 3, "name": "mail" }, "n": [1, 2.5], "none": null,
                             "used": 1, "total": 4, "text": "7", "key-1": 9_007_199_254_740_993_u64 });
        for condition in [
            "status in [200, 204]",
            "status not in [500]",
            "200 <= status < 400",
            "json.ok",
            "not json.queue.depth > 5",
            "json.queue.depth < 100 and json['queue'][\"name\"] == 'mail'",
            "json.ok == false or json.ok",
            "'json' in headers['content-type']",
            "headers.content_type is not defined",
            "'content-type' in headers and 'x-y' not in headers",
            "body.matches('^OK')",
            "body.matches('\\bready$')",
            "body.startswith('OK') and body.endswith(\"ready\") and body | length == 9",
            "body.lower() == 'ok, ready' and body | upper == 'OK, READY'",
            "response_time_ms >= 1043 and response_time_ms < 1043.1",
            "json.n[0] == 1.0 and json.n[-1] == 2.5 and json.n | length == 2 and 2.5 in json.n",
            "json.n == [1, 2.5]",
            "json.none == null and json.none is none and json.none != 'x' and json.ok is not none",
            "json.used / json.total < 0.3 and -json.used + 2 * 3 == 5 and json.total % 3 == 1 and 7 // json.total == 1",
            "json.text | int == 7 and json.text | float < 7.5",
            "json['key-1'] != 9007199254740992",
            "json.missing is not defined or json.missing > 3",
            "cert_days is not defined",
            "'depth' in json.queue",
        ] {
            assert_eq!(judged(condition, answer.clone()), Ok(()), "{condition}");
        }
    }

    #[test]
    fn what_does_not_hold_says_the_values_in_it() {
        let answer =
            json!({ "queue": { "depth": 250 }, "a": 1, "b": 2, "said": "pw hunter2", "token": "abc", "ok": 1 });
        for (condition, message) in [
            ("json.queue.depth < 100", "json.queue.depth < 100 does not hold: json.queue.depth is 250"),
            ("json.a == json.b", "json.a == json.b does not hold: json.a is 1, json.b is 2"),
            ("json.a > 1 and json.a < 5", "json.a > 1 and json.a < 5 does not hold: json.a is 1"),
            ("json.a > 1 and json.c < 5", "json.a > 1 and json.c < 5 does not hold: json.a is 1, json.c is not there"),
            // It is beside the message, and would make every message another one.
            ("response_time_ms < 800", "response_time_ms < 800 does not hold"),
            ("json.said == 'x'", "json.said == 'x' does not hold: json.said is \"pw •••\""),
            ("json.token == 'x'", "json.token == 'x' does not hold: json.token is not shown"),
            ("body.matches('^NO')", "body.matches('^NO') does not hold: body is \"OK, ready\""),
        ] {
            assert_eq!(judged(condition, answer.clone()), Err(message.to_owned()));
        }
        let long = judged("json.a == 'x'", json!({ "a": "hunter2 ".repeat(1000) })).unwrap_err();
        assert!(long.ends_with(&format!("is \"{}…\"", "••• ".repeat(15))), "{long}");
    }

    #[test]
    fn what_is_missing_or_of_another_kind_never_holds() {
        let answer = json!({ "queue": { "length": 3 }, "null": null, "text": "250", "list": ["1"], "zero": 0 });
        for (condition, why) in [
            ("json.queue.depth < 100", "json.queue has no \"depth\", it is an object with \"length\""),
            ("not json.queue.depth > 100", "json.queue has no \"depth\", it is an object with \"length\""),
            ("json.null.depth < 100", "json.null has no \"depth\", it is null"),
            ("json.list[1] == '1'", "json.list has no [1], it is a list of 1"),
            ("json.null < 100", "json.null is null, which cannot be compared with 100"),
            ("json.text < 100", "json.text is \"250\", which cannot be compared with 100"),
            ("json.text != 250", "json.text is \"250\", which cannot be compared with 250"),
            ("1 not in json.list", "json.list is a list of 1, in which there cannot be 1"),
            ("json.text", "json.text is \"250\", neither true nor false"),
            ("json.null or json.queue", "json.null is null, neither true nor false"),
            ("1 / json.zero > 0", "json.zero is 0, and nothing is divided by that"),
            ("json.null | int > 0", "json.null is null, and no number"),
            ("cert_days > 14", "there is no certificate"),
            ("headers['x-queue'] | int < 5", "there is no header \"x-queue\""),
            ("headers['content-type'] | int < 5", "headers['content-type'] is \"application/json\", and no number"),
        ] {
            assert_eq!(judged(condition, answer.clone()), Err(format!("{condition} cannot be judged: {why}")));
        }
        // Whether something is in there cannot be said of what is no JSON at all.
        for condition in ["json.error is not defined", "json != 5"] {
            let why = Err(format!("{condition} cannot be judged: the answer is not JSON"));
            assert_eq!(judged(condition, Json::Null), why);
        }
    }

    #[test]
    fn what_is_wrong_is_found_at_its_place_before_there_is_an_answer() {
        for (condition, part, title) in [
            ("stauts == 200", "stauts", "conditions here have no name `stauts`"),
            ("status == '200'", "status == '200'", "these are never equal"),
            ("status in [200, '204']", "'204'", "these are never equal"),
            ("status < 'x'", "status < 'x'", "these have no order"),
            ("body < 5", "body < 5", "these have no order"),
            ("body == none", "body == none", "these are never equal"),
            ("body", "body", "this is never true or false"),
            ("status == 200 and 5", "5", "this is never true or false"),
            ("not status", "status", "this is never true or false"),
            ("headers", "headers", "this is never true or false"),
            ("'a' in status", "status", "a list or text is needed after `in`"),
            ("5 in body", "5", "text is needed here"),
            ("status in []", "[]", "nothing is in an empty list"),
            ("status.code == 1", "status", "there is nothing inside of this"),
            ("status.matches('2')", "status", "text is needed here"),
            ("body.matches('(')", "'('", "this is no regular expression"),
            ("body.matches(status)", "status", "a pattern in quotes is needed here"),
            ("body.match('x')", "match", "conditions here have no method `match`"),
            ("body | len > 5", "len", "conditions here have no filter `len`"),
            ("json.a is difined", "difined", "conditions here have no test `difined`"),
            ("json.list.0 == 1", "0", "a place in a list stands in brackets"),
            ("status = 200", "=", "conditions have no `=`"),
            ("status == 200 && body == ''", "&&", "conditions have no `&&`"),
            ("!json.ok", "!", "conditions have no `!`"),
            ("body == 'OK", "'OK", "a text in a condition does not end"),
            ("status == 80ms", "80ms", "this is no number in a condition"),
            ("status == ", "", "this condition is incomplete"),
            ("(status == 200", "", "this condition is incomplete"),
            ("status == 200 json.ok", "json", "this condition cannot be read"),
            ("status § 5", "§", "a sign that conditions do not have"),
            ("1 < 2", "1 < 2", "this condition names nothing that a check finds"),
        ] {
            let flaw = flaw(condition);
            assert_eq!((flaw.title.as_str(), &condition[flaw.span.clone()]), (title, part), "{condition}");
        }
        assert_eq!(flaw("stauts == 200").label, "did you mean `status`?");
        assert_eq!(flaw("status == '200'").help.as_deref(), Some("a number stands without quotes"));
    }

    #[test]
    fn a_condition_has_bounds() {
        assert_eq!(flaw(&"(".repeat(1000)).title, "this condition is too deep");
        assert_eq!(flaw(&"not ".repeat(400)).title, "this condition is too deep");
        assert_eq!(flaw(&"x".repeat(3000)).title, "this condition is too long");
        let sum = |count| format!("status == 0{}", " + 1".repeat(count));
        assert_eq!(flaw(&sum(400)).title, "this condition is too deep");
        assert_eq!(judged(&sum(60), Json::Null), Err(format!("{} does not hold: status is 200", sum(60))));
    }

    fn condition() -> impl Strategy<Value = String> {
        let number = prop_oneof![
            (0..5_u8).prop_map(|n| n.to_string()),
            Just("json.two".to_owned()),
            Just("json.half".to_owned()),
            Just("(json.list | length)".to_owned()),
            Just("json.list[1]".to_owned()),
        ];
        let sum = (number.clone(), "[-+*]", number).prop_map(|(a, sign, b)| format!("{a} {sign} {b}"));
        let sign = prop_oneof![Just("<"), Just("<="), Just("=="), Just("!="), Just(">"), Just(">=")];
        let truth = prop_oneof![
            (sum.clone(), sign, sum.clone()).prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
            (sum.clone(), sum.clone(), sum).prop_map(|(a, b, c)| format!("{a} < {b} <= {c}")),
            Just("json.yes".to_owned()),
            Just("'a' in json.text".to_owned()),
            Just("2 not in json.list".to_owned()),
            Just("json.missing is defined".to_owned()),
            Just("json.text == 'abc'".to_owned()),
        ];
        truth.prop_recursive(4, 24, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} or {b}")),
                inner.clone().prop_map(|a| format!("not {a}")),
                inner.prop_map(|a| format!("({a})")),
            ]
        })
    }

    proptest! {
        /// Where both languages have a meaning it is the same.
        #[test]
        fn a_condition_means_what_jinja_means(condition in condition()) {
            let json = json!({ "two": 2, "half": 0.5, "list": [1, 2, 3], "text": "abc", "yes": true });
            let jinja = minijinja::Environment::new();
            let expected = jinja.compile_expression(&condition).unwrap();
            let expected = expected.eval(minijinja::context! { json => minijinja::value::Serde(&json) }).unwrap();
            let parsed = match Condition::parse(&condition, String::new(), NAMES) {
                Ok(parsed) => parsed,
                Err(flaw) => {
                    prop_assert!(flaw.title.starts_with("this condition names nothing"), "{condition}: {flaw:?}");
                    return Ok(());
                }
            };
            prop_assert_eq!(parsed.judge(&Answer(json), &str::to_owned).is_ok(), expected.is_true(), "{}", condition);
        }

        #[test]
        fn no_text_breaks_the_parser(text in "([a-z.]{0,4}|json|status|body|[-+*/%<>=!()\\[\\]|,.'\"0-9 ]|not |in |is |and |é){0,20}") {
            if let Err(flaw) = Condition::parse(&text, String::new(), NAMES) {
                prop_assert!(text.get(flaw.span.clone()).is_some(), "{:?}", flaw);
            } else {
                let _ = judged(&text, json!({}));
            }
        }
    }
}
