//! The sections of the kinds that speak their protocol over one TCP connection.

use super::{endpoint, report};
use healthcheck_dashboard::probe::{ProxyProtocol, Security, Spec, Starttls, mqtt::MqttVersion, redis::Role};

/// Each of these keys has a mistake that says this.
#[track_caller]
fn mistakes(cases: &[(&str, &str)]) {
    for (keys, said) in cases {
        let report = report(keys);
        assert!(report.contains(said), "{said} is not in\n{report}");
        assert!(report.ends_with("1 mistake in config.toml"), "{report}");
    }
}

#[test]
fn what_tcp_says_is_read() {
    let Spec::Tcp(tcp) = endpoint(
        "url = \"tcp://mail:25\"\nstarttls = \"smtp\"\ntls = { expiry_warning_days = 3 }\nproxy_protocol = 2\n\
         turns = [{ expect = \"220 \" }, { send = \"QUIT\\r\\n\", expect = \"221\" }]",
    )
    .probe
    else {
        panic!("no tcp")
    };
    assert_eq!((tcp.proxy_protocol, tcp.turns.len()), (Some(ProxyProtocol::V2), 2));
    assert_eq!((tcp.turns[0].send.as_deref(), tcp.turns[1].expect.as_deref()), (None, Some("221")));
    let Security::Starttls(Starttls::Smtp, tls) = tcp.security else { panic!("{:?}", tcp.security) };
    assert_eq!(tls.expiry_warning_days, 3);
    for (keys, over_tls) in [("", false), ("tls = true", true), ("tls = false", false), ("tls = {}", true)] {
        let Spec::Tcp(tcp) = endpoint(&format!("url = \"tcp://web:1\"\n{keys}")).probe else { panic!("no tcp") };
        assert_eq!(matches!(tcp.security, Security::Tls(_)), over_tls, "{keys}");
    }
    let of_turn = endpoint("url = \"tcp://web:1\"\nturns = [{ send = \"PASS hunter2\\r\\n\" }]");
    assert_eq!(of_turn.shown.read()["turns"][0]["send"], "PASS •••\r\n");
    assert!(of_turn.secrets.iter().any(|secret| secret.expose() == "hunter2"));
}

#[test]
fn mistakes_of_tcp_are_named() {
    mistakes(&[
        ("url = \"tcp://web:1\"\nstarttls = \"smpt\"", "did you mean \"smtp\"?"),
        ("url = \"tcp://web:1\"\nstarttls = \"smtp\"\ntls = false", "`tls = false` contradicts `starttls`"),
        ("url = \"tcp://web:1\"\ntls = \"yes\"", "`tls` has to be true or false"),
        ("url = \"tcp://web:1\"\ntls = { skip = true }", "did you mean `skip_verify`?"),
        ("url = \"tcp://web:1\"\nproxy_protocol = 3", "from 1 to 2"),
        ("url = \"tcp://web:1\"\nturns = []", "has to be a list of 1 to 32"),
        ("url = \"tcp://web:1\"\nturns = [{}]", "`send` is missing"),
        ("url = \"tcp://web:1\"\nturns = [{ sent = \"x\", expect = \"y\" }]", "did you mean `send`?"),
        ("url = \"tcp://web:1\"\nturns = [{ expect = \"\" }]", "`expect` is empty"),
        ("url = \"tcp://web:1\"\nsend = \"x\"\nturns = [{ send = \"x\" }]", "both `send` and `turns`"),
    ]);
}

#[test]
fn redis_is_read() {
    let redis = |keys: &str| match endpoint(keys).probe {
        Spec::Redis(spec) => *spec,
        other => panic!("{other:?}"),
    };
    let spec = redis("url = \"rediss://me:p%40ss@cache/3\"\nexpect_role = \"replica\"\nmax_lag_secs = 30");
    assert_eq!((spec.address.host.as_str(), spec.address.port, spec.database), ("cache", 6379, 3));
    let login = spec.login.unwrap();
    assert_eq!((login.user.as_str(), login.password.expose()), ("me", "p@ss"));
    assert!(matches!(spec.security, Security::Tls(_)));
    assert_eq!((spec.expected.role, spec.expected.max_lag_secs), (Some(Role::Replica), Some(30)));
    let spec = redis("url = \"valkey://:s%3Acret@[::1]:6380\"");
    assert_eq!((spec.address.host.as_str(), spec.address.port, spec.database), ("::1", 6380, 0));
    assert_eq!(spec.login.unwrap().password.expose(), "s:cret");
    let spec = redis("url = \"redis://cache\"\npassword = \"p@ss/%41\"");
    assert_eq!(spec.login.unwrap().password.expose(), "p@ss/%41");
    let endpoint = endpoint("url = \"redis://me:hunter2@cache/1\"");
    assert_eq!(endpoint.service.target.whole(), "redis://cache:6379/1");
    assert_eq!((&endpoint.shown.read()["user"], &endpoint.shown.read()["password"]), (&"me".into(), &"•••".into()));
    assert!(endpoint.secrets.iter().all(|secret| secret.expose() == "hunter2"));
}

#[test]
fn mistakes_of_redis_are_named() {
    mistakes(&[
        ("url = \"redis://cache/one\"", "this is no database of Redis"),
        ("url = \"redis://token@cache\"", "the password is missing"),
        ("url = \"redis://me:p/w@cache\"", "before the `@` has to be percent-encoded"),
        ("url = \"redis://me:p%@cache\"", "not percent-encoded UTF-8"),
        ("url = \"redis://cache/1?x=y\"", "nothing but `/number of the database` follows the host and the port"),
        ("url = \"redis://cache\"\nuser = \"me\"", "`password` is missing"),
        ("url = \"redis://me:p@cache\"\nuser = \"me\"\npassword = \"p\"", "both a password in the URL and `password`"),
        ("url = \"redis://cache\"\ntls = { skip_verify = true }", "there is TLS with a URL that begins with rediss://"),
        ("url = \"redis://cache\"\nexpect_role = \"slave\"", "did you mean \"replica\"?"),
        ("url = \"redis://cache\"\nexpect_role = \"mastre\"", "did you mean \"master\"?"),
        ("url = \"redis://cache\"\nmax_lag_secs = 0", "at least 1"),
        ("url = \"redis://cache\"\nexpect_role = \"replica\"\nmin_replicas = 1", "only a master knows that"),
        ("type = \"valkey\"\nurl = \"valkey://cache\"", "did you mean \"redis\"?"),
    ]);
}

#[test]
fn mail_servers_are_read() {
    let Spec::Smtp(spec) =
        endpoint("url = \"smtp://mail\"\nstarttls = true\nexpect_auth = \"PLAIN\"\nuser = \"me\"\npassword = \"x\"")
            .probe
    else {
        panic!("no smtp")
    };
    assert!(matches!(spec.security, Security::Starttls(Starttls::Smtp, _)));
    assert_eq!((spec.address.port, spec.helo.as_str(), spec.expect_auth.len()), (25, "localhost", 1));
    let Spec::Imap(spec) = endpoint("url = \"imaps://me:pw@mail\"\nexpect_capabilities = [\"IDLE\"]").probe else {
        panic!("no imap")
    };
    assert!(matches!(spec.security, Security::Tls(_)) && spec.address.port == 993 && spec.login.is_some());
    let Spec::Pop3(spec) = endpoint("url = \"pop3://mail\"").probe else { panic!("no pop3") };
    assert!(matches!(spec.security, Security::Plain) && spec.address.port == 110);
    mistakes(&[
        ("url = \"smtps://mail\"\nstarttls = true", "`starttls` contradicts the scheme of the URL"),
        ("url = \"smtp://mail\"\ntls = {}", "a URL that begins with smtps:// or `starttls = true`"),
        ("url = \"smtp://mail\"\nhelo = \"a b\"", "`helo` cannot be sent"),
        ("url = \"smtp://mail/x\"", "nothing follows the host and the port"),
        ("url = \"imap://:pw@mail\"", "the user is missing"),
        ("url = \"imap://mail\"\npassword = \"x\"", "`user` is missing"),
        ("url = \"pop3://mail\"\nuser = \"a\\nb\"\npassword = \"x\"", "there is a control character in it"),
        ("url = \"imap://mail\"\nexpect_capabilities = [1]", "an entry of `expect_capabilities` has to be a string"),
    ]);
}

#[test]
fn ssh_ldap_mysql_and_queues_are_read() {
    let fingerprint = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    let Spec::Ssh(spec) = endpoint(&format!("url = \"ssh://host\"\nhost_key = \"{fingerprint}\"")).probe else {
        panic!("no ssh")
    };
    assert_eq!(
        (spec.address.port, spec.host_key.unwrap().fingerprint[..4].to_vec()),
        (22, vec![0xe3, 0xb0, 0xc4, 0x42])
    );
    let Spec::Ldap(spec) =
        endpoint("url = \"ldaps://dir\"\nuser = \"cn=a,dc=b\"\npassword = \"pw1\"\nsearch_base = \"dc=b\"").probe
    else {
        panic!("no ldap")
    };
    assert_eq!((spec.address.port, spec.login.unwrap().user.as_str()), (636, "cn=a,dc=b"));
    let mysql = endpoint("url = \"mariadb://me:pw1@db/shop\"\nstarttls = true");
    assert_eq!(mysql.service.target.whole(), "mysql://db:3306/shop");
    let Spec::Mysql(spec) = mysql.probe else { panic!("no mysql") };
    assert_eq!((spec.database.as_deref(), spec.query.as_str()), (Some("shop"), "select 1"));
    let Spec::Mqtt(spec) = endpoint("url = \"mqtts://me:pw1@b\"\nprotocol_version = 5\ntopic = \"a/b\"").probe else {
        panic!("no mqtt")
    };
    assert_eq!((spec.version, spec.address.port, spec.topic.as_deref()), (MqttVersion::V5, 8883, Some("a/b")));
    let Spec::Nats(spec) = endpoint("url = \"nats://:token1@q\"").probe else { panic!("no nats") };
    assert_eq!((spec.address.port, spec.login.unwrap().password.expose()), (4222, "token1"));
    mistakes(&[
        ("url = \"ssh://host\"\nhost_key = \"MD5:00:11\"", "`host_key` is no host key"),
        ("url = \"ssh://host\"\nhost_key = \"ssh-ed25519 !\"", "`host_key` is no host key"),
        ("url = \"ldap://dir\"\nuser = \"cn=a\"", "`password` is missing"),
        ("url = \"ldap://dir/dc=b\"", "nothing follows the host and the port"),
        ("url = \"mysql://db\"\nquery = \"select 2\"", "`query` without `user`"),
        ("url = \"mysql://db\"\ntls = {}", "there is TLS with `starttls = true`"),
        ("url = \"mqtt://b\"\nprotocol_version = 4", "3 (which is 3.1.1) or 5"),
        ("url = \"mqtt://b\"\ntopic = \"a/#\"", "`topic` cannot be sent"),
    ]);
}

#[test]
fn amqp_and_kafka_are_read() {
    let Spec::Amqp(spec) = endpoint("url = \"amqps://me:pw1@b/my%2Fhost\"").probe else { panic!("no amqp") };
    assert_eq!((spec.address.port, spec.virtual_host.as_str()), (5671, "my/host"));
    let Spec::Amqp(spec) = endpoint("url = \"amqp://b\"").probe else { panic!("no amqp") };
    assert_eq!((spec.virtual_host.as_str(), spec.login.is_none()), ("/", true));
    let Spec::Kafka(spec) = endpoint("url = \"kafka://b\"\ntls = true\ntopic = \"orders\"\nmin_brokers = 3").probe
    else {
        panic!("no kafka")
    };
    assert_eq!((spec.address.port, spec.topic.as_deref(), spec.min_brokers), (9092, Some("orders"), Some(3)));
    assert!(matches!(spec.security, Security::Tls(_)));
    mistakes(&[
        ("url = \"amqp://b/a/b\"", "nothing but `/virtual host` follows the host and the port"),
        ("url = \"kafka://b\"\ntopic = \"a b\"", "`a b` cannot be a topic"),
        ("url = \"kafka://b\"\nmin_brokers = 0", "from 1 to 10000"),
    ]);
}
