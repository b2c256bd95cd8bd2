//! What others see of a command: its arguments may be anything.

use crate::support::{
    binary::{Serving, get, run, stdout, wait_for},
    net::own_port,
};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
};

const WORD: &str = "LITERAL-5150";

/// A folder in which commands are watched that have a word in their text that no one else has.
fn folder(dashboard: &str, webhook: u16) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        r#"[checks]
interval_secs = 0.5
timeout_secs = 0.5
retry_interval_secs = 0.1
failure_threshold = 1
[dashboard]
bind = "127.0.0.1"
{dashboard}
[alerts]
enabled = true
webhook = "http://127.0.0.1:{webhook}/"
[[checks.endpoints]]
name = "well"
command = ["sh", "-c", "true {WORD}"]
[[checks.endpoints]]
name = "line"
command = "exit 3 # {WORD}"
[[checks.endpoints]]
name = "assigned"
command = "SOMETHING={WORD} false"
[[checks.endpoints]]
name = "missing"
command = ["/no/such/program", "{WORD}"]
[[checks.endpoints]]
name = "written as a line"
command = ["no-such-program --with {WORD}"]
"#
    );
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    folder
}

const SERVICES: [&str; 5] = ["well", "line", "assigned", "missing", "written%20as%20a%20line"];

/// Every address that answers something of a service, and what it says.
fn answers(port: u16) -> Vec<(String, String)> {
    let mut paths: Vec<String> = [
        "/health?verbose=1",
        "/readyz?verbose=1",
        "/metrics",
        "/dashboard",
        "/dashboard?q=sh",
        "/dashboard/wall",
        "/dashboard/alerts",
        "/dashboard/incidents",
        "/dashboard/incidents/1",
        "/dashboard/incidents.atom",
        "/dashboard/review",
        "/public",
        "/api/v1/services",
        "/api/v1/uptime?window=24h",
        "/api/v1/incidents",
        "/api/v1/incidents/1",
        "/api/v1/review?format=json",
        "/api/v1/review?format=markdown",
        "/api/v1/review?format=html",
        "/api/v1/export?window=24h",
        "/api/v1/export?window=24h&format=ndjson",
        "/api/v1/export?window=24h&format=csv",
    ]
    .map(str::to_owned)
    .to_vec();
    for name in SERVICES {
        paths.push(format!("/api/v1/services/{name}"));
        paths.push(format!("/api/v1/services/{name}/checks"));
        paths.push(format!("/api/v1/services/{name}/history?window=24h"));
        paths.push(format!("/dashboard/services/{name}"));
        paths.push(format!("/dashboard/services/{name}?window=24h"));
        paths.push(format!("/badge/{name}/status.svg"));
    }
    paths.into_iter().map(|path| (get(port, &path).unwrap().1, path)).map(|(body, path)| (path, body)).collect()
}

/// Four services are down, and have been told of.
fn watched(folder: &Path) -> Serving {
    let serving = Serving::start(folder);
    wait_for("every outage", || (serving.items("/api/v1/incidents").len() == 4).then_some(()));
    wait_for("the passed check", || {
        let well = serving.json("/api/v1/services/well");
        (well["status"] == "up").then_some(())
    });
    serving
}

/// One alert, as it comes in.
fn alert(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    while !said.ends_with(b"}") {
        let got = stream.read(&mut buffer).unwrap();
        assert!(got > 0, "an alert is JSON");
        said.extend_from_slice(&buffer[..got]);
    }
    let answer = |mut stream: TcpStream| {
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
    };
    answer(stream);
    String::from_utf8(said).unwrap()
}

#[test]
fn of_a_command_others_see_the_program() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder("", listener.local_addr().unwrap().port());
    let serving = watched(folder.path());
    for (path, said) in answers(serving.port) {
        assert!(!said.contains(WORD), "{path}: {said}");
    }
    for _ in 0..4 {
        let said = alert(&listener);
        assert!(!said.contains(WORD), "{said}");
    }
    // Nor can the word be found by searching for it.
    let (_, found) = serving.get(&format!("/dashboard?q={WORD}"));
    assert!(found.contains("No service has"), "{found}");
    let targets = |name: &str| {
        let service = serving.json(&format!("/api/v1/services/{name}"));
        let command = service["configuration"]["command"].clone();
        (service["target"].as_str().unwrap().to_owned(), command)
    };
    assert_eq!(targets("well"), ("sh".to_owned(), serde_json::json!(["sh"])));
    assert_eq!(targets("missing").0, "/no/such/program");
    assert_eq!(targets("assigned").0, "sh");
    assert!(!serving.log().contains(WORD), "{}", serving.log());

    // A service that is not watched any more, and a moment of the past.
    let (_, at) = serving.get("/health");
    let at = serde_json::from_str::<serde_json::Value>(&at).unwrap()["timestamp"].as_str().unwrap().to_owned();
    let config = std::fs::read_to_string(folder.path().join("config.toml")).unwrap();
    let kept = config.split("[[checks.endpoints]]").next().unwrap();
    drop(serving);
    let text = format!("{kept}[[checks.endpoints]]\nname = \"other\"\nurl = \"tcp://127.0.0.1:{}\"\n", own_port());
    std::fs::write(folder.path().join("config.toml"), text).unwrap();
    let serving = Serving::start(folder.path());
    for (path, said) in answers(serving.port) {
        assert!(!said.contains(WORD), "{path}: {said}");
    }
    for path in ["/dashboard", "/api/v1/services", "/dashboard/services/well", "/health"] {
        let (_, said) = serving.get(&format!("{path}?at={at}"));
        assert!(!said.contains(WORD), "{path}: {said}");
    }
    assert_eq!(serving.json("/api/v1/services/well")["target"], "sh");
}

#[test]
fn commands_are_shown_where_that_is_configured_and_their_owner_has_them_whole() {
    let folder = folder("show_commands = true", own_port());
    let serving = watched(folder.path());
    let whole = format!("sh -c 'true {WORD}'");
    let service = serving.json("/api/v1/services/well");
    assert_eq!(service["target"], whole);
    assert_eq!(service["configuration"]["command"][2], format!("true {WORD}"));
    for path in ["/dashboard/services/well", "/dashboard"] {
        assert!(serving.get(path).1.contains(WORD), "{path}");
    }
    let (_, download) = serving.get("/api/v1/export?window=24h");
    assert!(download.contains(&whole));
    drop(serving);

    // Hidden again: the history still has it, and gives it to whoever may read the file.
    let path = folder.path().join("config.toml");
    let config = std::fs::read_to_string(&path).unwrap().replace("show_commands = true", "");
    std::fs::write(&path, config).unwrap();
    let serving = watched(folder.path());
    let (_, download) = serving.get("/api/v1/export?window=24h");
    assert!(!download.contains(WORD));
    drop(serving);
    let own = run(folder.path(), &["export"]);
    assert!(stdout(&own).contains(&whole));

    // What was downloaded takes nothing from the history that it comes back to.
    std::fs::write(folder.path().join("download.json"), download).unwrap();
    let imported = run(folder.path(), &["import", "download.json"]);
    assert!(imported.status.success(), "{imported:?}");
    let again = run(folder.path(), &["export"]);
    assert!(stdout(&again).contains(&whole));
}
