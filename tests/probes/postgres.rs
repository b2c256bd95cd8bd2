use super::*;
use crate::support::{
    net::{closed_port, hang, serve},
    postgres::{PASSWORD, postgres},
    tls::{Authority, acceptor},
};
use healthcheck_dashboard::{
    domain::{decimal::Decimal, secret::Secret},
    probe::postgres::{Expected, PostgresSpec, SslMode},
    settings::{network::IpVersion, tls::TlsSpec},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

fn spec() -> PostgresSpec {
    PostgresSpec {
        host: "localhost".to_owned(),
        port: postgres().port,
        user: "postgres".to_owned(),
        password: Some(Secret::new(PASSWORD)),
        database: "postgres".to_owned(),
        sslmode: SslMode::Prefer,
        tls: TlsSpec::default(),
        query: "select 1".to_owned(),
        expect_rows: None,
        expect_value: None,
        expect: Vec::new(),
        degraded: Vec::new(),
        ip_version: IpVersion::V4,
        allow_metadata: false,
    }
}

fn trusting() -> TlsSpec {
    TlsSpec { ca: vec![postgres().ca.clone()], ..TlsSpec::default() }
}

fn text(text: &str) -> Expected {
    Expected::Text(text.to_owned())
}

fn number(written: &str) -> Expected {
    Expected::Number(written.to_owned(), Decimal::parse(written).unwrap())
}

async fn run(spec: PostgresSpec) -> Report {
    probe(Spec::Postgres(Box::new(spec))).run(AMPLE).await
}

#[tokio::test]
async fn a_metadata_service_is_not_connected_to() {
    let report = run(PostgresSpec { host: "169.254.170.2".to_owned(), ..spec() }).await;
    let message = "169.254.170.2, a cloud's metadata service: it is not asked without `allow_metadata = true`";
    assert_failed(&report, Class::Connect, Phase::Connect, message);
}

/// Comes back when the server has no session of this role any more.
async fn wait_until_no_session_of(role: &str) {
    let query = format!("select count(*) from pg_stat_activity where usename = '{role}'");
    let probe = probe(Spec::Postgres(Box::new(PostgresSpec { query, expect_value: Some(text("0")), ..spec() })));
    let gone = async { while probe.run(AMPLE).await.verdict != Verdict::Passed {} };
    tokio::time::timeout(AMPLE, gone).await.expect("no session left");
}

#[tokio::test]
async fn a_session_and_a_query_pass_and_every_phase_is_timed() {
    let report = run(spec()).await;
    assert_passed(&report);
    let phases = report.phases;
    assert!(phases.dns_us.is_some() && phases.connect_us.is_some(), "{report:?}");
    assert!(phases.tls_us.is_some() && phases.ttfb_us.is_some(), "{report:?}");
    assert!(phases.sum_us() <= u64::from(report.latency_us), "{report:?}");
    assert!(report.certificate_expires_at.is_some());
}

#[tokio::test]
async fn every_sslmode_means_what_it_means_to_libpq() {
    let authority = Authority::new();
    let other = TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() };
    let address = "127.0.0.1";
    let unknown = "certificate is signed by an authority that is neither trusted nor sent, CN=Test Authority: most likely \
                   the server does not send its intermediate certificate";
    let wrong_host = "certificate is for localhost, not for 127.0.0.1";
    // (sslmode, trust, host, what comes of it: with TLS, without, or this failure)
    let cases: [(SslMode, TlsSpec, &str, Result<bool, &str>); 11] = [
        (SslMode::Disable, TlsSpec::default(), "localhost", Ok(false)),
        (SslMode::Prefer, TlsSpec::default(), address, Ok(true)),
        (SslMode::Require, TlsSpec::default(), address, Ok(true)),
        (SslMode::Require, trusting(), address, Ok(true)),
        (SslMode::Require, TlsSpec { skip_verify: true, ..other.clone() }, address, Ok(true)),
        (SslMode::VerifyCa, trusting(), address, Ok(true)),
        (SslMode::VerifyCa, TlsSpec::default(), address, Err(unknown)),
        (SslMode::VerifyFull, trusting(), "localhost", Ok(true)),
        (SslMode::VerifyFull, trusting(), address, Err(wrong_host)),
        (SslMode::VerifyFull, TlsSpec::default(), "localhost", Err(unknown)),
        (SslMode::VerifyFull, TlsSpec { skip_verify: true, ..other }, address, Ok(true)),
    ];
    for (sslmode, tls, host, expected) in cases {
        let report = run(PostgresSpec { sslmode, tls, host: host.to_owned(), ..spec() }).await;
        match expected {
            Ok(secure) => {
                assert_passed(&report);
                assert_eq!(report.phases.tls_us.is_some(), secure, "{sslmode:?} {host}: {report:?}");
            }
            Err(message) => assert_failed(&report, Class::Tls, Phase::Tls, message),
        }
    }
}

#[tokio::test]
async fn a_required_ca_that_did_not_sign_it_refuses_the_certificate() {
    let tls = TlsSpec { ca: vec![Authority::new().der()], ..TlsSpec::default() };
    let report = run(PostgresSpec { sslmode: SslMode::Require, tls, ..spec() }).await;
    assert_eq!(failure(&report).class, Class::Tls);
}

#[tokio::test]
async fn prefer_comes_again_without_tls_where_the_server_wants_that() {
    let role = |user: &str, sslmode| PostgresSpec { user: user.to_owned(), sslmode, ..spec() };
    assert_passed(&run(role("plain", SslMode::Prefer)).await);
    assert_passed(&run(role("secure", SslMode::Prefer)).await);
    let report = run(role("plain", SslMode::Require)).await;
    let reason = failure(&report);
    assert_eq!((reason.class, reason.phase), (Class::Query, Some(Phase::Ttfb)));
    assert!(reason.message.starts_with("the server refused the session: pg_hba.conf rejects"), "{}", reason.message);
    assert_eq!(failure(&run(role("secure", SslMode::Disable)).await).class, Class::Query);
}

#[tokio::test]
async fn a_wrong_password_is_refused_in_the_servers_words() {
    let report = run(PostgresSpec { password: Some(Secret::new("wrong")), ..spec() }).await;
    let message = "the server refused the session: password authentication failed for user \"postgres\"";
    assert_failed(&report, Class::Query, Phase::Ttfb, message);
    let report = run(PostgresSpec { password: None, ..spec() }).await;
    let message = "the session could not be opened: password missing";
    assert_failed(&report, Class::Query, Phase::Ttfb, message);
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_named() {
    let report = run(PostgresSpec { database: "nowhere".to_owned(), ..spec() }).await;
    let message = "the server refused the session: database \"nowhere\" does not exist";
    assert_failed(&report, Class::Query, Phase::Ttfb, message);
}

#[tokio::test]
async fn a_query_that_fails_fails_in_the_servers_words() {
    let report = run(PostgresSpec { query: "select * from nowhere".to_owned(), ..spec() }).await;
    assert_failed(&report, Class::Query, Phase::Body, "the query failed: relation \"nowhere\" does not exist");
    assert!(report.phases.ttfb_us.is_some());
}

#[tokio::test]
async fn rows_and_values_are_held_against_what_is_expected() {
    let asking = |query: &str| PostgresSpec { query: query.to_owned(), ..spec() };
    let rows = |query: &str, rows| PostgresSpec { expect_rows: Some(rows), ..asking(query) };
    let value = |query: &str, value: Expected| PostgresSpec { expect_value: Some(value), ..asking(query) };
    assert_passed(&run(rows("select * from generate_series(1, 3)", 3)).await);
    assert_passed(&run(rows("select 1 where false", 0)).await);
    for (query, expected) in [
        ("select pg_is_in_recovery()", text("f")),
        ("select pg_is_in_recovery()", Expected::Boolean(false)),
        ("select true", Expected::Boolean(true)),
        ("select true::text", Expected::Boolean(true)),
        ("select 1.50::numeric", number("1.5")),
        ("select 1.0::numeric", number("1")),
        ("select 1e20::float8", number("100000000000000000000")),
        ("select 9007199254740993", number("9007199254740993")),
        ("select -0.0::float8", number("0")),
        ("select ' 7'::text", number("7")),
        ("select 1.50::numeric", text("1.50")),
        ("select 'NULL'", text("NULL")),
        ("select null", Expected::Null),
        ("select 1", Expected::NotNull),
    ] {
        let report = run(value(query, expected)).await;
        assert!(matches!(report.verdict, Verdict::Passed), "{query}: {report:?}");
    }
    for (spec, message, excerpt) in [
        (rows("select 1 where false", 1), "the query gave no row, expected 1", Some("0 rows")),
        (rows("select * from generate_series(1, 3)", 1), "the query gave more than 1 row, expected 1", Some("3 rows")),
        (
            value("select 'replica'", text("primary")),
            "the query gave \"replica\", expected \"primary\"",
            Some("replica"),
        ),
        (value("select 17", text("0")), "the query gave something else (see the excerpt), expected \"0\"", Some("17")),
        (
            value("select 17.5", number("1")),
            "the query gave another number (see the excerpt), expected 1",
            Some("17.5"),
        ),
        (
            value("select 1.0", text("1")),
            "the query gave something else (see the excerpt), expected \"1\"",
            Some("1.0"),
        ),
        (
            value("select 9007199254740993", number("9007199254740992")),
            "the query gave another number (see the excerpt), expected 9007199254740992",
            Some("9007199254740993"),
        ),
        (
            value("select 'NaN'::float8", number("1")),
            "the query gave something else (see the excerpt), expected 1",
            Some("NaN"),
        ),
        (value("select 'one'", number("1.0")), "the query gave \"one\", expected 1.0", Some("one")),
        (value("select false", Expected::Boolean(true)), "the query gave false, expected true", Some("f")),
        (value("select 't '", Expected::Boolean(true)), "the query gave \"t \", expected true", Some("t")),
        (
            value("select 1", Expected::Boolean(true)),
            "the query gave something else (see the excerpt), expected true",
            Some("1"),
        ),
        (value("select null", text("NULL")), "the query gave NULL, expected \"NULL\"", None),
        (value("select null", number("1")), "the query gave NULL, expected 1", None),
        (value("select null", Expected::NotNull), "the query gave NULL, expected a value", None),
        (value("select 'NULL'", Expected::Null), "the query gave \"NULL\", expected NULL", Some("NULL")),
        (value("select", Expected::Null), "the query gave a row without a column, expected NULL", None),
        (value("select null where false", Expected::Null), "the query gave no row, expected NULL", None),
        (value("select 1 where false", text("1")), "the query gave no row, expected \"1\"", None),
    ] {
        let report = run(spec).await;
        assert_failed(&report, Class::Content, Phase::Body, message);
        assert_eq!(report.excerpt.as_deref(), excerpt);
    }
}

#[tokio::test]
async fn a_query_that_copies_is_said_to_give_no_value() {
    for sslmode in [SslMode::Disable, SslMode::Require] {
        for query in [
            "copy (select 1) to stdout",
            "COPY pg_class TO STDOUT (format binary)",
            "create temp table t (x int); copy t from stdin",
            "select 1; copy (select repeat('x', 1000) from generate_series(1, 100000)) to stdout",
        ] {
            let report = run(PostgresSpec { sslmode, query: query.to_owned(), ..spec() }).await;
            let message = "the query is a COPY, which gives no value: ask with a select";
            assert_failed(&report, Class::Query, Phase::Body, message);
        }
    }
}

#[tokio::test]
async fn a_query_without_end_is_late_and_cancelled_in_the_server() {
    for sslmode in [SslMode::Disable, SslMode::Require] {
        let slow =
            PostgresSpec { user: "slow".to_owned(), query: "select pg_sleep(600)".to_owned(), sslmode, ..spec() };
        let report = probe(Spec::Postgres(Box::new(slow))).run(SHORT).await;
        assert_late(&report, Phase::Body, "the query was not finished within 1 s");
        assert!(report.phases.ttfb_us.is_some());
        wait_until_no_session_of("slow").await;
    }
}

#[tokio::test]
async fn no_session_is_left_behind() {
    let leaky = probe(Spec::Postgres(Box::new(PostgresSpec { user: "leaky".to_owned(), ..spec() })));
    let failing = PostgresSpec { user: "leaky".to_owned(), query: "select 1/0".to_owned(), ..spec() };
    let failing = probe(Spec::Postgres(Box::new(failing)));
    for _ in 0..20 {
        assert_passed(&leaky.run(AMPLE).await);
        assert_failed(&failing.run(AMPLE).await, Class::Query, Phase::Body, "the query failed: division by zero");
    }
    wait_until_no_session_of("leaky").await;
}

#[tokio::test]
async fn a_server_without_tls_is_taken_or_refused_as_the_mode_says() {
    let address = serve(|mut stream| async move {
        let mut question = [0; 8];
        let _ = tokio::io::AsyncReadExt::read_exact(&mut stream, &mut question).await;
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"N").await;
        hang(stream).await;
    })
    .await;
    let at = |sslmode| PostgresSpec { port: address.port(), sslmode, ..spec() };
    let report = run(at(SslMode::Require)).await;
    assert_failed(&report, Class::Tls, Phase::Tls, "the server does not offer TLS");
    let report = probe(Spec::Postgres(Box::new(at(SslMode::Prefer)))).run(SHORT).await;
    assert_late(&report, Phase::Ttfb, "the session was not ready within 1 s");
}

#[tokio::test]
async fn what_is_no_postgresql_is_said_to_be_none() {
    let web = serve(|mut stream| async move {
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        hang(stream).await;
    })
    .await;
    for sslmode in [SslMode::Prefer, SslMode::Disable] {
        let report = run(PostgresSpec { port: web.port(), sslmode, ..spec() }).await;
        let reason = failure(&report);
        assert_eq!((reason.class, reason.message.as_str()), (Class::Protocol, "the answer is not PostgreSQL's"));
    }
    let closing = serve(|mut stream| async move {
        let _ = tokio::io::AsyncReadExt::read_u8(&mut stream).await;
    })
    .await;
    let report = run(PostgresSpec { port: closing.port(), sslmode: SslMode::Disable, ..spec() }).await;
    let reason = failure(&report);
    assert_eq!((reason.class, reason.phase), (Class::Protocol, Some(Phase::Ttfb)));
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let address = closed_port();
    let report = run(PostgresSpec { port: address.port(), ..spec() }).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {address}"));
}

#[tokio::test]
async fn what_the_server_says_in_several_lines_is_one() {
    let query = "do $$ begin raise exception E'first\\n\\x1b[31msecond\\r\\n\\tthird'; end $$".to_owned();
    let report = run(PostgresSpec { query, ..spec() }).await;
    assert_failed(&report, Class::Query, Phase::Body, "the query failed: first · second · third");
}

#[tokio::test]
async fn the_servers_own_certificate_can_be_the_one_that_is_trusted() {
    let tls = TlsSpec { ca: vec![postgres().certificate.clone()], ..TlsSpec::default() };
    let of = |sslmode, host: &str| PostgresSpec { sslmode, tls: tls.clone(), host: host.to_owned(), ..spec() };
    assert_passed(&run(of(SslMode::VerifyFull, "localhost")).await);
    assert_passed(&run(of(SslMode::VerifyCa, "127.0.0.1")).await);
    let report = run(of(SslMode::VerifyFull, "127.0.0.1")).await;
    assert_failed(&report, Class::Tls, Phase::Tls, "certificate is for localhost, not for 127.0.0.1");
}

/// A message of the server's, of a body of so many bytes that mean nothing.
fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

/// A server that lets everybody in, sends `first`, and then `again` without end; and how many bytes went out.
async fn flood(tls: bool, first: Vec<u8>, again: Vec<u8>) -> (u16, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    let acceptor = acceptor(&Authority::new().issue(&["localhost"], 300), None);
    let address = serve(move |mut stream| {
        let (first, again, sent, acceptor) = (first.clone(), again.clone(), Arc::clone(&counted), acceptor.clone());
        async move {
            let mut question = [0; 8];
            if !tls {
                pour(stream, &first, &again, &sent).await;
            } else if stream.read_exact(&mut question).await.is_ok() && stream.write_all(b"S").await.is_ok() {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                pour(stream, &first, &again, &sent).await;
            }
        }
    })
    .await;
    (address.port(), sent)
}

async fn pour(mut stream: impl AsyncRead + AsyncWrite + Unpin, first: &[u8], again: &[u8], sent: &AtomicU64) {
    let mut startup = [0; 4];
    if stream.read_exact(&mut startup).await.is_err() || stream.write_all(first).await.is_err() {
        return;
    }
    // Rows come when they are asked for.
    let is_row = again.starts_with(b"D");
    while is_row && stream.read_u8().await.is_ok_and(|byte| byte != b'Q') {}
    if is_row {
        let column = [&[0, 1][..], b"a\0", &[0; 18]].concat();
        let _ = stream.write_all(&message(b'T', &column)).await;
    }
    let mut at = 0;
    while let Ok(bytes) = stream.write(&again[at..]).await {
        sent.fetch_add(bytes as u64, Ordering::Relaxed);
        at = (at + bytes) % again.len();
    }
}

/// "Authentication ok", and where the query may begin.
fn opened() -> Vec<u8> {
    [message(b'R', &[0; 4]), message(b'K', &[0; 8]), message(b'Z', b"I")].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_sends_without_end_is_given_up_after_so_many_bytes() {
    // What the system takes in before anybody reads it, on both ends.
    const BUFFERS: u64 = 16 << 20;
    let ok = || message(b'R', &[0; 4]);
    let row = [&[0, 1, 0, 0, 0x10, 0][..], &[b'x'; 0x1000]].concat();
    let beside = "the server sent more than 1 MiB beside the rows of the query";
    for tls in [false, true] {
        let sslmode = if tls { SslMode::Require } else { SslMode::Disable };
        for (first, again, phase, what, most) in [
            (ok(), message(b'N', &[b'x'; 5000]), Phase::Ttfb, beside, 1 << 20),
            (
                ok(),
                message(b'S', b"a\0b\0"),
                Phase::Ttfb,
                "the server sent more than 4096 messages beside the rows of the query",
                1 << 20,
            ),
            // One message of two gigabytes.
            (
                [ok(), vec![b'N', 0x7f, 0xff, 0xff, 0xff]].concat(),
                vec![b'x'; 5000],
                Phase::Ttfb,
                "the server announced a message of more than 1 MiB",
                0,
            ),
            (
                opened(),
                message(b'N', b"SNOTICE\0C00000\0Mx\0\0"),
                Phase::Body,
                "the server sent more than 4096 messages beside the rows of the query",
                1 << 20,
            ),
            (opened(), message(b'D', &row), Phase::Body, "the query gave more than 16 MiB", 16 << 20),
        ] {
            let (port, sent) = flood(tls, first, again).await;
            let report = run(PostgresSpec { port, sslmode, ..spec() }).await;
            assert_failed(&report, Class::Protocol, phase, what);
            let sent = sent.load(Ordering::Relaxed);
            assert!(sent <= most + BUFFERS, "{sent} bytes: {what}");
        }
    }
}

#[tokio::test]
async fn a_long_answer_within_the_bounds_passes() {
    let rows = |query: &str| PostgresSpec { query: query.to_owned(), expect_rows: Some(10_000), ..spec() };
    assert_passed(&run(rows("select repeat('x', 1000) from generate_series(1, 10000)")).await);
    let report = run(rows("select repeat('x', 2000) from generate_series(1, 10000)")).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the query gave more than 16 MiB");
    let report = run(rows("select repeat('x', 1050000)")).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the server announced a message of more than 1 MiB");
}

#[tokio::test]
async fn a_connection_that_breaks_under_a_query_is_not_waited_for() {
    let address = serve(|mut stream| async move {
        let mut startup = [0; 4];
        let _ = stream.read_exact(&mut startup).await;
        let _ = stream.write_all(&opened()).await;
        while stream.read_u8().await.is_ok_and(|byte| byte != b'Q') {}
    })
    .await;
    let report = run(PostgresSpec { port: address.port(), sslmode: SslMode::Disable, ..spec() }).await;
    let reason = failure(&report);
    assert_eq!((reason.class, reason.phase), (Class::Protocol, Some(Phase::Body)), "{report:?}");
}

/// A check with these keys of its section.
async fn check(keys: &str) -> Report {
    let text = format!(
        "[[checks.endpoints]]\nname = \"x\"\nurl = \"postgres://postgres:{PASSWORD}@localhost:{}/postgres\"\n{keys}\n",
        postgres().port
    );
    let path = std::path::Path::new("config.toml");
    let endpoint = healthcheck_dashboard::config::parse(&text, path, &|_| None).unwrap().checks.endpoints.remove(0);
    Probe::new(&endpoint.probe, endpoint.secrets, shared()).unwrap().run(AMPLE).await
}

#[tokio::test]
async fn conditions_are_held_against_the_rows_and_columns_of_the_answer() {
    let used =
        "query = \"select count(*) as used, current_setting('max_connections')::int as most from pg_stat_activity\"";
    assert_passed(&check(&format!("{used}\nexpect = [\"row.used / row.most < 0.99\", \"rows == 1\"]")).await);
    let rows =
        "query = \"select n, case n when 3 then 'late' end as state, -n / 2.0 as half from generate_series(2, 3) n\"";
    let passed = "expect = [\"rows == 2\", \"row.n == 2 and row.half == -1\", \"row.state is none\", \"result[1].state == 'late'\"]";
    assert_passed(&check(&format!("{rows}\n{passed}")).await);
    let report = check(&format!("{rows}\nexpect = \"row.n > 2\"")).await;
    assert_failed(&report, Class::Content, Phase::Body, "row.n > 2 does not hold: row.n is 2");
    assert_eq!(report.excerpt.as_deref(), Some("{\"n\":2,\"state\":null,\"half\":-1.0}"));
    let reason = degraded(&check(&format!("{rows}\ndegraded = \"rows < 2\"")).await);
    assert_eq!((reason.class, reason.message.as_str()), (Class::Content, "rows < 2 does not hold: rows is 2"));
    let report = check("query = \"select 1 as n where false\"\nexpect = \"row.n == 1\"").await;
    let message = "row.n == 1 cannot be judged: the query gave no row";
    assert_failed(&report, Class::Content, Phase::Body, message);
}
