use super::*;
use crate::support::{
    net::{closed_port, hang, serve},
    talk::{Steps, steps, talking, talking_over_tls},
    tls::{Authority, acceptor},
};
use healthcheck_dashboard::{
    domain::secret::Secret,
    probe::{
        Login, Security,
        redis::{Expected, RedisSpec, Role},
    },
    settings::tls::TlsSpec,
};
use tokio::io::AsyncWriteExt;

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const INFO: &[u8] = b"*1\r\n$4\r\nINFO\r\n";

fn spec(address: SocketAddr) -> RedisSpec {
    RedisSpec {
        address: at(address),
        security: Security::Plain,
        login: None,
        database: 0,
        expected: Expected::default(),
    }
}

fn expecting(role: Role) -> Expected {
    Expected { role: Some(role), ..Expected::default() }
}

async fn run(spec: RedisSpec) -> Report {
    probe(Spec::Redis(Box::new(spec))).run(AMPLE).await
}

fn bulk(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into_bytes()
}

/// Answers PING, and INFO with these lines.
fn saying(info: &[&str]) -> Steps {
    let info = bulk(&format!("# Server\r\nredis_version:7.0.15\r\n{}\r\n", info.join("\r\n")));
    steps([(PING, b"+PONG\r\n"), (INFO, &info)])
}

#[tokio::test]
async fn a_master_that_answers_passes() {
    let report = run(spec(talking(saying(&["role:master", "maxmemory:0", "used_memory:5"])).await)).await;
    assert_passed(&report);
    assert!(report.phases.connect_us.is_some() && report.phases.ttfb_us.is_some());
}

#[tokio::test]
async fn user_password_and_database_come_first() {
    let mut said = steps([
        (b"*3\r\n$4\r\nAUTH\r\n$3\r\nadm\r\n$7\r\nhunter2\r\n", b"+OK\r\n"),
        (b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n", b"+OK\r\n"),
    ]);
    said.extend(saying(&["role:master"]));
    let login = Some(Login { user: "adm".to_owned(), password: Secret::new("hunter2") });
    assert_passed(&run(RedisSpec { login, database: 3, ..spec(talking(said).await) }).await);
    let alone = steps([(b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n", b"-WRONGPASS no such hunter2\r\n")]);
    let login = Some(Login { user: String::new(), password: Secret::new("hunter2") });
    let report = run(RedisSpec { login, ..spec(talking(alone).await) }).await;
    assert_failed(&report, Class::Query, Phase::Body, "the server refuses the password");
}

#[tokio::test]
async fn each_refusal_is_named() {
    for (said, message) in [
        ("-NOAUTH Authentication required.", "the server needs a password"),
        ("-LOADING Redis is loading the dataset in memory", "the server is still loading its data"),
        ("-ERR max number of clients reached", "the server has no place for another connection"),
        (
            "-MISCONF Redis is configured to save RDB snapshots, but",
            "the server refuses writes because it cannot save its data",
        ),
        ("-BUSY Redis is busy running a script.", "the server is busy with a script"),
        ("-ERR what", "the server answered: ERR what"),
    ] {
        let answer = format!("{said}\r\n");
        let report = run(spec(talking(steps([(PING, answer.as_bytes())])).await)).await;
        assert_failed(&report, Class::Query, Phase::Body, message);
    }
    let report = run(spec(talking(steps([(PING, b"HTTP/1.1 400 Bad Request\r\n")])).await)).await;
    let message = "the answer is not Redis': it begins with \"HTTP/1.1 400 Bad …\"";
    assert_failed(&report, Class::Protocol, Phase::Body, message);
}

#[tokio::test]
async fn a_master_that_is_full_or_alone_fails() {
    let full = ["role:master", "maxmemory:100", "used_memory:95", "maxmemory_policy:noeviction"];
    let write: &[u8] = b"*4\r\n$8\r\nSETRANGE\r\n$21\r\nhealthcheck_dashboard\r\n$1\r\n0\r\n$0\r\n\r\n";
    let answered = |said: &[u8]| {
        let mut all = saying(&full);
        all.extend(steps([(write, said)]));
        all
    };
    assert_passed(&run(spec(talking(answered(b":0\r\n")).await)).await);
    assert_passed(&run(spec(talking(answered(b"-NOPERM no\r\n")).await)).await);
    let report = run(spec(talking(answered(b"-OOM command not allowed\r\n")).await)).await;
    let message = "the server is out of memory and refuses writes";
    assert_failed(&report, Class::Query, Phase::Body, message);
    let evicting = ["role:master", "maxmemory:100", "used_memory:101", "maxmemory_policy:allkeys-lru"];
    assert_passed(&run(spec(talking(saying(&evicting)).await)).await);

    let replicas = [
        "role:master",
        "connected_slaves:2",
        "slave0:ip=10.0.0.2,port=6379,state=online,offset=900,lag=1",
        "slave1:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0",
        "master_repl_offset:1000",
    ];
    for (expected, message) in [
        (Expected { min_replicas: Some(1), max_lag_secs: Some(1), ..Expected::default() }, None),
        (Expected { min_replicas: Some(2), ..Expected::default() }, Some("fewer replicas are connected, expected 2")),
        (
            Expected { max_lag_bytes: Some(99), ..Expected::default() },
            Some("a replica is behind by more than 99 bytes"),
        ),
        (Expected { max_lag_bytes: Some(100), ..Expected::default() }, None),
        (expecting(Role::Replica), Some("the server is a master, expected a replica")),
    ] {
        let report = run(RedisSpec { expected, ..spec(talking(saying(&replicas)).await) }).await;
        match message {
            None => assert_passed(&report),
            Some(message) => {
                assert_failed(&report, Class::Content, Phase::Body, message);
                assert!(report.excerpt.unwrap().contains("role:master"));
            }
        }
    }
}

#[tokio::test]
async fn a_replica_without_its_master_is_degraded_or_fails() {
    let cut = ["role:slave", "master_link_status:down", "master_sync_in_progress:0", "master_last_io_seconds_ago:-1"];
    let report = run(spec(talking(saying(&cut)).await)).await;
    let Verdict::Degraded(reason) = &report.verdict else { panic!("{report:?}") };
    assert_eq!(reason.message, "the replica has no connection to its master");
    let expected = expecting(Role::Replica);
    let report = run(RedisSpec { expected, ..spec(talking(saying(&cut)).await) }).await;
    assert_failed(&report, Class::Content, Phase::Body, "the replica has no connection to its master");

    let late = ["role:slave", "master_link_status:up", "master_last_io_seconds_ago:31"];
    let expected = Expected { max_lag_secs: Some(30), ..Expected::default() };
    let report = run(RedisSpec { expected, ..spec(talking(saying(&late)).await) }).await;
    assert_failed(&report, Class::Content, Phase::Body, "the replica has not heard of its master for more than 30 s");
    let report = run(RedisSpec { expected: expecting(Role::Master), ..spec(talking(saying(&late)).await) }).await;
    assert_failed(&report, Class::Content, Phase::Body, "the server is a replica, expected a master");
}

#[tokio::test]
async fn who_may_only_ping_has_no_more_to_say_unless_it_is_wanted() {
    let said = || steps([(PING, b"+PONG\r\n"), (INFO, b"-NOPERM User x has no permissions to run 'info'\r\n")]);
    assert_passed(&run(spec(talking(said()).await)).await);
    let report = run(RedisSpec { expected: expecting(Role::Master), ..spec(talking(said()).await) }).await;
    let message = "the user is not allowed to: User x has no permissions to run 'info'";
    assert_failed(&report, Class::Query, Phase::Body, message);
}

#[tokio::test]
async fn a_hostile_server_is_read_within_bounds() {
    for answer in [&b"+PONG\r\n$999999999999\r\n"[..], b"+PONG\r\n$18446744073709551615\r\n"] {
        let address = talking(steps([(PING, answer)])).await;
        assert_eq!(failure(&run(spec(address)).await).class, Class::Protocol);
    }
    let endless = serve(|mut stream| async move { while stream.write_all(&[b'x'; 8192]).await.is_ok() {} }).await;
    assert_failed(&run(spec(endless)).await, Class::Protocol, Phase::Body, "a line of the answer is longer than 8 KiB");
    let report = probe(Spec::Redis(Box::new(spec(serve(hang).await)))).run(SHORT).await;
    assert_late(&report, Phase::Ttfb, "no answer within 1 s");
    let closed = closed_port();
    let report = run(spec(closed)).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {closed}"));
}

#[tokio::test]
async fn over_tls_the_certificate_is_seen() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority.issue(&["127.0.0.1"], 3), None);
    let address = talking_over_tls(Vec::new(), acceptor, saying(&["role:master"])).await;
    let tls = TlsSpec { ca: vec![authority.der()], ..TlsSpec::default() };
    let report = run(RedisSpec { security: Security::Tls(Box::new(tls)), ..spec(address) }).await;
    let Verdict::Degraded(reason) = &report.verdict else { panic!("{report:?}") };
    assert_eq!((reason.class, reason.message.as_str()), (Class::Certificate, "certificate expires in 3 days"));
}
