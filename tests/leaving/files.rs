//! The files themselves: whole or not at all.

mod backup_files;

use crate::support::{
    binary::{Serving, cramped, program, run, stderr, stdout},
    history::{History, result, service, watched},
};
use healthcheck_dashboard::routing::Routing;
use healthcheck_dashboard::{
    clock::Clock,
    domain::{service::Commands, time::UnixMs, window::Window},
    interchange::export::{self, Format, Order},
    store::{self, RetentionPolicy, Store},
};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::LazyLock,
};
use tempfile::TempDir;

const CONFIG: &str = "[[checks.endpoints]]\nname = \"other\"\nurl = \"tcp://127.0.0.1:9\"\nenabled = false\n\
                      [dashboard]\nbind = \"127.0.0.1\"\n";

/// Everything that is asked for is asked up to the same moment.
const TO: &str = "2026-11-17";

fn empty() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.toml"), CONFIG).unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    folder
}

fn database(folder: &TempDir) -> PathBuf {
    folder.path().join("data/history.db")
}

/// A folder with a history of two services, with an incident, a blip, gaps and a kept answer.
fn lived(results: usize) -> TempDir {
    let folder = empty();
    super::block(async {
        let mut history = History::new("2026-11-16T00:00:00Z", vec![service("web"), service("api")]);
        let begin = UnixMs::parse("2026-11-16T00:00:00Z").unwrap();
        history.checks("web", begin, ".~.xx.");
        history.checks("api", begin, "..      ..");
        history.check_with("web", result('x', begin.plus(60_000)), Some("<p>it hurts</p>"));
        history.checks("web", begin.plus(70_000), "xxx..");
        for i in 0..results as i64 {
            history.check("web", result('.', begin.plus(200_000 + i * 10_000)));
        }
        history.committed().await;
        let (from, to) = (history.path(), database(&folder));
        history.store.stop().await;
        fs::copy(from, to).unwrap();
    });
    folder
}

fn export(folder: &TempDir, arguments: &[&str]) -> String {
    let output = run(folder.path(), &[&["export", "--to", TO], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    let made = regex::Regex::new(r#""generated_at":"[^"]*""#).unwrap();
    made.replace(text, "\"generated_at\":\"2026-11-17T00:00:00.000Z\"").into_owned()
}

#[track_caller]
fn fine(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    stdout(output)
}

/// What it says when it fails.
#[track_caller]
fn refused(output: &Output) -> &str {
    assert_eq!(output.status.code(), Some(1), "{}", stdout(output));
    stderr(output)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_form_leaves_and_arrives_compressed_or_not() {
    let here = lived(0);
    let whole = export(&here, &[]);
    for (file, arguments, magic) in [
        ("a.json", &[][..], &b"{\"export\":"[..]),
        ("a.ndjson", &[], b"{\"type\":\"export\""),
        ("a.json.gz", &[], &[0x1f, 0x8b]),
        ("a.ndjson.gz", &[], &[0x1f, 0x8b]),
        ("a.json.zst", &[], &[0x28, 0xb5, 0x2f, 0xfd]),
        ("a.ndjson.zst", &[], &[0x28, 0xb5, 0x2f, 0xfd]),
        ("a.backup", &["--compress", "zstd", "--format", "ndjson"], &[0x28, 0xb5, 0x2f, 0xfd]),
        ("b.json.gz", &["--compress", "none"], b"{\"export\":"),
    ] {
        fine(&run(here.path(), &[&["export", "-o", file, "--to", TO], arguments].concat()));
        let bytes = fs::read(here.path().join(file)).unwrap();
        assert!(bytes.starts_with(magic), "{file}");
        let there = empty();
        let said = run(there.path(), &["import", here.path().join(file).to_str().unwrap()]);
        assert!(fine(&said).contains("16 check results are new, 0 were there already"), "{}", stdout(&said));
        assert!(export(&there, &[]) == whole, "{file}");
        // And from a pipe.
        let mut child =
            program(there.path()).args(["import", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let said = child.wait_with_output().unwrap();
        assert!(fine(&said).starts_with("0 check results are new, 16 were there already"), "{}", stdout(&said));
        assert!(export(&there, &[]) == whole, "{file}");
    }
    // A spreadsheet is not a history.
    fine(&run(here.path(), &["export", "-o", "a.csv.gz", "--to", TO]));
    let there = empty();
    let csv = run(there.path(), &["import", here.path().join("a.csv.gz").to_str().unwrap()]);
    assert!(refused(&csv).contains("CSV"), "{}", stderr(&csv));
}

#[test]
fn services_that_the_configuration_does_not_have_arrive_too_and_are_answered_for() {
    let here = lived(0);
    fine(&run(here.path(), &["export", "-o", "a.json", "--service", "api", "--to", TO]));
    let there = empty();
    let said = run(there.path(), &["import", here.path().join("a.json").to_str().unwrap()]);
    assert!(fine(&said).contains("1 services were not known here"));
    assert!(stdout(&said).contains("4 check results are new"));
    let body: Value = serde_json::from_str(&export(&there, &[])).unwrap();
    assert_eq!(body["export"]["services"][0]["name"], "api");
    assert_eq!((body["checks"].as_array().unwrap().len(), body["gaps"].as_array().unwrap().len()), (4, 2));
    let serving = Serving::start(there.path());
    assert_eq!(serving.items("/api/v1/services/api/checks?from=2026-11-16&to=2026-11-17").len(), 4);
}

/// Longer than anybody wants to read.
static LONG: LazyLock<String> = LazyLock::new(|| format!("\"outcome\":\"{}", "x".repeat(5000)));

#[test]
fn a_broken_file_is_said_where_and_changes_nothing() {
    let here = lived(0);
    let lines = export(&here, &["--format", "ndjson"]);
    let document = export(&here, &[]);
    let with = |text: &str, line: usize, change: &dyn Fn(&str) -> String| {
        let each = text.lines().enumerate().map(|(i, l)| if i + 1 == line { change(l) } else { l.to_owned() });
        each.filter(|l| !l.is_empty()).map(|l| l + "\n").collect::<String>()
    };
    let replaced = |from: &'static str, to: &'static str| {
        move |line: &str| {
            assert!(line.contains(from), "{from} is not in {line}");
            line.replacen(from, to, 1)
        }
    };
    let count = lines.lines().count();
    let cut = lines.len() - 40;
    for (broken, says) in [
        (with(&lines, 4, &replaced("\"outcome\":\"", "\"outcome\":\"p")), &["line 4", "is no outcome"][..]),
        (with(&lines, 5, &replaced("2026-11-16T", "2026-11-31T")), &["line 5", "2026-11-31", "is no time"]),
        (with(&lines, 6, &replaced("{", "")), &["line 6"]),
        (with(&lines, 7, &replaced("\"recheck\":false", "\"recheck\":3")), &["line 7", "expected a boolean", "column"]),
        (
            with(&lines, 3, &replaced("\"service\":\"api\"", "\"service\":\"nobody\"")),
            &["line 3", "does not list the service “nobody”"],
        ),
        (with(&lines, 3, &replaced("\"type\":\"check\"", "\"type\":\"chek\"")), &["line 3", "“chek”"]),
        (
            with(&lines, 3, &replaced("\"response_time_ms\":", "\"response_time_ms\":-")),
            &["line 3", "no time that a check can take"],
        ),
        (with(&lines, 2, &|_| String::new()), &["the end speaks of 16 check results, and 15 are here"]),
        (with(&lines, 1, &|_| String::new()), &["line 1", "header"]),
        (with(&lines, 1, &replaced("\"version\":1", "\"version\":2")), &["line 1", "version 2"]),
        (with(&lines, 1, &replaced("\"interval_ms\":10000", "\"interval_ms\":0")), &["line 1", "interval"]),
        (
            with(&lines, 3, &replaced("\"response_time_ms\":", "\"response_time_ms\":1e300,\"was\":")),
            &["line 3", "10000000000", "…0000", "no time that a check can take"],
        ),
        (with(&lines, 4, &replaced("\"outcome\":\"", "\"outcome\":\"\\u001b[2J\\n")), &["line 4", "is no outcome"]),
        (with(&lines, 4, &replaced("\"outcome\":\"", &LONG)), &["line 4", "“xxxxxxxxxx", "xxx…xxx", "is no outcome"]),
        (with(&lines, count, &|_| String::new()), &["the end is missing", "cut off"]),
        (lines[..cut].to_owned(), &["line", "cut off"]),
        (format!("{lines}{}", lines.lines().nth(1).unwrap()), &["something follows the end"]),
        (format!("{lines}{lines}"), &["in the middle of another"]),
        (with(&document, 4, &replaced("\"outcome\":\"", "\"outcome\":\"p")), &["line 4", "is no outcome"]),
        (document[..document.len() / 2].to_owned(), &["cut off"]),
        (document.replace("\"gaps\"", "\"gups\""), &["“gups”"]),
        (format!("{document}{{}}"), &["trailing"]),
        (String::new(), &["nothing in it"]),
        ("Dear Sir,\n".to_owned(), &["line 1", "no export"]),
        ("{\"name\": \"package\"}\n".to_owned(), &["line 1", "no export"]),
    ] {
        let file = here.path().join("broken");
        fs::write(&file, &broken).unwrap();
        for there in [empty(), lived(3)] {
            let before = names(&there.path().join("data"));
            let known = if before.is_empty() { String::new() } else { export(&there, &[]) };
            let output = run(there.path(), &["import", file.to_str().unwrap()]);
            let said = refused(&output);
            assert!(said.chars().count() < 600 && !said.contains('\u{1b}'), "{said}");
            for part in says {
                assert!(said.contains(part), "“{part}” is not in: {said}");
            }
            assert!(said.contains("nothing was imported") && said.contains("broken"), "{said}");
            if known.is_empty() {
                assert!(!database(&there).exists(), "a history was made of nothing");
            } else {
                assert!(export(&there, &[]) == known, "{says:?}");
            }
        }
    }
    // One broken file among several: none of them.
    fs::write(here.path().join("whole"), &lines).unwrap();
    let there = empty();
    let (whole, broken) = (here.path().join("whole"), here.path().join("broken"));
    refused(&run(there.path(), &["import", whole.to_str().unwrap(), broken.to_str().unwrap()]));
    assert!(!database(&there).exists());
    // Compressed, and cut off.
    fine(&run(here.path(), &["export", "-o", "c.json.zst", "--to", TO]));
    fine(&run(here.path(), &["export", "-o", "c.json.gz", "--to", TO]));
    for name in ["c.json.zst", "c.json.gz"] {
        let bytes = fs::read(here.path().join(name)).unwrap();
        fs::write(here.path().join(name), &bytes[..bytes.len() - 20]).unwrap();
        refused(&run(there.path(), &["import", here.path().join(name).to_str().unwrap()]));
    }
    let output = run(there.path(), &["import", "no-such-file"]);
    assert!(refused(&output).contains("no-such-file"));
}

#[test]
fn what_would_write_is_refused_while_the_service_runs_and_a_backup_is_not() {
    let here = lived(0);
    fine(&run(here.path(), &["export", "-o", "a.json", "--to", TO]));
    fine(&run(here.path(), &["backup", "copy.db"]));
    let serving = Serving::start(here.path());
    let pid = serving.pid().as_raw_nonzero().to_string();
    for arguments in [&["import", "a.json"][..], &["restore", "copy.db"]] {
        let output = run(here.path(), arguments);
        let said = refused(&output);
        assert!(said.contains("held by another process") && said.contains(&pid), "{said}");
    }
    let output = run(here.path(), &["backup", "running.db"]);
    assert!(fine(&output).contains("16 check results"), "{}", stdout(&output));
    assert_eq!(store::verify(&here.path().join("running.db")).unwrap().results, 16);
}

#[test]
fn an_export_that_fails_leaves_what_was_there() {
    let here = lived(2_000);
    fs::write(here.path().join("a.json"), "what was there").unwrap();
    let output = cramped(here.path(), 100, &["export", "-o", "a.json"]);
    assert!(refused(&output).contains("a.json cannot be written"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(here.path().join("a.json")).unwrap(), "what was there");
    assert_eq!(names(here.path()), ["a.json", "config.toml", "data"]);
}

#[test]
fn what_is_no_file_is_written_to_and_stays_what_it_is() {
    let here = lived(0);
    let whole = export(&here, &["--format", "ndjson"]);
    let pipe = here.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reading = pipe.clone();
    let from = std::thread::spawn(move || fs::read(reading).unwrap());
    fine(&run(here.path(), &["export", "-o", pipe.to_str().unwrap(), "--to", TO, "--format", "ndjson"]));
    let read = String::from_utf8(from.join().unwrap()).unwrap();
    assert!(read.lines().skip(1).eq(whole.lines().skip(1)));
    let kind = fs::metadata(&pipe).unwrap().file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind));
    // A link is followed.
    fs::write(here.path().join("week.md"), "old").unwrap();
    std::os::unix::fs::symlink("week.md", here.path().join("latest.md")).unwrap();
    fine(&run(here.path(), &["report", "--out", "latest.md", "--week", "2026-W47"]));
    assert!(fs::read_to_string(here.path().join("week.md")).unwrap().contains("2026"));
    assert!(fs::symlink_metadata(here.path().join("latest.md")).unwrap().is_symlink());
}

#[test]
fn a_check_of_the_future_is_refused_and_one_that_is_there_can_be_taken_out() {
    let here = lived(0);
    let lines = export(&here, &["--format", "ndjson"]);
    let first = "\"service\":\"web\",\"at\":\"2026-11-16T00:00:00.000Z\"";
    let line = 1 + lines.lines().position(|line| line.contains(first)).unwrap();
    let broken = lines.replacen(first, "\"service\":\"web\",\"at\":\"2099-01-01T00:00:00.000Z\"", 1);
    fs::write(here.path().join("broken.ndjson"), &broken).unwrap();
    let output = run(here.path(), &["import", "broken.ndjson"]);
    let said = refused(&output);
    assert!(said.contains(&format!("line {line}: a check of 2099-01-01")), "{said}");
    assert!(export(&here, &["--format", "ndjson"]) == lines);

    // However it came there, it is said, and can be taken out.
    crate::support::history::import(&database(&here), &[&broken]);
    let started = || {
        let _ = fs::remove_file(here.path().join("log"));
        Serving::start(here.path()).log()
    };
    fs::write(here.path().join("config.toml"), CONFIG.replace("other", "web")).unwrap();
    let log = started();
    assert!(log.contains("results from the future") && log.contains("service=\"web\""), "{log}");
    fine(&run(here.path(), &["export", "-o", "web.ndjson", "--service", "web", "--to", "2026-11-18"]));
    fine(&run(here.path(), &["history", "forget", "web", "--yes"]));
    fine(&run(here.path(), &["import", "web.ndjson"]));
    let log = started();
    assert!(!log.contains("future"), "{log}");
    fine(&run(here.path(), &["verify"]));
    let checks = |text: &str| text.matches("{\"type\":\"check\",\"service\":\"web\"").count();
    assert_eq!(checks(&export(&here, &["--format", "ndjson"])), checks(&lines));
}

#[test]
fn the_lock_is_free_after_an_import_that_failed() {
    let folder = lived(0);
    fs::write(folder.path().join("bad"), "no").unwrap();
    refused(&run(folder.path(), &["import", "bad"]));
    let keep = RetentionPolicy::FOREVER;
    super::block(async {
        let services = vec![watched(service("web"))];
        Store::open(&database(&folder), services, Vec::new(), Routing::default(), keep, Clock::system())
            .unwrap()
            .stop()
            .await;
    });
}

#[test]
fn an_import_that_is_killed_changes_nothing_and_holds_nobody_up() {
    let here = lived(20_000);
    let lines = export(&here, &["--format", "ndjson"]);
    let there = lived(3);
    let before = export(&there, &[]);
    let mut child = program(there.path())
        .args(["import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // More than a pipe holds: most of it has been taken in when this returns.
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&lines.as_bytes()[..lines.len() / 2]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(pipe);
    assert!(export(&there, &[]) == before);
    fs::write(there.path().join("whole"), &lines).unwrap();
    fine(&run(there.path(), &["import", "whole"]));
    assert!(export(&there, &[]).len() > lines.len() / 2);
}

/// Takes what is written, and every time asks whether anybody still reads the history.
struct Suspicious {
    conn: Connection,
    writes: usize,
}

impl Write for Suspicious {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        // The log cannot be emptied while somebody reads from it.
        self.conn.execute("UPDATE run SET alive_at = alive_at + 1", []).unwrap();
        let busy: i64 = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
        assert_eq!(busy, 0, "a transaction is open while bytes are handed over");
        self.writes += 1;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_stops_reading_holds_nothing_up() {
    let here = lived(5_000);
    let path = database(&here);
    let reader = store::Reader::open(&path).unwrap();
    let to = UnixMs::parse(TO).unwrap();
    let order = Order {
        format: Format::Csv,
        window: Window::new(UnixMs::MIN, to).unwrap(),
        services: reader.services().unwrap(),
        commands: Commands::Whole,
        now: to,
    };
    for format in [Format::Csv, Format::Ndjson] {
        let mut sink = std::io::BufWriter::new(Suspicious { conn: Connection::open(&path).unwrap(), writes: 0 });
        export::write(&reader, &Order { format, ..order.clone() }, &mut sink, |_| ()).unwrap();
        assert!(sink.get_ref().writes >= 2);
    }
}

#[test]
fn a_history_that_is_cut_off_is_refused_at_once_and_left_as_it_is() {
    let folder = lived(5_000);
    let path = database(&folder);
    let whole = fs::read(&path).unwrap();
    // Its last page alone is missing: nothing at the start would need it.
    fs::write(&path, &whole[..whole.len() - 4096]).unwrap();
    for arguments in [&[][..], &["export"], &["backup", "copy.db"], &["import", "a.json"]] {
        let output = run(folder.path(), arguments);
        let said = refused(&output);
        assert!(said.contains("the file is damaged: restore a backup"), "{said}");
    }
    assert_eq!(fs::read(&path).unwrap(), whole[..whole.len() - 4096]);
}
