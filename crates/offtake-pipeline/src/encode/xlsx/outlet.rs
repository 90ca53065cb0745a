//! A finished workbook on its way out: compressed on a thread of its own, handed over part by part.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use offtake_model::{Error, ErrorKind, Result};
use rust_xlsxwriter::{Workbook, XlsxError};

/// Gives the bytes of a workbook. Dropping it stops the thread and waits for it.
pub(super) struct Outlet {
    parts: Option<Receiver<Vec<u8>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), XlsxError>>>,
}

impl Outlet {
    /// Begins to compress. At most one part waits while the next is made.
    pub(super) fn open(mut book: Workbook, part_bytes: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, parts) = sync_channel(0);
        let mut mouth = Mouth { sender, stop: Arc::clone(&stop), part_bytes, pending: Vec::new() };
        let thread = std::thread::spawn(move || {
            book.save_to_writer(&mut mouth)?;
            Ok(mouth.send()?)
        });
        Self { parts: Some(parts), stop, thread: Some(thread) }
    }

    /// The next part; `None` after the last.
    pub(super) fn next(&mut self) -> Option<Result<Vec<u8>>> {
        if let Some(part) = self.parts.as_ref().and_then(|parts| parts.recv().ok()) {
            return Some(Ok(part));
        }
        // The thread is at its end: with the last part, or with an error.
        match self.thread.take()?.join() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Err(super::broken(error))),
            Err(_) => Some(Err(Error::new(ErrorKind::Internal, "the workbook could not be put together"))),
        }
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.parts = None;
        if let Some(thread) = self.thread.take() {
            // Whatever it came to, nobody needs it any more.
            drop(thread.join());
        }
    }
}

/// Where the library writes to.
struct Mouth {
    sender: SyncSender<Vec<u8>>,
    stop: Arc<AtomicBool>,
    part_bytes: usize,
    pending: Vec<u8>,
}

impl Mouth {
    fn send(&mut self) -> io::Result<()> {
        let part = std::mem::take(&mut self.pending);
        if part.is_empty() {
            return Ok(());
        }
        self.sender.send(part).map_err(|_| stopped())
    }
}

impl Write for Mouth {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(stopped());
        }
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= self.part_bytes {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stopped() -> io::Error {
    io::Error::other("nobody takes the file any more")
}
