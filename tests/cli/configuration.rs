//! What the commands say of a configuration, and where they find it.

use super::{folder, run_beside};
use crate::support::{
    binary::{Serving, get, program, run, stderr, stdout, wait_for},
    net::own_port,
    target::{Does, Target},
};
use healthcheck_dashboard::clock::Clock;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn validate_shows_every_mistake_at_once_and_touches_nothing() {
    let folder = folder(
        "[checks]\ninterval_secs = 0\nretry_intervall_secs = 2\n\
         [[checks.endpoints]]\nname = \"a\"\nurl = \"http://a/\"\n\
         [[checks.endpoints]]\nname = \"a\"\nurl = \"http://${NOT_SET_ANYWHERE}/\"\n",
    );
    for arguments in [&["validate"][..], &["serve"], &[], &["check"], &["export"], &["healthcheck"]] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let text = stderr(&output);
        for part in [
            "interval_secs",
            "retry_intervall_secs",
            "retry_interval_secs",
            "NOT_SET_ANYWHERE",
            "config.toml:2",
            "two endpoints",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(stdout(&output).is_empty());
    }
    assert!(!folder.path().join("data").exists());
    let fine = self::folder("[[checks.endpoints]]\nname = \"a\"\nurl = \"tcp://a:1\"\n");
    let output = run(fine.path(), &["validate"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("config.toml is in order: 1 service"), "{}", stdout(&output));
    assert!(!fine.path().join("data").exists());
    let output = run(fine.path(), &["validate", "--config", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("nowhere.toml") && stderr(&output).contains("HEALTHCHECK_CONFIG"));
}

#[test]
fn the_configuration_of_the_request_is_taken_unchanged() {
    let folder = folder(
        r#"[checks]
interval_secs = 10
endpoints = [
  { name = "web", url = "http://web:3000/", type = "http" },
  { name = "api", url = "http://api:8000/health", type = "http" },
  { name = "db",  url = "postgres://myuser:mypassword@db:5432/mydb", type = "postgres" }
]

[dashboard]
enabled = true
port = 9100

[alerts]
enabled = false
webhook = ""
"#,
    );
    let output = run(folder.path(), &["validate"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("3 services") && !stdout(&output).contains("mypassword"), "{}", stdout(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_the_same_bytes_from_the_command_line_and_from_the_interface() {
    let target = Target::start(Clock::system()).await;
    target.set("/bad", Does::Answer(503));
    let folder = folder(&format!(
        "[checks]\ninterval_secs = 0.1\n\
         [[checks.endpoints]]\nname = \"web\"\nurl = \"http://{0}/web\"\n\
         [[checks.endpoints]]\nname = \"bad\"\nurl = \"http://{0}/bad\"\n\
         [[checks.endpoints]]\nname = \"a/b ü\"\nurl = \"http://{0}/odd\"\n",
        target.address
    ));
    let serving = Serving::start(folder.path());
    wait_for("an incident", || (!serving.items("/api/v1/incidents").is_empty()).then_some(()));
    let to = Clock::system().now();
    for service in ["web", "bad", "a%2Fb%20%C3%BC"] {
        wait_for("that to be over", || {
            let checks = serving.items(&format!("/api/v1/services/{service}/checks?limit=1&window=1h"));
            checks.first().filter(|c| c["at"].as_str().unwrap() > to.to_string().as_str()).map(|_| ())
        });
    }
    let (from, to) = (to.plus(-3_600_000).to_string(), to.to_string());
    let window = ["--from", &from, "--to", &to];
    // When it was made, when the service was last seen alive, and what an incident that lasts has counted: that goes on.
    let moving = regex::Regex::new(r#""(generated|alive)_at":"[^"]*"|"down_ms":\d+,"checks_failed":\d+"#).unwrap();
    let fixed = |text: &str| moving.replace_all(text, "").into_owned();
    for (arguments, query) in [
        (&["export"][..], ""),
        (&["export", "--format", "ndjson"], "&format=ndjson"),
        (&["export", "--format", "csv"], "&format=csv"),
        (&["export", "--service", "web", "--service", "bad"], "&service=web&service=bad"),
    ] {
        let output = run_beside(folder.path(), &[arguments, &window].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let (status, body) = serving.get(&format!("/api/v1/export?from={from}&to={to}{query}"));
        assert_eq!(status, 200);
        assert!(body.contains("web") && body.len() > 500);
        assert!(fixed(stdout(&output)) == fixed(&body), "{arguments:?}");
    }
    // The form follows the file's name, and what is said goes before it.
    for (file, arguments, begins) in [
        ("a.json", &[][..], "{\"export\":{\"version\":1,"),
        ("a.ndjson", &[], "{\"type\":\"export\","),
        ("a.csv", &[], "service,at,outcome,"),
        ("b.csv", &["--format", "json"], "{\"export\":"),
        ("a.txt", &["--format", "json"], "{\"export\":"),
    ] {
        let output = run_beside(folder.path(), &[&["export", "-o", file], arguments, &window].concat()).await;
        assert_eq!((output.status.code(), stdout(&output)), (Some(0), ""));
        let written = std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(written.starts_with(begins), "{file}: {}", &written[..written.len().min(80)]);
        if file == "a.json" {
            let body: Value = serde_json::from_str(&written).unwrap();
            assert!(!body["checks"].as_array().unwrap().is_empty());
        }
    }
    for (arguments, code, said) in [
        (&["export", "--window", "7"][..], 2, "numbers with units"),
        (&["export", "--from", "yesterday"], 2, "RFC 3339"),
        (&["export", "--window", "7d", "--from", "2026-11-16"], 2, "cannot be used with"),
        (&["export", "--format", "xml"], 2, "json, ndjson or csv"),
        (&["export", "--from", "2026-11-16", "--to", "2026-11-15"], 2, "ends before it begins"),
        (&["export", "--service", "nobody"], 2, "no service named “nobody”"),
        (&["export", "-o", "no/such/folder.json"], 1, "no/such/folder.json cannot be written"),
    ] {
        let output = run_beside(folder.path(), arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
    }
    serving.signal(Signal::TERM);
    // The history outlives the service.
    let output = run_beside(folder.path(), &["export", "--service", "a/b ü"]).await;
    let body: Value = serde_json::from_slice(&output.stdout).unwrap();
    let checks = body["checks"].as_array().unwrap();
    // On a busy machine a check may come too late to be made, or to send its request before its timeout.
    let is_late = |check: &&Value| ["timeout", "monitor"].iter().any(|class| check["failure"]["class"] == *class);
    let late = checks.iter().filter(is_late).count();
    let asked = target.count("/odd");
    assert!(checks.len() - late <= asked && asked <= checks.len(), "{asked}: {checks:?}");
}

#[test]
fn the_file_of_the_repository_watches_a_lone_machine_and_everything_is_up() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml")).unwrap();
    let folder = folder(&text);
    let serving = Serving::start(folder.path());
    let health = wait_for("everything to be up", || {
        let (status, body) = serving.get("/health");
        (status == 200).then(|| serde_json::from_str::<Value>(&body).unwrap())
    });
    assert_eq!(health["status"], "healthy");
    let services = health["services"].as_object().unwrap();
    assert!(services.len() >= 3);
    for (name, service) in services {
        assert_eq!(service["ok"], true, "{name}");
        assert!(service["response_time_ms"].is_u64(), "{name}");
    }
    // A container asks it like this.
    let ask =
        |port: u16| program(folder.path()).arg("healthcheck").env("DASHBOARD_PORT", port.to_string()).output().unwrap();
    let output = ask(serving.port);
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "alive\n"));
    let output = ask(own_port());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no answer from 127.0.0.1:"), "{}", stderr(&output));
    assert!(folder.path().join("data/history.db").exists());
}

#[test]
fn the_environment_names_the_file_and_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let port = own_port();
    let config = folder.path().join("elsewhere.toml");
    let text = format!(
        "[[checks.endpoints]]\nname = \"me\"\nurl = \"http://127.0.0.1:{port}/livez\"\n[dashboard]\nport = 9\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut child = program(folder.path())
        .env("HEALTHCHECK_CONFIG", &config)
        .env("DASHBOARD_PORT", port.to_string())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let answer = wait_for("an answer", || get(port, "/api/v1/services"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answer.1.contains("\"me\""));
    let output = program(folder.path()).arg("validate").env("HEALTHCHECK_CONFIG", "gone.toml").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("gone.toml"));
}

#[test]
fn two_of_them_never_write_one_history() {
    let folder = folder("[[checks.endpoints]]\nname = \"a\"\ncommand = \"true\"\n");
    let serving = Serving::start(folder.path());
    let second = |port: u16| program(folder.path()).env("DASHBOARD_PORT", port.to_string()).output().unwrap();
    let output = second(own_port());
    assert_eq!(output.status.code(), Some(1));
    let pid = serving.pid().as_raw_nonzero();
    assert!(stderr(&output).contains(&format!("held by another process (process id {pid})")), "{}", stderr(&output));
    let output = second(serving.port);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot be listened on") && stderr(&output).contains("DASHBOARD_PORT"));
    assert_eq!(serving.get("/readyz").0, 200);
}

#[test]
fn that_nothing_is_watched_is_said_and_is_no_mistake() {
    for config in ["", "[checks]\n", "[checks]\nendpoints = []\n"] {
        let empty = folder(config);
        let output = run(empty.path(), &["validate"]);
        assert_eq!(output.status.code(), Some(0));
        let said = stdout(&output);
        assert!(said.contains("no service is monitored"), "{said}");
        // What it says is to be written there is in order.
        let (_, example) = said.split_once("\n\n").unwrap();
        let output = run(folder(example).path(), &["validate"]);
        assert!(stdout(&output).contains("is in order: 1 service\n"), "{}{}", stdout(&output), stderr(&output));
    }
    let empty = folder("[checks]\nendpoints = []\n");
    let serving = Serving::start(empty.path());
    assert!(
        serving.log().lines().any(|l| l.contains("WARN") && l.contains("no service is monitored")),
        "{}",
        serving.log()
    );
    // Of no service none is down, pending or degraded.
    let (status, health) = serving.get("/health");
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!((status, &health["status"], &health["services"]), (200, &json!("healthy"), &json!({})));
    assert_eq!(serving.get("/dashboard").0, 200);
}

#[test]
fn that_every_service_is_paused_is_said() {
    let folder = folder("[[checks.endpoints]]\nname = \"web\"\ncommand = [\"true\"]\nenabled = false\n");
    let serving = Serving::start(folder.path());
    assert!(serving.log().contains("no service is monitored: every service of the configuration is paused"));
}

#[test]
fn two_histories_that_a_rename_cannot_join_are_told_of_and_joined_as_the_readme_says() {
    let config = |entry: &str| {
        format!(
            "[dashboard]\nbind = \"127.0.0.1\"\n[[checks.endpoints]]\ncommand = [\"true\"]\ninterval_secs = 1\ntimeout_secs = 1\n{entry}\n"
        )
    };
    let folder = folder("");
    let set = |entry: &str| std::fs::write(folder.path().join("config.toml"), config(entry)).unwrap();
    let checked = |name: &str, least: u64| {
        let serving = Serving::start(folder.path());
        wait_for("its checks", || {
            let (_, body) = get(serving.port, &format!("/api/v1/services/{name}/uptime?window=1h"))?;
            let checks = serde_json::from_str::<Value>(&body).ok()?["checks"].as_u64()?;
            (checks >= least).then_some(())
        });
        let log = serving.log();
        serving.signal(Signal::TERM);
        log
    };
    let done = |arguments: &[&str]| {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
        stdout(&output).to_owned()
    };
    let results = |name: &str| {
        let csv = done(&["export", "--service", name, "--format", "csv"]);
        csv.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    set("name = \"old\"");
    assert!(!checked("old", 1).contains("renamed_from"));
    let old = results("old");
    set("name = \"new\"");
    checked("new", 1);
    let new = results("new");
    let renamed = "name = \"new\"\nrenamed_from = \"old\"";
    set(renamed);
    let log = checked("new", new.len() as u64);
    let warning = log.lines().find(|line| line.contains("renamed_from")).unwrap_or_else(|| panic!("{log}"));
    assert!(warning.contains("WARN") && warning.contains("“old” and “new” have a history each"), "{warning}");
    assert!(warning.contains("changed nothing") && warning.contains("`history forget`"), "{warning}");
    assert_eq!(results("old"), old, "nothing was changed");

    done(&["export", "--service", "new", "-o", "new.ndjson"]);
    let new = results("new");
    set(&format!("{renamed}\nenabled = false"));
    done(&["history", "forget", "new", "--yes"]);
    set(renamed);
    let told = |log: String| log.matches("have a history each").count();
    assert_eq!(told(checked("new", 1)), 1, "it was told once, by the start before");
    done(&["import", "new.ndjson"]);
    let joined = results("new");
    let at = |row: &String| row.split(',').find(|field| field.starts_with("20")).unwrap().to_owned();
    for row in old.iter().chain(&new) {
        assert!(joined.iter().any(|one| at(one) == at(row)), "{row} is not in {joined:?}");
    }
    done(&["verify"]);
    assert!(!done(&["history", "services"]).contains("old"));
}
