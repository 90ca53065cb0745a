//! An export on the data directory itself: the job is pinned to this process and takes the same road as any.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use offtake_datasets::Dataset;
use offtake_model::export::ExportSpec;
use offtake_model::id::{JobId, OrgId};
use offtake_model::job::{Job, JobStatus};
use offtake_model::naming;
use offtake_model::receipt::Receipt;
use offtake_model::sensitive::Sight;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::objects::{Existing, FileObjects};
use offtake_store::{JobLimits, JobScope, NewJob, Store};
use offtake_worker::{Worker, WorkerMetrics};
use prometheus_client::registry::Registry;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::body::{body, shapes_of};
use super::{ExportArgs, Target, not_completed, report, say_how_to_go_on};
use crate::cli::verify::beside;
use crate::cli::{Context, filters};
use crate::client::{Sink, storing};
use crate::exit::{Failure, Outcome};
use crate::progress::{Progress, Seen};
use crate::wire::{self, House, NameLock};

/// How often progress is looked at: the whole job is read each time, with all identities of its selection.
const LOOK: Duration = Duration::from_millis(500);

/// What `--resume` has to know; it lies in the job's lock file.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    org: OrgId,
    file: PathBuf,
    stdout: bool,
    #[serde(default)]
    replace: bool,
}

/// A job of this process.
struct Own {
    id: JobId,
    note: Note,
    lock: NameLock,
}

impl Own {
    fn scope(&self) -> JobScope {
        JobScope { org: self.note.org.clone(), owner: None }
    }

    fn target(&self) -> Target {
        if self.note.stdout { Target::Stdout } else { Target::File(self.note.file.clone()) }
    }
}

pub(super) async fn run(context: &Context, args: &ExportArgs, filters: &filters::Typed) -> Outcome {
    let stop = wire::on_signal()?;
    let config = context.config(&[])?;
    wire::log_quietly(&config.log)?;
    let house = House::open(config).await?;
    let own = match &args.resume {
        Some(id) => take_up(&house, id, args.force).await?,
        None => begin(&house, args, filters).await?,
    };
    let mut progress = Progress::new(context.global.json);
    let job = work(&house, &own, &stop, &mut progress).await;
    progress.clear();
    let job = job?;
    if job.status.is_active() {
        say_how_to_go_on(context, args, &own.id.to_string(), "interrupted");
        return Err(Failure::Interrupted);
    }
    let finished = finish(&house, &own, &job).await;
    if job.status == JobStatus::Failed {
        say_how_to_go_on(context, args, &own.id.to_string(), "failed");
    } else {
        house.data.forget(&lock_name(own.id))?;
    }
    report(context, &own.target(), &finished?)
}

/// What is asked for, with the help of a preset if one is named.
async fn spec(house: &House, org: &OrgId, dataset: &Dataset, mut body: Json) -> Result<ExportSpec> {
    let Some((body, name)) = body.as_object_mut().and_then(|body| {
        let name = body.shift_remove("preset")?.as_str()?.to_owned();
        Some((std::mem::take(body), name))
    }) else {
        return dataset.parse_export(&body);
    };
    dataset.parse_export_with(&body, &house.store.presets.get(org, &name).await?)
}

/// A new job, pinned to this process before anybody else can see it.
async fn begin(house: &House, args: &ExportArgs, filters: &filters::Typed) -> Result<Own> {
    let usage = |detail: &str| Error::new(ErrorKind::InvalidRequest, detail);
    let org = args.at.org.clone().ok_or_else(|| usage("name the organization whose rows are meant: --org ORG"))?;
    let org = OrgId::new(org)?;
    let output = args.output.as_deref().ok_or_else(|| usage("name the file to write: -o FILE"))?;
    let target = Target::new(output, args.force)?;
    let sight = if args.without_pii { Sight::Veiled } else { Sight::Clear };
    let dataset = house.catalog.get(args.dataset.as_deref().unwrap_or_default())?.seen_with(sight);
    let body = body(args, filters, &shapes_of(&dataset.schema))?;
    let spec = spec(house, &org, &dataset, body).await?;

    let now = house.clock.now();
    let id = JobId::new(now);
    let lock = house.data.lock(&lock_name(id))?.ok_or_else(|| taken(id))?;
    let name = naming::job_name(&dataset.schema.title, &spec.without_sensitive(&dataset.schema), now);
    let file_name = target.file_name().unwrap_or_else(|| naming::file_name(&name, &spec));
    let file = match &target {
        Target::Stdout => house.data.join(&format!("{}.out", lock_name(id))),
        Target::File(path) => path.clone(),
    };
    let stdout = target.is_stdout();
    let own = Own { id, note: Note { org: org.clone(), file, stdout, replace: args.force || stdout }, lock };
    house.data.note(&format!("{}.lock", lock_name(id)), &serde_json::json!(own.note).to_string())?;
    let new = NewJob {
        id,
        org,
        owner: "local".to_owned(),
        needs: Vec::new(),
        owner_email: None,
        spec,
        name,
        file_name,
        request_id: None,
        traceparent: None,
        idempotency: None,
        pinned_to: Some(own.lock.name.clone()),
        limits: JobLimits::NONE,
        now,
        by: wire::act(),
    };
    house.store.jobs.enqueue(new).await?;
    Ok(own)
}

/// A job that an earlier process left.
async fn take_up(house: &House, id: &str, force: bool) -> Result<Own> {
    let id: JobId = id.parse()?;
    let unknown = || {
        let detail = format!("{id} was not begun by `offtake export` on this data directory, or it is over");
        Error::new(ErrorKind::NotFound, detail)
    };
    let path = house.data.join(&format!("{}.lock", lock_name(id)));
    if !path.exists() {
        return Err(unknown());
    }
    let lock = house.data.lock(&lock_name(id))?.ok_or_else(|| taken(id))?;
    let text = std::fs::read(&path).map_err(|error| unknown().caused_by(error))?;
    let mut note: Note = serde_json::from_slice(&text).map_err(|error| unknown().caused_by(error))?;
    note.replace |= force || grew_whole(&note.file, id);
    let own = Own { id, note, lock };
    if house.store.jobs.get(&own.scope(), id).await?.status == JobStatus::Failed {
        house.store.jobs.retry(&wire::act(), &own.scope(), id, JobLimits::NONE).await?;
    }
    Ok(own)
}

/// Whether no part of the job's file is left: it was finished and renamed, and its process died before it could say so.
fn grew_whole(file: &Path, id: JobId) -> bool {
    let parts = format!("{}.{id}.", file.file_name().unwrap_or_default().to_string_lossy());
    let entries = file.parent().and_then(|folder| std::fs::read_dir(folder).ok());
    !entries.into_iter().flatten().flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(&parts))
}

fn taken(id: JobId) -> Error {
    Error::new(ErrorKind::Conflict, format!("another process works on {id}"))
}

fn lock_name(id: JobId) -> String {
    format!("export-{id}")
}

/// Works on the job until it rests or somebody says stop; tells how far it is.
async fn work(house: &House, own: &Own, stop: &CancellationToken, progress: &mut Progress) -> Result<Job> {
    let existing = if own.note.replace { Existing::Replace } else { Existing::Keep };
    let store = Store { objects: Arc::new(FileObjects::new(own.note.file.clone(), existing)), ..house.store.clone() };
    let worker = Worker::new(
        store,
        Arc::clone(&house.catalog),
        Arc::clone(&house.clock),
        own.lock.name.clone(),
        house.config.worker.clone(),
        WorkerMetrics::register(&mut Registry::default()),
    );
    let worker = match wire::hash_key(house)? {
        Some(key) => worker.with_hash_key(key),
        None => worker,
    };
    let scope = own.scope();
    let mut running = std::pin::pin!(worker.run_one(&scope, own.id, stop));
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            job = &mut running => return job,
            _ = look.tick() => progress.tell(&Seen::from(&house.store.jobs.get(&scope, own.id).await?)),
        }
    }
}

/// What the job came to: the file in its place with its receipt, or the reason why not.
async fn finish(house: &House, own: &Own, job: &Job) -> Result<Receipt, Failure> {
    if job.status != JobStatus::Completed {
        let error = job.error.as_ref();
        let (code, message) = (error.map(|error| error.code.code()), error.map(|error| error.message.as_str()));
        return Err(not_completed(&own.id.to_string(), job.status.name(), code, message).into());
    }
    let artifact = house.store.artifacts.ready(&own.scope(), own.id).await?;
    let receipt = artifact.receipt.ok_or_else(|| Error::new(ErrorKind::Internal, "a completed job has no receipt"))?;
    if own.note.stdout {
        let sent = to_stdout(&own.note.file).await;
        for staged in [own.note.file.clone(), beside(&own.note.file)] {
            std::fs::remove_file(&staged).map_err(|error| storing(&error, &staged.display().to_string()))?;
        }
        sent?;
    }
    Ok(receipt)
}

async fn to_stdout(file: &Path) -> Outcome {
    use tokio::io::AsyncReadExt;
    let failed = |error: std::io::Error| storing(&error, "the staged file");
    let mut from = tokio::fs::File::open(file).await.map_err(failed)?;
    let mut sink = Sink::stdout();
    loop {
        let mut buffer = vec![0; 256 << 10];
        let read = from.read(&mut buffer).await.map_err(failed)?;
        if read == 0 {
            sink.finish().await?;
            return Ok(());
        }
        buffer.truncate(read);
        sink.write(buffer.into()).await?;
    }
}
