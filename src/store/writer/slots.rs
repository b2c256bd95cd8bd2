//! The file that holds what is recorded ahead of a commit.

use crate::store::disk::checksum::fnv1a;
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The file has two slots, written in turn: one that is half written leaves the other.
const SLOTS: u64 = 2;

const SMALLEST_SLOT: usize = 16 * 1024;

/// The bytes that the outage of a service needs in a slot.
const EACH: usize = 768;

/// The bytes before the content of a slot: its number, its length and its checksum.
pub(in crate::store) const HEAD: usize = 24;

/// The file.
#[derive(Debug)]
pub(in crate::store) struct Slots {
    pub(in crate::store) path: PathBuf,
    pub(in crate::store) file: File,
    /// Of one slot, in bytes.
    pub(in crate::store) size: usize,
    /// The number of the latest write.
    pub(in crate::store) turn: u64,
    /// The writer has warned that nothing can be recorded.
    pub(in crate::store) warned: bool,
}

impl Slots {
    /// Opens or makes the file. Returns the content of its newest sound slot.
    pub(in crate::store) fn open(path: &Path, services: usize) -> std::io::Result<(Slots, Option<Vec<u8>>)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        let old = length / SLOTS as usize;
        let newest = (0..SLOTS).filter_map(|slot| read(&file, slot * old as u64, old)).max_by_key(|(turn, _)| *turn);
        let (turn, said) = newest.map_or((0, None), |(turn, said)| (turn, Some(said)));
        let size = (services * EACH).next_multiple_of(4096).clamp(SMALLEST_SLOT, 1 << 20).max(old);
        let mut slots = Slots { path: path.to_owned(), file, size, turn, warned: false };
        if length < size * SLOTS as usize {
            // Zeros that are written take their room now, and not when there is none.
            slots.file.write_all_at(&vec![0; size * SLOTS as usize], 0)?;
            if let Some(said) = &said {
                slots.write(said)?;
            }
            slots.file.sync_all()?;
        }
        Ok((slots, said))
    }

    pub(in crate::store) fn write(&mut self, said: &[u8]) -> std::io::Result<()> {
        let turn = self.turn + 1;
        let mut bytes = Vec::with_capacity(HEAD + said.len());
        bytes.extend(turn.to_le_bytes());
        bytes.extend((said.len() as u64).to_le_bytes());
        bytes.extend(sum(turn, said).to_le_bytes());
        bytes.extend(said);
        self.file.write_all_at(&bytes, turn % SLOTS * self.size as u64)?;
        self.file.sync_data()?;
        self.turn = turn;
        Ok(())
    }
}

fn sum(turn: u64, said: &[u8]) -> u64 {
    fnv1a(turn.to_le_bytes().into_iter().chain(said.iter().copied()))
}

/// The number and the content of a slot, if it is sound.
fn read(file: &File, at: u64, size: usize) -> Option<(u64, Vec<u8>)> {
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, at).ok()?;
    let part = |i: usize| u64::from_le_bytes(head[i * 8..(i + 1) * 8].try_into().unwrap_or_default());
    let (turn, length, expected) = (part(0), usize::try_from(part(1)).ok()?, part(2));
    if turn == 0 || length > size.checked_sub(HEAD)? {
        return None;
    }
    let mut said = vec![0; length];
    file.read_exact_at(&mut said, at + HEAD as u64).ok()?;
    (sum(turn, &said) == expected).then_some((turn, said))
}
