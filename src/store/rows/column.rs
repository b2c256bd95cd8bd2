//! A column of a sealed day: numbers of which some may be missing, in few bytes, with a checksum of their own.
//!
//! What seldom changes is kept as runs; what always does, as what pco makes of it. A column that would be shorter the other
//! way is kept that way.

use crate::{
    domain::{
        leb128::{folded, put, take, unfolded},
        time::UnixMs,
    },
    live::ServiceId,
    store::disk::checksum::fnv1a,
};
use pco::{ChunkConfig, standalone};

/// Runs: how many, whether they are missing, and how far the number is from that of the run before.
const RUNS: u8 = 1;
/// How many are there and how many are missing, in turn; then those that are there.
const PACKED: u8 = 2;

/// Runs of so few bytes are not worth trying the other way.
const SHORT: usize = 48;

/// Whose column it is: a column in the place of another one is as bad as a damaged one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) service: ServiceId,
    pub(super) day: UnixMs,
    pub(super) name: &'a str,
}

/// The bytes of a column; `None` when all of it is missing.
pub(super) fn encode(values: &[Option<i64>], owner: Owner<'_>) -> Option<Vec<u8>> {
    values.iter().any(Option::is_some).then(|| {
        let bytes = shorter(values);
        let mut whole = checksum(&bytes, owner).to_vec();
        whole.extend(bytes);
        whole
    })
}

fn shorter(values: &[Option<i64>]) -> Vec<u8> {
    let runs = runs(values);
    if runs.len() <= SHORT {
        return runs;
    }
    match packed(values) {
        Some(packed) if packed.len() < runs.len() => packed,
        _ => runs,
    }
}

/// The numbers of a column of so many rows; `None` when these bytes are something else, or are not whole.
pub(super) fn decode(bytes: &[u8], count: usize, owner: Owner<'_>) -> Option<Vec<Option<i64>>> {
    let (sum, bytes) = bytes.split_first_chunk()?;
    (*sum == checksum(bytes, owner)).then(|| numbers(bytes, count)).flatten()
}

fn checksum(bytes: &[u8], owner: Owner<'_>) -> [u8; 4] {
    let Owner { service, day, name } = owner;
    let owner = [service.0, day.0].into_iter().flat_map(i64::to_le_bytes).chain(name.bytes());
    (fnv1a(owner.chain(bytes.iter().copied())) as u32).to_le_bytes()
}

fn numbers(bytes: &[u8], count: usize) -> Option<Vec<Option<i64>>> {
    match bytes.split_first()? {
        (&RUNS, bytes) => from_runs(bytes, count),
        (&PACKED, bytes) => from_packed(bytes, count),
        _ => None,
    }
}

fn runs(values: &[Option<i64>]) -> Vec<u8> {
    let (mut bytes, mut last) = (vec![RUNS], 0_i64);
    for run in values.chunk_by(|a, b| a == b) {
        let length = run.len() as u64;
        match run.first().copied().flatten() {
            Some(value) => {
                put(&mut bytes, length << 1);
                put(&mut bytes, folded(value.wrapping_sub(last)));
                last = value;
            }
            None => put(&mut bytes, length << 1 | 1),
        }
    }
    bytes
}

fn from_runs(mut bytes: &[u8], count: usize) -> Option<Vec<Option<i64>>> {
    let (mut values, mut last) = (Vec::with_capacity(count), 0_i64);
    while !bytes.is_empty() {
        let head = take(&mut bytes)?;
        let value = match head & 1 {
            0 => {
                last = last.wrapping_add(unfolded(take(&mut bytes)?));
                Some(last)
            }
            _ => None,
        };
        extend(&mut values, head >> 1, value, count)?;
    }
    (values.len() == count).then_some(values)
}

/// Adds so many of a value, but not more than there may be.
fn extend<T: Clone>(values: &mut Vec<T>, length: u64, value: T, count: usize) -> Option<()> {
    let length = usize::try_from(length).ok().filter(|length| *length <= count - values.len())?;
    values.resize(values.len() + length, value);
    Some(())
}

fn packed(values: &[Option<i64>]) -> Option<Vec<u8>> {
    let mut bytes = vec![PACKED];
    // The first count is of those that are there, and may be none.
    if values.first().is_some_and(Option::is_none) {
        put(&mut bytes, 0);
    }
    for run in values.chunk_by(|a, b| a.is_some() == b.is_some()) {
        put(&mut bytes, run.len() as u64);
    }
    let present: Vec<i64> = values.iter().copied().flatten().collect();
    bytes.extend(standalone::simple_compress(&present, &ChunkConfig::default()).ok()?);
    Some(bytes)
}

fn from_packed(mut bytes: &[u8], count: usize) -> Option<Vec<Option<i64>>> {
    let mut present = Vec::with_capacity(count);
    let mut there = true;
    while present.len() < count {
        extend(&mut present, take(&mut bytes)?, there, count)?;
        there = !there;
    }
    let mut numbers = vec![0; present.iter().filter(|there| **there).count()];
    let progress = standalone::simple_decompress_into(bytes, &mut numbers).ok()?;
    if !progress.finished || progress.n_processed != numbers.len() {
        return None;
    }
    let mut numbers = numbers.into_iter();
    Some(present.into_iter().map(|there| there.then(|| numbers.next()).flatten()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWNER: Owner<'_> = Owner { service: ServiceId(1), day: UnixMs(0), name: "latency_us" };

    fn values() -> impl Strategy<Value = Vec<Option<i64>>> {
        let number = prop_oneof![Just(200_i64), 0..4_i64, 15_000..30_000_i64, any::<i64>()];
        let run = (proptest::option::weighted(0.8, number), 1..20_usize);
        prop::collection::vec(run, 1..60)
            .prop_map(|runs| runs.into_iter().flat_map(|(value, n)| std::iter::repeat_n(value, n)).collect())
    }

    proptest! {
        #![proptest_config(crate::domain::law(256))]

        #[test]
        fn a_column_reads_back(values in values()) {
            match encode(&values, OWNER) {
                Some(bytes) => {
                    prop_assert_eq!(decode(&bytes, values.len(), Owner { name: "dns_us", ..OWNER }), None, "that of another one");
                    prop_assert_eq!(decode(&bytes, values.len(), OWNER), Some(values));
                }
                None => prop_assert!(values.iter().all(Option::is_none)),
            }
        }

        #[test]
        fn both_ways_of_keeping_a_column_read_back(values in values()) {
            prop_assert_eq!(numbers(&runs(&values), values.len()), Some(values.clone()));
            prop_assert_eq!(numbers(&packed(&values).unwrap(), values.len()), Some(values));
        }

        #[test]
        fn a_column_is_of_as_many_rows_as_it_was(values in values(), more in 1..5_usize) {
            let bytes = shorter(&values);
            prop_assert_eq!(numbers(&bytes, values.len() + more), None);
            prop_assert_eq!(numbers(&bytes, values.len() - 1), None);
        }

        #[test]
        fn damaged_bytes_are_read_without_a_panic(
            values in values(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
        ) {
            for mut bytes in [runs(&values), packed(&values).unwrap()] {
                for (place, byte) in &damage {
                    let place = place.index(bytes.len());
                    bytes[place] = *byte;
                }
                if let Some(read) = numbers(&bytes, values.len()) {
                    prop_assert_eq!(read.len(), values.len());
                }
            }
        }
    }

    #[test]
    fn a_single_bit_that_changed_is_noticed() {
        let bytes = encode(&[Some(0); 100], OWNER).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&damaged, 100, OWNER), None, "bit {bit}");
        }
    }

    #[test]
    fn what_never_changes_takes_next_to_nothing() {
        assert!(encode(&vec![Some(200); 8640], OWNER).unwrap().len() < 12);
        assert_eq!(encode(&[None; 100], OWNER), None);
    }

    #[test]
    fn what_changes_every_time_does_not_take_two_bytes_each() {
        let flapping: Vec<_> = (0..8640).map(|n| Some(n % 2)).collect();
        assert!(encode(&flapping, OWNER).unwrap().len() < 8640 / 4);
    }
}
