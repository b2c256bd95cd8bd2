//! Who may read the files that the program makes.

use crate::support::binary::{Serving, program, run, stderr};
use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::{Command, Output, Stdio},
};
use tempfile::TempDir;

fn folder(storage: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "[[checks.endpoints]]\nname = \"web\"\nurl = \"tcp://127.0.0.1:9\"\n\
         [dashboard]\nbind = \"127.0.0.1\"\n[storage]\n{storage}\n"
    );
    fs::write(folder.path().join("config.toml"), config).unwrap();
    folder
}

/// The program below another umask.
fn under(umask: &str, folder: &Path, arguments: &[&str]) -> Command {
    let plain = program(folder);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]).arg(plain.get_program()).args(arguments);
    command.current_dir(folder).env_remove("HEALTHCHECK_CONFIG").env_remove("RUST_LOG").env("NO_COLOR", "1");
    command
}

fn done(mut command: Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// The names in a folder whose mode is another.
#[track_caller]
fn all_are(folder: &Path, wanted: u32, at_least: usize) {
    let all: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(all.len() >= at_least, "{all:?}");
    let others: Vec<_> =
        all.iter().filter(|path| mode(path) != wanted).map(|path| (path, format!("{:o}", mode(path)))).collect();
    assert!(others.is_empty(), "not {wanted:o}: {others:?}");
}

#[test]
fn what_the_program_makes_can_be_read_by_its_owner_alone() {
    let folder = folder("backup = { dir = \"backups\" }");
    let at = |name: &str| folder.path().join(name);
    let serving = Serving::start_as(folder.path(), under("000", folder.path(), &[]));
    assert_eq!(mode(&at("data")), 0o700);
    // The database, its log, its index, its lock.
    all_are(&at("data"), 0o600, 4);
    crate::support::binary::wait_for("a backup", || {
        let there = fs::read_dir(at("backups")).into_iter().flatten().flatten();
        there.filter(|entry| entry.file_name().to_string_lossy().ends_with(".db")).count().checked_sub(1)
    });
    assert_eq!(mode(&at("backups")), 0o700);
    all_are(&at("backups"), 0o600, 1);
    for arguments in [&["backup", "copy.db"][..], &["export", "-o", "all.json"], &["report", "--out", "week.html"]] {
        done(under("000", folder.path(), arguments));
        let made = at(arguments[arguments.len() - 1]);
        assert_eq!(mode(&made), 0o600, "{arguments:?}");
    }
    drop(serving);
    done(under("000", folder.path(), &["restore", "copy.db"]));
    all_are(&at("data"), 0o600, 3);
}

#[test]
fn files_of_an_older_version_are_closed_with_one_line_and_folders_are_left_alone() {
    let folder = folder("");
    let data = folder.path().join("data");
    drop(Serving::start(folder.path()));
    fs::write(data.join("history.db.replaced-20260101T000000Z"), "").unwrap();
    fs::write(data.join("other.txt"), "").unwrap();
    for entry in fs::read_dir(&data).unwrap() {
        set_mode(&entry.unwrap().path(), 0o644);
    }
    set_mode(&data, 0o755);
    let serving = Serving::start(folder.path());
    assert_eq!(mode(&data), 0o755);
    assert_eq!(mode(&data.join("other.txt")), 0o644, "it is none of ours");
    fs::remove_file(data.join("other.txt")).unwrap();
    all_are(&data, 0o600, 5);
    let log = serving.log();
    assert_eq!(log.lines().filter(|line| line.contains("[storage] mode")).count(), 1, "{log}");
}

#[test]
fn a_group_may_read_where_the_configuration_says_so() {
    let folder = folder("mode = \"0640\"");
    let serving = Serving::start_as(folder.path(), under("077", folder.path(), &[]));
    assert_eq!(mode(&folder.path().join("data")), 0o750);
    all_are(&folder.path().join("data"), 0o640, 4);
    done(under("077", folder.path(), &["export", "-o", "all.json"]));
    assert_eq!(mode(&folder.path().join("all.json")), 0o640);
    drop(serving);
    // One that was made for its owner alone is opened as well.
    for entry in fs::read_dir(folder.path().join("data")).unwrap() {
        set_mode(&entry.unwrap().path(), 0o600);
    }
    let _serving = Serving::start(folder.path());
    all_are(&folder.path().join("data"), 0o640, 4);
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode() {
    let folder = folder("");
    drop(Serving::start(folder.path()));
    for arguments in
        [&["backup", "--force", "copy.db"][..], &["export", "-o", "all.json"], &["report", "--out", "week.html"]]
    {
        let place = folder.path().join(arguments[arguments.len() - 1]);
        fs::write(&place, "").unwrap();
        set_mode(&place, 0o664);
        let output = run(folder.path(), arguments);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(mode(&place), 0o664, "{arguments:?}");
        assert!(place.metadata().unwrap().len() > 0);
    }
}
