//! Object storage that fails when it is told to.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use offtake_model::checkpoint::Uploaded;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{ObjectKey, Objects, Upload};

use crate::rows::Gate;

/// Which call fails next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// So many parts go through before one fails.
    Part(u32),
    /// The next upload cannot be finished.
    Finish,
}

/// The trouble to come.
#[derive(Debug, Clone, Default)]
struct Trouble {
    failure: Arc<Mutex<Option<(At, ErrorKind)>>>,
    held: Arc<Mutex<Option<Held>>>,
    deletes: Arc<Mutex<Option<Arc<Gate>>>>,
    puts: Arc<Mutex<Option<Arc<Gate>>>>,
}

/// After so many parts one waits at the gate.
type Held = (u32, Arc<Gate>);

/// Storage around storage.
#[derive(Debug)]
pub(crate) struct Flaky {
    inner: Arc<dyn Objects>,
    trouble: Trouble,
}

impl Flaky {
    pub(crate) fn around(inner: Arc<dyn Objects>) -> Arc<Self> {
        Arc::new(Self { inner, trouble: Trouble::default() })
    }

    /// The call at `at` fails once, as `kind`.
    pub(crate) fn fail(&self, at: At, kind: ErrorKind) {
        *self.trouble.failure.lock().unwrap() = Some((at, kind));
    }

    /// After so many parts one waits at the gate.
    pub(crate) fn hold(&self, parts: u32, gate: &Arc<Gate>) {
        *self.trouble.held.lock().unwrap() = Some((parts, Arc::clone(gate)));
    }

    /// From now on every delete waits at the gate.
    pub(crate) fn hold_delete(&self, gate: &Arc<Gate>) {
        *self.trouble.deletes.lock().unwrap() = Some(Arc::clone(gate));
    }

    /// The next small object, a receipt, waits at the gate.
    pub(crate) fn hold_put(&self, gate: &Arc<Gate>) {
        *self.trouble.puts.lock().unwrap() = Some(Arc::clone(gate));
    }

    fn wrapped(&self, inner: Box<dyn Upload>) -> Box<dyn Upload> {
        Box::new(FlakyUpload { inner, trouble: self.trouble.clone() })
    }
}

#[async_trait]
impl Objects for Flaky {
    async fn begin(&self, key: &ObjectKey) -> Result<Box<dyn Upload>> {
        Ok(self.wrapped(self.inner.begin(key).await?))
    }

    async fn resume(&self, key: &ObjectKey, earlier: &ObjectKey, uploaded: &Uploaded) -> Result<Box<dyn Upload>> {
        Ok(self.wrapped(self.inner.resume(key, earlier, uploaded).await?))
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<()> {
        let gate = self.trouble.puts.lock().unwrap().take();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        self.inner.put(key, bytes).await
    }

    async fn read(&self, key: &ObjectKey, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.inner.read(key, range).await
    }

    async fn size(&self, key: &ObjectKey) -> Result<Option<u64>> {
        self.inner.size(key).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        let gate = self.trouble.deletes.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        self.inner.delete(key).await
    }

    async fn staged(&self) -> Result<Vec<ObjectKey>> {
        self.inner.staged().await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

#[derive(Debug)]
struct FlakyUpload {
    inner: Box<dyn Upload>,
    trouble: Trouble,
}

impl Trouble {
    async fn check(self, part: bool) -> Result<()> {
        if let Some(gate) = self.gate(part) {
            gate.pass().await;
        }
        self.failure(part)
    }

    fn gate(&self, part: bool) -> Option<Arc<Gate>> {
        let mut held = self.held.lock().unwrap();
        let (left, _) = held.as_mut().filter(|_| part)?;
        match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                None
            }
            None => held.take().map(|(_, gate)| gate),
        }
    }

    fn failure(&self, part: bool) -> Result<()> {
        let mut plan = self.failure.lock().unwrap();
        match *plan {
            Some((At::Part(0), kind)) if part => {
                *plan = None;
                Err(Error::new(kind, "writing /var/lib/offtake/objects failed"))
            }
            Some((At::Part(left), kind)) if part => {
                *plan = Some((At::Part(left - 1), kind));
                Ok(())
            }
            Some((At::Finish, kind)) if !part => {
                *plan = None;
                Err(Error::new(kind, "renaming /var/lib/offtake/objects failed"))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Upload for FlakyUpload {
    async fn put_part(&mut self, part: Bytes) -> Result<Uploaded> {
        self.trouble.clone().check(true).await?;
        self.inner.put_part(part).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.trouble.clone().check(false).await?;
        self.inner.finish().await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.inner.abort().await
    }
}
