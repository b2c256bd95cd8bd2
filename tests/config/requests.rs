//! Mistakes in how an HTTP endpoint is asked.

use super::report;

#[test]
fn what_cannot_be_asked_is_a_mistake() {
    for (keys, part) in [
        ("url = \"http://web/\"\nbody = \"x\"\nform = { a = \"b\" }", "both `body` and `form`"),
        ("url = \"http://web/\"\nform = { a = 1 }", "`a` has to be a string"),
        ("url = \"http://web/\"\nmultipart = {}", "`multipart` is empty"),
        ("url = \"http://web/\"\nmultipart = { a = { filename = \"x\" } }", "`content` is missing"),
        ("url = \"http://web/\"\nmultipart = { a = { contents = \"x\", content = \"y\" } }", "did you mean `content`?"),
        ("url = \"http://web/\"\nresolve = \"web:80\"", "host, port and address"),
        ("url = \"http://web/\"\nresolve = \"web:80:db\"", "no IPv4 or IPv6 address"),
        ("url = \"http://web/\"\nresolve = [\"web:0:10.0.0.7\"]", "a number from 1 to 65535"),
        ("url = \"http://web/\"\nproxy = \"proxy:3128\"", "`http://` or `socks5://` is needed"),
        ("url = \"http://web/\"\nno_proxy = \"web\"", "`no_proxy` without a `proxy`"),
        ("url = \"http://web/\"\nproxy = \"http://p\"\nno_proxy = \"a b\"", "no host and no network"),
        ("url = \"http://web/\"\nhttp_version = \"3\"", "\"1.1\" or \"2\""),
        (
            "url = \"http://web/\"\noauth2 = { token_url = \"http://t/\", client_id = \"a\" }",
            "`client_secret` is missing",
        ),
        (
            "url = \"http://web/\"\noauth2 = { token_url = \"ftp://t/\", client_id = \"a\", client_secret = \"b\" }",
            "no tokens come from this URL",
        ),
        (
            "url = \"http://web/\"\noauth2 = { token_url = \"http://t/\", client_id = \"a\", client_secret = \"b\", style = \"c\" }",
            "no way to send credentials",
        ),
        (
            "url = \"http://web/\"\nbearer_token = \"x\"\n\
             oauth2 = { token_url = \"http://t/\", client_id = \"a\", client_secret = \"b\" }",
            "both `bearer_token` and `oauth2`",
        ),
        ("url = \"http://web/\"\nsteps = []", "from 1 to 20"),
        ("url = \"http://web/\"\nsteps = [{ url = \"/\" }]", "`name` is missing"),
        ("url = \"http://web/\"\nmethod = \"POST\"\nsteps = [{ name = \"a\" }]", "`method` beside `steps`"),
        ("url = \"http://web/\"\nsteps = [{ name = \"a\" }, { name = \"a\" }]", "two steps have the name `a`"),
        (
            "url = \"http://web/\"\nsteps = [{ name = \"a\", keep = { h = \"json.h\" } }, { name = \"b\", url = \"http://{{h}}/\" }]",
            "a step's host cannot be kept from an answer",
        ),
        (
            "url = \"http://web/\"\nheaders = { X = \"{{h}}\" }\nsteps = [{ name = \"a\", keep = { h = \"json.h\" } }]",
            "no step before keeps `h`",
        ),
        ("url = \"http://web/\"\nsteps = [{ name = \"a\", url = \"login\" }]", "a step cannot be sent to this"),
        ("url = \"http://web/\"\nsteps = [{ name = \"a\", allways = true }]", "did you mean `always`?"),
        ("url = \"http://web/\"\nsteps = [{ name = \"a\", keep = { t = \"jsn.t\" } }]", "did you mean `json`?"),
        ("url = \"http://web/\"\nsteps = [{ name = \"a\", keep = { t = \"headers\" } }]", "this is no single value"),
        ("url = \"http://web/\"\nsteps = [{ name = \"a\", keep = { t = { regex = \"x\" } } }]", "one group is needed"),
        (
            "url = \"http://web/\"\nsteps = [{ name = \"a\", keep = { \"a-b\" = \"json.t\" } }]",
            "nothing can be kept as `a-b`",
        ),
        (
            "url = \"http://web/\"\nsteps = [{ name = \"a\", keep = { token = \"json.t\" } }, { name = \"b\", url = \"/{{tokn}}\" }]",
            "did you mean `token`?",
        ),
        (
            "url = \"http://web/\"\nsteps = [{ name = \"a\", form = { csrf = \"{{csrf}}\" }, keep = { csrf = \"json.c\" } }]",
            "no step before keeps `csrf`",
        ),
        (
            "url = \"http://web/\"\nsteps = [{ name = \"a\", method = \"HEAD\", keep = { t = \"json.t\" } }]",
            "an answer to HEAD has no body",
        ),
        ("url = \"http://web/\"\nredirects = \"forbit\"", "did you mean \"forbid\"?"),
        ("url = \"http://web/\"\nredirects = \"forbid\"\nmax_redirects = 3", "none is followed"),
    ] {
        let report = report(keys);
        assert!(report.contains(part), "{keys}\n{report}");
        assert!(report.ends_with("1 mistake in config.toml"), "{keys}\n{report}");
    }
}

#[test]
fn a_name_that_no_step_keeps_has_its_caret_in_the_step() {
    let keys = r#"url = "http://web/"
steps = [
    { name = "log in", url = "/login", keep = { token = "json.token" } },
    { name = "orders", url = "/orders", headers = { X-Auth = "Bearer {{tokem}}" } },
]"#;
    assert_eq!(
        report(keys),
        r#"error: no step before keeps `tokem`
 --> config.toml:6:70
  |
6 |     { name = "orders", url = "•••••••", headers = { X-Auth = "••••••••••••••••" } },
  |                                                                      ^^^^^^^^^ did you mean `token`?

1 mistake in config.toml"#
    );
}

#[test]
fn how_a_command_cannot_be_run_is_a_mistake() {
    for (keys, part) in [
        ("command = [\"a\"]\nuser = \"nobodi\"", "this machine has no such user"),
        ("command = [\"a\"]\nplugin = 1", "`plugin` has to be true or false"),
        ("command = [\"a\"]\nunknown_is = \"down\"", "`unknown_is` without `plugin = true`"),
        ("command = [\"a\"]\nplugin = true\nunknown_is = \"bad\"", "\"down\", \"degraded\" or \"unknown\""),
        ("command = [\"a\"]\nplugin = true\ndegraded_exit_codes = [1]", "`degraded_exit_codes` of a plugin"),
        ("command = [\"a\"]\nenvironment = { \"A=B\" = \"c\" }", "cannot be the name of a variable"),
        ("command = [\"a\"]\nenvironment = { A = 1 }", "`A` has to be a string"),
        ("url = \"postgres://u:p@db/x\"\nexpect = \"raw.n < 1\"", "did you mean `row`?"),
        ("command = [\"a\"]\nexpect = \"prf.a < 1\"", "did you mean `perf`?"),
    ] {
        let report = report(keys);
        assert!(report.contains(part), "{keys}\n{report}");
        assert!(report.contains("config.toml:") && report.ends_with("1 mistake in config.toml"), "{keys}\n{report}");
    }
}
