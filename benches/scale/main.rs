//! What a history of 100 million check results costs: a table of figures, each with its target.
//!
//! ```text
//! cargo bench --bench scale -- [FOLDER] [--days N] [--only reading|start|writing|room|sealed] [--keep]
//! ```
//!
//! `reading` makes the history of 100 services checked every 10 s over 116 days (4 GB, some minutes; of less with `--days`), in
//! FOLDER or a temporary one, and asks it what the pages ask; then the same while 10,000 other services write 1,000
//! results/s into it. `start` starts the program on it. `writing` measures what a result of 10,000 services costs, in real
//! time; `room` how much room a result takes, `sealed` how much when its day is sealed. What was made is deleted at the end, but for `--keep`; what FOLDER holds
//! already is used as it is. Times are given as they passed and as this thread's CPU time: on a busy machine only
//! the second says something of the program.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]

mod feed;
mod made;
mod reading;
mod room;
mod sealed;
mod start;
mod table;
mod writing;

use std::path::{Path, PathBuf};
use table::Table;

/// What is measured, and how.
#[derive(Debug)]
struct Wishes {
    folder: Option<PathBuf>,
    days: i64,
    only: Option<String>,
    keep: bool,
}

impl Wishes {
    fn parse() -> anyhow::Result<Wishes> {
        let mut wishes = Wishes { folder: None, days: 116, only: None, keep: false };
        // `cargo bench` says --bench, too.
        let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--keep" => wishes.keep = true,
                "--days" => wishes.days = arguments.next().unwrap_or_default().parse()?,
                "--only" => wishes.only = arguments.next(),
                folder => wishes.folder = Some(folder.into()),
            }
        }
        Ok(wishes)
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let wishes = Wishes::parse()?;
    let temporary = tempfile::tempdir()?;
    let folder = wishes.folder.clone().unwrap_or(temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let mut table = Table::default();
    println!("{}", table::machine(&folder));
    if wishes.wants("writing") {
        writing::measure(&folder, &mut table).await?;
    }
    if wishes.wants("room") {
        room::measure(&folder, &mut table)?;
    }
    if wishes.wants("sealed") {
        sealed::measure(&folder, &mut table)?;
    }
    let path = folder.join("service.db");
    let was_there = path.exists();
    if wishes.wants("reading") || wishes.wants("start") {
        let end = reading::make(&path, wishes.days)?;
        if wishes.wants("reading") {
            reading::measure(&path, end, &mut table).await?;
        }
        if wishes.wants("start") {
            start::measure(&path, &mut table)?;
        }
        if !wishes.keep && !was_there {
            remove(&path)?;
        }
    }
    println!("{table}");
    Ok(())
}

/// Deletes a history with what lies beside it.
fn remove(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
