//! Conditions in the configuration: what is wrong with them has its place in the string, and no secret is shown.

use super::{endpoint_with, exposed, http, report, report_with};
use serde_json::json;

#[test]
fn conditions_are_read_one_or_many() {
    let spec =
        http("url = \"http://web/\"\nexpect = \"status in [500, 503]\"\ndegraded = [\"json.ok\", \"cert_days > 5\"]");
    assert_eq!((spec.expect.len(), spec.degraded.len()), (1, 2));
    // They decide on the status alone, unless it is given as well.
    assert!(spec.expect_status.contains(503));
    let both = http("url = \"http://web/\"\nexpect = \"status != 204\"\nexpect_status = \"200-299\"");
    assert!(!both.expect_status.contains(503));
    assert!(!http("url = \"http://web/\"\nexpect = \"json.ok\"").expect_status.contains(503));
}

#[test]
fn a_mistake_in_a_condition_has_a_caret_in_the_string() {
    assert_eq!(
        report("url = \"http://web/\"\nexpect = [\"status in [200, 204]\", \"json.ok and stauts == 200\"]"),
        r#"error: conditions here have no name `stauts`
 --> config.toml:4:48
  |
4 | expect = ["status in [200, 204]", "json.ok and stauts == 200"]
  |                                                ^^^^^^ did you mean `status`?

1 mistake in config.toml"#
    );
    assert_eq!(
        report("url = \"http://web/\"\ndegraded = 'status == \"200\"'"),
        r#"error: these are never equal
 --> config.toml:4:13
  |
4 | degraded = 'status == "200"'
  |             ^^^^^^^^^^^^^^^ a number is never text
  |
  = help: a number stands without quotes

1 mistake in config.toml"#
    );
    // Behind an escape the place is counted from the end; between two it is the whole string.
    for (condition, place) in
        [(r#""body == \"a\" and stauts == 1""#, "4:29"), (r#""body == \"a\" and stauts == \"b\"""#, "4:10")]
    {
        let report = report(&format!("url = \"http://web/\"\nexpect = {condition}"));
        assert!(report.contains(&format!("config.toml:{place}\n")), "{report}");
    }
}

#[test]
fn what_can_never_be_judged_is_a_mistake() {
    for (keys, part) in [
        ("expect = []", "`expect` is empty"),
        ("expect = \"\"", "`expect` is empty"),
        ("expect = 5", "`expect` has to be a string"),
        ("expect = \"body.matches('(')\"", "unclosed group"),
        ("expect = \"body\"", "this is never true or false"),
        ("method = \"HEAD\"\nexpect = \"body == ''\"", "an answer to HEAD has no body"),
        ("method = \"HEAD\"\ndegraded = \"json.ok\"", "an answer to HEAD has no body"),
    ] {
        let report = report(&format!("url = \"http://web/\"\n{keys}"));
        assert!(report.contains(part), "{keys}\n{report}");
        assert!(report.ends_with("1 mistake in config.toml"), "{keys}\n{report}");
    }
}

#[test]
fn what_comes_from_the_environment_is_shown_nowhere() {
    let env = [("WORD", "t0ps3cret")];
    let keys = "url = \"http://web/\"\nexpect = \"json.id == '${WORD}'\"";
    let endpoint = endpoint_with(keys, &env);
    assert_eq!(endpoint.shown.read()["expect"], json!(["json.id == '•••'"]));
    assert!(exposed(&endpoint.secrets).contains(&"t0ps3cret"));
    assert!(!format!("{:?}", endpoint.probe).contains("t0ps3cret"));
    let report = report_with("url = \"http://web/\"\nexpect = \"${WORD} == 5\"", &env);
    assert!(!report.contains("t0ps3cret"), "{report}");
}
