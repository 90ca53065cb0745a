//! The memory one job may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::buffer::{Buffer, Spares};
use crate::error::{Error, ErrorKind};

/// Bytes of buffers that may be spare at the worst moment.
const SPARE: u64 = 8 << 20;

/// Counts the bytes a job holds and refuses to pass the limit (law 11). Cloning shares the count.
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: u64,
    held: AtomicU64,
    peak: AtomicU64,
    spares: Spares,
}

impl MemoryBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: u64) -> Self {
        let spares = Spares::default();
        Self { shared: Arc::new(Shared { limit, held: AtomicU64::new(0), peak: AtomicU64::new(0), spares }) }
    }

    /// A buffer with room for `capacity` bytes, perhaps one that was used before. It takes nothing by itself: take its
    /// capacity.
    pub fn buffer(&self, capacity: usize) -> Buffer {
        Buffer::of(self, capacity)
    }

    pub(crate) fn spares(&self) -> &Spares {
        &self.shared.spares
    }

    /// Keeps a buffer for the next use. What is taken for the buffer itself is given back just now.
    pub(crate) fn keep(&self, buffer: Vec<u8>) {
        let held = self.shared.held.load(Ordering::Relaxed).saturating_sub(buffer.capacity() as u64);
        self.shared.spares.keep(buffer, self.room_beside(held));
    }

    /// How much may be spare while so much is held: what is in memory stays within the limit, and not much above what it
    /// was at the worst moment.
    fn room_beside(&self, held: u64) -> u64 {
        self.peak().saturating_add(SPARE).min(self.shared.limit).saturating_sub(held)
    }

    /// Takes `bytes` until the returned [`Held`] is dropped.
    ///
    /// # Errors
    /// `memory_limit` if that would pass the limit; nothing is taken then.
    pub fn take(&self, bytes: u64) -> Result<Held, Error> {
        let mut held = Held { budget: self.clone(), bytes: 0 };
        held.grow_to(bytes)?;
        Ok(held)
    }

    /// The most that was held at once, in bytes.
    pub fn peak(&self) -> u64 {
        self.shared.peak.load(Ordering::Relaxed)
    }

    /// The limit, in bytes.
    pub fn limit(&self) -> u64 {
        self.shared.limit
    }
}

/// Bytes taken from a [`MemoryBudget`], given back on drop.
#[derive(Debug)]
pub struct Held {
    budget: MemoryBudget,
    bytes: u64,
}

impl Held {
    /// Sets how much is held to `bytes`, up or down.
    ///
    /// # Errors
    /// `memory_limit` if that would pass the limit; what was held before stays held.
    pub fn grow_to(&mut self, bytes: u64) -> Result<(), Error> {
        let shared = &self.budget.shared;
        if bytes <= self.bytes {
            shared.held.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.bytes = bytes;
            return Ok(());
        }
        let more = bytes - self.bytes;
        let total = shared.held.fetch_add(more, Ordering::Relaxed) + more;
        if total > shared.limit {
            shared.held.fetch_sub(more, Ordering::Relaxed);
            return Err(Error::new(
                ErrorKind::MemoryLimit,
                format!(
                    "the job would hold {total} bytes and may hold {}; export fewer or smaller columns, or raise worker.memory_budget",
                    shared.limit
                ),
            ));
        }
        shared.peak.fetch_max(total, Ordering::Relaxed);
        shared.spares.shrink_to(self.budget.room_beside(total));
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.shared.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_to_pass_the_limit_and_gives_back_on_drop() {
        let budget = MemoryBudget::new(100);
        let mut first = budget.take(60).unwrap();
        assert_eq!(budget.take(41).unwrap_err().kind(), ErrorKind::MemoryLimit);
        assert_eq!(first.grow_to(101).unwrap_err().kind(), ErrorKind::MemoryLimit);
        first.grow_to(10).unwrap();
        let second = budget.take(90).unwrap();
        drop((first, second));
        assert!(budget.take(100).is_ok());
        assert_eq!(budget.peak(), 100);
    }
}
