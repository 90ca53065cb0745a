//! One stream: what is to be told next.

use std::collections::VecDeque;
use std::time::Duration;

use axum::response::sse::Event as Message;
use offtake_model::event::Event;
use offtake_model::id::JobId;
use offtake_model::job::{Job, JobStatus};
use offtake_model::{ErrorKind, Result};
use offtake_store::Hint;
use offtake_store::events::changed;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::places::Place;
use super::standing::Standing;
use crate::edge::Draining;
use crate::state::App;

/// Two messages about progress are so far apart, at least.
const PACE: Duration = Duration::from_millis(500);
/// How often the tables are looked at when nobody says that something happened.
const POLL: Duration = Duration::from_secs(1);
/// When a client comes back.
const RETRY: Duration = Duration::from_secs(2);
/// Events read in one go.
const PAGE: u32 = 100;

/// A client and how much of a job it knows.
pub(super) struct Follow {
    app: App,
    job: JobId,
    standing: Standing,
    /// The number of the last transition that was told.
    seq: u64,
    /// What was told last: the state, and how far the job was.
    told: Option<(JobStatus, Option<f64>, u64)>,
    ready: VecDeque<Message>,
    heard: Receiver<Hint>,
    changes: watch::Receiver<u64>,
    looked: Instant,
    draining: Draining,
    _place: Place,
}

impl Follow {
    /// A stream for a client that knows everything up to number `known`; `None` if there is nothing more to be told.
    ///
    /// # Errors
    /// `not_found`; `store_unavailable`.
    pub(super) async fn begin(
        app: App,
        job: JobId,
        standing: Standing,
        known: Option<u64>,
        draining: Draining,
        place: Place,
    ) -> Result<Option<Self>> {
        // Before looking, so that nothing in between is missed.
        let (heard, changes) = (app.store.events.hints().listen(), app.store.jobs.changes());
        let (ready, looked) = (VecDeque::new(), Instant::now());
        let mut follow =
            Self { app, job, standing, seq: 0, told: None, ready, heard, changes, looked, draining, _place: place };
        match known {
            Some(known) if follow.is_kept(known).await? => {
                follow.seq = known;
                follow.look().await?;
                if follow.seq == known && follow.is_over() {
                    return Ok(None);
                }
            }
            Some(_) | None => follow.tell_present().await?,
        }
        if let Some(first) = follow.ready.front_mut() {
            *first = std::mem::take(first).retry(RETRY);
        }
        Ok(Some(follow))
    }

    /// Whether everything after this number is still there.
    async fn is_kept(&self, known: u64) -> Result<bool> {
        let events = &self.app.store.events;
        let org = self.standing.org();
        let newest = events.newest(std::slice::from_ref(org)).await?;
        let exists = newest.first().is_some_and(|(_, newest)| known <= *newest);
        Ok(exists && known + 1 >= events.oldest(org).await?)
    }

    /// The state of the job, by the number of the transition that led to it.
    async fn tell_present(&mut self) -> Result<()> {
        // The number first: the state may be newer than it, and never older.
        loop {
            let page = self.events().await?;
            let Some(last) = page.last() else { break };
            self.seq = last.seq;
        }
        let job = self.read().await?;
        self.tell_state(&job, true);
        Ok(())
    }

    /// Whether what was told last is the end.
    fn is_over(&self) -> bool {
        self.told.is_some_and(|(status, ..)| !status.is_active())
    }

    /// The next message; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            if self.is_over() || !self.wait().await || !self.standing.holds(&self.app).await {
                return None;
            }
            match self.look().await {
                Err(error) if error.kind() == ErrorKind::NotFound => return None,
                Err(error) => tracing::warn!(job_id = %self.job, %error, "a stream could not look; it looks again"),
                Ok(()) => {}
            }
        }
    }

    /// Until there may be something to tell; false if the server shuts down.
    async fn wait(&mut self) -> bool {
        let Self { heard, changes, looked, draining, job, .. } = self;
        let progress = async {
            // The sender is gone only when the store is: then looking is all there is.
            let _gone = changes.changed().await;
            sleep_until(*looked + PACE).await;
        };
        tokio::select! {
            biased;
            () = draining.0.cancelled() => return false,
            () = of_job(heard, *job) => {}
            () = progress => {}
            () = sleep_until(*looked + POLL) => {}
        }
        true
    }

    async fn look(&mut self) -> Result<()> {
        self.looked = Instant::now();
        // The job first: what is read of its transitions is then at least as new.
        let job = self.read().await?;
        loop {
            let page = self.events().await?;
            if page.is_empty() {
                break;
            }
            for event in page {
                self.seq = event.seq;
                let status = event.data.get("status").and_then(|status| JobStatus::parse(status.as_str()?));
                self.told = Some((status.unwrap_or(job.status), None, u64::MAX));
                self.ready.push_back(message(&event).id(event.seq.to_string()));
            }
        }
        let present = Some((job.status, job.percent(), job.progress.rows));
        match self.told {
            // What was just told is newer, or the same.
            Some((_, _, u64::MAX)) => {
                self.told = self.told.map(|(status, ..)| (status, job.percent(), job.progress.rows))
            }
            told if told == present => {}
            _ => self.tell_state(&job, false),
        }
        Ok(())
    }

    fn tell_state(&mut self, job: &Job, numbered: bool) {
        let new = changed(job);
        let at = self.app.clock.now();
        let (kind, owner, data) = (new.kind, new.owner, new.data);
        let event = Event { org: job.org.clone(), seq: self.seq, kind, job: Some(job.id), owner, at, data };
        let message = message(&event);
        self.told = Some((job.status, job.percent(), job.progress.rows));
        self.ready.push_back(if numbered { message.id(self.seq.to_string()) } else { message });
    }

    async fn read(&self) -> Result<Job> {
        self.app.store.jobs.get(&self.standing.scope(), self.job).await
    }

    async fn events(&self) -> Result<Vec<Event>> {
        self.app.store.events.of_job(self.standing.org(), self.job, self.seq, PAGE).await
    }
}

fn message(event: &Event) -> Message {
    Message::default().event(event.kind.name()).data(event.message().to_string())
}

/// Until something is said about this job, or may have been.
async fn of_job(heard: &mut Receiver<Hint>, id: JobId) {
    loop {
        match heard.recv().await {
            Ok(Hint::Event { job: Some(job), .. }) if job == id => return,
            Ok(Hint::Missed) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}
