//! Reads the streams of organizations while somebody listens, and tells them; and, of jobs that run, how they get on.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use offtake_model::event::{Event, EventType, NewEvent};
use offtake_model::id::{JobId, OrgId};
use offtake_model::job::JobStatus;
use offtake_model::{ErrorKind, Result};
use offtake_store::events::changed;
use offtake_store::{Hint, JobFilter, JobScope, Store};
use serde_json::{Map, Value as Json};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

use super::event::Told;
use super::hub::{Hub, OrganizationWork};

/// Events that are read by one statement.
pub(super) const EVENTS: u32 = 500;
/// How often it is looked without having been woken.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked how jobs get on.
const PROGRESS: Duration = Duration::from_millis(500);
/// Jobs of one organization that run already when somebody begins to listen, at most.
const RUNNING: u32 = 100;

/// Reads and tells, for as long as the server runs. Nothing is read while nobody listens.
pub(super) async fn run(hub: Arc<Hub>, store: Store) {
    let mut hints = store.events.hints().listen();
    let mut listeners = hub.listeners();
    let mut reader = Reader { hub, store, running: HashMap::new(), known: HashSet::new() };
    let mut next = Instant::now();
    loop {
        // Before looking, so that nothing is missed between the look and the wait.
        hints = hints.resubscribe();
        listeners.mark_unchanged();
        let work = reader.hub.organization_work();
        if work.is_empty() {
            (reader.running, reader.known) = (HashMap::new(), HashSet::new());
            if listeners.changed().await.is_err() {
                return;
            }
            continue;
        }
        let progress = Instant::now() >= next;
        if progress {
            next = Instant::now() + PROGRESS;
        }
        if let Err(error) = reader.look(work, progress).await {
            tracing::warn!(%error, "what happened cannot be told at the moment");
        }
        let until = if reader.running.is_empty() { Instant::now() + LOOK } else { next };
        tokio::select! {
            () = something_happened(&mut hints) => {}
            _ = listeners.changed() => {}
            () = sleep_until(until) => {}
        }
    }
}

/// Waits until something happened in an organization, or may have.
async fn something_happened(hints: &mut broadcast::Receiver<Hint>) {
    loop {
        match hints.recv().await {
            Ok(Hint::Event { .. } | Hint::Missed) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Ok(Hint::Owed | Hint::Spans) => {}
            // Nobody hints any more: looking is all there is.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

struct Reader {
    hub: Arc<Hub>,
    store: Store,
    running: HashMap<JobId, Running>,
    /// Organizations whose running jobs are known.
    known: HashSet<OrgId>,
}

/// A job that runs.
struct Running {
    org: OrgId,
    /// The number of the last fact about it.
    seq: u64,
    /// What was told of it.
    told: Map<String, Json>,
}

impl Reader {
    async fn look(&mut self, work: Vec<OrganizationWork>, progress: bool) -> Result<()> {
        let orgs: Vec<OrgId> = work.iter().map(|work| work.org.clone()).collect();
        let newest: HashMap<OrgId, u64> = self.store.events.newest(&orgs).await?.into_iter().collect();
        self.known.retain(|org| newest.contains_key(org));
        for mut of in work {
            if of.jobs && !self.known.contains(&of.org) {
                self.find_running(&of.org).await?;
                self.known.insert(of.org.clone());
            }
            while newest.get(&of.org).is_some_and(|newest| *newest > of.at) {
                let events = self.store.events.after(&of.org, of.at, EVENTS).await?;
                let Some(upto) = events.last().map(|last| last.seq) else { break };
                events.iter().for_each(|event| self.note(event));
                let told: Vec<Told> = events.into_iter().map(Told::of).collect();
                if !self.hub.tell_organization(&of, upto, &told) {
                    break;
                }
                of.at = upto;
            }
        }
        if progress { self.tell_progress().await } else { Ok(()) }
    }

    /// Jobs that ran already when somebody began to listen.
    async fn find_running(&mut self, org: &OrgId) -> Result<()> {
        let scope = JobScope { org: org.clone(), owner: None };
        let filter = JobFilter { status: vec![JobStatus::Processing], limit: RUNNING, ..JobFilter::default() };
        for job in self.store.jobs.list(&scope, &filter).await?.jobs {
            let mut seq = 0;
            loop {
                let events = self.store.events.of_job(org, job.id, seq, EVENTS).await?;
                let Some(last) = events.last() else { break };
                seq = last.seq;
            }
            self.running.insert(job.id, Running { org: org.clone(), seq, told: Map::new() });
        }
        Ok(())
    }

    /// What a fact says about which jobs run.
    fn note(&mut self, event: &Event) {
        let (Some(job), EventType::ExportJobStatus) = (event.job, event.kind) else { return };
        if event.data.get("status").and_then(Json::as_str) == Some(JobStatus::Processing.name()) {
            let running = Running { org: event.org.clone(), seq: event.seq, told: event.data.clone() };
            self.running.insert(job, running);
        } else {
            self.running.remove(&job);
        }
    }

    /// How the jobs that run get on, where that changed.
    async fn tell_progress(&mut self) -> Result<()> {
        let known = &self.known;
        self.running.retain(|_, running| known.contains(&running.org));
        let ids: Vec<JobId> = self.running.keys().copied().collect();
        for id in ids {
            let Some(running) = self.running.get_mut(&id) else { continue };
            let scope = JobScope { org: running.org.clone(), owner: None };
            let job = match self.store.jobs.get(&scope, id).await {
                Ok(job) if job.status == JobStatus::Processing => job,
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                // That it came to rest is a fact of the stream.
                Ok(_) | Err(_) => {
                    self.running.remove(&id);
                    continue;
                }
            };
            let NewEvent { kind, job, owner, data } = changed(&job);
            if data == running.told {
                continue;
            }
            running.told.clone_from(&data);
            let (org, seq, at) = (running.org.clone(), running.seq, self.hub.clock.now());
            self.hub.tell(&[Told::state(Event { org, seq, kind, job, owner, at, data })]);
        }
        Ok(())
    }
}
