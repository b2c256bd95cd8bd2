//! The command line: the real binary, its output and its exit codes.

mod configuration;

use crate::support::{
    binary::{Serving, program, run, stderr, stdout, wait_for},
    target::{Does, Target},
};
use healthcheck_dashboard::clock::Clock;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{path::Path, process::Output};
use tempfile::TempDir;

fn folder(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.toml"), config).unwrap();
    folder
}

/// Runs it beside a server in this process.
async fn run_beside(folder: &Path, arguments: &[&str]) -> Output {
    let (folder, arguments) = (folder.to_owned(), arguments.iter().map(ToString::to_string).collect::<Vec<_>>());
    tokio::task::spawn_blocking(move || run(&folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>()))
        .await
        .unwrap()
}

#[test]
fn help_says_what_each_command_does_within_the_width_of_a_terminal() {
    let folder = folder("");
    let help = run(folder.path(), &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    let text = stdout(&help);
    for command in [
        "serve",
        "check",
        "validate",
        "export",
        "import",
        "backup",
        "restore",
        "report",
        "verify",
        "replay",
        "history",
        "healthcheck",
        "exec",
        "alerts",
    ] {
        assert!(
            text.lines().any(|l| l.trim_start().starts_with(command) && l.trim().len() > command.len() + 10),
            "{text}"
        );
        let own = run(folder.path(), &[command, "--help"]);
        assert_eq!(own.status.code(), Some(0));
        assert!(
            stdout(&own).contains("Usage: healthcheck_dashboard") && stdout(&own).contains("--config"),
            "{}",
            stdout(&own)
        );
        assert!(stdout(&own).lines().all(|line| line.chars().count() <= 100), "{}", stdout(&own));
    }
    assert!(text.contains("HEALTHCHECK_CONFIG") && text.contains("config.toml"));
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let version = run(folder.path(), &["--version"]);
    assert_eq!(stdout(&version), format!("healthcheck_dashboard {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(folder.path(), &["chek"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn check_runs_every_probe_once_and_fails_when_one_is_down() {
    let target = Target::start(Clock::system()).await;
    target.set("/bad", Does::Answer(503));
    let folder = folder(&format!(
        "[[checks.endpoints]]\nname = \"web\"\nurl = \"http://{0}/web\"\n\
         [[checks.endpoints]]\nname = \"bad\"\nurl = \"http://{0}/bad\"\n\
         [[checks.endpoints]]\nname = \"off\"\nurl = \"http://{0}/off\"\nenabled = false\n\
         [[checks.endpoints]]\nname = \"job\"\ncommand = \"echo late\\nseq 1000; exit 1\"\ndegraded_exit_codes = [1]\n",
        target.address
    ));
    let valid = run_beside(folder.path(), &["validate"]).await;
    let valid = stdout(&valid);
    assert_eq!(valid.lines().count(), 5, "a line for each service: {valid}");
    let output = run_beside(folder.path(), &["check"]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = stdout(&output);
    let row = |name: &str| {
        text.lines().find(|l| l.split_whitespace().nth(1) == Some(name)).unwrap_or_else(|| panic!("{text}"))
    };
    assert!(row("web").trim().starts_with("up") && row("web").contains("HTTP 200") && row("web").contains(" ms"));
    assert!(row("bad").trim().starts_with("down") && row("bad").contains("HTTP 503, expected 200–399"));
    assert!(row("job").trim().starts_with("degraded") && row("job").contains("late"), "{text}");
    assert!(text.contains("2 of 3 services passed"), "{text}");
    assert_eq!(text.lines().count(), 6, "a line for each service: {text}");
    assert_eq!((target.count("/web"), target.count("/bad"), target.count("/off")), (1, 1, 0));

    let output = run_beside(folder.path(), &["check", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<Value> = stdout(&output).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let outcomes: Vec<_> =
        lines.iter().map(|l| (l["service"].as_str().unwrap(), l["outcome"].as_str().unwrap())).collect();
    assert_eq!(outcomes, [("web", "up"), ("bad", "down"), ("job", "degraded")]);
    let message = lines[2]["message"].as_str().unwrap();
    assert!(message.starts_with("exit code 1: late · 1 · 2 · 3") && message.chars().count() <= 200, "{message}");
    assert!(lines[1]["excerpt"].as_str().unwrap().starts_with("HTTP/1.1 503"), "{}", lines[1]);
    assert_eq!(lines[0]["excerpt"], Value::Null);
    assert_eq!((&lines[1]["http_status"], lines[0]["response_time_ms"].is_number()), (&json!(503), true));

    assert_eq!(run_beside(folder.path(), &["check", "web", "job"]).await.status.code(), Some(0));
    assert_eq!(run_beside(folder.path(), &["check", "off"]).await.status.code(), Some(0));
    // 1 says that a service is down: a name that is none is a mistake of who asks.
    for names in [&["check", "wbe"][..], &["check", "bad", "wbe"]] {
        let output = run_beside(folder.path(), names).await;
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""));
        assert!(stderr(&output).starts_with("error: there is no service named “wbe”"), "{}", stderr(&output));
    }
    // It leaves nothing behind.
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["config.toml"]);
}

#[test]
fn what_could_not_be_judged_is_neither_down_nor_passed() {
    let folder = folder("[[checks.endpoints]]\nname = \"job\"\ncommand = [\"true\"]\n");
    let plain = program(folder.path());
    // With as few descriptors as it needs to start there is none left for the command. How few depends on the machine.
    let starved = (6..64).find_map(|descriptors| {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &format!("ulimit -n {descriptors}; exec \"$0\" check")]).arg(plain.get_program());
        let output = command.current_dir(folder.path()).output().unwrap();
        stdout(&output).contains("unknown").then_some(output)
    });
    let output = starved.expect("a number of descriptors that is just too small");
    assert!(stdout(&output).contains("no file descriptor left in this process"), "{}", stdout(&output));
    assert!(stdout(&output).contains("0 of 1 services passed"), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn an_export_without_a_history_says_so_and_makes_none() {
    let folder = folder("[[checks.endpoints]]\nname = \"a\"\nurl = \"tcp://a:1\"\n");
    let output = run(folder.path(), &["export"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no history at data/history.db"), "{}", stderr(&output));
    assert!(!folder.path().join("data").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_gets_into_a_log_a_row_or_an_answer() {
    let target = Target::start(Clock::system()).await;
    target.set("/api?key=k3y-in-url", Does::Answer(401));
    target.set("/hook/h00k-token", Does::Close);
    let folder = folder(&format!(
        "[checks]\ninterval_secs = 0.2\nfailure_threshold = 1\n\
         [[checks.endpoints]]\nname = \"api\"\nurl = \"http://user:pa55-in-url@{0}/api?key=k3y-in-url\"\n\
         headers = {{ X-Api-Key = \"h3ader-key\" }}\n\
         [[checks.endpoints]]\nname = \"bearer\"\nurl = \"http://{0}/bearer\"\nbearer_token = \"b3arer-token\"\n\
         [[checks.endpoints]]\nname = \"db\"\nurl = \"postgres://me:pg-pa55word@{0}/db\"\n\
         [[checks.endpoints]]\nname = \"job\"\ncommand = \"echo $JOB_SECRET; echo ${{JOB_SECRET}}; exit 3\"\n\
         [alerts]\nenabled = true\nwebhook = \"http://{0}/hook/h00k-token\"\n",
        target.address
    ));
    let mut command = program(folder.path());
    command.env("RUST_LOG", "debug").env("JOB_SECRET", "j0b-secret");
    let serving = Serving::start_as(folder.path(), command);
    wait_for("failed alerts", || (target.count("/hook/h00k-token") >= 2).then_some(()));
    wait_for("incidents", || (serving.items("/api/v1/incidents").len() >= 3).then_some(()));
    let mut said = vec![serving.log()];
    for path in [
        "/health?verbose=1",
        "/metrics",
        "/api/v1/services",
        "/api/v1/services/api",
        "/api/v1/services/bearer",
        "/api/v1/services/db",
        "/api/v1/services/job",
        "/api/v1/incidents",
        "/api/v1/incidents/1",
        "/api/v1/incidents/2",
        "/api/v1/export?window=1h",
        "/readyz",
    ] {
        said.push(serving.get(path).1);
    }
    said.extend(target.seen("/hook/h00k-token").into_iter().map(|seen| seen.body));
    serving.signal(Signal::TERM);
    for entry in std::fs::read_dir(folder.path().join("data")).unwrap() {
        said.push(String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()).into_owned());
    }
    for secret in ["pa55-in-url", "k3y-in-url", "h3ader-key", "b3arer-token", "pg-pa55word", "j0b-secret", "h00k-token"]
    {
        for (i, text) in said.iter().enumerate() {
            assert!(!text.contains(secret), "{secret} is in text {i}");
        }
    }
    assert!(said[0].contains("notification failed"), "{}", said[0]);
}

/// A command whose output would pass for a line of the log, and would colour a terminal.
const FORGER: &str = r#"
[checks]
interval_secs = 1
retry_interval_secs = 0.1
[[checks.endpoints]]
name = "db"
command = '''printf "x\n2026-01-01T00:00:00Z  INFO up again service=db\n\033[2Jred\n"; yes x | head -c 50000; exit 3'''
"#;

#[test]
fn the_output_of_a_failed_command_is_one_short_line_in_the_log() {
    let folder = folder(FORGER);
    let serving = Serving::start(folder.path());
    wait_for("the outage", || serving.log().contains("down: ").then_some(()));
    let log = serving.log();
    let down: Vec<&str> = log.lines().filter(|line| line.contains("down: ")).collect();
    assert_eq!(down.len(), 1, "{log}");
    assert!(down[0].contains("down: exit code 3: x · 2026-01-01T00:00:00Z  INFO up again service="), "{log}");
    assert!(down[0].len() < 300, "{log}");
    assert!(log.lines().all(|line| !line.starts_with("2026-01-01") && !line.starts_with('x')), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[test]
fn the_output_of_a_failed_command_does_not_reach_the_terminal_as_it_is() {
    let folder = folder(FORGER);
    let checked = run(folder.path(), &["check"]);
    let said = stdout(&checked);
    assert!(!said.contains('\u{1b}') && said.lines().all(|line| line.chars().count() < 160), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("2026-01-01")).count(), 1, "{said}");
}
