//! How large parts are, so that S3's bounds (10,000 parts of 5 MiB to 5 GiB, 5 TiB in all) are never met, in memory
//! that does not depend on the file.

use std::ops::Range;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// The least a part has that is not the last.
pub(super) const SMALLEST: u64 = 5 * MIB;
/// The most an object has.
pub(super) const LARGEST_OBJECT: u64 = 5 * 1024 * GIB;
/// Parts of an upload after which it is made one object, which the next upload begins with: 10,000 are the most, and
/// a copied beginning takes up to some 1,100.
pub(super) const ROLL_AFTER: usize = 8_500;
/// Parts have their first size so long, then twice as much.
const SMALL_PARTS: usize = 1_000;

/// Bytes that part `number` (from 1) should have, at least.
pub(super) fn part_bytes(first: u64, number: usize) -> u64 {
    let first = first.max(SMALLEST);
    if number <= SMALL_PARTS { first } else { first * 2 }
}

/// The most that is gathered before it is sent, but for what the last piece adds.
pub(super) fn most(first: u64) -> u64 {
    part_bytes(first, SMALL_PARTS + 1)
}

/// How the first `bytes` bytes of an object become parts of another: about equal, so that none is too small.
pub(super) fn copies(bytes: u64) -> Vec<Range<u64>> {
    let target = (bytes / 1_000).clamp(256 * MIB, 5 * GIB);
    let count = bytes.div_ceil(target).max(1);
    let size = bytes.div_ceil(count);
    (0..count)
        .map(|at| (at * size).min(bytes)..((at + 1) * size).min(bytes))
        .filter(|range| !range.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_tebibytes_are_reached_with_parts_to_spare() {
        for first in [0, 8 * MIB, 64 * MIB] {
            let (mut bytes, mut parts, mut most_parts, mut rolls) = (0_u64, 0_usize, 0, 0);
            while bytes < LARGEST_OBJECT {
                if parts >= ROLL_AFTER {
                    parts = copies(bytes).len();
                    rolls += 1;
                }
                parts += 1;
                most_parts = most_parts.max(parts);
                bytes += part_bytes(first, parts);
            }
            assert!(most_parts < 10_000, "{most_parts} parts");
            assert!(rolls < 100, "{rolls} times all of it was copied");
        }
    }

    #[test]
    fn copies_cover_all_of_it_within_the_bounds_of_a_part() {
        for bytes in [SMALLEST, 256 * MIB, 256 * MIB + 1, 10 * GIB + 7, LARGEST_OBJECT] {
            let ranges = copies(bytes);
            assert!(ranges.len() <= 1_100, "{}", ranges.len());
            let mut at = 0;
            for range in &ranges {
                assert_eq!(range.start, at);
                assert!((SMALLEST..=5 * GIB).contains(&(range.end - range.start)), "{range:?} of {bytes}");
                at = range.end;
            }
            assert_eq!(at, bytes);
        }
        assert!(copies(0).is_empty());
    }
}
