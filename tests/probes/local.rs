//! What is looked at on this machine.

use super::*;
use healthcheck_dashboard::probe::local::{
    Bounds,
    disk::DiskSpec,
    docker::DockerSpec,
    file::{Age, FileSpec},
    load::LoadSpec,
    memory::MemorySpec,
    systemd::{SystemdSpec, UnitState},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

fn file(path: &Path) -> FileSpec {
    let (path, shown) = (path.to_owned(), "F".to_owned());
    FileSpec {
        path,
        shown,
        max_age: None,
        degraded_age: None,
        min_size: 0,
        max_size: None,
        grows_within: None,
        max_growth: None,
    }
}

async fn look(spec: FileSpec) -> Report {
    probe(Spec::File(Box::new(spec))).run(AMPLE).await
}

fn age(hours: i64) -> Option<Age> {
    Some(Age { ms: hours * 3_600_000, text: format!("{hours}h") })
}

/// Written this many hours ago.
fn write(path: &Path, text: &str, hours: u64) {
    fs::write(path, text).unwrap();
    let file = fs::File::options().append(true).open(path).unwrap();
    let written = crate::support::tls::since_1970() - Duration::from_secs(hours * 3600);
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + written).unwrap();
}

#[track_caller]
fn assert_content(report: &Report, message: &str) {
    assert_failed(report, Class::Content, Phase::Body, message);
}

#[tokio::test]
async fn a_file_is_there_and_neither_too_old_nor_too_small_nor_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup");
    assert_content(&look(file(&path)).await, "there is no file F");
    write(&path, "12345", 10);
    assert_passed(&look(file(&path)).await);
    assert_passed(&look(FileSpec { max_age: age(11), degraded_age: age(11), max_size: Some(5), ..file(&path) }).await);
    let reason = degraded(&look(FileSpec { max_age: age(11), degraded_age: age(9), ..file(&path) }).await);
    assert_eq!(reason.message, "F is older than 9h");
    assert_content(&look(FileSpec { max_age: age(9), ..file(&path) }).await, "F is older than 9h");
    assert_content(&look(FileSpec { min_size: 6, ..file(&path) }).await, "F is smaller than 6 bytes");
    assert_content(&look(FileSpec { max_size: Some(4), ..file(&path) }).await, "F is larger than 4 bytes");
    write(&path, "", 0);
    assert_content(&look(FileSpec { min_size: 1, ..file(&path) }).await, "F is empty");
    // What lies in the place of a folder is none.
    assert_content(&look(file(&path.join("x"))).await, "there is no file F");
}

#[tokio::test]
async fn of_a_folder_the_newest_file_counts() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("inner")).unwrap();
    assert_content(&look(file(folder.path())).await, "there is no file in F");
    write(&folder.path().join("old"), "1234567", 50);
    let spec = || FileSpec { max_age: age(20), min_size: 3, ..file(folder.path()) };
    assert_content(&look(spec()).await, "the newest file in F is older than 20h");
    write(&folder.path().join("new"), "12", 2);
    assert_content(&look(spec()).await, "the newest file in F is smaller than 3 bytes");
    write(&folder.path().join("new"), "123", 2);
    assert_passed(&look(spec()).await);
}

#[tokio::test]
async fn a_disk_memory_and_load_are_found_on_this_machine() {
    let ample = Bounds { degraded: 100_000, max: 100_000 };
    let disk = |path: &str| DiskSpec { path: path.into(), shown: path.to_owned(), used: ample };
    assert_passed(&probe(Spec::Disk(disk("/"))).run(AMPLE).await);
    assert_passed(&probe(Spec::Memory(MemorySpec { used: ample })).run(AMPLE).await);
    assert_passed(&probe(Spec::Load(LoadSpec { load: ample })).run(AMPLE).await);
    let report = probe(Spec::Disk(disk("/no/such/place"))).run(AMPLE).await;
    assert_content(&report, "there is no path /no/such/place");
    // Something is in use on every machine.
    let used = Bounds { degraded: 0, max: 100 };
    let reason = degraded(&probe(Spec::Memory(MemorySpec { used })).run(AMPLE).await);
    assert_eq!(reason.message, "the used memory is above 0 %");
    let report = probe(Spec::Memory(MemorySpec { used: Bounds { degraded: 0, max: 0 } })).run(AMPLE).await;
    assert_content(&report, "the used memory is above 0 %");
    assert!(report.excerpt.unwrap().ends_with(" %"));
}

/// A program in the place of `systemctl`.
async fn unit(script: &str, expect_state: UnitState) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("systemctl");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let systemctl = path.to_str().unwrap().to_owned();
    probe(Spec::Systemd(SystemdSpec { unit: "web.service".to_owned(), expect_state, systemctl })).run(AMPLE).await
}

fn printed(load: &str, active: &str, sub: &str, result: &str, status: &str) -> String {
    format!(
        "[ \"$*\" = 'show --no-pager --property=LoadState,ActiveState,SubState,Result,ExecMainStatus -- web.service' ] || exit 9\n\
         printf 'Result={result}\\nExecMainStatus={status}\\nLoadState={load}\\nActiveState={active}\\nSubState={sub}\\n'"
    )
}

#[tokio::test]
async fn the_state_of_a_unit_is_what_systemd_says() {
    use UnitState::{Active, Inactive};
    assert_passed(&unit(&printed("loaded", "active", "running", "success", "0"), Active).await);
    assert_passed(&unit(&printed("loaded", "inactive", "dead", "success", "0"), Inactive).await);
    let reason = degraded(&unit(&printed("loaded", "activating", "start", "success", "0"), Active).await);
    assert_eq!(reason.message, "the unit web.service is starting");
    for (said, state, message) in [
        (
            printed("loaded", "failed", "failed", "exit-code", "3"),
            Inactive,
            "the unit web.service has failed: exit code 3",
        ),
        (printed("loaded", "failed", "failed", "oom-kill", "0"), Active, "the unit web.service has failed: oom-kill"),
        (printed("loaded", "inactive", "dead", "success", "0"), Active, "the unit web.service is inactive (dead)"),
        (printed("not-found", "inactive", "dead", "success", "0"), Active, "there is no unit web.service"),
        (
            printed("loaded", "activating", "auto-restart", "exit-code", "1"),
            Active,
            "the unit web.service has ended (exit code 1), and is started again",
        ),
    ] {
        assert_content(&unit(&said, state).await, message);
    }
}

#[tokio::test]
async fn where_there_is_no_systemd_nobody_is_blamed() {
    let report = unit("echo 'System has not been booted with systemd' >&2; exit 1", UnitState::Active).await;
    let Verdict::Inconclusive(reason) = &report.verdict else { panic!("{report:?}") };
    assert_eq!(reason.message, "systemd does not answer: System has not been booted with systemd");
    let (unit, systemctl) = ("web.service".to_owned(), "/no/such/systemctl".to_owned());
    let spec = SystemdSpec { unit, expect_state: UnitState::Active, systemctl };
    let report = probe(Spec::Systemd(spec)).run(AMPLE).await;
    assert!(matches!(report.verdict, Verdict::Inconclusive(_)), "{report:?}");
}

/// A container, as a Docker that keeps to a script has it.
async fn container(answer: &'static str, degraded_restarts: Option<u64>) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut question = [0; 1024];
            let got = stream.read(&mut question).await.unwrap();
            assert!(question[..got].starts_with(b"GET /containers/web/json HTTP/1.0\r\n"));
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    let container = "web".to_owned();
    probe(Spec::Docker(DockerSpec { container, socket, degraded_restarts })).run(AMPLE).await
}

#[tokio::test]
async fn the_state_of_a_container_is_what_docker_says() {
    macro_rules! ok {
        ($state:literal) => {
            concat!("HTTP/1.0 200 OK\r\nApi-Version: 1.47\r\n\r\n{\"State\":{", $state, "},\"RestartCount\":3}")
        };
    }
    assert_passed(&container(ok!("\"Status\":\"running\",\"Health\":{\"Status\":\"healthy\"}"), Some(3)).await);
    assert_passed(&container(ok!("\"Status\":\"running\""), None).await);
    let reason = degraded(&container(ok!("\"Status\":\"running\""), Some(2)).await);
    assert_eq!(reason.message, "the container web was restarted more than 2 times");
    let starting = ok!("\"Status\":\"running\",\"Health\":{\"Status\":\"starting\",\"Log\":null}");
    assert_eq!(
        degraded(&container(starting, None).await).message,
        "the container web is starting: its health is not known yet"
    );
    for (answer, message) in [
        (
            ok!("\"Status\":\"exited\",\"ExitCode\":137,\"OOMKilled\":true"),
            "the container web is exited (killed for lack of memory)",
        ),
        (ok!("\"Status\":\"exited\",\"ExitCode\":2"), "the container web is exited (exit code 2)"),
        (ok!("\"Status\":\"paused\""), "the container web is paused"),
        ("HTTP/1.0 404 Not Found\r\n\r\n{\"message\":\"No such container\"}", "there is no container web"),
    ] {
        assert_content(&container(answer, None).await, message);
    }
    let sick = ok!(
        "\"Status\":\"running\",\"Health\":{\"Status\":\"unhealthy\",\"Log\":[{\"Output\":\"curl: (7) refused\"}]}"
    );
    let report = container(sick, None).await;
    assert_content(&report, "the container web is unhealthy");
    assert_eq!(report.excerpt.as_deref(), Some("curl: (7) refused"));
    let report = container("hello", None).await;
    assert_failed(&report, Class::Protocol, Phase::Body, "the answer is not Docker's: it is no HTTP");
}

#[tokio::test]
async fn without_the_socket_of_docker_nobody_is_blamed_and_a_docker_that_ended_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let spec = DockerSpec { container: "web".to_owned(), socket: socket.clone(), degraded_restarts: None };
    let report = probe(Spec::Docker(spec.clone())).run(AMPLE).await;
    assert!(matches!(report.verdict, Verdict::Inconclusive(_)), "{report:?}");
    // A socket whose owner has ended stays behind.
    drop(UnixListener::bind(&socket).unwrap());
    let report = probe(Spec::Docker(spec)).run(AMPLE).await;
    let message = format!("Docker does not run: nothing listens at {}", socket.display());
    assert_failed(&report, Class::Connect, Phase::Connect, &message);
}

#[tokio::test]
async fn a_file_that_grows_too_fast_fails_and_one_that_was_large_before_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, "x".repeat(5000)).unwrap();
    let probe = probe(Spec::File(Box::new(FileSpec { max_growth: Some(10), grows_within: age(1), ..file(&path) })));
    assert_passed(&probe.run(AMPLE).await);
    fs::write(&path, "x".repeat(5010)).unwrap();
    assert_passed(&probe.run(AMPLE).await);
    // Emptied, and written to again.
    fs::write(&path, "x").unwrap();
    assert_content(&probe.run(AMPLE).await, "F grew by more than 10 bytes within an hour");
}
