//! A histogram of response times: mergeable, sparse, and made of integers only, so that the same checks give the
//! same bytes on every machine.

use super::leb128::{put, take};

/// Buckets per doubling. A value's bucket is at most 1/32 of the value wide, so its middle is within 1.6 %.
const STEPS_PER_DOUBLING: u32 = 32;

/// Counts of response times in logarithmic buckets. Values are microseconds; relative error of a percentile ≤ 1.6 %.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Histogram {
    /// (bucket, count), by bucket, without empty ones.
    counts: Vec<(u16, u32)>,
    total: u64,
}

/// The bucket of a value: exact below 32 µs, then 32 steps a doubling.
fn bucket(us: u32) -> u16 {
    if us < STEPS_PER_DOUBLING {
        return us as u16;
    }
    let exponent = us.ilog2() - STEPS_PER_DOUBLING.ilog2();
    let step = us >> exponent; // 32 to 63
    (exponent * STEPS_PER_DOUBLING + step) as u16
}

/// The smallest value of a bucket, in microseconds.
fn smallest(bucket: u16) -> u32 {
    let bucket = u32::from(bucket);
    if bucket < 2 * STEPS_PER_DOUBLING {
        return bucket;
    }
    let exponent = bucket / STEPS_PER_DOUBLING - 1;
    (bucket - exponent * STEPS_PER_DOUBLING) << exponent
}

/// The middle of a bucket, in microseconds.
fn middle(bucket: u16) -> f64 {
    let bucket = u32::from(bucket);
    if bucket < 2 * STEPS_PER_DOUBLING {
        return f64::from(bucket);
    }
    let exponent = bucket / STEPS_PER_DOUBLING - 1;
    let step = bucket - exponent * STEPS_PER_DOUBLING;
    let width = (1u64 << exponent) as f64;
    f64::from(step) * width + (width - 1.0) / 2.0
}

impl Histogram {
    /// Counts one response time.
    pub fn add(&mut self, us: u32) {
        self.add_many(bucket(us), 1);
    }

    fn add_many(&mut self, bucket: u16, count: u32) {
        match self.counts.binary_search_by_key(&bucket, |&(b, _)| b) {
            Ok(i) => self.counts[i].1 += count,
            Err(i) => self.counts.insert(i, (bucket, count)),
        }
        self.total += u64::from(count);
    }

    /// Adds all that another one counted.
    pub fn merge(&mut self, other: &Histogram) {
        for &(bucket, count) in &other.counts {
            self.add_many(bucket, count);
        }
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The value that a share `p` (0 to 1) of the counted ones does not exceed (nearest rank), in microseconds.
    /// `None` when nothing was counted.
    pub fn percentile_us(&self, p: f64) -> Option<f64> {
        let rank = ((p * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        self.counts.iter().find_map(|&(bucket, count)| {
            seen += u64::from(count);
            (seen >= rank).then(|| middle(bucket))
        })
    }

    /// What was counted: the smallest value of each bucket, in microseconds, and its count; by value.
    pub fn entries(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.counts.iter().map(|&(bucket, count)| (smallest(bucket), count))
    }

    /// Counts `count` values of the bucket that `us` lies in.
    pub fn add_entry(&mut self, us: u32, count: u32) {
        self.add_many(bucket(us), count);
    }

    /// The bytes that a rollup keeps: for each bucket its distance from the one before and its count, as LEB128.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.counts.len() * 2);
        let mut last = 0;
        for &(bucket, count) in &self.counts {
            put(&mut bytes, u64::from(bucket - last));
            put(&mut bytes, u64::from(count));
            last = bucket;
        }
        bytes
    }

    /// Reads what [`Histogram::to_bytes`] wrote; `None` when it is something else.
    pub fn from_bytes(mut bytes: &[u8]) -> Option<Histogram> {
        let mut histogram = Histogram::default();
        let mut bucket: u16 = 0;
        while !bytes.is_empty() {
            bucket = bucket.checked_add(u16::try_from(take(&mut bytes)?).ok()?)?;
            let count = u32::try_from(take(&mut bytes)?).ok()?;
            histogram.counts.push((bucket, count));
            histogram.total += u64::from(count);
        }
        Some(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u32]) -> Histogram {
        let mut h = Histogram::default();
        values.iter().for_each(|&v| h.add(v));
        h
    }

    proptest! {
        #![proptest_config(crate::domain::law(256))]

        #[test]
        fn a_percentile_is_within_two_percent(values in prop::collection::vec(any::<u32>(), 1..200), p in 0.0..=1.0f64) {
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = ((p * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = f64::from(sorted[rank - 1]);
            let got = of(&values).percentile_us(p).unwrap();
            prop_assert!((got - exact).abs() <= exact * 0.02, "{got} for {exact}");
        }

        #[test]
        fn merging_is_counting_together(a in prop::collection::vec(any::<u32>(), 0..50), b in prop::collection::vec(any::<u32>(), 0..50)) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(merged, of(&[a, b].concat()));
        }

        #[test]
        fn the_bytes_read_back(values in prop::collection::vec(any::<u32>(), 0..50)) {
            let h = of(&values);
            prop_assert_eq!(Histogram::from_bytes(&h.to_bytes()), Some(h));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let _ = Histogram::from_bytes(&bytes);
        }
    }

    #[test]
    fn nothing_counted_has_no_percentile() {
        assert_eq!(Histogram::default().percentile_us(0.5), None);
    }
}
