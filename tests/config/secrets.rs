//! No message, target or setting shows a credential.

use super::{endpoint_with, exposed, read, read_with, report, report_with};
use healthcheck_dashboard::domain::secret::Secret;

#[test]
fn no_report_shows_a_credential() {
    for keys in [
        "url = \"postgres://u:hunter2@db/x?foo=1\"",
        "url = \"postgres://u:hunter2/@db/x\"",
        "url = \"postgres://u:p@hunter2/@db/x\"",
        "url = \"postgres:\\u002f/u:hunter2@db/x?foo=1\"",
        "url = \"postgres://u:hunter2@db/x",
        "url = postgres://u:hunter2@db/x",
        "url = \"http://u:hunter2@web:99999/\"",
        "url = \"http://hunter2@web:99999/\"",
        "url = \"http://web:99999/?token=hunter2\"",
        "url = \"http://me:hunter2/\"",
        "url = \"//me:hunter2@web/\"\ntype = \"http\"",
        "url = \"me:hunter2@web:80\"\ntype = \"tcp\"",
        "url = \"http://web/\"\ntype = \"postgres://me:hunter2@db/x\"",
        "url = \"http://web/\"\nmethod = \"http://me:hunter2@web/\"",
        "url = \"http://web/\"\nexpect_status = \"Bearer hunter2\"",
        "url = \"http://web/\"\ntls = { ca = \"http://me:hunter2@web/\" }",
        "url = \"http://web/\"\n\"http://me:hunter2@web/\" = 1",
        "url = \"http://web/\"\nbearer_token = \"hunter2\\n\"",
        "url = \"http://web/\"\nbearer_token = [\"hunter2\"]",
        "url = \"http://web/\"\nbearer_tokn = \"hunter2\"",
        "url = \"http://web/\"\nbearer_token = hunter2",
        "url = \"http://web/\"\nbearer_token = \"hunter2",
        "url = \"http://web/\"\nbasic_auth = { user = \"u\", passwort = \"hunter2\" }",
        "url = \"http://web/\"\nbasic_auth = { user = \"u\", password = \"hunter2\", x = 1 }",
        "url = \"http://web/\"\nbasic_auth = \"u:hunter2\"",
        "url = \"http://web/\"\nheaders = { X-Thing = \"hunter2\\n\" }",
        "url = \"http://web/\"\nheader = { X-Thing = \"hunter2\" }",
        "url = \"http://web/\"\nheaders = \"X-Thing: hunter2\"",
        "url = \"http://web/\"\nheaders = { Authorization = \"Bearer hunter2\", a = 1 }",
        "url = \"tcp://web:80\"\nheaders = { X-Thing = \"hunter2\" }",
        "url = \"tcp://web:80\"\nsend = { a = \"hunter2\" }",
        "command = [\"x\", \"--password\", \"hunter2\", 5]",
        "command = [\"x\", \"--password=hunter2\", 5]",
        "command = [\"x\", \"PGPASSWORD=hunter2\", 5]",
        "command = [\"curl\", \"https://u:hunter2@x\", 5]",
    ] {
        let report = report(keys);
        assert!(!report.contains("hunter2"), "{report}");
        assert!(report.contains('•'), "{report}");
    }
    let report = read("[alerts]\nenabled = true\nwebhook = \"hunter2\"").unwrap_err();
    assert!(!format!("{report:?}").contains("hunter2"), "{report}");
}

#[test]
fn no_report_shows_what_a_variable_stands_for() {
    let env = [("V", "hunter2"), ("W", "\u{7}hunter2(")];
    for keys in [
        "url = \"${V}\"",
        "url = \"http://web:${V}/\"",
        "url = \"tcp://${W}\"",
        "url = \"postgres://u:p@db/x?${V}=1\"",
        "url = \"postgres://u:p@db/x?sslmode=${V}\"",
        "url = \"postgres://u:p@${W}/x\"",
        "url = \"http://web/\"\ntype = \"${V}\"",
        "url = \"http://web/\"\nmethod = \"${V}\"",
        "url = \"http://web/\"\ninterval_secs = \"${V}\"",
        "url = \"http://web/\"\ncritical = \"${V}\"",
        "url = \"http://web/\"\nrenamed_from = \"${W}\"",
        "url = \"http://web/\"\nexpect_status = \"${V}\"",
        "url = \"http://web/\"\nexpect_body_regex = \"${W}\"",
        "url = \"http://web/\"\nexpect_json = { path = \"${V}\", value = 1 }",
        "url = \"http://web/\"\nheaders = { a = \"${W}\" }",
        "url = \"http://web/\"\ntls = { ca = \"${V}\" }",
        "url = \"postgres://u:p@db/x\"\nsslmode = \"${V}\"",
    ] {
        let report = report_with(keys, &env);
        assert!(!report.contains("hunter2"), "{report}");
    }
    for text in
        ["[storage]\nkeep_hours_days = \"${V}\"", "[dashboard]\nbind = \"${V}\"", "[dashboard]\nbase_path = \"${V}\""]
    {
        let report = read_with(text, &env).unwrap_err().to_string();
        assert!(!report.contains("hunter2"), "{report}");
    }
}

#[test]
fn targets_and_settings_show_no_credentials_and_secrets_have_them_all() {
    let env = [("TOKEN", "t0ps3cret"), ("WHERE", "/srv/data"), ("HOST", "web.internal"), ("LONG", "abcdefghijklmnop")];
    for (keys, target, hidden) in [
        ("url = \"https://u:hunter2@web/x\"", "https://web/x", vec!["hunter2"]),
        ("url = \"https://web/x?token=hunter2&q=1\"", "https://web/x?token=•••&q=1", vec!["hunter2"]),
        ("url = \"https://web/x?q=${TOKEN}\"", "https://web/x?q=•••", vec!["t0ps3cret"]),
        ("url = \"https://${HOST}/x\"", "https://web.internal/x", vec![]),
        ("url = \"https://web/${LONG}/x\"", "https://web/•••/x", vec!["abcdefghijklmnop"]),
        ("url = \"https://web/x\"\nbearer_token = \"hunter2\"", "https://web/x", vec!["hunter2"]),
        (
            "url = \"https://web/x\"\nheaders = { Authorization = \"Bearer hunter2\", X-A = \"${HOST}\" }",
            "https://web/x",
            vec!["Bearer hunter2", "hunter2", "web.internal"],
        ),
        (
            "url = \"https://web/x\"\nbody = \"a=${TOKEN}&password=hunter2\"",
            "https://web/x",
            vec!["t0ps3cret", "hunter2"],
        ),
        ("url = \"https://web/x\"\nproxy = \"http://me:hunter2@proxy:3128\"", "https://web/x", vec!["hunter2"]),
        (
            "url = \"https://web/x\"\noauth2 = { token_url = \"http://t/\", client_id = \"a\", client_secret = \"hunter2\" }",
            "https://web/x",
            vec!["hunter2"],
        ),
        ("url = \"https://web/x\"\nform = { password = \"hunter2\" }", "https://web/x", vec!["hunter2"]),
        ("url = \"https://web/x\"\nmultipart = { a = { content = \"${TOKEN}\" } }", "https://web/x", vec!["t0ps3cret"]),
        ("url = \"postgres://u:hun%24ter@db/d\"", "postgres://db:5432/d", vec!["hun$ter", "hun%24ter"]),
        ("url = \"postgres://u:${TOKEN}@db/d\"", "postgres://db:5432/d", vec!["t0ps3cret"]),
        ("url = \"tcp://web:80\"\nsend = \"AUTH ${TOKEN}\"", "tcp://web:80", vec!["t0ps3cret"]),
        ("url = \"tcp://web:80\"\nexpect = \"${TOKEN}\"", "tcp://web:80", vec!["t0ps3cret"]),
        ("url = \"https://web/x\"\nexpect_body = \"id=${TOKEN}\"", "https://web/x", vec!["t0ps3cret"]),
        ("url = \"https://web/x\"\nexpect_body_regex = \"id=${TOKEN}\"", "https://web/x", vec!["t0ps3cret"]),
        (
            "url = \"https://web/x\"\nexpect_json = { path = \"$.a\", value = [1, { b = \"${TOKEN}\" }] }",
            "https://web/x",
            vec!["t0ps3cret"],
        ),
        ("url = \"postgres://u@db/d\"\nexpect_value = \"${TOKEN}\"", "postgres://db:5432/d", vec!["t0ps3cret"]),
        (
            "command = [\"check\", \"${WHERE}\", \"--token\", \"hunter2\"]",
            "check ••• --token •••",
            vec!["/srv/data", "hunter2"],
        ),
        (
            "command = \"PGPASSWORD=hunter2 psql -h ${HOST}\"",
            "PGPASSWORD=••• psql -h •••",
            vec!["hunter2", "web.internal"],
        ),
    ] {
        let endpoint = endpoint_with(keys, &env);
        assert_eq!(endpoint.service.target.whole(), target, "{keys}");
        let secrets = exposed(&endpoint.secrets);
        let shown = endpoint.shown.to_string();
        for secret in hidden {
            assert!(secrets.contains(&secret), "{keys}: {secrets:?}");
            assert!(!shown.contains(secret), "{keys}: {shown}");
        }
        assert!(!format!("{:?}", endpoint.secrets).contains("hunter2"));
    }
}

#[test]
fn a_command_is_kept_from_saying_the_credentials_of_others() {
    let text = "[checks]\nendpoints = [{ name = \"c\", command = \"env\" }, { name = \"d\", url = \"postgres://u:${P}@${H}/d\" },\n\
                { name = \"e\", url = \"http://e\", bearer_token = \"in the file\" }]\n\
                [alerts]\nenabled = true\nwebhook = \"${W}\"";
    let config = read_with(text, &[("P", "hunter2"), ("H", "db"), ("W", "https://chat/hook")]).unwrap();
    assert_eq!(exposed(&config.checks.endpoints[0].secrets), ["hunter2", "https://chat/hook"]);
    assert_eq!(exposed(&config.checks.endpoints[1].secrets), ["hunter2"]);
}

#[test]
fn a_webhook_is_kept_while_alerts_are_enabled_and_never_printed() {
    let config = read("[alerts]\nenabled = true\nwebhook = \"https://hooks.example/hunter2\"").unwrap();
    let secrets = config.alerts.channels[0].secrets();
    assert_eq!(exposed(&secrets), ["https://hooks.example/hunter2"]);
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(read("[alerts]\nwebhook = \"https://hooks.example/\"").unwrap().alerts.channels.is_empty());
}

#[test]
fn a_token_for_notes_is_long_comes_from_the_environment_and_is_never_shown() {
    let config = read_with("[dashboard]\ntoken = \"${T}\"", &[("T", "correct-horse-battery")]).unwrap();
    assert_eq!(config.dashboard.token, Some(Secret::new("correct-horse-battery")));
    assert!(!format!("{config:?}").contains("horse"));
    assert_eq!(read_with("[dashboard]\ntoken = \"${T:-}\"", &[]).unwrap().dashboard.token, None, "nobody set it");
    for bad in ["short", "has spaces in the middle", "exactly15chars!", "ünicode-is-no-header-value"] {
        let said = read(&format!("[dashboard]\ntoken = \"{bad}\"")).unwrap_err().to_string();
        assert!(said.contains("`token`") && !said.contains(bad), "{said}");
    }
    assert!(read("[dashboard]\ntoken = \"\"").is_err(), "an empty one is a mistake where no variable is");
    assert!(read("token = \"0123456789abcdef\"").unwrap_err().to_string().contains("[dashboard]"));
}
