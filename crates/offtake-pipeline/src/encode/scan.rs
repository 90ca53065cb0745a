//! Looking for a few bytes in text, eight or sixteen at a time.
//!
//! A mask has the high bit set in bytes that match. Its lowest set bit is exact; above it there may be others
//! that mean nothing. Blocks of sixteen are written so that they compile to vector comparisons.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// Marks bytes of `word` that are `byte`: their difference from it is zero.
#[inline]
pub(super) const fn equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * byte as u64);
    difference.wrapping_sub(ONES) & !difference & HIGHS
}

/// Marks bytes of `word` below `bound`, which is at most 128.
#[inline]
pub(super) const fn below(word: u64, bound: u8) -> u64 {
    word.wrapping_sub(ONES * bound as u64) & !word & HIGHS
}

/// How many bytes come before the first one marked; 8 if none is.
#[inline]
pub(super) const fn first(mask: u64) -> usize {
    (mask.trailing_zeros() / 8) as usize
}

/// Whether a block has the byte.
#[inline]
pub(super) fn has(block: &[u8; 16], byte: u8) -> bool {
    block.iter().fold(0, |any, one| any | u8::from(*one == byte)) != 0
}

/// Whether a block has a byte below `bound`.
#[inline]
pub(super) fn has_below(block: &[u8; 16], bound: u8) -> bool {
    block.iter().fold(u8::MAX, |least, one| least.min(*one)) < bound
}

/// At most eight bytes as a word, filled up with spaces.
#[inline]
pub(super) fn padded(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(ONES * b' ' as u64, |word, byte| word << 8 | u64::from(*byte))
}

/// Appends the first `length` of the eight bytes of `word`.
#[inline]
pub(super) fn append(word: u64, length: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&word.to_le_bytes());
    out.truncate(start + length);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_mark_is_exact(bytes in any::<[u8; 8]>(), few in "[\"# \u{0}]{8}", byte in 0_u8..128) {
            for bytes in [bytes, few.as_bytes().try_into().unwrap()] {
                let word = u64::from_le_bytes(bytes);
                let position = |is: &dyn Fn(u8) -> bool| bytes.iter().position(|one| is(*one)).unwrap_or(8);
                prop_assert_eq!(first(equal(word, byte)), position(&|one| one == byte));
                prop_assert_eq!(first(equal(word, b'"')), position(&|one| one == b'"'));
                prop_assert_eq!(first(below(word, byte)), position(&|one| one < byte));
                prop_assert_eq!(
                    first(below(word, 0x20) | equal(word, b'"')),
                    position(&|one| one < 0x20 || one == b'"')
                );
            }
        }

        #[test]
        fn blocks_are_looked_through(block in any::<[u8; 16]>(), byte in any::<u8>()) {
            prop_assert_eq!(has(&block, byte), block.contains(&byte));
            prop_assert_eq!(has_below(&block, byte), block.iter().any(|one| *one < byte));
        }

        #[test]
        fn words_are_filled_up(bytes in prop::collection::vec(any::<u8>(), 0..=8)) {
            let mut out = vec![1];
            append(padded(&bytes), 8, &mut out);
            let spaces = vec![b' '; 8 - bytes.len()];
            prop_assert_eq!(&out[1..], [bytes.clone(), spaces].concat());
            append(padded(&bytes), bytes.len(), &mut out);
            prop_assert_eq!(&out[9..], bytes);
        }
    }
}
