//! The sections of the kinds that speak their protocol over one TCP connection.

use super::{endpoint, report};
use healthcheck_dashboard::probe::{ProxyProtocol, Security, Spec, Starttls};

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
    assert_eq!(of_turn.shown["turns"][0]["send"], "PASS •••\r\n");
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
