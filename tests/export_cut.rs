//! An export that cannot be finished.

use healthcheck_dashboard::{app::App, clock::Clock, config};
use rusqlite::Connection;
use std::fs;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CONFIG: &str = "
[[checks.endpoints]]
name = \"web\"
url = \"tcp://127.0.0.1:9\"
enabled = false
[storage]
path = \"history.db\"
[dashboard]
port = 9
bind = \"127.0.0.1\"
";

async fn start(folder: &std::path::Path) -> App {
    let path = folder.join("config.toml");
    fs::write(&path, CONFIG).unwrap();
    let mut config = config::load(&path, &|_| None).unwrap();
    config.dashboard.port = 0;
    config.storage.path = folder.join("history.db");
    App::start(config, Clock::system()).await.unwrap()
}

#[tokio::test]
async fn an_export_that_breaks_is_cut_off_and_does_not_seem_whole() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path()).await.stop().await;
    let history = Connection::open(folder.path().join("history.db")).unwrap();
    // One on the second page is of an outcome that there is not.
    history
        .execute_batch(
            "PRAGMA ignore_check_constraints = 1;
             WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
             INSERT INTO check_result (service_id, at, outcome, recheck) SELECT 1, n * 1000, iif(n = 4500, 7, 0), 0 FROM n",
        )
        .unwrap();
    drop(history);
    let app = start(folder.path()).await;
    let mut client = TcpStream::connect(app.address).await.unwrap();
    let request = "GET /api/v1/export?from=1970-01-01&to=1970-01-02&format=csv HTTP/1.1\r\nhost: here\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The end is a cut, which may also arrive as a reset.
    let _ = client.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("web,1970-01-01T00:00:00.000Z,up,"));
    assert!(!answer.ends_with("\r\n0\r\n\r\n"), "the chunk that says that all is there must be missing");
    app.stop().await;
}
