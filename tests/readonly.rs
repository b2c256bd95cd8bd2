//! Commands that only read, where the history may not be written: it belongs to another user, or its folder is read-only.

use crate::support::binary::{Serving, stderr, stdout};
use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

/// A user that owns nothing.
const NOBODY: u32 = 65534;

/// A history that everybody may read, in a folder that only its owner may write, and the program where everybody finds it.
struct Foreign {
    folder: TempDir,
    program: PathBuf,
}

/// Every command that only reads, with what tells that it did.
const READING: [(&[&str], &str); 9] = [
    (&["history", "services"], "web"),
    (&["verify"], "the file is sound"),
    (&["verify", "--quick"], "the file is sound"),
    (&["export"], "\"services\""),
    (&["report"], "Week"),
    (&["replay"], "replayed with"),
    (&["history", "maintenance", "list"], ""),
    (&["history", "retention", "--dry-run"], "would go"),
    (&["backup", "--force", "out/copy.db"], "is whole"),
];

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

impl Foreign {
    fn new(storage: &str) -> Foreign {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[[checks.endpoints]]\nname = \"web\"\nurl = \"tcp://127.0.0.1:9\"\n\
             [dashboard]\nbind = \"127.0.0.1\"\n[storage]\n{storage}\n"
        );
        fs::write(folder.path().join("config.toml"), config).unwrap();
        set_mode(folder.path(), 0o755);
        let program = folder.path().join("healthcheck_dashboard");
        let built = env!("CARGO_BIN_EXE_healthcheck_dashboard");
        fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(drop)).unwrap();
        let out = folder.path().join("out");
        fs::create_dir(&out).unwrap();
        set_mode(&out, 0o777);
        Foreign { folder, program }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn at(&self, suffix: &str) -> PathBuf {
        self.data().join(format!("history.db{suffix}"))
    }

    fn start(&self) -> Serving {
        let serving = Serving::start(self.folder.path());
        crate::support::binary::wait_for("a check", || {
            (!serving.items("/api/v1/services/web/checks?window=1h").is_empty()).then_some(())
        });
        serving
    }

    /// Runs it as somebody who may write neither the history nor its folder.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["HEALTHCHECK_CONFIG", "DASHBOARD_PORT", "RUST_LOG"] {
            command.env_remove(name);
        }
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }

    /// Where the tests are not run by root, who reads is who wrote: the folder keeps them from writing.
    fn close(&self) {
        set_mode(&self.data(), 0o555);
    }

    fn open(&self) {
        set_mode(&self.data(), 0o755);
    }

    #[track_caller]
    fn everything_reads(&self) {
        let before = self.names();
        for (arguments, said) in READING {
            let output = self.run(arguments);
            assert!(output.status.success(), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
            assert!(stdout(&output).contains(said), "{arguments:?}: {}", stdout(&output));
        }
        assert_eq!(self.names(), before, "who only reads leaves nothing beside the history");
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.data())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_history_of_another_user_is_read_while_it_is_written_after_a_stop_and_after_a_crash() {
    let foreign = Foreign::new("mode = \"0644\"");
    let serving = foreign.start();
    foreign.everything_reads();
    serving.signal(rustix::process::Signal::TERM);
    assert!(!foreign.at("-wal").exists());
    foreign.close();
    foreign.everything_reads();
    foreign.open();
    foreign.start().kill();
    assert!(foreign.at("-wal").metadata().unwrap().len() > 0);
    foreign.close();
    foreign.everything_reads();
    foreign.open();
}

#[test]
fn a_folder_that_everybody_may_write_gets_no_file_of_a_reader_that_its_owner_could_not_open() {
    let foreign = Foreign::new("mode = \"0644\"");
    foreign.start().signal(rustix::process::Signal::TERM);
    if is_root() {
        set_mode(&foreign.data(), 0o777);
    } else {
        set_mode(&foreign.at(""), 0o444);
    }
    foreign.everything_reads();
}

#[test]
fn what_cannot_be_read_is_told_with_what_is_needed() {
    let foreign = Foreign::new("mode = \"0644\"");
    foreign.start().kill();
    // A copy of a history and its log, without the index that reading the log needs.
    fs::remove_file(foreign.at("-shm")).unwrap();
    foreign.close();
    for (arguments, _) in READING {
        let output = foreign.run(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", stdout(&output));
        for part in ["history.db-wal", "history.db-shm", "copy both files"] {
            assert!(stderr(&output).contains(part), "{arguments:?}: {}", stderr(&output));
        }
    }
    foreign.open();
    if !is_root() {
        set_mode(&foreign.at(""), 0o000);
    } else {
        set_mode(&foreign.at(""), 0o600);
    }
    for (arguments, _) in READING {
        let output = foreign.run(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", stdout(&output));
        assert!(stderr(&output).contains("[storage] mode"), "{arguments:?}: {}", stderr(&output));
    }
    // Nobody may say that there is none where nobody could look.
    set_mode(&foreign.data(), if is_root() { 0o700 } else { 0o000 });
    for (arguments, _) in READING {
        let output = foreign.run(arguments);
        assert!(!stderr(&output).contains("there is no history"), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("Permission denied"), "{arguments:?}: {}", stderr(&output));
    }
    set_mode(&foreign.data(), 0o755);
}

#[test]
fn a_backup_on_a_medium_that_cannot_be_written_is_restored() {
    let foreign = Foreign::new("mode = \"0644\"");
    foreign.start().signal(rustix::process::Signal::TERM);
    // A plain copy of a stopped history still says that it has a log.
    let medium = foreign.folder.path().join("medium");
    fs::create_dir(&medium).unwrap();
    fs::copy(foreign.at(""), medium.join("copy.db")).unwrap();
    set_mode(&medium.join("copy.db"), 0o444);
    set_mode(&medium, 0o555);
    if is_root() {
        set_mode(&foreign.data(), 0o777);
        fs::remove_file(foreign.at("")).unwrap();
        fs::remove_file(foreign.at(".lock")).unwrap();
    }
    let output = foreign.run(&["restore", "medium/copy.db"]);
    assert!(output.status.success(), "{}", stderr(&output));
    set_mode(&medium, 0o755);
}
