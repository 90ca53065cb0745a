//! Wake-ups across processes: NOTIFY says that something happened to a job, and to which; whoever hears it looks.
//!
//! Nothing depends on it: workers and waiting requests look by themselves from time to time.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use offtake_model::Result;
use offtake_model::id::JobId;
use offtake_postgres::{Note, Pool, Work};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::hints::{Carrier, Hint, Hints};

/// A job may be due.
const DUE: &str = "offtake_due";
/// There is an event, or a notification is due.
const HINT: &str = "offtake_hint";
/// A job changed.
const CHANGED: &str = "offtake_changed";

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Who waits in this process, and the name by which it knows its own notes.
#[derive(Debug)]
pub(super) struct Wake {
    own: String,
    pub(super) due: Arc<Notify>,
    changes: watch::Sender<u64>,
    pub(super) hints: Arc<Hints>,
}

impl Wake {
    pub(super) fn new() -> Self {
        // Any id will do: most of it is chance.
        Self {
            own: JobId::new(Timestamp::UNIX_EPOCH).to_string(),
            due: Arc::new(Notify::new()),
            changes: watch::Sender::new(0),
            hints: Arc::new(Hints::default()),
        }
    }

    /// Tells whoever watches in this process that a job changed.
    pub(super) fn changed(&self) {
        self.changes.send_modify(|version| *version = version.wrapping_add(1));
    }

    /// A job changed and may be due.
    pub(super) fn wake(&self) {
        self.changed();
        self.due.notify_waiters();
    }

    /// Whoever listens in this process is given these hints. After the commit.
    pub(super) fn hint(&self, hints: Vec<Hint>) {
        hints.into_iter().for_each(|hint| self.hints.tell(hint));
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Part of a transaction: the others hear that a job changed, once it is committed.
    pub(super) async fn tell_changed(&self, tx: &Work, job: impl std::fmt::Display + Sync) -> Result<()> {
        self.tell(tx, CHANGED, &format!("{} {job}", self.own)).await
    }

    /// Part of a transaction: the others hear that a job may be due, once it is committed.
    pub(super) async fn tell_due(&self, tx: &Work, job: impl std::fmt::Display + Sync) -> Result<()> {
        self.tell(tx, DUE, &format!("{} {job}", self.own)).await
    }

    /// Part of a transaction: the others are given the hint, once it is committed. Where a bus does that, the database is
    /// spared: a NOTIFY makes commits wait for each other.
    pub(super) async fn tell_hint(&self, tx: &Work, hint: &Hint) -> Result<()> {
        if self.hints.carrier().is_some_and(Carrier::is_connected) {
            return Ok(());
        }
        self.tell(tx, HINT, &format!("{} {hint}", self.own)).await
    }

    async fn tell(&self, tx: &Work, channel: &str, payload: &str) -> Result<()> {
        tx.rows("SELECT pg_notify($1, $2)", &[&channel, &payload]).await.map(drop)
    }

    fn heard(&self, note: &Note) {
        let (whose, said) = note.payload.split_once(' ').unwrap_or((&note.payload, ""));
        let own = whose == self.own;
        match note.channel.as_str() {
            // This process told itself already.
            _ if own => {}
            DUE => self.wake(),
            HINT => self.hints.hear(Hint::parse(said)),
            _ => self.changed(),
        }
    }
}

/// The task that listens. It ends with its owner.
#[derive(Debug)]
pub(super) struct Listening(JoinHandle<()>);

impl Listening {
    pub(super) fn start(pool: Pool, wake: Arc<Wake>) -> Self {
        Self(tokio::spawn(listen(pool, wake)))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(pool: Pool, wake: Arc<Wake>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match pool.listen(&[DUE, CHANGED, HINT]).await {
            Ok(mut listener) => {
                pause = FIRST_PAUSE;
                // Whatever was said while nobody listened.
                wake.wake();
                wake.hints.hear(Hint::Missed);
                while let Some(Ok(note)) = listener.next().await {
                    wake.heard(&note);
                }
                tracing::warn!("the connection that hears of new jobs is lost; jobs are looked for meanwhile");
            }
            Err(error) => tracing::debug!(%error, "nothing can be heard of new jobs"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
