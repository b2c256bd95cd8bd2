//! What PostgreSQL and Redis do when they are not well.

use super::fault::{Expected, Fault, Port, handler};
use crate::support::postgres::{PASSWORD, postgres};
use healthcheck_dashboard::domain::check::Class;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// The real server, behind the port.
fn real() -> Port {
    let port = postgres().port;
    Port::Serves(handler(move |mut stream, _| async move {
        let mut real = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut real).await;
    }))
}

/// Answers whoever wants a session with an error of this code.
fn refusing(code: &'static str, message: &'static str) -> Port {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
    let error = [b"E", &(fields.len() as u32 + 4).to_be_bytes()[..], fields.as_bytes()].concat();
    replying(error)
}

/// Answers whatever it is asked first with this, and closes the connection.
fn replying(bytes: impl Into<Vec<u8>>) -> Port {
    let bytes = bytes.into();
    Port::Serves(handler(move |mut stream, _| {
        let bytes = bytes.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
    }))
}

fn silent() -> Port {
    Port::Serves(handler(|stream, hanging| async move { hanging.hang_when_asked(stream).await }))
}

fn of_postgres() -> Vec<Fault> {
    use Class::{Connect, Protocol, Query, Timeout};
    let keys = format!(
        "type = \"postgres\"\nhost = \"127.0.0.1\"\nport = PORT\nuser = \"postgres\"\npassword = \"{PASSWORD}\"\n\
         sslmode = \"disable\"\n"
    );
    let down = |name, class, broken| Fault::new("postgres", name, Expected::Down(class), &keys, real(), broken);
    vec![
        down("nobody listens", Connect, Port::Closed),
        down("it accepts and never answers", Timeout, silent()),
        down("it closes the connection without an answer", Protocol, replying("")),
        down("it starts up", Query, refusing("57P03", "the database system is starting up")),
        down("it is in recovery", Query, refusing("57P03", "the database system is in recovery mode")),
        down("it shuts down", Query, refusing("57P03", "the database system is shutting down")),
        down("it is full", Query, refusing("53300", "sorry, too many clients already")),
        down(
            "it refuses the password",
            Query,
            refusing("28P01", "password authentication failed for user \"postgres\""),
        ),
        down("the database is gone", Query, refusing("3D000", "database \"postgres\" does not exist")),
        down("another protocol", Protocol, replying("HTTP/1.1 400 Bad Request\r\n\r\n")),
    ]
}

/// Answers each command: `answer` says with what.
fn redis(answer: impl Fn(&str) -> String + Clone + Send + Sync + 'static) -> Port {
    Port::Serves(handler(move |stream, _| {
        let answer = answer.clone();
        async move {
            let mut stream = BufReader::new(stream);
            while let Some(command) = command(&mut stream).await {
                if stream.write_all(answer(&command).as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }))
}

/// The first word of a command, which is an array of texts.
async fn command(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = async || {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        line.strip_suffix("\r\n").map(str::to_owned)
    };
    let words: usize = line().await?.strip_prefix('*')?.parse().ok()?;
    let mut first = None;
    for _ in 0..words {
        line().await?;
        let word = line().await?;
        first.get_or_insert(word);
    }
    first
}

const MASTER: &str = "role:master\r\nmaxmemory:0\r\nused_memory:5\r\n";
const FULL: &str = "role:master\r\nmaxmemory:100\r\nused_memory:100\r\nmaxmemory_policy:noeviction\r\n";
const REPLICA: &str = "role:slave\r\nmaster_link_status:up\r\nmaster_last_io_seconds_ago:1\r\n";

/// Answers as a server that is well, of which INFO says this; but this command, with that.
fn redis_but(info: &'static str, wrong: &'static str, said: &'static str) -> Port {
    redis(move |command| match command {
        command if command == wrong => format!("{said}\r\n"),
        "PING" => "+PONG\r\n".to_owned(),
        "INFO" => format!("${}\r\n{info}\r\n", info.len()),
        _ => "+OK\r\n".to_owned(),
    })
}

fn of_redis() -> Vec<Fault> {
    use Class::{Connect, Content, Protocol, Query, Timeout};
    let keys = "url = \"redis://:hunter2@ADDRESS\"\nexpect_role = \"master\"\n";
    let well = redis_but(MASTER, "", "");
    let down = |name, class, broken| Fault::new("redis", name, Expected::Down(class), keys, well.clone(), broken);
    let refusing = |said| redis_but(MASTER, "PING", said);
    vec![
        down("nobody listens", Connect, Port::Closed),
        down("it accepts and never answers", Timeout, silent()),
        down("it closes the connection without an answer", Protocol, replying("")),
        down("it loads its data", Query, refusing("-LOADING Redis is loading the dataset in memory")),
        down("it has no place for a connection", Query, replying("-ERR max number of clients reached\r\n")),
        down(
            "it refuses the password",
            Query,
            redis_but(MASTER, "AUTH", "-WRONGPASS invalid username-password pair or user is disabled."),
        ),
        down("it is out of memory", Query, redis_but(FULL, "SETRANGE", "-OOM command not allowed")),
        down("it cannot save its data", Query, refusing("-MISCONF Redis is configured to save RDB snapshots")),
        down("the master has become a replica", Content, redis_but(REPLICA, "", "")),
        down("another protocol", Protocol, replying("HTTP/1.1 400 Bad Request\r\n\r\n")),
    ]
}

pub(super) fn faults() -> Vec<Fault> {
    [of_postgres(), of_redis()].into_iter().flatten().collect()
}
