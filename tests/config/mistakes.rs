//! What mistakes look like: every one at once, with its place, and what would be right.

use super::{
    FILE, folder_with_certificates, no_env, read, report,
    shipped::{EXAMPLE, uncommented},
};
use healthcheck_dashboard::config::{self};
use proptest::prelude::*;
use std::path::Path;

#[test]
fn what_is_wrong_with_an_address_is_said_beside_a_wrong_type() {
    let error = read("[checks]\nendpoints = [{ name = 1, url = 2, type = 3 }]").unwrap_err();
    let said = error.to_string();
    for key in ["name", "url", "type"] {
        assert!(said.contains(&format!("`{key}` has to be a string")), "{said}");
    }
    assert_eq!(error.count(), 3, "{said}");
    let error = read("[checks]\nendpoints = [{ name = \"web\", url = \"\", type = \"htttp\" }]").unwrap_err();
    assert_eq!(error.count(), 2, "{error}");
    let error = read("[checks]\nendpoints = [{ name = \"web\", url = 2 }]").unwrap_err();
    assert_eq!(error.count(), 1, "{error}");
}

#[test]
fn every_mistake_is_reported_at_once() {
    let error = read(
        r#"[checks]
intervall_secs = 10

[[checks.endpoints]]
name = "web"
url = "postgres://myuser:mypassword@db/mydb"
type = "http"
timeout_secs = 15

[[checks.endpoints]]
name = "web"
type = "htttp"

[dashbord]
port = 9100
"#,
    )
    .unwrap_err();
    assert_eq!(error.count(), 6);
    assert_eq!(
        error.to_string(),
        r#"error: unknown key `intervall_secs`
 --> config.toml:2:1
  |
2 | intervall_secs = 10
  | ^^^^^^^^^^^^^^ did you mean `interval_secs`?

error: this URL does not fit the type http
 --> config.toml:6:7
  |
6 | url = "postgres://myuser:••••••••••@db/mydb"
  |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ as `http://api:8000/health`
  |
  = help: for this URL, write type = "postgres"

error: `timeout_secs` is longer than the interval
 --> config.toml:8:16
  |
8 | timeout_secs = 15
  |                ^^ 15 s; at most 10 s
  |
  = help: `interval_secs` is 10 unless you set it

error: two endpoints are named `web`
  --> config.toml:11:8
   |
 5 | name = "web"
   |        ----- the first one
...
11 | name = "web"
   |        ^^^^^ a name is an identity: give this one another

error: unknown type `htttp`
  --> config.toml:12:8
   |
12 | type = "htttp"
   |        ^^^^^^^ did you mean "http"?

error: unknown table `dashbord`
  --> config.toml:14:2
   |
14 | [dashbord]
   |  ^^^^^^^^ did you mean `dashboard`?

6 mistakes in config.toml"#
    );
}

#[test]
fn a_mistake_against_toml_looks_the_same() {
    let error = read("[checks]\ninterval_secs = soon\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"error: this is not TOML
 --> config.toml:2:17
  |
2 | interval_secs = soon
  |                 ^^^^ string values must be quoted, expected literal string

1 mistake in config.toml"#
    );
    // A list that does not end is one mistake, whatever the parser makes of the rest.
    assert_eq!(read("[checks]\nwitness = [1, 2\ninterval_secs = 3\n[dashboard]\nport = 4").unwrap_err().count(), 1);
    // A key that is there twice leaves the rest readable.
    assert_eq!(read("[dashboard]\nport = 1\nport = 2\ntitel = \"x\"").unwrap_err().count(), 2);
}

#[test]
fn a_key_of_another_kind_says_whose_it_is() {
    assert_eq!(
        report("url = \"http://web/\"\nexpect_rows = 1"),
        r#"error: `expect_rows` belongs to postgres endpoints
 --> config.toml:4:1
  |
4 | expect_rows = 1
  | ^^^^^^^^^^^ this is an http endpoint

1 mistake in config.toml"#
    );
    assert!(report("command = [\"true\"]\nurl = \"http://web/\"").contains("`url` belongs to http, tcp, postgres"));
}

#[test]
fn a_missing_variable_is_named_and_pointed_at() {
    assert_eq!(
        report("url = \"http://${API_HOST}/\""),
        r#"error: the environment variable `API_HOST` is not set
 --> config.toml:3:15
  |
3 | url = "http://${API_HOST}/"
  |               ^^^^^^^^^^^ set it, or give a default
  |
  = help: `${NAME:-default}` gives a default, `$$` is a plain `$`

1 mistake in config.toml"#
    );
}

#[test]
fn a_variable_that_is_not_utf_8_is_said_to_be_that_and_not_shown() {
    use std::os::unix::ffi::OsStringExt;
    let folder = tempfile::tempdir().unwrap();
    for written in ["${API_HOST}", "${API_HOST:-web}"] {
        let text = format!("[[checks.endpoints]]\nname = \"x\"\nurl = \"http://{written}/\"\n");
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let value = std::ffi::OsString::from_vec(b"caf\xe9-hunter2".to_vec());
        let output =
            crate::support::binary::program(folder.path()).arg("validate").env("API_HOST", value).output().unwrap();
        let said = crate::support::binary::stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("the environment variable `API_HOST` is not UTF-8 text"), "{said}");
        assert!(!said.contains("is not set") && !said.contains("hunter2") && !said.contains("caf"), "{said}");
    }
}

#[test]
fn names_that_look_the_same_are_refused_with_both_of_their_lines() {
    let named = |first: &str, second: &str| {
        let entry = |name: &str| format!("[[checks.endpoints]]\nname = \"{name}\"\nurl = \"http://web/\"\n");
        read(&[entry(first), entry(second)].concat())
    };
    for (first, second) in [("caf\u{e9}", "cafe\u{301}"), ("\u{212b}", "\u{c5}"), ("\u{ac00}", "\u{1100}\u{1161}")] {
        let said = named(first, second).unwrap_err().to_string();
        assert!(said.contains("two endpoints have names that look the same"), "{said}");
        assert!(said.contains("\n2 | name") && said.contains("\n5 | name"), "{said}");
        assert!(said.contains("1 mistake in"), "{said}");
    }
    assert!(named("caf\u{e9}", "cafe").is_ok());
    let said = named("a", "a").unwrap_err().to_string();
    assert!(said.contains("two endpoints are named `a`") && !said.contains("look the same"), "{said}");
}

/// Each line is a mistake in an endpoint, with a part of the report that it has to give.
#[test]
fn each_mistake_in_an_endpoint_is_found_and_says_what_would_be_right() {
    for (keys, part) in [
        ("", "`url` is missing"),
        ("url = \"web:80\"", "`type` is missing"),
        ("url = \"ftp://web\"\ntype = \"http\"", "does not fit the type http"),
        ("url = \"http://\"\ntype = \"http\"", "this is no URL"),
        ("url = \"http://web:99999/\"", "invalid port number"),
        ("url = \"\"", "`url` is empty"),
        ("url = 5", "`url` has to be a string"),
        ("type = \"command\"", "`command` is missing"),
        ("type = \"\"\nurl = \"http://web/\"", "`type` is empty"),
        ("type = \"postgresql\"\nurl = \"postgres://u@h\"", "did you mean \"postgres\"?"),
        ("type = \"gopher\"\nurl = \"http://web/\"", "http, tcp, postgres, command"),
        ("url = \"http://web/\"\ninterval_secs = 0", "from 0.1 to"),
        ("url = \"http://web/\"\ninterval_secs = -1.5", "`interval_secs` is out of range"),
        ("url = \"http://web/\"\ninterval_secs = nan", "`interval_secs` is out of range"),
        ("url = \"http://web/\"\ninterval_secs = inf", "`interval_secs` is out of range"),
        ("url = \"http://web/\"\ninterval_secs = \"10\"", "has to be a number of seconds"),
        ("url = \"http://web/\"\ninterval_secs = 2\ntimeout_secs = 3", "3 s; at most 2 s"),
        ("url = \"http://web/\"\ninterval_secs = 2\nretry_interval_secs = 2.5", "2.5 s; at most 2 s"),
        ("url = \"http://web/\"\nfailure_threshold = 0", "from 1 to 1000"),
        ("url = \"http://web/\"\nfailure_threshold = 1.5", "has to be a whole number"),
        ("url = \"http://web/\"\ndegraded_after_ms = 0", "`degraded_after_ms` is out of range"),
        (
            "type = \"group\"\nmembers = \"y\"\nat_most = \"5 % of 200\"\n[[checks.endpoints]]\nname = \"y\"\nurl = \"tcp://y:1\"",
            "write it for its members",
        ),
        ("type = \"group\"", "the services that it is made of"),
        ("type = \"group\"\nmembers = \"nobody\"", "no endpoint has this name"),
        ("type = \"group\"\nmembers = \"x\"\nat_least = \"most\"", "or how many have to be up"),
        ("type = \"group\"\nmembers = \"x\"", "x → x"),
        ("url = \"http://web/\"\nat_most = \"often\"", "as \"5 % of 200\""),
        ("url = \"http://web/\"\nat_most = \"0 % of 200\"", "above 0 % and below 100 %"),
        ("url = \"http://web/\"\nat_most = \"5 % of 5\"", "of 10 to 10000 checks"),
        ("url = \"http://web/\"\nat_most = \"5 % of 10\"", "is less than one check"),
        ("url = \"http://web/\"\nlatency = \"slow\"", "\"any\": it is not"),
        ("url = \"http://web/\"\nlatency = 800", "has to be a string"),
        ("url = \"http://web/\"\nlatency = \"unusual\"\ninterval_secs = 3600", "this is checked every 3600 s"),
        ("url = \"http://web/\"\nobjective = 100", "above 0 and below 100"),
        ("url = \"http://web/\"\nobjective = \"high\"", "has to be a percentage"),
        ("url = \"http://web/\"\ncritical = \"yes\"", "has to be true or false"),
        ("url = \"http://web/\"\nmethod = \"GTE\"", "did you mean \"GET\"?"),
        ("url = \"http://web/\"\nmethod = \"HEAD\"\nexpect_body = \"x\"", "an answer to HEAD has no body"),
        ("url = \"http://web/\"\nexpect_status = 42", "`expect_status` is out of range"),
        ("url = \"http://web/\"\nexpect_status = \"299-200\"", "is no range of statuses"),
        ("url = \"http://web/\"\nexpect_status = [200, true]", "an entry of `expect_status` has to be a status"),
        ("url = \"http://web/\"\nexpect_status = []", "`expect_status` is empty"),
        ("url = \"http://web/\"\nexpect_body = \"\"", "`expect_body` is empty"),
        ("url = \"http://web/\"\nexpect_body_regex = \"(\"", "unclosed group"),
        ("url = \"http://web/\"\nexpect_json = { path = \"status\", value = 1 }", "this is no JSON path"),
        ("url = \"http://web/\"\nexpect_json = { path = \"$.a\" }", "`value` is missing"),
        ("url = \"http://web/\"\nexpect_json = { path = \"$.a\", value = 1, vale = 2 }", "did you mean `value`?"),
        ("url = \"http://web/\"\nexpect_json = { path = \"$.a\", value = 1979-05-27 }", "a date is a string there"),
        ("url = \"http://web/\"\nheaders = { \"a b\" = \"c\" }", "cannot be the name of a header"),
        ("url = \"http://web/\"\nheaders = { a = \"c\\n\" }", "no line breaks"),
        ("url = \"http://web/\"\nheaders = { a = \"1\", A = \"2\" }", "is given twice"),
        ("url = \"http://web/\"\nheaders = [\"a: b\"]", "`headers` has to be a table"),
        (
            "url = \"http://web/\"\nbearer_token = \"t\"\nbasic_auth = { user = \"u\", password = \"p\" }",
            "both `basic_auth` and `bearer_token`",
        ),
        ("url = \"http://u:p@web/\"\nbearer_token = \"t\"", "both `bearer_token` and a user in the URL"),
        ("url = \"http://web/\"\nbasic_auth = { user = \"u\" }", "`password` is missing"),
        ("url = \"http://web/\"\nmax_redirects = 11", "from 0 to 10"),
        ("url = \"http://web/\"\nip_version = 5", "4 or 6"),
        ("url = \"http://web/\"\ntls = { ca = \"no/such.pem\" }", "`no/such.pem` cannot be read"),
        ("url = \"http://web/\"\ntls = { ca = \"Cargo.toml\" }", "no certificate in this file"),
        ("url = \"http://web/\"\ntls = { expiry_warning_days = -1 }", "from 0 to 3650"),
        ("url = \"tcp://web\"", "the port is missing"),
        ("url = \"tcp://web:0\"", "a port is a number from 1 to 65535"),
        ("url = \"tcp://::1:80\"", "needs brackets"),
        ("url = \"tcp://web:80\"\nexpect = \"\"", "`expect` is empty"),
        ("url = \"postgres://db/x\"", "the user is missing"),
        ("url = \"postgres://u@/x\"", "the host is missing"),
        ("url = \"postgres://u@/x?host=db\"", "the host is missing: what stands behind the `?` belongs before it"),
        ("url = \"postgres://u@:5433/x?hostaddr=10.0.0.1\"", "the host is missing: what stands behind the `?`"),
        ("url = \"postgres:///x?host=db&user=u\"", "the user and the host are missing: what stands behind the `?`"),
        ("url = \"postgres://db/x?user=u\"", "the user is missing: what stands behind the `?` belongs before it"),
        ("url = \"postgres://u@/x?host=/run/postgresql\"", "a Unix socket cannot be watched"),
        ("url = \"postgres://u@/x?host=%2Frun%2Fpostgresql\"", "a Unix socket cannot be watched"),
        ("url = \"postgres://u@db1,db2/x\"", "one host, not several: each gets an entry of its own"),
        ("url = \"postgres://u:p@db1:5432,db2:5433/x\"", "one host, not several: each gets an entry of its own"),
        ("url = \"postgres://u:p@[::1]:5432,[::2]/x\"", "one host, not several: each gets an entry of its own"),
        ("url = \"tcp://a:1,b:2\"", "one host, not several: each gets an entry of its own"),
        ("type = \"postgres\"\nhost = \"a,b\"\nuser = \"u\"", "one host, not several: each gets an entry of its own"),
        (
            "url = \"postgres://u@db/x?sslmode=allow\"",
            "\"allow\" is not supported: \"prefer\" uses TLS where the server has it",
        ),
        ("url = \"postgres://u@db/x\"\nsslmode = \"allow\"", "\"allow\" is not supported: \"prefer\" uses TLS"),
        ("url = \"postgres://u:p/w@db/x\"", "this is no PostgreSQL URL"),
        ("url = \"postgres://u:p%@db/x\"", "percent-encoded"),
        ("url = \"postgres://u:p@db/x?sslmode=verify_full\"", "did you mean \"verify-full\"?"),
        ("url = \"postgres://u:p@db/x?connect_timeout=3\"", "`timeout_secs` is the deadline of the whole check"),
        ("url = \"postgres://u:p@db/x?foo=3\"", "unknown parameter in this URL"),
        ("url = \"postgres://u:p@db/x?sslmode=require\"\nsslmode = \"disable\"", "say it once"),
        ("url = \"postgres://u:p@db/x\"\nsslmode = \"on\"", "unknown sslmode `on`"),
        ("url = \"postgres://u:p@db/x\"\nsslmode = \"disable\"\ntls = {}", "`tls` has no effect"),
        (
            "url = \"postgres://u:p@db/x\"\nsslmode = \"verify-ca\"\ntls = { skip_verify = true }",
            "contradicts the sslmode",
        ),
        ("url = \"postgres://u:p@db/x\"\nexpect_rows = -1", "at least 0"),
        ("url = \"postgres://u:p@db/x\"\nexpect_value = [1]", "has to be a string, a number"),
        ("url = \"postgres://u:p@db/x\"\nexpect_value = nan", "a finite number"),
        (
            "url = \"postgres://u:p@db/x\"\nexpect_value = 1\nexpect_null = true",
            "both `expect_value` and `expect_null`",
        ),
        ("url = \"tls://mail:993\"\nmin_version = \"1.1\"", "what is older is refused anyway"),
        ("url = \"tls://mail:993\"\nserver_name = \"a b\"", "`server_name` is no host"),
        ("url = \"tls://mail:993\"\nfingerprint = \"AB:CD\"", "`AB:CD` is no fingerprint of a certificate"),
        ("url = \"tls://mail:993/x\"", "this is no address of type tls"),
        ("url = \"dns:///example.com\"", "the server to ask is missing"),
        ("url = \"dns://192.0.2.53\"", "the name to ask for is missing"),
        ("url = \"dns://192.0.2.53/a..b\"", "no name that could be asked for"),
        ("url = \"dns://192.0.2.53/x?class=CH\"", "behind the `?` there is a `type`"),
        ("url = \"dns://192.0.2.53/x?type=CNAM\"", "did you mean \"CNAME\"?"),
        ("url = \"dns://192.0.2.53/x?type=MX\"\nrecord = \"A\"", "both a type in the URL and `record`"),
        ("url = \"dns://192.0.2.53/x\"\nexpect = \"::1\"", "an IPv4 address"),
        ("url = \"dns://192.0.2.53/x?type=MX\"\nexpect = [\"mail\"]", "preference and host, as"),
        ("url = \"dns://192.0.2.53/x\"\nexpect = []", "`expect` is empty"),
        (
            "url = \"dns://192.0.2.53/x\"\nexpect = \"192.0.2.1\"\nexpect_nxdomain = true",
            "both `expect` and `expect_nxdomain`",
        ),
        ("url = \"dns://192.0.2.53/x\"\nprotocol = \"sctp\"", "is no protocol of name servers here"),
        ("url = \"dns://192.0.2.53/x\"\ntls = {}", "`tls` has no effect"),
        ("url = \"dns://192.0.2.53/x\"\nsame_serial = true", "is about records of type SOA"),
        ("url = \"udp://game:27015\"", "`send` is missing"),
        ("url = \"udp://game:27015\"\nsend = \"x\"\nsend_hex = \"ff\"", "both `send` and `send_hex`"),
        ("url = \"udp://game:27015\"\nsend_hex = \"ff5\"", "two hexadecimal digits for each byte"),
        ("url = \"ntp://clock\"\nmax_offset_ms = 0", "`max_offset_ms` is out of range"),
        ("url = \"ntp://clock\"\nmax_offset_ms = 5\ndegraded_offset_ms = 5", "is not below `max_offset_ms`"),
        ("url = \"icmp://router:80\"", "ICMP has none"),
        ("url = \"icmp://router\"\npackets = 21", "from 1 to 20"),
        ("url = \"icmp://router\"\npackets = 2\ndegraded_jitter_ms = 5", "three `packets` or more are needed"),
        ("url = \"icmp://router\"\nmax_loss = 20\ndegraded_loss = 20", "is not below `max_loss`"),
        ("type = \"file\"", "`file` is missing"),
        ("file = \"/x\"\nmax_age = \"soon\"", "`soon` is no duration"),
        ("file = \"/x\"\nmax_age = \"1h\"\ndegraded_age = \"1h\"", "is not below `max_age`"),
        ("file = \"/x\"\nmin_size = 5\nmax_size = 4", "no file can be both"),
        ("disk = \"/\"\nmax_used = 101", "from 1 to 100"),
        ("type = \"memory\"\ndegraded_used = 60\nmax_used = 50", "`degraded_used` is above `max_used`"),
        ("type = \"load\"\nmax_load = \"high\"", "`max_load` has to be a whole number"),
        ("unit = \"--help\"", "`--help` is no name of a unit"),
        ("unit = \"web.service\"\nexpect_state = \"running\"", "is no state of a unit here"),
        ("container = \"a/b\"", "`a/b` is no name of a container"),
        ("url = \"ws://u:p@chat/\"\nbearer_token = \"t\"", "both `bearer_token` and a user in the URL"),
        ("url = \"ws://chat/\"\nsubprotocol = \"a b\"", "is no name of a subprotocol"),
        ("url = \"grpc://api/x\"", "this is no address of type grpc"),
        ("url = \"grpc://api\"\ntls = {}", "`tls` has no effect"),
        ("promql = \"up\"", "`url` is missing"),
        ("type = \"prometheus\"\nurl = \"http://p:9090\"", "`promql` is missing"),
        ("promql = \"up\"\nurl = \"tcp://p:9090\"", "this URL does not fit the type prometheus"),
        ("promql = \"up\"\nurl = \"http://p:9090\"\nexpect = \"valeu < 5\"", "valeu"),
        ("domain = \"localhost\"", "no domain that could be registered"),
        ("domain = \"example.com\"\nrdap = \"tcp://x:1\"", "`rdap` is no server of RDAP"),
        ("domain = \"example.com\"\nrdap = \"http://x/\"\nwhois = \"x\"", "both `rdap` and `whois`"),
        ("domain = \"example.com\"\nmin_days = 10\ndegraded_days = 9", "`degraded_days` is below `min_days`"),
        ("host = \"db\"\nuser = \"u\"", "go with type = \"postgres\""),
        ("type = \"postgres\"\nhost = \"db\"", "`user` is missing"),
        ("type = \"postgres\"\nuser = \"u\"", "`host` is missing"),
        ("type = \"postgres\"\nuser = \"u\"\nhost = \"db:5432\"", "`host` is no host"),
        ("type = \"postgres\"\nuser = \"u\"\nhost = \"db\"\nport = 0", "from 1 to 65535"),
        ("url = \"postgres://u:p@db/x\"\npassword = \"q\"", "both `url` and `password`"),
        ("url = \"http://web/\"\npassword = \"q\"", "`password` belongs to postgres"),
        ("command = []", "a program is needed"),
        ("command = \" \"", "`command` is empty"),
        ("command = [\"a\", 1]", "an entry of `command` has to be a string"),
        ("command = [\"a\\u0000\"]", "NUL"),
        ("command = \"x\"\ndegraded_exit_codes = [0]", "from 1 to 255"),
        ("url = \"http://web/\"\nrenamed_from = \"x\"", "this is its name already"),
        ("url = \"http://web/\"\nrenamed_from = \"\"", "`renamed_from` is empty"),
        ("url = \"http://web/\"\ngroup = 5", "`group` has to be a string"),
        ("url = \"http://web/\"\ninterval = 5", "did you mean `interval_secs`?"),
    ] {
        let report = report(keys);
        assert!(report.contains(part), "{keys}\n{report}");
        assert!(report.ends_with("1 mistake in config.toml"), "{keys}\n{report}");
    }
}

#[test]
fn each_mistake_elsewhere_is_found_and_says_what_would_be_right() {
    for (text, part) in [
        ("checks = 1", "`checks` has to be a table"),
        ("[checks]\nendpoints = 1", "has to be a list of tables"),
        ("[checks.endpoints]\nname = \"x\"", "has to be a list of tables: `[[checks.endpoints]]`"),
        ("[checks]\nendpoints = [\"http://web\"]", "an entry of `endpoints` has to be a table"),
        ("[checks]\nurl = \"http://web\"", "move it below a `[[checks.endpoints]]`"),
        ("[checks.group_witness]\nEast = [\"1.1.1.1:53\"]", "no endpoint has a group"),
        ("[checks]\nwitness = [\"1.1.1.1\"]", "the port is missing"),
        ("[checks]\nmax_concurrent = 0", "`max_concurrent` is out of range"),
        ("[checks]\ninterval_secs = 5\ntimeout_secs = 6", "6 s; at most 5 s"),
        ("[[endpoints]]\nname = \"x\"", "write `[[checks.endpoints]]`"),
        ("[[checks.endpoints]]\nurl = \"http://web\"", "`name` is missing"),
        ("[[checks.endpoints]]\nname = \"\"\nurl = \"http://web\"", "`name` is empty"),
        ("[[checks.endpoints]]\nname = \"a\\nb\"\nurl = \"http://web\"", "no control characters"),
        ("[[checks.endpoints]]\nname = \" a\"\nurl = \"http://web\"", "no space before or after it"),
        ("[[checks.endpoints]]\nname = \"..\"\nurl = \"http://web\"", "cannot be a name"),
        ("[[checks.endpoints]]\nname = \"a\\u202eb\"\nurl = \"http://web\"", "turn the direction of writing"),
        (
            "[checks]\nendpoints = [{ name = \"a\", url = \"http://a\" }, { name = \"b\", url = \"http://b\", renamed_from = \"a\" }]",
            "an endpoint of this name is still configured",
        ),
        (
            "[checks]\nendpoints = [{ name = \"a\", url = \"http://a\", renamed_from = \"c\" }, { name = \"b\", url = \"http://b\", renamed_from = \"c\" }]",
            "a history can be carried over once",
        ),
        ("[storage]\npath = \"\"", "`path` is empty"),
        ("[storage]\nkeep_checks_days = 0", "from 1 to 36500"),
        ("[storage]\nbackup = { every = \"24h\" }", "`dir` is missing"),
        ("[storage]\nbackup = { dir = \"b\", every = \"5 minutes\" }", "numbers with units (s, m, h, d or w)"),
        ("[storage]\nbackup = { dir = \"b\", every = \"59s\" }", "from 1m to 36525d"),
        ("[storage]\nbackup = { dir = \"b\", keep = 0 }", "from 1 to 10000"),
        ("[storage]\nbackup = { dir = \"b\", kep = 3 }", "did you mean `keep`?"),
        ("[storage]\nbackup = \"b\"", "a table"),
        ("[storage]\nscrub = \"59s\"", "from 1m to 36525d (100 years), or \"off\""),
        ("[storage]\nscrub = \"daily\"", "`daily` is no duration"),
        ("[storage]\nscrub = \"\"", "`scrub` is empty"),
        ("[storage]\nscrub = false", "`scrub` has to be"),
        ("[storage]\nkeep_checks_days = \"for ever\"", "a number of days, or \"forever\""),
        (
            "[storage]\nkeep_checks_days = 90\nkeep_hours_days = 30",
            "`keep_hours_days` is shorter than `keep_checks_days`",
        ),
        ("[storage]\nkeep_days_days = 30", "`keep_days_days` is shorter than `keep_hours_days`"),
        ("[storage]\nmode = \"640x\"", "`640x` is no mode for the history's files"),
        ("[storage]\nmode = \"0666\"", "`0666` is no mode for the history's files"),
        ("[storage]\nmode = \"0400\"", "`0400` is no mode for the history's files"),
        ("[storage]\nmode = \"0750\"", "`0750` is no mode for the history's files"),
        ("[storage]\nmode = 640", "`mode` has to be"),
        ("[storage]\nseal_after_days = 0", "from 1 to 36500"),
        ("[storage]\nseal_after_days = \"forever\"", "`seal_after_days` has to be a whole number"),
        ("[storage]\nseal_after_days = 90", "`seal_after_days` is not shorter than `keep_checks_days`"),
        (
            "[storage]\nkeep_checks_days = 14\nseal_after_days = 30",
            "deleted after 14 days, before they would be sealed",
        ),
        ("[dashboard]\nport = 0", "from 1 to 65535"),
        ("[dashboard]\nport = \"9100\"", "`port` has to be a whole number"),
        ("[dashboard]\nbind = \"localhost\"", "`localhost` is no IP address"),
        ("[dashboard]\nbase_path = \"status\"", "it begins with a `/`"),
        ("[dashboard]\nbase_path = \"/a//b\"", "no empty part"),
        ("[dashboard]\nbase_path = \"/a b\"", "letters, digits"),
        ("[dashboard]\ntitle = \"\"", "`title` is empty"),
        ("port = 9100", "it belongs below `[dashboard]`"),
        ("[alerts]\nenabled = true", "alerts are enabled, but `webhook` is empty"),
        ("[alerts]\nenabled = true\nwebhook = \"\"", "alerts are enabled, but `webhook` is empty"),
        ("[alerts]\nwebhook = \"slack\"", "an `https://` or `http://` URL is needed"),
        ("[alerts]\ndegraded_after = \"1s\"", "`degraded_after` is out of range"),
        ("[alerts]\ndegraded_afer = \"1m\"", "did you mean `degraded_after`?"),
        ("[alerts]\ngap_after = 5", "`gap_after` has to be a string"),
        ("[alerts]\ncertificate_days = [30, 0]", "from 1 to 365"),
        ("[colours]\nred = 1", "known here: alerts, checks, dashboard, incident_notes, maintenance, storage"),
    ] {
        let report = read(text).map(|_| ()).unwrap_err().to_string();
        assert!(report.contains(part), "{text}\n{report}");
        assert!(report.ends_with("1 mistake in config.toml"), "{text}\n{report}");
    }
}

#[test]
fn a_key_that_does_not_go_with_its_certificate_is_found() {
    let folder = folder_with_certificates();
    let text = "[[checks.endpoints]]\nname = \"x\"\nurl = \"https://x\"\n\
                tls = { client_cert = \"certs/client.pem\", client_key = \"certs/other.key\" }";
    let report = config::parse(text, &folder.path().join("config.toml"), &no_env).unwrap_err().to_string();
    assert!(report.contains("does not go with `client_cert`"), "{report}");
    let text = text.replace("certs/other.key", "certs/ca.pem").replace("certs/client.pem", "certs/client.key");
    let report = config::parse(&text, &folder.path().join("config.toml"), &no_env).unwrap_err().to_string();
    assert!(report.contains("there is no certificate in this file"), "{report}");
    assert!(report.contains("there is no private key in this file"), "{report}");
    let text = "[[checks.endpoints]]\nname = \"x\"\nurl = \"https://x\"\ntls = { client_cert = \"certs/client.pem\" }";
    let report = config::parse(text, &folder.path().join("config.toml"), &no_env).unwrap_err().to_string();
    assert!(report.contains("`client_cert` without `client_key`"), "{report}");
}

/// Lines that are nearly right, in any order: what a person writes, and then some.
fn nearly_toml() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("[checks]".to_owned()),
        Just("[[checks.endpoints]]".to_owned()),
        Just("endpoints = [{ name = \"a\", url = \"http://é:x@b\" }, {}]".to_owned()),
        Just("headers = { a = \"é\\n\", b = 1 }".to_owned()),
        Just("expect_json = { path = \"$[\", value = [1.5, { a = 1 }] }".to_owned()),
        "(name|url|type|send|query|command|webhook|password|body|tls|port|x) = [\"'\\[{]?(\\$\\{[A-Z]?|http://|postgres://|tcp://|é|•|@|:|/|%|[a-z0-9\\\\\t]){0,8}[\"'\\]}]?",
        "\\PC{0,20}",
        Just("\r".to_owned()),
    ];
    prop::collection::vec(word, 0..12).prop_map(|lines| lines.join("\n"))
}

/// The examples that we ship, with a few places overwritten: what a slip of the hand makes of a right file.
fn slightly_broken() -> impl Strategy<Value = String> {
    let text: String = EXAMPLE.lines().map(|line| format!("{}\n", uncommented(line))).collect();
    let slip = (any::<prop::sample::Index>(), 0usize..12, "([a-z\"'\\[\\]{}=,.$é\n-]|[0-9]{1,3}){0,3}");
    prop::collection::vec(slip, 1..6).prop_map(move |slips| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, length, inserted) in slips {
            let at = at.index(chars.len());
            let end = (at + length).min(chars.len());
            chars.splice(at..end, inserted.chars());
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(crate::support::law(256, "tests/proptest-regressions/config.txt"))]

    #[test]
    fn no_text_makes_the_reader_panic(text in prop_oneof![any::<String>(), nearly_toml()], value in ".{0,8}") {
        let env = |name: &str| (name == "A").then(|| value.clone());
        if let Err(error) = config::parse(&text, Path::new(FILE), &env) {
            prop_assert!(error.count() > 0);
            prop_assert!(error.render(true).ends_with("in config.toml"));
            error.render(false);
        }
    }

    #[test]
    fn no_slip_in_a_right_file_shows_what_a_variable_stands_for(text in slightly_broken()) {
        let env = |_: &str| Some("hunter2".to_owned());
        match config::parse(&text, Path::new(FILE), &env) {
            Ok(config) => prop_assert!(config.checks.endpoints.len() <= 13),
            // The port is shown: it is no variable in the file, and a wrong one has to be found.
            Err(error) => prop_assert!(!error.to_string().replace("DASHBOARD_PORT` is `hunter2`", "").contains("hunter2")),
        }
    }
}
