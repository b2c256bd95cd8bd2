//! `type = "file"`: a file on this machine: whether it is there, how old and how large it is. Of a folder its newest file.

use super::{aside, growth::Growth, unreadable};
use crate::{
    clock::Clock,
    domain::{
        check::{Class, Phase, Reason},
        service::Kind,
        time::UnixMs,
    },
    probe::{
        descriptor::{Descriptor, ParsedEndpoint, Section},
        diagnose::Place,
        error::ProbeError,
        runner::Runner,
        shared::Shared,
        text::Scrubber,
        trace::{Fault, Trace},
    },
    settings::{reader::Table, text::Text},
};
use serde_json::{Map, Value as Json, json};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::time::Instant;

/// What the configuration and its messages know of this kind.
pub(in crate::probe) const DESCRIPTOR: Descriptor = Descriptor {
    kind: Kind::File,
    aliases: &["path", "backup", "folder", "directory"],
    own_key: Some("file"),
    keys: &["file", "max_age", "degraded_age", "min_size", "max_size", "grows_within", "max_growth"],
    ..Descriptor::NONE
};

/// Entries of a folder that are looked at, at most.
const MOST: usize = 10_000;
/// A hundred years.
const LONGEST_MS: i64 = 36_525 * 86_400_000;

/// A file, or a folder with files, and what is well of it.
#[derive(Clone, Debug)]
pub struct FileSpec {
    pub path: PathBuf,
    /// The same, for messages.
    pub shown: String,
    /// Older is a failure, …
    pub max_age: Option<Age>,
    /// … or `degraded`.
    pub degraded_age: Option<Age>,
    /// In bytes.
    pub min_size: u64,
    pub max_size: Option<u64>,
    /// One that has not grown for so long is a failure.
    pub grows_within: Option<Age>,
    /// So do more bytes within an hour.
    pub max_growth: Option<u64>,
}

/// How long ago a file may have been written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Age {
    pub ms: i64,
    /// As it was written, for messages.
    pub text: String,
}

pub(in crate::probe) fn read(section: &Section<'_>) -> Option<ParsedEndpoint<FileSpec>> {
    let table = section.table;
    let mut shown = Map::new();
    let text = match table.get("file") {
        Some(value) => value.filled(),
        None => {
            table.missing("file", "its path, as `file = \"/var/backups/db.dump\"`");
            None
        }
    };
    let (max_age, degraded_age) = (age(table, "max_age", &mut shown), age(table, "degraded_age", &mut shown));
    if let (Some(max), Some(degraded)) = (&max_age, &degraded_age)
        && degraded.ms >= max.ms
        && let Some(value) = table.peek("degraded_age")
    {
        let mistake = value.mistake("`degraded_age` is not below `max_age`");
        table.source.report(mistake.label("nothing would be degraded: it would have failed"));
    }
    let mut size = |key: &'static str| {
        let bytes = table.integer(key, 0..=i64::MAX).and_then(|bytes| u64::try_from(bytes).ok());
        shown.insert(key.to_owned(), json!(bytes));
        bytes
    };
    let (min_size, max_size) = (size("min_size").unwrap_or(0), size("max_size"));
    if let Some(value) = table.peek("max_size").filter(|_| max_size.is_some_and(|max| max < min_size)) {
        table.source.report(value.mistake("`max_size` is below `min_size`").label("no file can be both"));
    }

    let max_growth = size("max_growth");
    let grows_within = age(table, "grows_within", &mut shown);

    let text = text?;
    let (path, name) = (table.source.folder.join(&text.value), text.shown());
    shown.insert("file".to_owned(), json!(name));
    let secrets = Text::secrets(&text).collect();
    let probe =
        FileSpec { path, shown: name.clone(), max_age, degraded_age, min_size, max_size, grows_within, max_growth };
    Some(ParsedEndpoint { probe, target: name, secrets, shown })
}

fn age(table: &Table<'_>, key: &'static str, shown: &mut Map<String, Json>) -> Option<Age> {
    let value = table.get(key)?;
    let ms = value.duration(1000..=LONGEST_MS, "from 1s to 36525d (100 years)")?;
    let text = value.string()?.value.trim().to_owned();
    shown.insert(key.to_owned(), json!(text));
    Some(Age { ms, text })
}

/// A file, ready to be looked at.
#[derive(Debug)]
pub(in crate::probe) struct File {
    spec: FileSpec,
    shared: Shared,
    /// Where that matters.
    growth: Mutex<Option<Growth>>,
}

impl Runner for File {
    type Spec = FileSpec;

    fn new(spec: &FileSpec, _: Arc<Scrubber>, shared: &Shared) -> Result<File, ProbeError> {
        Ok(File { spec: spec.clone(), shared: shared.clone(), growth: Mutex::default() })
    }

    fn place(&self) -> Option<Place<'_>> {
        None
    }

    async fn run(&self, trace: &Arc<Trace>, _: Duration) -> Result<Option<Reason>, Fault> {
        let path = self.spec.path.clone();
        let found = aside(&self.shared, trace, move || look_at(&path)).await?;
        trace.end();
        let FileSpec { shown, max_age, degraded_age, min_size, max_size, .. } = &self.spec;
        let found = found.map_err(|error| unreadable(&error, &format!("file {shown}")))?;
        let fault = |message: String| Err(Fault::new(Class::Content, Some(Phase::Body), message));
        let (found, what) = match found {
            Found::File(seen) => (seen, shown.clone()),
            Found::Newest(seen) => (seen, format!("the newest file in {shown}")),
            Found::Nothing => return fault(format!("there is no file in {shown}")),
            Found::TooMany => {
                let message = format!("{shown} has more than {MOST} entries: they are not looked at");
                return Err(Fault::ours(Some(Phase::Body), message));
            }
        };
        let age = Clock::system().now().since(found.written);
        let older = |bound: &&Age| age > bound.ms;
        if let Some(bound) = max_age.as_ref().filter(older) {
            return fault(format!("{what} is older than {}", bound.text));
        }
        if found.bytes < *min_size {
            return match found.bytes {
                0 => fault(format!("{what} is empty")),
                _ => fault(format!("{what} is smaller than {min_size} bytes")),
            };
        }
        if let Some(most) = max_size.filter(|most| found.bytes > *most) {
            return fault(format!("{what} is larger than {most} bytes"));
        }
        if let Some(message) = self.growth(found, &what) {
            return fault(message);
        }
        Ok(degraded_age.as_ref().filter(older).map(|bound| Reason {
            class: Class::Content,
            phase: Some(Phase::Body),
            message: format!("{what} is older than {}", bound.text),
        }))
    }
}

impl File {
    /// What is wrong with how it grows.
    fn growth(&self, seen: Seen, what: &str) -> Option<String> {
        let FileSpec { grows_within, max_growth, .. } = &self.spec;
        if grows_within.is_none() && max_growth.is_none() {
            return None;
        }
        let now = Instant::now();
        let mut growth = self.growth.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(growth) = growth.as_mut() else {
            *growth = Some(Growth::new(now, seen.file, seen.bytes));
            return None;
        };
        let grown = growth.see(now, seen.file, seen.bytes);
        if let Some(bound) = grows_within.as_ref().filter(|bound| grown.idle.as_millis() > bound.ms as u128) {
            return Some(format!("{what} has not grown for more than {}", bound.text));
        }
        let most = max_growth.filter(|most| grown.in_an_hour > *most)?;
        Some(format!("{what} grew by more than {most} bytes within an hour"))
    }
}

enum Found {
    File(Seen),
    /// Of those in a folder.
    Newest(Seen),
    /// A folder without files.
    Nothing,
    TooMany,
}

#[derive(Clone, Copy)]
struct Seen {
    written: UnixMs,
    bytes: u64,
    /// Its number in the file system.
    file: u64,
}

impl Seen {
    fn of(metadata: &fs::Metadata) -> io::Result<Seen> {
        let written = metadata.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let written = UnixMs(i64::try_from(written.as_millis()).unwrap_or(i64::MAX));
        Ok(Seen { written, bytes: metadata.len(), file: metadata.ino() })
    }
}

fn look_at(path: &Path) -> io::Result<Found> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        return Ok(Found::File(Seen::of(&metadata)?));
    }
    let mut newest: Option<Seen> = None;
    for (number, entry) in fs::read_dir(path)?.enumerate() {
        if number == MOST {
            return Ok(Found::TooMany);
        }
        // Another one may just have been removed.
        let Ok(metadata) = entry.and_then(|entry| fs::metadata(entry.path())) else { continue };
        if metadata.is_file() {
            let seen = Seen::of(&metadata)?;
            newest = newest.into_iter().chain([seen]).max_by_key(|seen| seen.written);
        }
    }
    Ok(newest.map_or(Found::Nothing, Found::Newest))
}
