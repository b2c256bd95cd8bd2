use super::*;
use healthcheck_dashboard::{domain::secret::Secret, probe::command::CommandSpec};
use std::{path::Path, time::Instant};

fn sh(script: &str) -> Probe {
    argv(&["sh", "-c", script])
}

fn argv(argv: &[&str]) -> Probe {
    let argv = argv.iter().map(ToString::to_string).collect();
    probe(Spec::Command(CommandSpec { argv, degraded_exit_codes: vec![1], ..CommandSpec::default() }))
}

/// Comes back when the process is gone, or a zombie that its new parent has not seen yet.
async fn wait_until_gone(pid: &str) {
    let gone = async {
        while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(AMPLE, gone).await.expect("the process is gone");
}

/// Comes back when the process is gone altogether: reaped by us.
async fn wait_until_reaped(pid: &str) {
    let reaped = async {
        while Path::new(&format!("/proc/{pid}")).exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(AMPLE, reaped).await.expect("the process is reaped");
}

#[tokio::test]
async fn exit_code_0_passes() {
    assert_passed(&argv(&["true"]).run(AMPLE).await);
}

#[tokio::test]
async fn what_it_says_is_why_it_failed_from_both_of_its_outputs() {
    let report = sh("echo DISK CRITICAL; echo 2% free >&2; exit 2").run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 2: DISK CRITICAL · 2% free");
    assert_failed(&sh("exit 3").run(AMPLE).await, Class::ExitCode, Phase::Body, "exit code 3");
}

#[tokio::test]
async fn a_program_that_writes_without_end_is_killed_and_one_that_writes_much_is_not() {
    let report = argv(&["yes"]).run(Duration::from_secs(60)).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the command wrote more than 64 MiB, and was killed");
    assert_passed(&sh("yes | head -c 3000000").run(AMPLE).await);
}

#[tokio::test]
async fn an_exit_code_can_mean_degraded() {
    let report = sh("echo DISK WARNING; exit 1").run(AMPLE).await;
    let Verdict::Degraded(reason) = &report.verdict else { panic!("{report:?}") };
    assert_eq!((reason.class, reason.message.as_str()), (Class::ExitCode, "exit code 1: DISK WARNING"));
}

#[tokio::test]
async fn a_signal_is_named() {
    let report = sh("kill -TERM $$").run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "ended by signal 15 (SIGTERM)");
}

#[tokio::test]
async fn arguments_are_not_for_a_shell() {
    let report = argv(&["sh", "-c", "echo \"$1\"; exit 2", "sh", "$HOME; `id`"]).run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 2: $HOME; `id`");
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_said_to() {
    let report = argv(&["/no/such/program"]).run(AMPLE).await;
    let message = "cannot start /no/such/program: there is no such program";
    assert_failed(&report, Class::ExitCode, Phase::Body, message);
    let report = argv(&["/etc/passwd"]).run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "cannot start /etc/passwd: it may not be executed");
}

#[tokio::test]
async fn it_reads_nothing() {
    let report = sh("cat; exit 2").run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 2");
}

#[tokio::test]
async fn a_mebibyte_of_output_neither_stops_it_nor_is_kept() {
    let report = sh("head -c 1048576 /dev/zero | tr '\\0' x; exit 2").run(AMPLE).await;
    let message = &failure(&report).message;
    assert!(message.starts_with("exit code 2: xxx") && message.ends_with('…'), "{message}");
    assert_eq!(message.chars().count(), 200);
    assert_eq!(report.excerpt.as_ref().map(String::len), Some(2048), "the beginning of the output");
}

#[tokio::test]
async fn its_lines_become_one_and_the_output_as_it_was_is_kept_beside_it() {
    let report = sh("echo; echo a; echo a; printf 'b\\r\\tc\\n'; exit 2").run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 2: a · b · c");
    assert_eq!(report.excerpt.as_deref(), Some("a\na\nb\n\tc"));
    let report = sh("yes x | head -c 1000000; exit 3").run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 3: x");
    assert!(report.excerpt.unwrap().starts_with("x\nx\nx\n"));
}

#[tokio::test]
async fn output_that_the_message_has_whole_is_not_kept_twice() {
    assert_eq!(sh("echo DISK CRITICAL; exit 2").run(AMPLE).await.excerpt, None);
    assert_eq!(sh("exit 2").run(AMPLE).await.excerpt, None);
}

#[tokio::test]
async fn a_secret_is_not_cut_in_half_where_the_kept_output_ends() {
    let spec = CommandSpec {
        argv: ["sh", "-c", "head -c 4090 /dev/zero | tr '\\0' '\\n'; echo tok-123456; exit 2"]
            .map(str::to_owned)
            .into(),
        ..CommandSpec::default()
    };
    let probe = Probe::new(&Spec::Command(spec), vec![Secret::new("tok-123456")], shared()).unwrap();
    let report = probe.run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 2");
    assert_eq!(report.excerpt, None);
}

#[tokio::test]
async fn what_a_terminal_would_show_in_colour_is_plain() {
    let report = sh("printf '\\033[31mbad\\033[0m\\a\\r\\n\\377'; exit 2").run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 2: bad · \u{fffd}");
}

#[tokio::test]
async fn a_secret_in_its_output_is_scrubbed() {
    let spec = CommandSpec {
        argv: ["sh", "-c", "echo key tok-123456; exit 2"].map(str::to_owned).into(),
        ..CommandSpec::default()
    };
    let probe = Probe::new(&Spec::Command(spec), vec![Secret::new("tok-123456")], shared()).unwrap();
    assert_failed(&probe.run(AMPLE).await, Class::ExitCode, Phase::Body, "exit code 2: key •••");
}

#[tokio::test]
async fn a_secret_with_colour_in_its_middle_is_scrubbed_too() {
    let spec = CommandSpec {
        argv: ["sh", "-c", "printf 'key tok-\\033[31m123\\033[0m456\\nmore\\n'; exit 2"].map(str::to_owned).into(),
        ..CommandSpec::default()
    };
    let probe = Probe::new(&Spec::Command(spec), vec![Secret::new("tok-123456")], shared()).unwrap();
    let report = probe.run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 2: key ••• · more");
    assert_eq!(report.excerpt.as_deref(), Some("key •••\nmore"));
}

#[tokio::test]
async fn at_the_deadline_the_whole_group_is_killed_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let script = format!("sleep 600 & echo $$ $! > {}; sleep 600", pids.display());
    let report = sh(&script).run(SHORT).await;
    assert_late(&report, Phase::Body, "the command was not finished within 1 s, and was killed");
    let pids = std::fs::read_to_string(pids).unwrap();
    let (leader, child) = pids.trim().split_once(' ').unwrap();
    wait_until_gone(child).await;
    wait_until_reaped(leader).await;
}

#[tokio::test]
async fn a_check_that_is_dropped_kills_the_group_too() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let probe = sh(&format!("sleep 600 & echo $$ $! > {}; sleep 600", pids.display()));
    let written = async {
        while !std::fs::read_to_string(&pids).is_ok_and(|text| text.ends_with('\n')) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        report = probe.run(AMPLE) => panic!("{report:?}"),
        () = written => {}
    }
    let pids = std::fs::read_to_string(pids).unwrap();
    let (leader, child) = pids.trim().split_once(' ').unwrap();
    wait_until_gone(child).await;
    wait_until_reaped(leader).await;
}

#[tokio::test]
async fn what_a_program_leaves_running_ends_with_the_check_however_it_came_out() {
    for (end, passes) in [("exit 0", true), ("exit 2", false), ("kill -KILL $$", false)] {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let script = format!("sleep 600 & echo $$ $! > {}; (sleep 600 > /dev/null 2>&1 &) ; {end}", pids.display());
        let report = sh(&script).run(AMPLE).await;
        assert_eq!(report.verdict == Verdict::Passed, passes, "{report:?}");
        let pids = std::fs::read_to_string(pids).unwrap();
        let (leader, child) = pids.trim().split_once(' ').unwrap();
        wait_until_gone(child).await;
        wait_until_reaped(leader).await;
    }
}

#[tokio::test]
async fn what_is_to_be_left_running_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (pid, go, gone_on) = (dir.path().join("pid"), dir.path().join("go"), dir.path().join("gone-on"));
    let script = format!(
        "(while [ ! -e {} ]; do sleep 0.01; done; touch {}; exec sleep 600) & echo $! > {}",
        go.display(),
        gone_on.display(),
        pid.display()
    );
    let argv = ["sh".to_owned(), "-c".to_owned(), script].into();
    let spec = CommandSpec { argv, detach: true, ..CommandSpec::default() };
    assert_passed(&probe(Spec::Command(spec)).run(AMPLE).await);
    std::fs::write(&go, "").unwrap();
    let alive = async {
        while !gone_on.exists() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(AMPLE, alive).await.expect("it does something after the check");
    let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_daemon_that_keeps_the_output_open_does_not_hold_the_check() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let started = Instant::now();
    let report = sh(&format!("setsid sleep 600 & echo $! > {}; echo gone; exit 2", pid.display())).run(AMPLE).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 2: gone");
    assert!(started.elapsed() < AMPLE / 2);
    let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let daemon = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
}

/// A check with these keys of its section.
async fn check(keys: &str) -> Report {
    let text = format!("[[checks.endpoints]]\nname = \"x\"\n{keys}\n");
    let env = |name: &str| (name == "TOKEN").then(|| "t0ps3cret".to_owned());
    let folder = std::env::temp_dir().join("config.toml");
    let endpoint = healthcheck_dashboard::config::parse(&text, &folder, &env).unwrap().checks.endpoints.remove(0);
    assert!(!endpoint.shown.to_string().contains("t0ps3cret"), "{}", endpoint.shown);
    Probe::new(&endpoint.probe, endpoint.secrets, shared()).unwrap().run(AMPLE).await
}

#[tokio::test]
async fn the_exit_codes_of_a_plugin_are_those_of_nagios() {
    let plugin = |code: u8, more: &str| {
        format!("command = \"echo \\\"DISK 9% free | '/ data'=91%;80;90\\\"; exit {code}\"\nplugin = true\n{more}")
    };
    assert_passed(&check(&plugin(0, "")).await);
    // Without the performance data: they are others in every check.
    let reason = degraded(&check(&plugin(1, "")).await);
    assert_eq!((reason.class, reason.message.as_str()), (Class::ExitCode, "exit code 1: DISK 9% free"));
    let report = check(&plugin(2, "")).await;
    assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 2: DISK 9% free");
    assert_eq!(report.excerpt.as_deref(), Some("DISK 9% free | '/ data'=91%;80;90"));
    assert_failed(&check(&plugin(3, "")).await, Class::ExitCode, Phase::Body, "exit code 3: DISK 9% free");
    assert_failed(&check(&plugin(4, "")).await, Class::ExitCode, Phase::Body, "exit code 4: DISK 9% free");
    assert_eq!(degraded(&check(&plugin(3, "unknown_is = \"degraded\"")).await).message, "exit code 3: DISK 9% free");
    let unknown = check(&plugin(3, "unknown_is = \"unknown\"")).await;
    let Verdict::Inconclusive(reason) = &unknown.verdict else { panic!("{unknown:?}") };
    assert_eq!(reason.message, "exit code 3: DISK 9% free");
}

#[tokio::test]
async fn conditions_are_held_against_what_a_command_says() {
    let keys = |conditions: &str| format!("command = \"echo \\\"OK | '/ data'=91%;80;90 jobs=3\\\"\"\n{conditions}");
    assert_passed(&check(&keys("expect = [\"perf.jobs < 5\", \"exit_code == 0\", \"output.startswith('OK')\"]")).await);
    let report = check(&keys("expect = \"perf['/ data'] < 90\"")).await;
    let message = "perf['/ data'] < 90 does not hold: perf['/ data'] is 91";
    assert_failed(&report, Class::Content, Phase::Body, message);
    assert_eq!(report.excerpt.as_deref(), Some("OK | '/ data'=91%;80;90 jobs=3"));
    let reason = degraded(&check(&keys("degraded = \"perf.jobs < 3\"")).await);
    assert_eq!(reason.message, "perf.jobs < 3 does not hold: perf.jobs is 3");
    let report = check(&keys("expect = \"perf.load < 3\"")).await;
    let message = "perf.load < 3 cannot be judged: perf has no \"load\", it is an object with \"/ data\", \"jobs\"";
    assert_failed(&report, Class::Content, Phase::Body, message);
}

#[tokio::test]
async fn a_command_gets_its_environment_and_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let keys = format!(
        "command = \"echo $GREETING $API_TOKEN; pwd; exit 2\"\nworking_directory = \"{}\"\n\
         environment = {{ GREETING = \"hello\", API_TOKEN = \"${{TOKEN}}\" }}",
        folder.path().display()
    );
    let message = format!("exit code 2: hello ••• · {}", folder.path().display());
    assert_failed(&check(&keys).await, Class::ExitCode, Phase::Body, &message);
    let report = check("command = [\"true\"]\nworking_directory = \"/no/such/folder\"").await;
    let message = "the command's working_directory /no/such/folder is not there";
    assert_failed(&report, Class::ExitCode, Phase::Body, message);
}

#[tokio::test]
async fn a_command_runs_as_another_user_where_the_monitor_is_root_and_says_so_where_it_is_not() {
    let report = check("command = \"echo $(id -un) $(id -G | wc -w) $HOME; exit 2\"\nuser = \"nobody\"").await;
    match rustix::process::geteuid().is_root() {
        true => {
            assert_failed(&report, Class::ExitCode, Phase::Body, "exit code 2: nobody 1 /nonexistent");
        }
        false => {
            let Verdict::Inconclusive(reason) = &report.verdict else { panic!("{report:?}") };
            assert_eq!(reason.message, "the command cannot run as nobody: the monitor does not run as root");
        }
    }
}
