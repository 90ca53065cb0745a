//! Writes down who was here, behind the requests: none of them waits for it.

use std::collections::HashSet;
use std::sync::Arc;

use offtake_model::id::OrgId;
use offtake_store::{Principals, Sessions, Store};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Notes that wait; more are forgotten, and taken with a later request.
const WAITING: usize = 1024;

/// Something worth a note.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Note {
    /// This principal was here.
    Principal { org: OrgId, sub: String, email: Option<String> },
    /// The session with this fingerprint was used.
    Session(String),
}

/// Where notes are left. The writer ends with it.
#[derive(Debug)]
pub(crate) struct Notes {
    queue: mpsc::Sender<Note>,
    _writer: AbortOnDropHandle<()>,
}

impl Notes {
    pub(crate) fn writing_to(store: &Store) -> Self {
        let (queue, notes) = mpsc::channel(WAITING);
        let (principals, sessions) = (Arc::clone(&store.principals), Arc::clone(&store.sessions));
        let writer = tokio::spawn(write(notes, principals, sessions));
        Self { queue, _writer: AbortOnDropHandle::new(writer) }
    }

    /// Takes a note, if there is room.
    pub(crate) fn take(&self, note: Note) {
        if self.queue.try_send(note).is_err() {
            tracing::debug!("who was here is not noted: too much is");
        }
    }
}

async fn write(mut notes: mpsc::Receiver<Note>, principals: Arc<dyn Principals>, sessions: Arc<dyn Sessions>) {
    let mut waiting = Vec::new();
    while notes.recv_many(&mut waiting, WAITING).await > 0 {
        // Requests that came at once all found that nothing was noted yet.
        let once: HashSet<Note> = waiting.drain(..).collect();
        for note in once {
            let written = match &note {
                Note::Principal { org, sub, email } => principals.note(org, sub, email.as_deref()).await,
                Note::Session(fingerprint) => sessions.note(fingerprint).await,
            };
            if let Err(error) = written {
                tracing::warn!(%error, "who was here could not be noted");
            }
        }
    }
}
