//! The built program: what it keeps when it is killed, and what it never shows.

use super::TOKEN;
use crate::support::binary::{Serving, get, program, run, stderr, stdout};
use std::{fs, path::Path, process::Stdio};

fn configured(folder: &Path) {
    let config =
        "[[checks.endpoints]]\nname = \"backup\"\ntype = \"push\"\ntoken = \"${BACKUP_TOKEN}\"\ninterval_secs = 3600\n";
    fs::write(folder.join("config.toml"), config).unwrap();
}

fn serve(folder: &Path) -> Serving {
    let mut command = program(folder);
    command.env("BACKUP_TOKEN", TOKEN).env("RUST_LOG", "trace");
    Serving::start_as(folder, command)
}

#[test]
fn what_was_answered_is_there_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    configured(folder.path());
    let serving = serve(folder.path());
    let answer = get(serving.port, &format!("/api/v1/push/{TOKEN}/7?message=no+tape")).unwrap();
    assert_eq!((answer.0, answer.1.trim()), (200, "OK"));
    serving.kill();
    let serving = serve(folder.path());
    let (_, checks) = get(serving.port, "/api/v1/services/backup/checks?window=1h").unwrap();
    assert!(checks.contains("exit code 7: no tape"), "{checks}");
    let (_, health) = get(serving.port, "/health/backup?verbose=1").unwrap();
    assert!(health.contains("\"status\":\"down\""), "{health}");
}

#[test]
fn a_token_is_neither_logged_nor_stored() {
    let folder = tempfile::tempdir().unwrap();
    configured(folder.path());
    let serving = serve(folder.path());
    let (right, wrong) = (TOKEN, "wrong-horse-battery-staple");
    for (token, endings) in
        [(right, ["", "/start", "/nonsense", "/1/2/3"]), (wrong, ["", "/start", "/nonsense", "/1/2/3"])]
    {
        for ending in endings {
            get(serving.port, &format!("/api/v1/push/{token}{ending}?status=down&message={token}")).unwrap();
            get(serving.port, &format!("/api/v1/push/{token}{ending}")).unwrap();
        }
    }
    let log = serving.log();
    serving.kill();
    assert!(log.contains("a push was refused: its token is no service's"), "{log}");
    for entry in fs::read_dir(folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        for token in [right, wrong] {
            let found = bytes.windows(token.len()).any(|part| part == token.as_bytes());
            assert!(!found, "{} has the token", path.display());
        }
    }
    assert!(!log.contains("horse"), "{log}");
}

#[test]
fn a_check_by_hand_says_that_there_is_nothing_to_check() {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[[checks.endpoints]]\nname = \"backup\"\ntype = \"push\"\ntoken = \"{TOKEN}\"\ninterval_secs = 3600\n\
         [[checks.endpoints]]\nname = \"true\"\ncommand = \"true\"\n"
    );
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let checked = run(folder.path(), &["check"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    let said = stdout(&checked);
    assert!(said.contains("it reports by itself: nothing is checked"), "{said}");
    assert!(said.contains("1 of 1 services passed"), "{said}");
    let validated = run(folder.path(), &["validate"]);
    assert!(validated.status.success(), "{}", stderr(&validated));
    assert!(!format!("{said}{}{}", stdout(&validated), stderr(&validated)).contains("horse"));
}

#[test]
fn a_history_of_reports_is_proved_and_travels_with_its_logs() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    configured(folder.path());
    configured(other.path());
    let serving = serve(folder.path());
    let url = format!("http://127.0.0.1:{}/api/v1/push/{TOKEN}", serving.port);
    for script in ["exit 0", "seq 30000; exit 3", "exit 0"] {
        let mut exec = program(folder.path());
        exec.args(["exec", "--url", &url, "--", "sh", "-c", script]).stdout(Stdio::null()).status().unwrap();
    }
    serving.signal(rustix::process::Signal::TERM);
    let export = |folder: &Path| {
        let exported = program(folder).env("BACKUP_TOKEN", TOKEN).args(["export", "-o", "out.json"]).output().unwrap();
        assert!(exported.status.success(), "{}", stderr(&exported));
        let text = fs::read_to_string(folder.join("out.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let verified = program(folder.path()).env("BACKUP_TOKEN", TOKEN).arg("verify").output().unwrap();
    assert!(verified.status.success(), "{}{}", stdout(&verified), stderr(&verified));
    let before = export(folder.path());
    let log = before["incidents"][0]["cause"]["excerpt"].as_str().unwrap();
    assert!(log.len() > 90_000 && log.ends_with("30000"), "{}", log.len());
    let from = folder.path().join("out.json");
    let imported = program(other.path()).env("BACKUP_TOKEN", TOKEN).arg("import").arg(&from).output().unwrap();
    assert!(imported.status.success(), "{}", stderr(&imported));
    let after = export(other.path());
    assert_eq!((&before["checks"], &before["incidents"]), (&after["checks"], &after["incidents"]));
}
