//! SMTP, IMAP and POP3.

use super::*;
use crate::support::{
    net::{closed_port, hang, serve},
    talk::{Steps, steps, talking, talking_over_tls},
    tls::{Authority, acceptor},
};
use healthcheck_dashboard::{
    domain::secret::Secret,
    probe::{Login, Security, Starttls, imap::ImapSpec, pop3::Pop3Spec, smtp::SmtpSpec},
    settings::tls::TlsSpec,
};
use tokio::io::AsyncWriteExt;

fn smtp(address: SocketAddr) -> SmtpSpec {
    SmtpSpec {
        address: at(address),
        security: Security::Plain,
        login: None,
        helo: "monitor".to_owned(),
        expect_auth: Vec::new(),
        expect_capabilities: Vec::new(),
    }
}

fn imap(address: SocketAddr) -> ImapSpec {
    ImapSpec { address: at(address), security: Security::Plain, login: None, expect_capabilities: Vec::new() }
}

fn pop3(address: SocketAddr) -> Pop3Spec {
    Pop3Spec { address: at(address), security: Security::Plain, login: None, expect_capabilities: Vec::new() }
}

fn of_smtp(spec: SmtpSpec) -> Spec {
    Spec::Smtp(Box::new(spec))
}

fn of_imap(spec: ImapSpec) -> Spec {
    Spec::Imap(Box::new(spec))
}

fn of_pop3(spec: Pop3Spec) -> Spec {
    Spec::Pop3(Box::new(spec))
}

async fn run(spec: Spec) -> Report {
    probe(spec).run(AMPLE).await
}

fn login() -> Option<Login> {
    Some(Login { user: "me".to_owned(), password: Secret::new("hun\"ter2") })
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn greeted() -> Steps {
    steps([
        (b"", b"220-mail\r\n220 ready\r\n"),
        (b"EHLO monitor\r\n", b"250-mail\r\n250-SIZE 1000\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n"),
    ])
}

fn then(mut all: Steps, more: Steps) -> Steps {
    all.extend(more);
    all
}

#[tokio::test]
async fn a_mail_server_that_offers_what_is_expected_passes_and_gets_no_mail() {
    let (expect_auth, expect_capabilities) = (words(&["PLAIN", "login"]), words(&["SIZE", "8BITMIME"]));
    let goodbye = then(greeted(), steps([(b"QUIT\r\n", b"221 bye\r\n")]));
    let report = run(of_smtp(SmtpSpec { expect_auth, expect_capabilities, ..smtp(talking(goodbye).await) })).await;
    assert_passed(&report);
    for (expect_auth, expect_capabilities, message) in [
        (words(&["PLAIN", "XOAUTH2"]), Vec::new(), "the server does not offer XOAUTH2"),
        (Vec::new(), words(&["STARTTLS"]), "the server does not offer STARTTLS"),
    ] {
        let spec = SmtpSpec { expect_auth, expect_capabilities, ..smtp(talking(greeted()).await) };
        let report = run(of_smtp(spec)).await;
        assert_failed(&report, Class::Content, Phase::Body, message);
        assert!(report.excerpt.is_some());
    }
}

#[tokio::test]
async fn who_may_send_mail_is_let_in_or_not() {
    // "\0me\0hun\"ter2"
    let plain: &[u8] = b"AUTH PLAIN AG1lAGh1biJ0ZXIy\r\n";
    let right = then(greeted(), steps([(plain, b"235 welcome\r\n")]));
    assert_passed(&run(of_smtp(SmtpSpec { login: login(), ..smtp(talking(right).await) })).await);
    let wrong = then(greeted(), steps([(plain, b"535 5.7.8 no hun\"ter2, no AG1lAGh1biJ0ZXIy\r\n")]));
    let report = run(of_smtp(SmtpSpec { login: login(), ..smtp(talking(wrong).await) })).await;
    let message = "the server refused the login: 535 5.7.8 no •••, no •••";
    assert_failed(&report, Class::Query, Phase::Body, message);
    let by_login = steps([
        (b"", b"220 ready\r\n"),
        (b"EHLO monitor\r\n", b"250-mail\r\n250 AUTH LOGIN\r\n"),
        (b"AUTH LOGIN\r\n", b"334 VXNlcm5hbWU6\r\n"),
        (b"bWU=\r\n", b"334 UGFzc3dvcmQ6\r\n"),
        (b"aHVuInRlcjI=\r\n", b"235 welcome\r\n"),
    ]);
    assert_passed(&run(of_smtp(SmtpSpec { login: login(), ..smtp(talking(by_login).await) })).await);
}

#[tokio::test]
async fn a_mail_server_that_is_full_or_something_else_says_so() {
    for (said, class, message) in [
        (
            &b"421 4.7.0 too many connections\r\n"[..],
            Class::Query,
            "the server refused the session: 421 4.7.0 too many connections",
        ),
        (b"554-no\r\n554 mail from you\r\n", Class::Query, "the server refused the session: 554 no mail from you"),
        (
            b"HTTP/1.1 400 Bad Request\r\n",
            Class::Protocol,
            "the answer is not SMTP's: it begins with \"HTTP/1.1 400 Bad …\"",
        ),
        (b"220\xc3\xa4 x\r\n", Class::Protocol, "the answer is not SMTP's: it begins with \"220ä x\""),
    ] {
        let report = run(of_smtp(smtp(talking(steps([(b"", said)])).await))).await;
        assert_failed(&report, class, Phase::Body, message);
    }
    let endless = serve(|mut stream| async move { while stream.write_all(b"220-more\r\n").await.is_ok() {} }).await;
    let report = run(of_smtp(smtp(endless))).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the answer is longer than 64 KiB");
    let closed = closed_port();
    for spec in [of_smtp(smtp(closed)), of_imap(imap(closed)), of_pop3(pop3(closed))] {
        let report = run(spec).await;
        assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {closed}"));
    }
    let silent = serve(hang).await;
    for spec in [of_smtp(smtp(silent)), of_imap(imap(silent)), of_pop3(pop3(silent))] {
        assert_late(&probe(spec).run(SHORT).await, Phase::Ttfb, "no answer within 1 s");
    }
}

#[tokio::test]
async fn after_starttls_everything_goes_over_tls() {
    let authority = Authority::new();
    let tls = || Box::new(TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() });
    let acceptor = || acceptor(&authority.issue(&["127.0.0.1"], 3), None);
    let before = steps([
        (b"", b"220 ready\r\n"),
        (b"EHLO localhost\r\n", b"250-mail\r\n250 STARTTLS\r\n"),
        (b"STARTTLS\r\n", b"220 go\r\n"),
    ]);
    let after = steps([(b"EHLO monitor\r\n", b"250-mail\r\n250 AUTH PLAIN\r\n")]);
    let address = talking_over_tls(before, acceptor(), after).await;
    let security = Security::Starttls(Starttls::Smtp, tls());
    let mail = of_smtp(SmtpSpec { security, expect_auth: words(&["PLAIN"]), ..smtp(address) });

    let before = steps([(b"", b"* OK ready\r\n"), (b"a1 STARTTLS\r\n", b"a1 OK go\r\n")]);
    let after = steps([
        (b"a2 CAPABILITY\r\n", b"* CAPABILITY IMAP4rev1 IDLE\r\na2 OK done\r\n"),
        (b"a3 LOGIN \"me\" \"hun\\\"ter2\"\r\n", b"a3 OK in\r\n"),
    ]);
    let address = talking_over_tls(before, acceptor(), after).await;
    let security = Security::Starttls(Starttls::Imap, tls());
    let of_imap =
        of_imap(ImapSpec { security, login: login(), expect_capabilities: words(&["idle"]), ..imap(address) });

    let before = steps([(b"", b"+OK ready\r\n"), (b"STLS\r\n", b"+OK go\r\n")]);
    let after = steps([(b"USER me\r\n", b"+OK\r\n"), (b"PASS hun\"ter2\r\n", b"+OK in\r\n")]);
    let address = talking_over_tls(before, acceptor(), after).await;
    let security = Security::Starttls(Starttls::Pop3, tls());
    let of_pop3 = of_pop3(Pop3Spec { security, login: login(), ..pop3(address) });

    for spec in [mail, of_imap, of_pop3] {
        let report = run(spec).await;
        let Verdict::Degraded(reason) = &report.verdict else { panic!("{report:?}") };
        assert_eq!((reason.class, reason.message.as_str()), (Class::Certificate, "certificate expires in 3 days"));
    }
}

#[tokio::test]
async fn what_mail_is_read_from_refuses_in_its_own_words() {
    let capable = |what: &str| {
        let said = format!("* CAPABILITY IMAP4rev1 {what}\r\na2 OK done\r\n");
        steps([(b"", b"* OK ready\r\n"), (b"a2 CAPABILITY\r\n", said.as_bytes())])
    };
    assert_passed(&run(of_imap(imap(talking(capable("IDLE")).await))).await);
    let wrong =
        then(capable(""), steps([(b"a3 LOGIN \"me\" \"hun\\\"ter2\"\r\n", b"a3 NO [AUTHENTICATIONFAILED] wrong\r\n")]));
    for (said, login, expected, class, message) in [
        (steps([(b"", b"* BYE too many\r\n")]), None, "", Class::Query, "the server refused the session: too many"),
        (
            steps([(b"", b"+OK pop\r\n")]),
            None,
            "",
            Class::Protocol,
            "the answer is not IMAP's: it begins with \"+OK pop\"",
        ),
        (capable("SORT"), None, "IDLE", Class::Content, "the server does not offer IDLE"),
        (
            capable("LOGINDISABLED"),
            login(),
            "",
            Class::Query,
            "the server takes no password here: most take one only over TLS",
        ),
        (wrong, login(), "", Class::Query, "the server refused the login: [AUTHENTICATIONFAILED] wrong"),
    ] {
        let expect_capabilities = words(&[expected]).into_iter().filter(|word| !word.is_empty()).collect();
        let spec = ImapSpec { login, expect_capabilities, ..imap(talking(said).await) };
        assert_failed(&run(of_imap(spec)).await, class, Phase::Body, message);
    }

    let ready: (&[u8], &[u8]) = (b"", b"+OK ready\r\n");
    let capa: (&[u8], &[u8]) = (b"CAPA\r\n", b"+OK\r\nUIDL\r\nSASL PLAIN\r\n.\r\n");
    let spec = Pop3Spec { expect_capabilities: words(&["SASL"]), ..pop3(talking(steps([ready, capa])).await) };
    assert_passed(&run(of_pop3(spec)).await);
    let wrong = steps([ready, (b"USER me\r\n", b"+OK\r\n"), (b"PASS hun\"ter2\r\n", b"-ERR [AUTH] wrong\r\n")]);
    for (said, login, expected, class, message) in [
        (
            steps([(b"", b"-ERR [SYS/TEMP] later\r\n")]),
            None,
            "",
            Class::Query,
            "the server refused the session: [SYS/TEMP] later",
        ),
        (
            steps([(b"", b"* OK imap\r\n")]),
            None,
            "",
            Class::Protocol,
            "the answer is not POP3's: it begins with \"* OK imap\"",
        ),
        (steps([ready, capa]), None, "STLS", Class::Content, "the server does not offer STLS"),
        (wrong, login(), "", Class::Query, "the server refused the login: [AUTH] wrong"),
    ] {
        let expect_capabilities = words(&[expected]).into_iter().filter(|word| !word.is_empty()).collect();
        let spec = Pop3Spec { login, expect_capabilities, ..pop3(talking(said).await) };
        assert_failed(&run(of_pop3(spec)).await, class, Phase::Body, message);
    }
}
