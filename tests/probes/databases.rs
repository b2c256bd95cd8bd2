//! MySQL and LDAP.

use super::{starttls::mysql_greeting, *};
use crate::support::{
    net::closed_port,
    talk::{Steps, steps, talking},
};
use healthcheck_dashboard::{
    domain::secret::Secret,
    probe::{Login, Security, ldap::LdapSpec, mysql::MysqlSpec},
};

async fn mysql(said: Steps, login: Option<Login>) -> Report {
    let spec = MysqlSpec {
        address: at(talking(said).await),
        security: Security::Plain,
        login,
        database: None,
        query: "select 1".to_owned(),
    };
    probe(Spec::Mysql(Box::new(spec))).run(AMPLE).await
}

fn me() -> Option<Login> {
    Some(Login { user: "me".to_owned(), password: Secret::new("hunter2") })
}

fn framed(number: u8, content: &[u8]) -> Vec<u8> {
    [&[content.len() as u8, 0, 0, number], content].concat()
}

/// The login of `me` with `hunter2`, answered so; then the query, answered so.
fn session(answer: &[u8], result: &[u8]) -> Steps {
    let capabilities = (1_u32 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 19).to_le_bytes();
    // sha1("hunter2") ^ sha1("abcdefghijklmnopqrst" + sha1(sha1("hunter2"))), by Python's hashlib.
    let proof: [u8; 20] = [251, 48, 131, 12, 62, 193, 194, 22, 28, 117, 239, 140, 69, 151, 125, 104, 74, 56, 216, 212];
    let login =
        [&capabilities[..], &[0, 0, 0, 1, 45], &[0; 23], b"me\0\x14", &proof, b"mysql_native_password\0"].concat();
    let mut all = steps([(b"", &mysql_greeting(false)), (&framed(1, &login), answer)]);
    all.push((framed(0, b"\x03select 1"), result.to_vec()));
    all
}

#[tokio::test]
async fn a_mysql_server_with_a_place_passes_and_a_user_is_let_in() {
    assert_passed(&mysql(steps([(b"", &mysql_greeting(false))]), None).await);
    let (ok, result) = (framed(2, &[0, 0, 0, 2, 0, 0, 0]), framed(1, &[1]));
    assert_passed(&mysql(session(&ok, &result), me()).await);
    let denied = framed(2, b"\xff\x15\x04#28000Access denied for user 'me'@'x' (using password: YES)");
    let report = mysql(session(&denied, b""), me()).await;
    let message = "the server refused the login: Access denied for user 'me'@'x' (using password: YES) (error 1045)";
    assert_failed(&report, Class::Query, Phase::Body, message);
    let report = mysql(session(&ok, &framed(1, b"\xff\x7a\x04#42S02Table 'x.y' doesn't exist")), me()).await;
    let message = "the query failed: Table 'x.y' doesn't exist (error 1146)";
    assert_failed(&report, Class::Query, Phase::Body, message);
    let report = mysql(session(&framed(2, b"\xfedialog\0x"), b""), me()).await;
    let message = "the server wants to see the password by dialog, which is not supported";
    assert_failed(&report, Class::Query, Phase::Body, message);
}

#[tokio::test]
async fn a_mysql_server_without_a_place_says_why() {
    for (said, class, message) in [
        (
            framed(0, b"\xff\x10\x04Too many connections"),
            Class::Query,
            "the server refused the session: Too many connections (error 1040)",
        ),
        (
            framed(0, b"\xff\x69\x04Host '10.0.0.1' is blocked because of many connection errors"),
            Class::Query,
            "the server refused the session: Host '10.0.0.1' is blocked because of many connection errors (error 1129)",
        ),
        (
            b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(),
            Class::Protocol,
            "the answer is not MySQL's: it begins with \"SSH-2.0-OpenSSH_9.2\"",
        ),
        (
            vec![0xff, 0xff, 0xff, 0],
            Class::Protocol,
            "the answer announces 16777215 bytes, of which at most 65536 are read",
        ),
    ] {
        assert_failed(&mysql(steps([(b"", &said)]), None).await, class, Phase::Body, message);
    }
}

fn directory(address: SocketAddr) -> LdapSpec {
    LdapSpec { address: at(address), security: Security::Plain, login: None, search_base: None }
}

const ANONYMOUS: &[u8] = b"\x30\x0c\x02\x01\x02\x60\x07\x02\x01\x03\x04\0\x80\0";
const BOUND: &[u8] = b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\0\x04\0\x04\0";
const SEARCH: &[u8] = b"\x30\x2e\x02\x01\x03\x63\x29\x04\x04dc=x\x0a\x01\0\x0a\x01\0\x02\x01\x01\x02\x01\0\x01\x01\0\x87\x0bobjectClass\x30\x05\x04\x031.1";
const ENTRY: &[u8] = b"\x30\x0d\x02\x01\x03\x64\x08\x04\x04dc=x\x30\0";
const DONE: &[u8] = b"\x30\x0c\x02\x01\x03\x65\x07\x0a\x01\0\x04\0\x04\0";

async fn ldap(spec: LdapSpec) -> Report {
    probe(Spec::Ldap(Box::new(spec))).run(AMPLE).await
}

#[tokio::test]
async fn a_directory_lets_in_and_has_an_entry() {
    assert_passed(&ldap(directory(talking(steps([(ANONYMOUS, BOUND)])).await)).await);
    let search_base = || Some("dc=x".to_owned());
    let said = steps([(ANONYMOUS, BOUND), (SEARCH, &[ENTRY, DONE].concat())]);
    assert_passed(&ldap(LdapSpec { search_base: search_base(), ..directory(talking(said).await) }).await);
    let said = steps([(ANONYMOUS, BOUND), (SEARCH, DONE)]);
    let report = ldap(LdapSpec { search_base: search_base(), ..directory(talking(said).await) }).await;
    assert_failed(&report, Class::Content, Phase::Body, "the search found no entry that may be seen");
    let said = steps([(ANONYMOUS, BOUND), (SEARCH, b"\x30\x0c\x02\x01\x03\x65\x07\x0a\x01\x20\x04\0\x04\0")]);
    let report = ldap(LdapSpec { search_base: search_base(), ..directory(talking(said).await) }).await;
    assert_failed(&report, Class::Query, Phase::Body, "the server refused the search: no such object");
}

#[tokio::test]
async fn a_directory_refuses_in_the_words_of_the_standard() {
    let bind: &[u8] = b"\x30\x17\x02\x01\x02\x60\x12\x02\x01\x03\x04\x04cn=x\x80\x07hunter2";
    let said = steps([(bind, b"\x30\x13\x02\x01\x02\x61\x0e\x0a\x01\x31\x04\0\x04\x07hunter2")]);
    let login = Some(Login { user: "cn=x".to_owned(), password: Secret::new("hunter2") });
    let report = ldap(LdapSpec { login, ..directory(talking(said).await) }).await;
    assert_failed(&report, Class::Query, Phase::Body, "the server refused the login: invalid credentials (•••)");
    let said = steps([(ANONYMOUS, b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x30\x04\0\x04\0")]);
    let report = ldap(directory(talking(said).await)).await;
    let message = "the server refused a session without a user: inappropriate authentication";
    assert_failed(&report, Class::Query, Phase::Body, message);
    let report = ldap(directory(talking(steps([(ANONYMOUS, b"HTTP/1.1 400 Bad Request\r\n")])).await)).await;
    let message = "the answer is not LDAP's: it begins with \"HTTP/1.1 400 Bad …\"";
    assert_failed(&report, Class::Protocol, Phase::Body, message);
    let report = ldap(directory(talking(steps([(ANONYMOUS, b"\x30\x84\xff\xff\xff\xff")])).await)).await;
    assert_eq!(failure(&report).class, Class::Protocol);
    let closed = closed_port();
    let report = ldap(directory(closed)).await;
    assert_failed(&report, Class::Connect, Phase::Connect, &format!("connection refused by {closed}"));
}
