//! What the section of an endpoint gives, kind by kind.

use super::{HTTP, PG, endpoint, endpoint_with, exposed, http, postgres, read};
use healthcheck_dashboard::{
    domain::{secret::Secret, service::Kind},
    probe::{
        Spec,
        http::Auth,
        postgres::{Expected, SslMode},
    },
    settings::network::IpVersion,
};

/// The same for whole files.
#[test]
fn outsiders_see_what_is_listed_for_them() {
    let config = r#"
        [checks]
        endpoints = [{ name = "web", url = "http://web/" }, { name = "api", url = "http://api/" }]
        [dashboard]
        public = true
        public_services = ["web", { name = "api", title = "Our API" }]
    "#;
    let public = read(config).unwrap().dashboard.public.unwrap();
    let shown: Vec<_> = public.iter().map(|p| (p.name.as_str(), p.title.as_str())).collect();
    assert_eq!(shown, [("web", "web"), ("api", "Our API")]);
    assert_eq!(read(&config.replace("public = true", "public = false")).unwrap().dashboard.public, None);
    for (list, wanted) in [
        ("[\"wbe\"]", "did you mean `web`?"),
        ("[]", "`public` shows nothing"),
        ("[\"web\", \"web\"]", "is listed twice"),
        ("[{ title = \"x\" }]", "`name` is missing"),
        ("\"web\"", "has to be a list of names"),
    ] {
        let changed = config.replace("[\"web\", { name = \"api\", title = \"Our API\" }]", list);
        let said = read(&changed).unwrap_err().render(false);
        assert!(said.contains(wanted), "{wanted} is not in {said}");
    }
}

#[test]
fn the_type_is_told_by_the_url_or_by_the_command() {
    for (keys, kind) in [
        ("url = \"http://web\"", Kind::Http),
        ("url = \"HTTPS://web\"", Kind::Http),
        ("url = \"tcp://web:80\"", Kind::Tcp),
        ("url = \"web:80\"\ntype = \"tcp\"", Kind::Tcp),
        ("url = \"postgres://u@db\"", Kind::Postgres),
        ("url = \"postgresql://u@db\"", Kind::Postgres),
        ("command = \"true\"", Kind::Command),
    ] {
        assert_eq!(endpoint(keys).service.kind, kind, "{keys}");
    }
}

#[test]
fn a_timeout_that_is_inherited_gives_way_to_a_shorter_interval() {
    let config = read(
        "[checks]\ninterval_secs = 60\ntimeout_secs = 30\nretry_interval_secs = 10\nfailure_threshold = 5\n\
         [[checks.endpoints]]\nname = \"a\"\nurl = \"http://a\"\n\
         [[checks.endpoints]]\nname = \"b\"\nurl = \"http://b\"\ninterval_secs = 0.5\nfailure_threshold = 1\n\
         [[checks.endpoints]]\nname = \"c\"\nurl = \"http://c\"\ninterval_secs = 120\ntimeout_secs = 90\n",
    )
    .unwrap();
    let cadence = |i: usize| {
        let cadence = config.checks.endpoints[i].service.cadence;
        (cadence.interval_ms, cadence.timeout_ms, cadence.retry_interval_ms)
    };
    assert_eq!(cadence(0), (60_000, 30_000, 10_000));
    assert_eq!(cadence(1), (500, 500, 500));
    assert_eq!(cadence(2), (120_000, 90_000, 10_000));
    assert_eq!(config.checks.endpoints[0].service.thresholds.failure, 5);
    assert_eq!(config.checks.endpoints[1].service.thresholds.failure, 1);
    assert_eq!(endpoint(&format!("{HTTP}interval_secs = 3")).service.cadence.timeout_ms, 3_000);
}

#[test]
fn an_http_endpoint_is_read_whole() {
    let spec = http(
        r#"url = "https://me:p%40ss@web:8443/x?y=1#z"
method = "post"
headers = { Accept = "text/plain" }
body = "hello"
expect_status = [204, "300-302"]
expect_json = [{ path = "$.a", value = [1, "b", { c = true }] }]
ip_version = 6
allow_metadata = true
max_redirects = 0
tls = { skip_verify = true, expiry_warning_days = 0 }"#,
    );
    assert_eq!(spec.url.as_str(), "https://web:8443/x?y=1");
    assert_eq!(spec.method, "POST");
    assert_eq!(spec.headers[0].0, "accept");
    assert_eq!(spec.body.as_deref(), Some("hello"));
    assert_eq!(spec.expect_status.0, [204..=204, 300..=302]);
    assert_eq!(spec.expect_json[0].value, serde_json::json!([1, "b", { "c": true }]));
    assert_eq!((spec.ip_version, spec.max_redirects), (IpVersion::V6, 0));
    assert!(spec.tls.skip_verify && spec.tls.expiry_warning_days == 0);
    let Some(Auth::Basic { user, password }) = spec.auth else { panic!("no authentication") };
    assert_eq!((user.as_str(), password.expose()), ("me", "p@ss"));

    let plain = http(HTTP);
    assert!(spec.allow_metadata && !plain.allow_metadata);
    assert_eq!(plain.expect_status.0, [200..=399]);
    assert_eq!((plain.method.as_str(), plain.max_redirects, plain.tls.expiry_warning_days), ("GET", 10, 14));
}

#[test]
fn a_postgres_url_is_taken_apart() {
    let spec = postgres("url = \"postgresql://m%40e:p%2Fw@[::1]/my%20db?sslmode=verify-full\"\nexpect_value = true");
    assert_eq!((spec.user.as_str(), spec.host.as_str(), spec.port), ("m@e", "::1", 5432));
    assert_eq!(spec.password.as_ref().map(Secret::expose), Some("p/w"));
    assert_eq!((spec.database.as_str(), spec.sslmode), ("my db", SslMode::VerifyFull));
    assert_eq!((spec.query.as_str(), spec.expect_value), ("select 1", Some(Expected::Boolean(true))));
    let spec = postgres("url = \"postgres://u:a@b@db:6000\"\nsslmode = \"disable\"\nexpect_rows = 0");
    assert_eq!((spec.database.as_str(), spec.port, spec.sslmode), ("u", 6000, SslMode::Disable));
    assert_eq!(spec.password.as_ref().map(Secret::expose), Some("a@b"));
    assert_eq!(spec.expect_rows, Some(0));
    assert_eq!(postgres(PG).sslmode, SslMode::Prefer);
}

#[test]
fn a_postgres_endpoint_may_have_keys_of_its_own_in_the_place_of_a_url() {
    let keys = "type = \"postgres\"\nhost = \"${HOST}\"\nport = 6000\nuser = \"m@e:x\"\npassword = \"p/w%41?#@\"\ndatabase = \"my db\"";
    let endpoint = endpoint_with(keys, &[("HOST", "::1")]);
    assert_eq!(endpoint.service.target.whole(), "postgres://[::1]:6000/my db");
    assert_eq!(exposed(&endpoint.secrets), ["p/w%41?#@"]);
    assert_eq!((&endpoint.shown.read()["user"], &endpoint.shown.read()["password"]), (&"m@e:x".into(), &"•••".into()));
    let Spec::Postgres(spec) = endpoint.probe else { panic!("no postgres") };
    assert_eq!((spec.host.as_str(), spec.port, spec.user.as_str()), ("::1", 6000, "m@e:x"));
    assert_eq!(spec.password.as_ref().map(Secret::expose), Some("p/w%41?#@"));
    assert_eq!(spec.database, "my db");
    let spec = postgres("type = \"postgres\"\nhost = \"db\"\nuser = \"app\"\nsslmode = \"require\"");
    assert_eq!((spec.port, spec.database.as_str(), spec.sslmode), (5432, "app", SslMode::Require));
    assert!(spec.password.is_none());
}

#[test]
fn tcp_and_command_endpoints_are_read() {
    let Spec::Tcp(tcp) = endpoint("url = \"TCP://[::1]:6379/\"\nsend = \"PING\\r\\n\"\nexpect = \"+PONG\"").probe
    else {
        panic!("no tcp")
    };
    assert_eq!(
        (tcp.address.host.as_str(), tcp.address.port, tcp.turns[0].send.as_deref()),
        ("::1", 6379, Some("PING\r\n"))
    );
    let shell = endpoint("command = \"test -e /tmp\"\ndegraded_exit_codes = 3");
    let Spec::Command(spec) = shell.probe else { panic!("no command") };
    assert_eq!(spec.argv, ["/bin/sh", "-c", "test -e /tmp"]);
    assert_eq!((spec.degraded_exit_codes, spec.detach), (vec![3], false));
    let Spec::Command(spec) = endpoint("command = \"x\"\ndetach = true").probe else { panic!("no command") };
    assert!(spec.detach);
    assert_eq!(shell.service.target.whole(), "test -e /tmp");
}

#[test]
fn the_settings_that_are_shown_are_those_in_force() {
    let shown = endpoint("url = \"tcp://web:80\"\ninterval_secs = 2.5\ngroup = \"G\"").shown.read();
    assert_eq!(
        shown,
        serde_json::json!({
            "name": "x", "type": "tcp", "group": "G", "critical": true, "enabled": true, "url": "tcp://web:80",
            "interval_secs": 2.5, "timeout_secs": 2.5, "retry_interval_secs": 2,
            "failure_threshold": 3, "success_threshold": 2,
        })
    );
}
