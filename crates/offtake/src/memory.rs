//! How the allocator keeps memory flat (law 11).
//!
//! A frame's buffers, some megabytes each, are allocated on one thread and freed on another. Left alone, the
//! allocator keeps them on the heaps of whichever threads had them, and the process grows for minutes although the
//! job holds no more than its budget. So large blocks are mapped and unmapped one by one, and the heaps give back
//! what is free at their end. `docs/adr/0005-the-systems-allocator.md` has the numbers.

/// From this size on a block is a mapping of its own; so much may stay free at the end of a heap. Bytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 128 << 10;
/// Heaps for small blocks, shared by all threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 4;

/// Tells the allocator so, once, before there are threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library's allocator is told by a C function; it takes two integers")]
pub(crate) fn give_back_soon() {
    for (option, value) in
        [(libc::M_MMAP_THRESHOLD, LARGE), (libc::M_TRIM_THRESHOLD, LARGE), (libc::M_ARENA_MAX, HEAPS)]
    {
        // SAFETY: any two integers may be passed; what it does not know it refuses. No other thread runs yet.
        let _accepted = unsafe { libc::mallopt(option, value) };
    }
}

/// Other C libraries have other ways; nothing is promised there.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back_soon() {}
