//! A command that is run and reported: the real program, and a real monitor.

use super::TOKEN;
use crate::support::{
    binary::{Serving, program, stderr, stdout, wait_for},
    net::closed_port,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// A monitor, and a folder with its configuration.
fn monitor() -> (TempDir, Serving) {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[[checks.endpoints]]\nname = \"backup\"\ntype = \"push\"\ntoken = \"{TOKEN}\"\ninterval_secs = 3600\n"
    );
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let serving = Serving::start(folder.path());
    (folder, serving)
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/api/v1/push/{TOKEN}")
}

fn exec(folder: &TempDir, options: &[&str], command: &[&str]) -> Command {
    let mut exec = program(folder.path());
    exec.arg("exec").args(options).arg("--").args(command).stdin(Stdio::null());
    exec
}

/// The latest result of the service.
fn latest(serving: &Serving) -> Value {
    serving.items("/api/v1/services/backup/checks?window=1h").remove(0)
}

fn cause(serving: &Serving) -> Value {
    serving.items("/api/v1/incidents").remove(0)["cause"].clone()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn a_command_is_reported_with_its_exit_code_its_duration_and_the_end_of_its_output() {
    let (folder, serving) = monitor();
    let options = ["--url", &url(serving.port)];
    let output = exec(&folder, &options, &["sh", "-c", "echo fine; sleep 0.2"]).output().unwrap();
    assert_eq!((code(&output), stdout(&output), stderr(&output)), (Some(0), "fine\n", ""));
    let result = latest(&serving);
    assert_eq!(result["outcome"], "up");
    assert!(result["response_time_ms"].as_f64().unwrap() >= 200.0, "{result}");
    let failing = "seq 100000; echo no tape >&2; exit 3";
    let output = exec(&folder, &options, &["sh", "-c", failing]).output().unwrap();
    assert_eq!((code(&output), stdout(&output).lines().count(), stderr(&output)), (Some(3), 100_000, "no tape\n"));
    let cause = cause(&serving);
    assert_eq!((cause["class"].as_str(), cause["message"].as_str()), (Some("exit_code"), Some("exit code 3")));
    let kept = cause["excerpt"].as_str().unwrap();
    assert!(kept.contains("\n99999\n100000") && kept.contains("no tape") && kept.len() <= 100_000, "{}", kept.len());
    // What is not to be sent is not.
    let output =
        exec(&folder, &["--no-log", options[0], options[1]], &["sh", "-c", "echo secret; exit 4"]).output().unwrap();
    assert_eq!((code(&output), stdout(&output)), (Some(4), "secret\n"));
    assert!(!serving.get("/api/v1/export").1.contains("secret"));
}

#[test]
fn a_service_of_the_configuration_is_reported_to_the_monitor_that_runs_with_it() {
    let (folder, serving) = monitor();
    let mut exec_as = exec(&folder, &["--service", "backup"], &["false"]);
    let output = exec_as.env("DASHBOARD_PORT", serving.port.to_string()).output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (Some(1), ""));
    assert_eq!(cause(&serving)["message"], "exit code 1");
}

#[test]
fn whatever_is_wrong_with_the_monitor_the_command_runs_and_its_exit_code_is_passed_on() {
    let (folder, serving) = monitor();
    let (down, unknown) = (url(closed_port().port()), url(serving.port).replace("correct", "other"));
    for (options, said) in [
        (vec!["--url", &down], "the end could not be reported: no connection"),
        (vec!["--url", &unknown], "no service there has this token (404)"),
        (vec!["--url", "monitor"], "--url is no address to report to"),
        (vec!["--service", "other"], "there is no service named “other”"),
        (vec!["--config", "none.toml", "--service", "backup"], "none.toml"),
        (vec![], "neither --url nor --service says where to report"),
    ] {
        let output = exec(&folder, &options, &["sh", "-c", "echo done; exit 7"]).output().unwrap();
        assert_eq!((code(&output), stdout(&output)), (Some(7), "done\n"), "{options:?}");
        assert!(stderr(&output).contains(said), "{options:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("horse"), "{}", stderr(&output));
    }
}

#[test]
fn what_cannot_be_started_ends_as_in_a_shell() {
    let (folder, serving) = monitor();
    let options = ["--url", &url(serving.port)];
    let output = exec(&folder, &options, &["/no/such/program"]).output().unwrap();
    assert_eq!(code(&output), Some(127));
    assert!(stderr(&output).contains("cannot start /no/such/program"), "{}", stderr(&output));
    let message = cause(&serving)["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("exit code 127: cannot start /no/such/program"), "{message}");
    assert_eq!(code(&exec(&folder, &options, &["/"]).output().unwrap()), Some(126));
}

#[test]
fn signals_reach_the_command_and_its_end_by_one_is_reported() {
    let (folder, serving) = monitor();
    let options = ["--url", &url(serving.port)];
    for (script, signal, expected, message) in [
        ("trap 'exit 9' TERM; touch ready; while :; do sleep 0.05; done", Signal::TERM, 9, "exit code 9"),
        ("touch ready; exec sleep 600", Signal::INT, 130, "exit code 130: ended by signal 2"),
    ] {
        let mut running = exec(&folder, &options, &["sh", "-c", script]).stdout(Stdio::null()).spawn().unwrap();
        let ready = folder.path().join("ready");
        wait_for("the command", || ready.exists().then_some(()));
        fs::remove_file(ready).unwrap();
        kill_process(Pid::from_child(&running), signal).unwrap();
        assert_eq!(running.wait().unwrap().code(), Some(expected));
        let failure = latest(&serving)["failure"].clone();
        assert_eq!(failure["message"], message);
    }
}

#[test]
fn what_the_command_leaves_running_does_not_hold_it_up() {
    let (folder, serving) = monitor();
    let options = ["--url", &url(serving.port)];
    let output = exec(&folder, &options, &["sh", "-c", "sleep 600 & echo $!"]).output().unwrap();
    assert_eq!(code(&output), Some(0));
    let left = Pid::from_raw(stdout(&output).trim().parse().unwrap()).unwrap();
    kill_process(left, Signal::KILL).unwrap();
    assert_eq!(latest(&serving)["outcome"], "up");
}
