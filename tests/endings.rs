//! How commands end: where their output cannot be written, where they are broken off, and where they were asked for what
//! cannot be.

use crate::support::{
    binary::{Serving, program, run, stderr, stdout, wait_for},
    past::{folder, troubled},
    postgres::{PASSWORD, postgres},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::OpenOptions,
    path::Path,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A folder with a configuration and a history.
fn with_a_history() -> TempDir {
    let folder = folder("[[checks.endpoints]]\nname = \"job\"\ncommand = \"true\"\n");
    troubled(&folder.path().join("history.db"));
    folder
}

/// Waits until a process is gone, or a zombie that its new parent has not seen yet.
fn wait_until_gone(pid: &str) {
    let stat = format!("/proc/{pid}/stat");
    wait_for("the end of the process", || {
        std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")).eq(&false).then_some(())
    });
}

/// What is in the folder beside the history and the files that SQLite keeps with it.
fn names(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.starts_with("history.db")).collect();
    names.sort();
    names
}

/// Every command that prints something and changes nothing.
const PRINTING: [&[&str]; 13] = [
    &["--help"],
    &["--version"],
    &["history", "--help"],
    &["check"],
    &["check", "--json"],
    &["validate"],
    &["report"],
    &["export", "--format", "csv"],
    &["export"],
    &["verify", "--quick"],
    &["history", "services"],
    &["history", "retention", "--dry-run"],
    &["replay", "--failure-threshold", "1"],
];

#[test]
fn output_that_cannot_be_written_is_said_with_an_exit_code_of_its_own() {
    let folder = with_a_history();
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for arguments in PRINTING {
        let output = program(folder.path()).args(arguments).stdin(Stdio::null()).stdout(full()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(74), "{arguments:?}: {said}");
        assert_eq!(said.matches("No space left on device").count(), 1, "{arguments:?}: {said}");
        assert!(said.contains("the standard output cannot be written"), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_reader_that_has_read_enough_ends_every_command_quietly() {
    let folder = with_a_history();
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program(folder.path()).args(arguments).stdin(Stdio::null()).stdout(writer).output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(141), ""), "{arguments:?}");
    }
}

#[test]
fn errors_that_nobody_reads_change_no_exit_code() {
    let folder = folder("[checks]\nendpoints = [{ name = 1, url = 2, typ = 3 }, { nam = 4 }]\n");
    let mut command = program(folder.path());
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(command.arg("validate").stderr(full()).status().unwrap().code(), Some(2));
    assert_eq!(program(folder.path()).arg("no-command").stderr(full()).status().unwrap().code(), Some(2));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(program(folder.path()).arg("validate").stderr(writer).status().unwrap().code(), Some(2));
}

#[test]
fn a_log_that_cannot_be_written_stops_no_service() {
    let folder = folder("[[checks.endpoints]]\nname = \"job\"\ncommand = \"true\"\ninterval_secs = 0.1\n");
    let plain = program(folder.path());
    let mut command = Command::new("bash");
    // The log of the program goes nowhere; what `Serving` reads stays empty.
    command.args(["-c", "exec \"$0\" 2>&-"]).arg(plain.get_program()).current_dir(folder.path());
    let serving = Serving::start_as(folder.path(), command);
    wait_for("a few checks", || {
        let metrics = serving.get("/metrics").1;
        let stored = metrics.lines().find_map(|line| line.strip_prefix("healthcheck_results_stored_total "))?;
        (stored.parse::<u32>().unwrap() > 3).then_some(())
    });
    assert_eq!(serving.signal(Signal::TERM).0.code(), Some(0));
}

#[test]
fn a_minus_is_the_standard_output() {
    let folder = with_a_history();
    let before = names(folder.path());
    for (named, plain) in [
        (&["export", "-o", "-", "--format", "csv"][..], &["export", "--format", "csv"][..]),
        (&["report", "--out", "-", "--week", "2026-W47"], &["report", "--week", "2026-W47"]),
    ] {
        let (named, plain) = (run(folder.path(), named), run(folder.path(), plain));
        assert_eq!(named.status.code(), Some(0), "{}", stderr(&named));
        // What is said further down is said of the moment at which it is made.
        let begins = |text: &str| text.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(begins(stdout(&named)), begins(stdout(&plain)));
        assert!(stdout(&named).lines().count() > 3);
    }
    for arguments in [&["backup", "-"][..], &["restore", "-"]] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("a pipe (-)"), "{}", stderr(&output));
    }
    assert_eq!(names(folder.path()), before, "no file is called -");
}

#[test]
fn a_name_that_says_an_unknown_form_is_refused_and_nothing_is_written() {
    let folder = with_a_history();
    let before = names(folder.path());
    for (arguments, end) in [
        (&["export", "-o", "a.json.bz2"][..], "“.bz2”"),
        (&["export", "-o", "a.xyz"], "“.xyz”"),
        (&["export", "-o", "a.xyz.gz"], "“.xyz”"),
        (&["report", "--out", "a.pdf"], "“.pdf”"),
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = stderr(&output);
        assert!(said.contains(end) && said.contains(".json") && said.contains("--format"), "{said}");
    }
    assert_eq!(names(folder.path()), before);
    for written in [
        &["export", "-o", "a.xyz", "--format", "csv"][..],
        &["export", "-o", "a.csv.gz"],
        &["export", "-o", "history"],
        &["report", "--out", "a.html"],
    ] {
        let output = run(folder.path(), written);
        assert_eq!(output.status.code(), Some(0), "{written:?}: {}", stderr(&output));
    }
}

#[test]
fn what_is_broken_off_leaves_no_part_of_a_file() {
    let folder = with_a_history();
    let path = folder.path().join("history.db");
    // Enough to be in the middle of it: some seconds of work.
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            "INSERT INTO check_result (service_id, at, outcome, latency_us, recheck)
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
             SELECT 1, (SELECT max(at) FROM check_result) + i * 1000, 0, 1000, 0 FROM n",
        )
        .unwrap();
    let before = names(folder.path());
    for (arguments, made) in
        [(&["export", "-o", "out.json.zst"][..], "out.json.zst"), (&["backup", "copy.db"], "copy.db")]
    {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let mut command = program(folder.path());
            let mut child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            wait_for("the part of a file", || {
                let there = names(folder.path()).iter().any(|name| name.contains(".part"));
                (there || child.try_wait().unwrap().is_some()).then_some(())
            });
            let _ = kill_process(Pid::from_child(&child), signal);
            let output = child.wait_with_output().unwrap();
            match output.status.code() {
                // It was faster than the signal.
                Some(0) => std::fs::remove_file(folder.path().join(made)).unwrap(),
                other => {
                    assert_eq!(other, Some(code), "{arguments:?}: {}", stderr(&output));
                    assert!(stderr(&output).contains("stopped before it was done"), "{}", stderr(&output));
                }
            }
            assert_eq!(names(folder.path()), before, "{arguments:?}");
        }
    }
}

#[test]
fn signals_that_ask_for_nothing_are_logged_and_ignored_and_quit_stops_cleanly() {
    let folder = folder("[[checks.endpoints]]\nname = \"job\"\ncommand = \"true\"\n");
    let serving = Serving::start(folder.path());
    for (signal, name) in [(Signal::HUP, "SIGHUP"), (Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2")] {
        kill_process(serving.pid(), signal).unwrap();
        wait_for("a line in the log", || serving.log().contains(&format!("{name} is ignored")).then_some(()));
    }
    assert_eq!(serving.get("/livez").0, 200);
    let log = folder.path().join("log");
    assert_eq!(serving.signal(Signal::QUIT).0.code(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("SIGQUIT: stopping") && log.trim_end().ends_with("stopped"), "{log}");
}

#[test]
fn what_cannot_be_is_a_mistake_of_whoever_asks() {
    let folder = with_a_history();
    for arguments in [
        &["verify", "--service", "nobody"][..],
        &["export", "--service", "nobody"],
        &["replay", "--service", "nobody"],
        &["history", "forget", "nobody"],
        &["history", "forget", "api"],
        &["history", "unseal", "--service", "nobody"],
        &["history", "maintenance", "add", "--from", "2026-11-16", "--to", "2026-11-15", "--reason", "x"],
        &["history", "maintenance", "add", "--from", "2026-11-16", "--to", "2099-01-01", "--reason", "x"],
        &["history", "maintenance", "add", "--from", "2026-11-16", "--to", "2026-11-17", "--reason", " "],
        &["history", "maintenance", "remove", "7"],
        &["export", "--from", "2026-11-16", "--to", "2026-11-15"],
        &["replay", "--from", "2026-11-16", "--to", "2026-11-15"],
        &["report", "--from", "2026-11-16", "--to", "2026-11-15"],
        &["report", "--week", "2026-W99"],
        &["report", "--month", "2026-13"],
        &["report", "--from", "1969-01-01"],
        &["demo", "-c", "config.toml"],
        &["-c", "config.toml", "demo"],
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {} {}", stdout(&output), stderr(&output));
        assert!(stderr(&output).starts_with("error: "), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    let help = run(folder.path(), &["demo", "--help"]);
    assert!(!stdout(&help).contains("--config"), "{}", stdout(&help));
}

#[test]
fn verify_without_a_history_does_not_say_that_something_differs() {
    let folder = folder("");
    assert_eq!(run(folder.path(), &["verify"]).status.code(), Some(2));
}

#[test]
fn colours_are_for_terminals_that_can_and_readers_who_want() {
    let folder = folder("[checks]\nendpoints = [{ name = 1 }]\n");
    // A terminal of its own, where the machine has the program that makes one.
    let on_a_terminal = |name: &str, value: &str| {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{} validate", env!("CARGO_BIN_EXE_healthcheck_dashboard")), "/dev/null"]);
        command.env_remove("NO_COLOR").env("TERM", "xterm").env(name, value);
        let output = command.current_dir(folder.path()).stdin(Stdio::null()).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Some(coloured) = on_a_terminal("NO_COLOR", "") else { return };
    assert!(coloured.contains("\u{1b}["), "{coloured:?}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = on_a_terminal(name, value).unwrap();
        assert!(plain.contains("name") && !plain.contains('\u{1b}'), "{name}={value}: {plain:?}");
    }
    let output = program(folder.path()).arg("validate").env_remove("NO_COLOR").env("TERM", "xterm").output().unwrap();
    assert!(!stderr(&output).contains('\u{1b}'), "no terminal");
}

#[test]
fn an_interrupted_check_leaves_no_command_behind() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let folder = folder(
            "[[checks.endpoints]]\nname = \"job\"\ntimeout_secs = 60\ninterval_secs = 60\n\
             command = \"sleep 600 & echo $$ $! > pids; sleep 600\"\n",
        );
        let mut checking = program(folder.path())
            .args(["check", "job"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pids = wait_for("the command", || {
            std::fs::read_to_string(folder.path().join("pids")).ok().filter(|pids| pids.ends_with('\n'))
        });
        kill_process(Pid::from_child(&checking), signal).unwrap();
        assert_eq!(checking.wait().unwrap().code(), Some(code));
        pids.split_whitespace().for_each(wait_until_gone);
    }
}

/// An endpoint `db` with this query, and these keys beside.
fn database(query: &str, keys: &str) -> String {
    format!(
        "[[checks.endpoints]]\nname = \"db\"\ntype = \"postgres\"\nhost = \"127.0.0.1\"\nport = {}\nuser = \"postgres\"\n\
         password = \"{PASSWORD}\"\nsslmode = \"disable\"\nquery = \"{query}\"\n{keys}\n",
        postgres().port
    )
}

/// Waits until the server has this query under way, or has it no more.
fn wait_until_asked(query: &str, expected: bool) {
    let count = format!("select count(*) > 0 from pg_stat_activity where query = '{query}'");
    let folder = folder(&database(&count, &format!("expect_value = {expected}")));
    let what = if expected { "the query" } else { "the end of the query" };
    wait_for(what, || run(folder.path(), &["check", "db"]).status.success().then_some(()));
}

#[test]
fn a_check_whose_query_is_late_cancels_it_before_it_ends() {
    let query = "select pg_sleep(601)";
    let folder = folder(&database(query, "timeout_secs = 1"));
    let output = run(folder.path(), &["check", "db"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("the query was not finished within 1 s"), "{}", stdout(&output));
    wait_until_asked(query, false);
}

#[test]
fn a_value_that_is_not_the_expected_one_is_shown_where_it_was_asked_for() {
    let folder = folder(&database("select 17.50", "expect_value = 1"));
    let output = run(folder.path(), &["check", "db"]);
    assert!(stdout(&output).contains("expected:\n  db: 17.50\n"), "{}", stdout(&output));
    let output = run(folder.path(), &["check", "db", "--json"]);
    assert!(stdout(&output).contains("\"excerpt\":\"17.50\""), "{}", stdout(&output));
}

#[test]
fn the_service_stops_what_its_checks_have_begun() {
    let query = "select pg_sleep(602)";
    let patience = "timeout_secs = 60\ninterval_secs = 60";
    let folder = folder(&format!(
        "{}[[checks.endpoints]]\nname = \"job\"\n{patience}\ncommand = \"sleep 600 & echo $$ $! > pids; sleep 600\"\n",
        database(query, patience)
    ));
    let serving = Serving::start(folder.path());
    let pids = wait_for("the command", || {
        std::fs::read_to_string(folder.path().join("pids")).ok().filter(|pids| pids.ends_with('\n'))
    });
    wait_until_asked(query, true);
    assert!(serving.signal(Signal::TERM).0.success());
    pids.split_whitespace().for_each(wait_until_gone);
    wait_until_asked(query, false);
}
