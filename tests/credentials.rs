//! Passwords that are awkward in every place that takes one: whatever the file is, right or wrong, nothing that is shown
//! has a piece of one in it.

use crate::support::{binary, net};
use healthcheck_dashboard::{
    config::{self, Endpoint},
    domain::secret::Secret,
    probe::{Spec, http::Auth},
};
use proptest::prelude::*;
use std::path::Path;

/// What a password is made of that could be found anywhere: letters that no message of ours has side by side, and
/// everything that means something in a URL, a shell, a header or TOML.
fn password() -> impl Strategy<Value = String> {
    let sign = prop::sample::select("@@@:::///???###%%&= é\"'\\`$<>[]{},;|()!*+-._~^\t".chars().collect::<Vec<_>>());
    let signs = prop::collection::vec(sign, 1..4).prop_map(|signs| signs.into_iter().collect::<String>());
    let piece =
        ("[0-9]{0,3}", "[QXZJVK]{3,5}", signs).prop_map(|(digits, letters, signs)| format!("{digits}{letters}{signs}"));
    prop::collection::vec(piece, 1..5).prop_map(|pieces| format!("{}QZK", pieces.concat()))
}

/// A piece of the password, if one is seen: any of its runs of letters.
fn leaked<'a>(password: &'a str, output: &str) -> Option<&'a str> {
    password.split(|c| !"QXZJVK".contains(c)).find(|piece| piece.len() >= 3 && output.contains(piece))
}

/// A TOML string of one of its forms.
fn string(text: &str, form: usize) -> String {
    let plain = !text.contains(char::is_control);
    if form == 0 && plain && !text.contains('\'') {
        return format!("'{text}'");
    }
    if form == 1 && plain && !text.contains("'''") && !text.ends_with('\'') {
        return format!("'''{text}'''");
    }
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// Keys of an endpoint. `«…»` is a string of the file, `PW` in it the password, `SQ` the password as a shell needs it
/// within single quotes, `UQ` without single quotes.
const ENDPOINTS: [&str; 42] = [
    "url = «postgres://adm:PW@host/db»",
    "url = «postgresql://adm:PW@host:5432/db?sslmode=require»",
    "url = «postgres://adm:PW@host/db», sslmode = «on»",
    "url = «postgres://adm:PW@host/db?foo=1»",
    "url = «postgres://adm:PW»",
    "url = «POSTGRES://adm:PW@host/db»",
    "url = «adm:PW@host/db», type = «postgres»",
    "url = «postgres:/adm:PW@host/db», type = «postgres»",
    "type = «postgres», host = «host», user = «adm», password = «PW»",
    "url = «postgres://adm@host/db», user = «adm», password = «PW», port = 1",
    "url = «http://web/», type = «postgres://adm:PW@host/db»",
    "url = «http://adm:PW@host/x»",
    "url = «https://adm:PW@host:99999/x»",
    "url = «https://host/x?token=1», basic_auth = { user = «adm», password = «PW» }",
    "url = «https://host/x», bearer_token = «PW»",
    "url = «https://host/x», headers = { Authorization = «Bearer PW» }",
    "url = «https://host/x», headers = { Cookie = «sid=PW», X-Api-Key = «PW» }",
    "url = «tcp://adm:PW@host:80»",
    "url = «adm:PW@host:80», type = «tcp»",
    "url = «redis://adm:PW@host:6379/0»",
    "url = «valkeys://:PW@host»",
    "url = «mysql://adm:PW@host/shop», query = «select 2»",
    "url = «amqp://adm:PW@host/vhost»",
    "url = «ldap://host», user = «cn=adm», password = «PW», search_base = «dc=x»",
    "url = «redis://host/1», password = «PW»",
    "url = «imaps://adm:PW@host», expect_capabilities = [«IDLE»]",
    "url = «smtp://host», user = «adm», password = «PW», starttls = true",
    "url = «tcp://host:80», send = «AUTH adm PW\r\nPING\r\n»",
    "url = «udp://host:80», send = «AUTH adm PW\r\nPING\r\n»",
    "url = «wss://adm:PW@host/x»",
    "url = «ws://host/x», bearer_token = «PW»",
    "url = «grpc://host:80», bearer_token = «PW»",
    "url = «http://adm:PW@host:9090», promql = «up»",
    "url = «http://host:9090», promql = «up», bearer_token = «PW»",
    "command = [«psql», «postgres://adm:PW@host/db», «-c», «select 1»]",
    "command = [«psql», «--dbname=postgres://adm:PW@host/db»]",
    "command = [«x», «--password», «PW»]",
    "command = [«x», «--password=PW», «-v»]",
    "command = [«curl», «-H», «X-Api-Key: PW», «https://host»]",
    "command = «PGPASSWORD='SQ' psql -h host -c 'select 1'»",
    "command = «psql 'postgres://adm:UQ@host/db' -c 'select 1'»",
    "command = «check --password 'SQ' --verbose»",
];

/// Whole files, in which the password is somewhere else.
const FILES: [&str; 6] = [
    "[alerts]\nenabled = true\nwebhook = «https://hooks.host/PW»",
    "[alerts]\nenabled = true\nwebhook = «PW»",
    "[checks]\nwitness = [«http://adm:PW@host:80»]",
    "[checks]\nwitness = «adm:PW@host:80»",
    "[dashboard]\ntoken = «PW»\nbind = «adm:PW@host»",
    "[storage.backup]\ndir = «backups»\nevery = «postgres://adm:PW@host/db»",
];

/// What makes a mistake of a right line, so that the line is shown: a wrong value, an unknown key, a key without a
/// value, a line that does not end.
const SLIPS: [&str; 5] = ["", ", interval_secs = 0", ", nothing = 1", ", nothing", "\n[checks"];

fn filled(template: &str, password: &str, form: usize) -> String {
    let (mut file, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once('«') {
        let (inside, after) = after.split_once('»').unwrap();
        let inside = inside
            .replace("PW", password)
            .replace("UQ", &password.replace('\'', ""))
            .replace("SQ", &password.replace('\'', r"'\''"));
        file += before;
        file += &string(&inside, form);
        rest = after;
    }
    file + rest
}

/// Everything that is shown of a configuration: its report, or what pages, the API and the log have of it.
fn shown(text: &str, env: &dyn Fn(&str) -> Option<String>) -> String {
    match config::parse(text, Path::new("config.toml"), env) {
        Err(error) => format!("{error}\n{error:?}"),
        Ok(config) => {
            let endpoints = config.checks.endpoints.iter();
            let shown = endpoints.map(|e| format!("{:?}\n{}\n{:?}\n", e.service, e.shown, e.secrets));
            format!("{}{:?}{:?}", shown.collect::<String>(), config.alerts, config.dashboard)
        }
    }
}

/// Whether this is a right URL, in which nobody can tell that a part of the password is none: `http://u:8/x@host` has a
/// port and a path, and where the host was forgotten, what follows the `@` of a password is one.
fn is_another_url(template: &str, password: &str) -> bool {
    let after = password.trim_start_matches(|c: char| c.is_ascii_digit());
    let port_and_path = after.len() < password.len() && after.starts_with(['/', '?']);
    (template.contains("http") || template.contains("wss:")) && port_and_path
        || template.contains("PW»") && template.contains("adm:") && password.contains('@')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_password_is_seen_in_what_is_shown(password in password(), form in 0usize..3) {
        for template in ENDPOINTS {
            if is_another_url(template, &password) {
                continue;
            }
            let keys = filled(template, &password, form);
            for slip in SLIPS {
                let text = format!("[checks]\nendpoints = [{{ name = \"x\", {keys}{slip} }}]");
                let shown = shown(&text, &|_| None);
                prop_assert_eq!(leaked(&password, &shown), None, "{}\n\n{}", text, shown);
            }
        }
        for template in FILES {
            for slip in ["", "\nnothing = 1"] {
                let text = filled(template, &password, form) + slip;
                let shown = shown(&text, &|_| None);
                prop_assert_eq!(leaked(&password, &shown), None, "{}\n\n{}", text, shown);
            }
        }
    }

    #[test]
    fn no_password_of_a_variable_is_seen_in_what_is_shown(password in password()) {
        let url = format!("postgres://adm:{password}@host/db");
        let env = |name: &str| match name {
            "WHOLE" => Some(url.clone()),
            "PW_OF_HOST" => Some(password.clone()),
            _ => None,
        };
        for template in ENDPOINTS.iter().chain(&["url = «${WHOLE}»", "command = [«psql», «${WHOLE}»]"]) {
            if is_another_url(template, &password) {
                continue;
            }
            let keys = filled(template, "${PW_OF_HOST}", 2);
            for slip in SLIPS {
                let text = format!("[checks]\nendpoints = [{{ name = \"x\", {keys}{slip} }}]");
                let shown = shown(&text, &env);
                prop_assert_eq!(leaked(&password, &shown), None, "{}\n\n{}", text, shown);
            }
        }
    }
}

/// What was seen on a terminal.
#[test]
fn the_tail_of_a_password_is_no_parameter_and_no_path() {
    for (url, password) in [
        ("postgres://adm:a?b:c@d#e@host/db", "b:c"),
        ("postgres://u:p@ss:w/o#r?d%&= é@h/app", "o#r"),
        ("postgres://user:SEC RETXY@h/x?foo=1", "RETXY"),
        ("http://user:S@E/C#RET?XY@host/x", "RET"),
        // What looks like a port and a path.
        ("tcp://adm:1/RETXY@host:80", "RETXY"),
        ("tcp://adm:80?RETXY@b@host:80", "RETXY"),
        ("redis://adm:80/RETXY@a@host:80", "RETXY"),
    ] {
        let text = format!("[checks]\nendpoints = [{{ name = \"x\", url = \"{url}\" }}]");
        let report = config::parse(&text, Path::new("config.toml"), &|_| None).unwrap_err().to_string();
        assert!(!report.contains(password), "{report}");
        assert!(report.ends_with("1 mistake in config.toml"), "{report}");
    }
}

/// User and password as they would be sent.
fn login(endpoint: &Endpoint) -> (String, String) {
    let (user, password) = match &endpoint.probe {
        Spec::Postgres(spec) => (&spec.user, spec.password.as_ref()),
        Spec::Http(spec) => match &spec.auth {
            Some(Auth::Basic { user, password }) => (user, Some(password)),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    (user.clone(), password.map_or("", Secret::expose).to_owned())
}

fn endpoint(url: &str, env: &[(&str, &str)]) -> Endpoint {
    let text = format!("[checks]\nendpoints = [{{ name = \"x\", url = \"{url}\" }}]");
    let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let mut config = config::parse(&text, Path::new("config.toml"), &env).unwrap_or_else(|e| panic!("{e}"));
    config.checks.endpoints.remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// It is no part of the URL's text: nothing in it ends anything, and nothing in it is decoded.
    #[test]
    fn what_a_variable_says_of_a_user_is_taken_as_it_is(user in "[^:\\x00]{1,12}", password in "[^\\x00]{1,12}", host in "[a-z]{1,20}") {
        prop_assume!(!user.trim().is_empty());
        let both = format!("{user}:{password}");
        let env = [("USER", user.as_str()), ("PASS", &password), ("LOGIN", &both), ("HOST", &host)];
        for (scheme, path) in [("postgres", "db?sslmode=disable"), ("https", "a/b?c=d")] {
            for (before, expected) in [
                ("${USER}:${PASS}", (user.clone(), password.clone())),
                ("${LOGIN}", (user.clone(), password.clone())),
                ("me:${PASS}", ("me".to_owned(), password.clone())),
                ("m%41e:%25${PASS}%40", ("mAe".to_owned(), format!("%{password}@"))),
            ] {
                let endpoint = endpoint(&format!("{scheme}://{before}@${{HOST}}/{path}"), &env);
                prop_assert_eq!(login(&endpoint), expected, "{} {}", scheme, before);
                let target = endpoint.service.target.whole();
                prop_assert!(target.starts_with(&format!("{scheme}://{host}")), "{}", target);
            }
        }
    }
}

/// Where the file has no `@`, the variable has it, and what it says is the text of a URL.
#[test]
fn what_a_variable_says_of_more_than_the_user_is_text_of_a_url() {
    let env = [("URL", "postgres://u:p%40q@db/x"), ("REST", "u:p%40q@db"), ("TOKEN", "a%40b"), ("SCHEME", "https")];
    for (url, user, password) in [
        ("${URL}", "u", "p@q"),
        ("postgres://${REST}/x", "u", "p@q"),
        ("http://${REST}/x", "u", "p@q"),
        ("http://${TOKEN}@db/x", "a%40b", ""),
        ("${SCHEME}://u:${TOKEN}@db/x", "u", "a%40b"),
        ("http://u:a%40b@db/x", "u", "a@b"),
        ("http://u:${NONE:-a%40b}@db/x", "u", "a%40b"),
    ] {
        assert_eq!(login(&endpoint(url, &env)), (user.to_owned(), password.to_owned()), "{url}");
    }
}

/// A wrong one is named: nobody can look it up in the file.
#[test]
fn a_mistake_in_what_a_variable_says_names_the_variable() {
    for (url, value) in [
        ("${DB_URL}", "postgres://u:a?b@db/x"),
        ("postgres://${DB_URL}@db/x", ":only"),
        ("http://${DB_URL}:p@db/x", "with:colon"),
        ("http://u:p@${DB_URL}/x", "no host"),
    ] {
        let text = format!("[checks]\nendpoints = [{{ name = \"x\", url = \"{url}\" }}]");
        let report =
            config::parse(&text, Path::new("config.toml"), &|name| (name == "DB_URL").then(|| value.to_owned()));
        let report = report.unwrap_err().to_string();
        assert!(report.contains("(with `${DB_URL}` filled in)"), "{report}");
        assert!(!report.contains(value), "{report}");
    }
}

/// The same from outside: what the program prints and logs.
#[test]
fn no_password_is_seen_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let port = net::own_port();
    for (password, arguments) in
        [("QZK?a:b@JXV", "validate"), ("QZK a:b@JXV", "check"), ("QZK%41", "check"), ("${QZK_SET}", "check")]
    {
        let text = format!(
            "[checks]\nendpoints = [\n{{ name = \"p\", url = \"postgres://u:{password}@127.0.0.1:{port}/x\" }},\n\
             {{ name = \"h\", url = \"http://u:{password}@127.0.0.1:{port}/x\" }}]\n"
        );
        std::fs::write(folder.path().join("config.toml"), text).unwrap();
        let mut command = binary::program(folder.path());
        let output = command.arg(arguments).env("QZK_SET", "QZK@%JXV").env("RUST_LOG", "debug").output().unwrap();
        let printed = format!("{}{}", binary::stdout(&output), binary::stderr(&output));
        let printed = printed.replace("QZK_SET", "");
        assert!(!printed.contains("QZK") && !printed.contains("JXV"), "{printed}");
        assert!(printed.contains("config.toml") || printed.contains(&port.to_string()), "{printed}");
    }
}
