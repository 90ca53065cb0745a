//! How an export goes: rows and bytes so far, and how long and how large its frames are.
//!
//! Written by the pipeline, read by whoever reports progress or keeps performance rows. Its size does not
//! grow with the number of frames.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Measures one attempt at an export. Shared; reading never blocks the pipeline for long.
#[derive(Debug, Default)]
pub struct Meter {
    rows: AtomicU64,
    bytes: AtomicU64,
    frames: Mutex<Frames>,
}

#[derive(Debug, Default)]
struct Frames {
    micros: Histogram,
    bytes: Histogram,
}

impl Meter {
    /// A meter that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows in the file so far, those of earlier attempts included. Never falls.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Bytes of the file so far, those of earlier attempts included. Never falls.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Frames measured in this attempt.
    pub fn frames(&self) -> u64 {
        self.with_frames(|frames| frames.bytes.count)
    }

    /// Milliseconds per frame, from the begin of reading to its last byte: P50, P95, max.
    pub fn frame_ms(&self) -> [f64; 3] {
        self.with_frames(|frames| frames.micros.figures()).map(|micros| micros as f64 / 1000.0)
    }

    /// Bytes per frame as they lie in the file: P50, P95, max.
    pub fn frame_bytes(&self) -> [u64; 3] {
        self.with_frames(|frames| frames.bytes.figures())
    }

    pub(crate) fn reached(&self, rows: u64, bytes: u64) {
        self.rows.fetch_max(rows, Ordering::Relaxed);
        self.bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(crate) fn frame(&self, took: Duration, bytes: usize) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.with_frames(|frames| {
            frames.micros.add(micros);
            frames.bytes.add(bytes as u64);
        });
    }

    fn with_frames<T>(&self, look: impl FnOnce(&mut Frames) -> T) -> T {
        look(&mut self.frames.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Steps per doubling: figures are at most 1/32 too high.
const STEPS: u64 = 32;
const BUCKETS: usize = (STEPS as usize) * 60;

/// Counts values by size, finer where they are smaller, in a fixed number of buckets.
#[derive(Debug)]
struct Histogram {
    counts: Box<[u32]>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into_boxed_slice(), count: 0, max: 0 }
    }
}

impl Histogram {
    fn add(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count = count.saturating_add(1);
        }
        self.count += 1;
        self.max = self.max.max(value);
    }

    fn figures(&self) -> [u64; 3] {
        [self.percentile(50), self.percentile(95), self.max]
    }

    /// The nearest-rank percentile, as the upper end of its bucket.
    fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return upper_end(index).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let doublings = u64::from(value.ilog2() - STEPS.ilog2());
    let step = (value >> doublings) - STEPS;
    (STEPS + doublings * STEPS + step) as usize
}

fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let doublings = (bucket - STEPS) / STEPS;
    let step = (bucket - STEPS) % STEPS;
    (((STEPS + step + 1) as u128) << doublings).saturating_sub(1).min(u128::from(u64::MAX)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_holds_its_value_and_is_narrow(value in any::<u64>()) {
            let bucket = bucket(value);
            prop_assert!(bucket < BUCKETS);
            let end = upper_end(bucket);
            prop_assert!(end >= value);
            prop_assert!(end - value <= value / STEPS);
            prop_assert!(bucket == 0 || upper_end(bucket - 1) < value);
        }
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let meter = Meter::new();
        for millis in 1..=20 {
            meter.frame(Duration::from_millis(millis), millis as usize);
        }
        assert_eq!(meter.frame_bytes(), [10, 19, 20]);
        assert_eq!(meter.frames(), 20);
        let [p50, p95, max] = meter.frame_ms();
        assert!((10.0..=10.4).contains(&p50), "{p50}");
        assert!((19.0..=19.6).contains(&p95), "{p95}");
        assert!((max - 20.0).abs() < f64::EPSILON);
    }

    #[test]
    fn nothing_measured_is_zero() {
        let meter = Meter::new();
        assert_eq!(meter.frame_bytes(), [0, 0, 0]);
        assert_eq!(meter.frames(), 0);
    }

    #[test]
    fn rows_and_bytes_never_fall() {
        let meter = Meter::new();
        meter.reached(10, 100);
        meter.reached(5, 50);
        assert_eq!((meter.rows(), meter.bytes()), (10, 100));
    }
}
