//! Which files import each other, and where they do so in a circle. What a face only hands on (`pub use`) is looked
//! through: whoever imports it imports the file that it comes from.

use regex::Regex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

static TEST_MODULE: LazyLock<Regex> = LazyLock::new(|| regex(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))? )?mod (\w+);"));
static TESTS: LazyLock<Regex> = LazyLock::new(|| regex(r"#\[cfg\(test\)\]\s*mod \w+ \{"));
static VISIBILITY: LazyLock<Regex> = LazyLock::new(|| regex(r"pub\(in [\w:]+\)"));
static STATEMENT: LazyLock<Regex> = LazyLock::new(|| regex(r"(?m)^\s*(pub(?:\([^)]*\))? )?use ([^;]+);"));
static PATH: LazyLock<Regex> = LazyLock::new(|| regex(r"(?:^|[^\w:])((?:\w+::)+\w+)"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

/// The path of a module from the crate's root on.
type Module = Vec<String>;

/// What a file says with `use`. What is not public is seen by the files below it.
struct Import {
    /// The name that it has in the file.
    name: String,
    path: Vec<String>,
    is_public: bool,
}

/// A file without its comments, its tests, and the places that a visibility names.
struct File {
    module: Module,
    /// What is not a `use` statement.
    code: String,
    imports: Vec<Import>,
}

/// Rooms with files that import each other, as `room: a -> b (names)`, one line for each arrow of a circle.
pub(super) fn circles(sources: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let crate_of = Crate::read(sources);
    let mut arrows: BTreeMap<&Module, BTreeMap<Module, BTreeSet<String>>> = BTreeMap::new();
    for file in crate_of.files.values() {
        arrows.insert(&file.module, crate_of.arrows(file));
    }
    let reach: BTreeMap<&Module, BTreeSet<&Module>> = arrows.keys().map(|from| (*from, reach(from, &arrows))).collect();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (from, to) in &arrows {
        for (to, names) in to {
            if reach[to].contains(*from) {
                let names = names.iter().cloned().collect::<Vec<_>>().join(", ");
                let line = format!("{} -> {} ({names})", from.join("::"), to.join("::"));
                found.entry(from[0].clone()).or_default().push(line);
            }
        }
    }
    found
}

fn reach<'a>(
    from: &Module,
    arrows: &'a BTreeMap<&'a Module, BTreeMap<Module, BTreeSet<String>>>,
) -> BTreeSet<&'a Module> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(one) = next.pop() {
        for to in arrows[one].keys() {
            if seen.insert(to) {
                next.push(to);
            }
        }
    }
    seen
}

struct Crate {
    files: BTreeMap<Module, File>,
    /// Modules that are only there for tests.
    of_tests: BTreeSet<Module>,
}

impl Crate {
    /// From the paths below `src/` and the code of all files.
    fn read(sources: &[(String, String)]) -> Crate {
        let mut files = BTreeMap::new();
        let mut of_tests = BTreeSet::new();
        for (path, code) in sources {
            let module = module(path);
            if ["lib", "main"].contains(&module[0].as_str()) {
                continue;
            }
            for found in TEST_MODULE.captures_iter(code) {
                let child = [module.clone(), vec![found[1].to_owned()]].concat();
                of_tests.insert(child);
            }
            files.insert(module.clone(), File::read(module, code));
        }
        files.retain(|module, _| !of_tests.iter().any(|tests| module.starts_with(tests)));
        Crate { files, of_tests }
    }

    /// The other files of its room that a file imports, with the names.
    fn arrows(&self, file: &File) -> BTreeMap<Module, BTreeSet<String>> {
        let mut arrows: BTreeMap<Module, BTreeSet<String>> = BTreeMap::new();
        let mut add = |path: Vec<String>| {
            if let Some(to) = self.origin(&path, 0)
                && *to != file.module
                && to[0] == file.module[0]
            {
                arrows.entry(to.clone()).or_default().insert(path[path.len() - 1].clone());
            }
        };
        for import in file.imports.iter().filter(|import| !import.is_public) {
            self.absolute(&file.module, &import.path).into_iter().for_each(&mut add);
        }
        for found in PATH.captures_iter(&file.code) {
            let path: Vec<String> = found[1].split("::").map(str::to_owned).collect();
            let imported = file.imports.iter().find(|import| import.name == path[0]);
            let whole = match imported {
                Some(import) => [import.path.clone(), path[1..].to_vec()].concat(),
                None => path,
            };
            self.absolute(&file.module, &whole).into_iter().for_each(&mut add);
        }
        arrows
    }

    /// A path from the crate's root on; `None` where it leads out of the crate.
    fn absolute(&self, from: &Module, path: &[String]) -> Option<Vec<String>> {
        match path[0].as_str() {
            "crate" => Some(path[1..].to_vec()),
            "self" => Some([&from[..], &path[1..]].concat()),
            "super" => {
                let up = path.iter().take_while(|part| *part == "super").count();
                let above = from.len().checked_sub(up)?;
                Some([&from[..above], &path[up..]].concat())
            }
            child => {
                let child = [&from[..], &[child.to_owned()]].concat();
                self.files.contains_key(&child).then(|| [&from[..], path].concat())
            }
        }
    }

    /// The file that something comes from.
    fn origin(&self, path: &[String], depth: usize) -> Option<&Module> {
        if self.of_tests.iter().any(|tests| path.starts_with(tests)) {
            return None;
        }
        let length = (1..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let file = &self.files[&path[..length]];
        let handed_on = path.get(length).and_then(|name| {
            let import = file.imports.iter().find(|import| import.name == *name)?;
            let whole = [&self.absolute(&file.module, &import.path)?[..], &path[length + 1..]].concat();
            (depth < 8).then(|| self.origin(&whole, depth + 1)).flatten()
        });
        handed_on.or(Some(&file.module))
    }
}

fn module(path: &str) -> Module {
    let mut parts: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.len() > 1 {
        parts.pop_if(|last| last == "mod");
    }
    parts
}

impl File {
    fn read(module: Module, code: &str) -> File {
        let code = TESTS.find(code).map_or(code, |found| &code[..found.start()]);
        let code = VISIBILITY.replace_all(code, "pub");
        let mut imports = Vec::new();
        for found in STATEMENT.captures_iter(&code) {
            let is_public = found.get(1).is_some();
            read_tree(&found[2], &[], &mut |name, path| imports.push(Import { name, path, is_public }));
        }
        File { module, imports, code: STATEMENT.replace_all(&code, "").into_owned() }
    }
}

fn parts(path: &str) -> Vec<String> {
    path.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// Hands `each` every name that a `use` brings, with its path.
fn read_tree(tree: &str, before: &[String], each: &mut impl FnMut(String, Vec<String>)) {
    let tree = tree.trim();
    let Some((path, list)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").map_or((tree, None), |(path, name)| (path, Some(name.trim())));
        let mut path = [before, &parts(path)].concat();
        if path.len() > 1 {
            path.pop_if(|last| last == "self");
        }
        let name = name.map_or_else(|| path[path.len() - 1].clone(), str::to_owned);
        return each(name, path);
    };
    let before = [before, &parts(path)].concat();
    let list = list.trim().trim_end_matches(|c: char| c.is_whitespace() || c == ',');
    let list = list.strip_suffix('}').unwrap_or(list);
    let (mut depth, mut begin) = (0, 0);
    let mut one = |part: &str| {
        if !part.trim().is_empty() {
            read_tree(part, &before, each);
        }
    };
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                one(&list[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    one(&list[begin..]);
}

#[test]
fn a_circle_is_seen_in_every_form_and_nothing_else_is_taken_for_one() {
    let lines = |files: &[(&str, &str)]| {
        let files: Vec<_> = files.iter().map(|(path, code)| ((*path).to_owned(), (*code).to_owned())).collect();
        circles(&files).into_values().flatten().collect::<Vec<_>>().join("; ")
    };
    for (files, expected) in [
        (vec![("r/a.rs", "use super::b::B;"), ("r/b.rs", "")], ""),
        (
            vec![("r/a.rs", "use super::b::B;"), ("r/b.rs", "use crate::r::{x::X, a::{self, A}};")],
            "r::a -> r::b (B); r::b -> r::a (A, a)",
        ),
        // By paths in the code, by the name of an imported module, and by that of a child.
        (
            vec![("r/a.rs", "fn f() { super::b::g() }"), ("r/b.rs", "use super::a;\nfn g() { a::f() }")],
            "r::a -> r::b (g); r::b -> r::a (a, f)",
        ),
        (vec![("r/mod.rs", "mod a;\nfn f() { a::g() }"), ("r/a.rs", "use super::f;")], "r -> r::a (g); r::a -> r (f)"),
        // A circle of three, and one beside it that is only reached.
        (
            vec![
                ("r/a.rs", "use super::b::B;"),
                ("r/b.rs", "use super::c::C;"),
                ("r/c.rs", "use super::{a::A, d::D};"),
                ("r/d.rs", ""),
            ],
            "r::a -> r::b (B); r::b -> r::c (C); r::c -> r::a (A)",
        ),
        // A face that only hands on is none of it, but what it hands on is.
        (
            vec![
                ("r/mod.rs", "mod a;\nmod b;\npub use a::A;\npub(crate) use b::*;"),
                ("r/a.rs", ""),
                ("r/b.rs", "use super::A;"),
            ],
            "",
        ),
        (
            vec![
                ("r/mod.rs", "pub use a::A;\npub use b::B as C;"),
                ("r/a.rs", "use crate::r::C;"),
                ("r/b.rs", "use super::A;"),
            ],
            "r::a -> r::b (C); r::b -> r::a (A)",
        ),
        (vec![("r/mod.rs", "use a::A;\nmod a;\nmod b;"), ("r/a.rs", ""), ("r/b.rs", "use super::A;")], ""),
        // Tests and visibilities are not meant, nor other rooms.
        (
            vec![
                ("r/a.rs", "use super::b::B;\n#[cfg(test)]\nuse naive::N;\n#[cfg(test)]\nmod naive;"),
                ("r/a/naive.rs", "use super::super::b::B;"),
                ("r/b.rs", "pub(in crate::r::a) fn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::r::a::A;\n}"),
            ],
            "",
        ),
        (vec![("r/a.rs", "use crate::s::S;"), ("s.rs", "use crate::r::a::A;")], ""),
    ] {
        assert_eq!(lines(&files), expected, "{files:?}");
    }
}
