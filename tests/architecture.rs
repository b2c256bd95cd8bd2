//! The rooms and floors that `src/lib.rs` promises, held against the code.

mod circles;

use regex::Regex;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// A file below `src/`, without its comments.
struct Source {
    /// From `src/` on.
    path: PathBuf,
    room: String,
    code: String,
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    let mut folders = vec![src()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let comment = Regex::new(r"(?m)(^|\s)//.*$").unwrap();
    let read = |file: PathBuf| {
        let path = file.strip_prefix(src()).unwrap().to_owned();
        let room = path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        Source { path, room, code: comment.replace_all(&text, "").into_owned() }
    };
    files.into_iter().map(read).collect()
}

/// The table of the tour: the floor of each room.
fn floors() -> BTreeMap<String, u32> {
    let tour = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    let row = Regex::new(r"(?m)^//! \| `(\w+)` \| (\d+) \|").unwrap();
    row.captures_iter(&tour).map(|c| (c[1].to_owned(), c[2].parse().unwrap())).collect()
}

/// The rooms that a piece of code names after the crate's name: `crate::a::b` and `crate::{a::{b, c}, d}`.
fn named_rooms(code: &str, crate_name: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let start = Regex::new(&format!(r"\b{crate_name}::")).unwrap();
    for found in start.find_iter(code) {
        let rest = &code[found.end()..];
        let Some(list) = rest.strip_prefix('{') else {
            rooms.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut expected = true;
        for (i, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => expected = true,
                c if expected && !c.is_whitespace() => {
                    rooms.insert(word(&list[i..]));
                    expected = false;
                }
                _ => {}
            }
        }
    }
    rooms
}

#[test]
fn a_room_imports_only_rooms_on_lower_floors() {
    let floors = floors();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for source in sources().iter().filter(|s| s.room != "lib") {
        let crate_name = if source.room == "main" { "healthcheck_dashboard" } else { "crate" };
        let own = *floors.get(&source.room).unwrap_or_else(|| panic!("{} is in no room", source.path.display()));
        for other in named_rooms(&source.code, crate_name) {
            seen += 1;
            match floors.get(&other) {
                _ if other == source.room => {}
                Some(&floor) if floor < own => {}
                Some(floor) => wrong.push(format!(
                    "{} (`{}`, floor {own}) names `{other}` (floor {floor})",
                    source.path.display(),
                    source.room
                )),
                None => wrong.push(format!("{} names `{other}`, which is no room", source.path.display())),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "only {seen} imports were seen: they are written in a way that this test does not read");
}

#[test]
fn no_files_of_a_room_form_a_circle() {
    let sources = sources().into_iter().map(|source| (source.path.to_str().unwrap().to_owned(), source.code));
    let found = circles::circles(&sources.collect::<Vec<_>>());
    let text = found.iter().map(|(room, lines)| format!("{room}:\n  {}", lines.join("\n  ")));
    assert!(found.is_empty(), "files that import each other in a circle:\n{}", text.collect::<Vec<_>>().join("\n"));
}

#[test]
fn nobody_leaves_a_room_through_its_ceiling() {
    let climbs = Regex::new(r"(?m)^(?:pub(?:\([^)]*\))? )?use ((?:super::)+)").unwrap();
    for source in sources().iter().filter(|s| s.room != "lib" && s.room != "main") {
        // How many times `super` leads to the crate's root from this file's module.
        let stem = source.path.file_stem().unwrap();
        let to_root = source.path.components().count() - usize::from(stem == "mod");
        for climb in climbs.captures_iter(&source.code) {
            let steps = climb[1].matches("super").count();
            assert!(steps < to_root, "{}: say `crate::`, so that it is seen: {}", source.path.display(), &climb[0]);
        }
    }
}

#[test]
fn the_tour_names_every_room_and_no_other() {
    let floors = floors();
    let tour = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    let module = Regex::new(r"(?m)^pub mod (\w+);").unwrap();
    let mut modules: BTreeSet<String> = module.captures_iter(&tour).map(|c| c[1].to_owned()).collect();
    modules.insert("main".to_owned());
    assert_eq!(floors.keys().cloned().collect::<BTreeSet<_>>(), modules);
    let on_disk: BTreeSet<String> = sources().into_iter().map(|s| s.room).filter(|room| room != "lib").collect();
    assert_eq!(on_disk, modules);
}

#[test]
fn only_the_clock_asks_what_time_it_is() {
    let asks = Regex::new(
        r"\b(?:Utc|Local|SystemTime)::now\b|\bstd::time::Instant\b|\bstd::time::\{[^}]*\bInstant\b|clock_gettime",
    )
    .unwrap();
    for source in sources().iter().filter(|s| s.path != Path::new("clock.rs")) {
        let found = asks.find(&source.code);
        assert!(found.is_none(), "{}: {}", source.path.display(), found.unwrap().as_str());
    }
    let clock = std::fs::read_to_string(src().join("clock.rs")).unwrap();
    assert!(asks.is_match(&clock));
}

#[test]
fn sql_stays_in_the_store() {
    let foreign = Regex::new(r"\b(?:rusqlite|r2d2|r2d2_sqlite)\b").unwrap();
    let signature = Regex::new(r"(?s)\bpub(?:\(crate\))? (?:async )?fn [^{;]*").unwrap();
    let inside = Regex::new(r"\b(?:rusqlite|Connection|Transaction|Statement)\b").unwrap();
    let mut signatures = 0;
    for source in sources() {
        if source.room != "store" {
            let found = foreign.find(&source.code);
            assert!(found.is_none(), "{}: {}", source.path.display(), found.unwrap().as_str());
            continue;
        }
        for found in signature.find_iter(&source.code) {
            signatures += 1;
            assert!(!inside.is_match(found.as_str()), "{}: {}", source.path.display(), found.as_str());
        }
    }
    assert!(signatures > 20, "only {signatures} signatures were seen");
}

/// Where SQL may stand beside the named functions of tables and rows, and why.
const SQL_OUTSIDE_TABLES: [(&str, &str); 9] = [
    ("store/disk/", "the file, its schema and its pragmas"),
    ("store/scrub/", "reads pages and indexes, whatever they hold"),
    ("store/writer/ahead.rs", "what was told before its commit, against the history"),
    ("store/writer/commit.rs", "writes the log back to the file"),
    ("store/procedures/backup.rs", "a copy of the file"),
    ("store/procedures/forget.rs", "one statement for every table"),
    ("store/procedures/maintenance_tasks.rs", "gives pages back"),
    ("store/procedures/merge/", "what arrives waits in temporary tables"),
    ("store/procedures/prune_reasons.rs", "walks a copy of the file"),
];

#[test]
fn sql_is_written_in_the_functions_of_tables() {
    let sql = Regex::new(
        r#""[^"]*\b(?:SELECT [^"]+ FROM|SELECT min|INSERT (?:OR \w+ )?INTO|UPDATE \w+ SET|DELETE FROM|PRAGMA|CREATE TABLE)\b"#,
    )
    .unwrap();
    let mut seen = BTreeSet::new();
    for source in sources() {
        let path = source.path.to_str().unwrap();
        let product = source.code.split("#[cfg(test)]").next().unwrap_or_default();
        let Some(found) = sql.find(product) else { continue };
        if path.starts_with("store/tables") || path.starts_with("store/rows") {
            continue;
        }
        let place = SQL_OUTSIDE_TABLES.iter().find(|(place, _)| path.starts_with(place));
        let Some((place, _)) = place else { panic!("{path}: make it a function of its table: {}", found.as_str()) };
        seen.insert(*place);
    }
    let unused: Vec<&str> = SQL_OUTSIDE_TABLES.iter().map(|(place, _)| *place).filter(|p| !seen.contains(p)).collect();
    assert!(unused.is_empty(), "no SQL stands there any more: {unused:?}");
}

#[test]
fn the_tour_names_what_a_second_engine_would_have_to_provide() {
    let tour = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    let section = tour.split("//! # ").find(|section| section.starts_with("The seam to another engine")).unwrap();
    let named = Regex::new(r"(?m)^//! - `(\w+)`: \w.*$").unwrap();
    let named: Vec<String> = named.captures_iter(section).map(|c| c[1].to_owned()).collect();
    assert!((30..70).contains(&named.len()), "{} functions: {named:?}", named.len());
    assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len(), "one of them stands there twice: {named:?}");
    let store: String = sources().into_iter().filter(|s| s.room == "store").map(|s| s.code).collect();
    for name in named {
        assert!(store.contains(&format!("fn {name}(")) || store.contains(&format!("fn {name}<")), "there is no {name}");
    }
}

#[test]
fn the_domain_needs_nothing_but_std_and_chrono() {
    let path = Regex::new(r"\b([a-z_][a-z0-9_]*)::").unwrap();
    let modules: BTreeSet<String> =
        sources().into_iter().map(|s| s.path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    let primitive = Regex::new("^(?:[iuf](?:8|16|32|64|128|size)|str|char|bool)$").unwrap();
    let known = ["std", "core", "collections", "chrono", "crate", "super", "self", "fmt", "net"];
    // Files that are tests from their first line to their last.
    let is_test = |s: &Source| s.path.ends_with("normal/tests.rs") || s.path.ends_with("normal/simulation.rs");
    for source in sources().iter().filter(|s| s.room == "domain" && !is_test(s)) {
        let product = source.code.split("#[cfg(test)]").next().unwrap();
        for found in path.captures_iter(product) {
            let word = &found[1];
            assert!(
                known.contains(&word) || primitive.is_match(word) || modules.contains(word),
                "{} names {word}",
                source.path.display()
            );
        }
        assert!(!source.code.contains("async "), "{} is async", source.path.display());
    }
}

#[test]
fn what_is_imported_is_read_whatever_its_form() {
    let names = |code| named_rooms(code, "crate").into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names("use crate::store::Reader;"), "store");
    assert_eq!(
        names("use crate::{\n    live::{LiveState, ServiceId},\n    clock,\n    domain::time::UnixMs,\n};"),
        "clock domain live"
    );
    assert_eq!(names("fn f(x: crate::web::AppState) -> crate::domain::X {}"), "domain web");
    assert_eq!(names("let mycrate::x = 1;"), "");
}
