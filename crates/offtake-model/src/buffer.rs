//! Large buffers that are used again.
//!
//! A frame's buffers have some megabytes each. If each were given back to the system and the next one taken from it, every
//! page of them would cost a fault: a quarter of the CPU of an export (ADR 5). So a job keeps those it has no use for at
//! the moment, within its budget and not many more bytes than it held at the worst moment.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::budget::MemoryBudget;

/// From this size on a buffer is worth keeping, in bytes: the system's allocator maps such a block on its own.
const LARGE: usize = 128 << 10;
/// A spare buffer may be larger than what is asked for by so much, as a part of it: 1/2.
const SLACK: usize = 2;
/// Large sizes are rounded up to an eighth of their power of two, so that buffers of about the same use fit each other.
const STEPS: usize = 8;

/// A vector of bytes that goes back to the spares of its job. What it takes of the budget is its user's to say.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    home: MemoryBudget,
}

impl Buffer {
    /// An empty one with room for `capacity` bytes.
    pub(crate) fn of(home: &MemoryBudget, capacity: usize) -> Self {
        let spare = if capacity < LARGE { None } else { home.spares().take(capacity) };
        let bytes = spare.unwrap_or_else(|| Vec::with_capacity(rounded(capacity)));
        Self { bytes, home: home.clone() }
    }

    /// Makes room for `more` bytes by moving to a larger buffer, if there is not room enough.
    pub fn reserve(&mut self, more: usize) {
        let needed = self.bytes.len() + more;
        if needed > self.bytes.capacity() {
            let mut larger = Self::of(&self.home, needed);
            larger.bytes.extend_from_slice(&self.bytes);
            *self = larger;
        }
    }
}

fn rounded(capacity: usize) -> usize {
    if capacity < LARGE {
        return capacity;
    }
    let step = (capacity.next_power_of_two() / (2 * STEPS)).max(1);
    capacity.div_ceil(step).saturating_mul(step)
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.capacity() >= LARGE {
            self.home.keep(std::mem::take(&mut self.bytes));
        }
    }
}

/// The buffers of a job that nobody uses at the moment, the longest unused first.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    buffers: Mutex<Vec<Vec<u8>>>,
    /// Bytes of all of them, so that nobody takes the lock to find that there is nothing to give back.
    bytes: AtomicU64,
}

impl Spares {
    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The smallest that will do.
    fn take(&self, capacity: usize) -> Option<Vec<u8>> {
        let mut buffers = self.buffers();
        let fitting = buffers
            .iter()
            .enumerate()
            .filter(|(_, spare)| spare.capacity() >= capacity && spare.capacity() - capacity <= capacity / SLACK);
        let (index, _) = fitting.min_by_key(|(_, spare)| spare.capacity())?;
        let buffer = buffers.remove(index);
        self.bytes.store(bytes_of(&buffers), Ordering::Relaxed);
        Some(buffer)
    }

    /// Keeps a buffer, if it and the others have no more than `room` bytes; else the longest unused make room.
    pub(crate) fn keep(&self, mut buffer: Vec<u8>, room: u64) {
        buffer.clear();
        let mut buffers = self.buffers();
        buffers.push(buffer);
        shrink(&mut buffers, room);
        self.bytes.store(bytes_of(&buffers), Ordering::Relaxed);
    }

    /// Gives back the longest unused until no more than `room` bytes are left.
    pub(crate) fn shrink_to(&self, room: u64) {
        // A buffer that is just being kept was measured by `keep` against what was held a moment ago; a little more may be
        // spare until the next look.
        if self.bytes.load(Ordering::Relaxed) <= room {
            return;
        }
        let mut buffers = self.buffers();
        shrink(&mut buffers, room);
        self.bytes.store(bytes_of(&buffers), Ordering::Relaxed);
    }
}

fn bytes_of(buffers: &[Vec<u8>]) -> u64 {
    buffers.iter().map(|spare| spare.capacity() as u64).sum()
}

fn shrink(buffers: &mut Vec<Vec<u8>>, room: u64) {
    let mut bytes = bytes_of(buffers);
    let too_many = buffers.iter().take_while(|spare| {
        let over = bytes > room;
        bytes -= spare.capacity() as u64;
        over
    });
    let count = too_many.count();
    drop(buffers.drain(..count));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare_bytes(budget: &MemoryBudget) -> usize {
        budget.spares().buffers().iter().map(Vec::capacity).sum()
    }

    #[test]
    fn a_buffer_is_used_again_where_it_fits() {
        let budget = MemoryBudget::new(64 << 20);
        let mut first = budget.buffer(1 << 20);
        first.extend_from_slice(b"rows");
        let place = first.as_ptr();
        drop(first);
        let too_small = budget.buffer(200 << 10);
        let second = budget.buffer(900 << 10);
        assert_eq!((second.as_ptr(), second.len()), (place, 0));
        assert_ne!(too_small.as_ptr(), place);
    }

    #[test]
    fn small_ones_are_not_kept() {
        let budget = MemoryBudget::new(64 << 20);
        drop(budget.buffer(LARGE - 1));
        assert_eq!(spare_bytes(&budget), 0);
    }

    #[test]
    fn what_is_held_and_what_is_spare_stay_within_the_limit() {
        let budget = MemoryBudget::new(10 << 20);
        drop(budget.take(4 << 20).unwrap());
        let buffers: Vec<Buffer> = (0..14).map(|_| budget.buffer(1 << 20)).collect();
        drop(buffers);
        assert_eq!(spare_bytes(&budget), 10 << 20);
        let mut held = budget.take(7 << 20).unwrap();
        assert_eq!(spare_bytes(&budget), 3 << 20);
        held.grow_to(10 << 20).unwrap();
        assert_eq!(spare_bytes(&budget), 0);
    }

    #[test]
    fn what_is_spare_is_not_much_more_than_was_ever_held() {
        let budget = MemoryBudget::new(1 << 30);
        drop(budget.take(4 << 20).unwrap());
        let buffers: Vec<Buffer> = (0..64).map(|_| budget.buffer(1 << 20)).collect();
        drop(buffers);
        assert_eq!(spare_bytes(&budget), 12 << 20);
    }

    #[test]
    fn growing_keeps_what_is_there() {
        let budget = MemoryBudget::new(64 << 20);
        let mut buffer = budget.buffer(LARGE);
        buffer.extend_from_slice(&[7; LARGE]);
        buffer.reserve(LARGE);
        assert!(buffer.capacity() >= 2 * LARGE && buffer.iter().all(|byte| *byte == 7) && buffer.len() == LARGE);
        assert_eq!(spare_bytes(&budget), LARGE);
    }
}
