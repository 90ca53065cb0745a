//! The span store: spans are handed to the one writer of the process, and read as datasets.
//!
//! Responsible for letting appends wait in a bounded queue and share transactions, and for waking those who tell of them. Where spans lie is the business of
//! [`super::sqlite`] (a file) and [`super::postgres`] (a database shared by any number of machines). Called by ingest
//! (`append`) and by the catalog (`datasets`).

use std::sync::Arc;
use std::thread::JoinHandle;

use offtake_model::dataset::DatasetSchema;
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::datasets;
use super::events::TraceEvents;
use super::span::Span;
use super::tail::SpanTail;
use crate::catalog::Dataset;
use crate::source::Source;

/// Appends that may wait for the writer before callers have to.
const QUEUE: usize = 64;

/// Spans of appends that share a transaction: enough to pay for the commit, few enough to answer soon.
const GROUP_SPANS: usize = 8_192;

/// What became of spans that were appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    /// New ones, durable now.
    pub stored: u64,
    /// Ones that were there already, and stay as they were.
    pub duplicates: u64,
}

/// The built-in span store.
#[derive(Debug)]
pub struct SpanStore {
    source: Arc<dyn Source>,
    events: Arc<dyn TraceEvents>,
    tail: Arc<dyn SpanTail>,
    /// Changes with each append that stored something.
    appended: watch::Sender<u64>,
    /// `None` only while the store is dropped.
    queue: Option<mpsc::Sender<Append>>,
    writer: Option<Writer>,
}

/// Who takes appends from the queue; ends when the queue is closed and empty.
#[derive(Debug)]
pub(super) enum Writer {
    Thread(JoinHandle<()>),
    /// Whatever still waits when the store is dropped has nobody who waits for it.
    Task(#[expect(dead_code, reason = "held, not used")] AbortOnDropHandle<()>),
}

/// One append, waiting.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) org: OrgId,
    pub(super) spans: Vec<Span>,
    pub(super) reply: oneshot::Sender<Result<Appended>>,
}

impl Append {
    /// Whoever asked may have gone away meanwhile: the spans are stored all the same.
    pub(super) fn answer(self, stored: Result<Appended>) {
        drop(self.reply.send(stored));
    }
}

/// An append and those that wait behind it, as many as may share a transaction.
pub(super) fn group(first: Append, waiting: &mut mpsc::Receiver<Append>) -> Vec<Append> {
    let mut spans = first.spans.len();
    let mut group = vec![first];
    while spans < GROUP_SPANS
        && let Ok(append) = waiting.try_recv()
    {
        spans += append.spans.len();
        group.push(append);
    }
    group
}

impl SpanStore {
    /// A store that is read through `source` and written to by what `start` starts.
    pub(super) fn new(
        source: Arc<dyn Source>,
        events: Arc<impl TraceEvents + SpanTail + 'static>,
        start: impl FnOnce(mpsc::Receiver<Append>) -> Result<Writer>,
    ) -> Result<Arc<Self>> {
        let (queue, appends) = mpsc::channel(QUEUE);
        let writer = start(appends)?;
        let appended = watch::Sender::new(0);
        let tail: Arc<dyn SpanTail> = events.clone();
        Ok(Arc::new(Self { source, events, tail, appended, queue: Some(queue), writer: Some(writer) }))
    }

    /// Adds spans of an organization; the first with an identity wins. They are durable when this returns. Appends
    /// that wait at the same time share a commit; when too many wait, this waits too.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it open whether the spans are stored: all or none are.
    ///
    /// # Errors
    /// `storage_full`; `store_unavailable` if the database cannot be reached, or another process writes for longer than
    /// ten seconds. Nothing of the append is stored then, unless the connection broke while it was committed.
    pub async fn append(&self, org: &OrgId, spans: Vec<Span>) -> Result<Appended> {
        if spans.is_empty() {
            return Ok(Appended::default());
        }
        let (reply, answer) = oneshot::channel();
        let gone =
            || Error::new(ErrorKind::StoreUnavailable, "the span store's writer has stopped; restart the server");
        let queue = self.queue.as_ref().ok_or_else(gone)?;
        queue.send(Append { org: org.clone(), spans, reply }).await.map_err(|_| gone())?;
        let appended = answer.await.map_err(|_| gone())??;
        if appended.stored > 0 {
            self.appended.send_modify(|version| *version = version.wrapping_add(1));
        }
        Ok(appended)
    }

    /// Changes whenever spans were stored by this process.
    pub fn appends(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    /// What happens to traces, whoever stored the spans.
    pub fn events(&self) -> Arc<dyn TraceEvents> {
        Arc::clone(&self.events)
    }

    /// The spans themselves, for whoever counts.
    pub fn tail(&self) -> Arc<dyn SpanTail> {
        Arc::clone(&self.tail)
    }

    /// The datasets `spans`, `traces` and `prompts`.
    pub fn datasets(self: &Arc<Self>) -> Vec<Dataset> {
        self.datasets_of(datasets::schemas())
    }

    /// The same, as these schemas describe them.
    pub(crate) fn datasets_of(&self, schemas: Vec<DatasetSchema>) -> Vec<Dataset> {
        schemas.into_iter().map(|schema| Dataset::new(schema, Arc::clone(&self.source))).collect()
    }
}

impl Drop for SpanStore {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(Writer::Thread(writer)) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the span store's writer panicked");
        }
    }
}
