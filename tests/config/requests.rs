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
        ("url = \"http://web/\"\nredirects = \"forbit\"", "did you mean \"forbid\"?"),
        ("url = \"http://web/\"\nredirects = \"forbid\"\nmax_redirects = 3", "none is followed"),
    ] {
        let report = report(keys);
        assert!(report.contains(part), "{keys}\n{report}");
        assert!(report.ends_with("1 mistake in config.toml"), "{keys}\n{report}");
    }
}
