//! `offtake jobs`: look, cancel, retry, fetch, on the data directory or through a server.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use futures::StreamExt;
use offtake_model::audit::Action;
use offtake_model::id::{JobId, OrgId};
use offtake_model::job::JobStatus;
use offtake_model::receipt::Receipt;
use offtake_model::{Error, ErrorKind};
use offtake_store::audit::to_file;
use offtake_store::{JobFilter, JobLimits, JobScope};
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::export::{Target, fetch, part_of, put_in_place, receipt_of};
use super::verify::{beside, differences, fingerprint, read_receipt};
use super::{Context, Where};
use crate::client::{Client, Sink, segment};
use crate::exit::{Failure, Outcome};
use crate::progress::{Progress, size};
use crate::wire::{self, House};
use crate::{output, view};

#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List jobs, newest first
    List(ListArgs),
    /// Show one job
    Show(JobArgs),
    /// Call a job off
    Cancel(JobArgs),
    /// Try a failed job again, from its checkpoint
    Retry(JobArgs),
    /// Fetch the file of a completed job, with its receipt
    Download(DownloadArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    at: Where,
    /// Only these states: pending, processing, completed, failed, cancelled, expired
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    status: Vec<String>,
    /// Only this dataset
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// At most so many
    #[arg(long, value_name = "JOBS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
    #[command(flatten)]
    at: Where,
}

#[derive(Debug, Args)]
pub(crate) struct DownloadArgs {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
    #[command(flatten)]
    at: Where,
    /// The file to write; `-` is stdout [default: the name the server gives it]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Go on with what an interrupted download left
    #[arg(long)]
    resume: bool,
    /// Read the file once more from the disk and compare it with its receipt
    #[arg(long)]
    verify: bool,
    /// Overwrite FILE if it is there
    #[arg(long)]
    force: bool,
}

/// Where jobs are.
enum Place {
    Here { house: Box<House>, scope: JobScope },
    There(Client),
}

pub(super) fn run(context: &Context, command: JobsCommand) -> Outcome {
    wire::block_on(async {
        match command {
            JobsCommand::List(args) => list(context, &args).await,
            JobsCommand::Show(args) => {
                let job = Place::of(context, &args.at).await?.job(&args.job).await?;
                tell(context, &job)
            }
            JobsCommand::Cancel(args) => {
                let place = Place::of(context, &args.at).await?;
                place.cancel(&args.job).await?;
                tell(context, &place.job(&args.job).await?)
            }
            JobsCommand::Retry(args) => {
                let place = Place::of(context, &args.at).await?;
                place.retry(&args.job).await?;
                tell(context, &place.job(&args.job).await?)
            }
            JobsCommand::Download(args) => download(context, &args).await,
        }
    })
}

impl Place {
    async fn of(context: &Context, at: &Where) -> Result<Self, Failure> {
        if let Some(client) = Client::new(at.server.as_deref(), at.token.as_deref(), &context.environment)? {
            return Ok(Self::There(client));
        }
        let org = at.org.as_deref().ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidRequest,
                "name the organization whose jobs are meant: --org ORG (or --server URL)",
            )
        })?;
        let scope = JobScope { org: OrgId::new(org)?, owner: None };
        let config = context.config(&[])?;
        wire::log_quietly(&config.log)?;
        Ok(Self::Here { house: Box::new(House::open(config).await?), scope })
    }

    async fn job(&self, id: &str) -> Result<Json, Failure> {
        match self {
            Self::There(client) => Ok(client.job(id).await?),
            Self::Here { house, scope } => {
                let job = house.store.jobs.get(scope, id.parse()?).await?;
                Ok(view::job(&job, house.clock.now()))
            }
        }
    }

    async fn list(&self, args: &ListArgs) -> Result<Json, Failure> {
        match self {
            Self::There(client) => {
                let mut query = format!("export/jobs?limit={}", args.limit);
                if !args.status.is_empty() {
                    query.push_str(&format!("&status={}", segment(&args.status.join(","))));
                }
                if let Some(dataset) = &args.dataset {
                    query.push_str(&format!("&dataset={}", segment(dataset)));
                }
                Ok(client.get(&query).await?)
            }
            Self::Here { house, scope } => {
                let filter = JobFilter {
                    status: statuses(&args.status)?,
                    dataset: args.dataset.clone(),
                    limit: args.limit,
                    ..JobFilter::default()
                };
                let page = house.store.jobs.list(scope, &filter).await?;
                let now = house.clock.now();
                let jobs: Vec<Json> = page.jobs.iter().map(|job| view::job(job, now)).collect();
                Ok(json!({
                    "jobs": jobs,
                    "pagination": { "total": page.total, "limit": args.limit, "offset": 0, "has_more": page.has_more },
                }))
            }
        }
    }

    async fn cancel(&self, id: &str) -> Outcome {
        match self {
            Self::There(client) => client.change(Method::DELETE, &format!("export/jobs/{}", segment(id))).await?,
            Self::Here { house, scope } => drop(house.store.jobs.cancel(&wire::act(), scope, id.parse()?).await?),
        }
        Ok(())
    }

    async fn retry(&self, id: &str) -> Outcome {
        match self {
            Self::There(client) => client.change(Method::POST, &format!("export/jobs/{}/retry", segment(id))).await?,
            Self::Here { house, scope } => {
                let id = id.parse()?;
                house.store.jobs.get(scope, id).await?.require_worker()?;
                house.store.jobs.retry(&wire::act(), scope, id, JobLimits::NONE).await?;
            }
        }
        Ok(())
    }

    async fn receipt(&self, id: &str) -> Result<Receipt, Failure> {
        match self {
            Self::There(client) => Ok(receipt_of(client, id).await?),
            Self::Here { house, scope } => {
                let artifact = house.store.artifacts.ready(scope, id.parse()?).await?;
                Ok(artifact.receipt.ok_or_else(|| Error::new(ErrorKind::Internal, "a completed job has no receipt"))?)
            }
        }
    }
}

fn statuses(words: &[String]) -> Result<Vec<JobStatus>, Error> {
    let parse = |word: &String| {
        JobStatus::parse(word).ok_or_else(|| {
            let names: Vec<&str> = JobStatus::ALL.iter().map(|status| status.name()).collect();
            Error::new(ErrorKind::InvalidRequest, format!("\"{word}\" is no state; there are: {}", names.join(", ")))
        })
    };
    words.iter().map(parse).collect()
}

async fn list(context: &Context, args: &ListArgs) -> Outcome {
    let page = Place::of(context, &args.at).await?.list(args).await?;
    if context.global.json {
        return output::json(&page);
    }
    let jobs = page["jobs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if jobs.is_empty() {
        output::say("no jobs");
        return Ok(());
    }
    for job in jobs {
        output::line(&view::row(job))?;
    }
    if page["pagination"]["has_more"] == true {
        output::say(&format!("{} of {} jobs; --limit shows more", jobs.len(), page["pagination"]["total"]));
    }
    Ok(())
}

fn tell(context: &Context, job: &Json) -> Outcome {
    if context.global.json { output::json(job) } else { output::line(&view::page(job)) }
}

async fn download(context: &Context, args: &DownloadArgs) -> Outcome {
    let stop = wire::on_signal()?;
    let place = Place::of(context, &args.at).await?;
    let receipt = place.receipt(&args.job).await?;
    let output = match &args.output {
        Some(path) => path.clone(),
        None => own_name(&receipt)?,
    };
    let target = Target::new(&output, args.force)?;
    let mut progress = Progress::new(context.global.json);
    if let Some(part) = part_of(&target, &args.job).filter(|part| !args.resume && part.exists()) {
        std::fs::remove_file(&part).map_err(|error| crate::client::storing(&error, &part.display().to_string()))?;
    }
    let work = async {
        match &place {
            Place::There(client) => fetch(client, &args.job, &target, args.force, &mut progress).await,
            Place::Here { house, scope } => {
                let id: JobId = args.job.parse()?;
                copy(house, scope, id, &target, args.force, &mut progress).await
            }
        }
    };
    let done = tokio::select! {
        done = work => done,
        () = stop.cancelled() => Err(Failure::Interrupted),
    };
    progress.clear();
    if matches!(done, Err(Failure::Interrupted)) && !target.is_stdout() {
        output::say("interrupted; the same command with --resume goes on");
    }
    let receipt = done?;
    if let (true, Target::File(path)) = (args.verify, &target) {
        let wrong = differences(&read_receipt(&beside(path))?, &fingerprint(path)?);
        if !wrong.is_empty() {
            let detail = format!("{} is not what its receipt says: {}", path.display(), wrong.join("; "));
            return Err(Error::new(ErrorKind::StorageUnavailable, detail).into());
        }
    }
    super::export::report(context, &target, &receipt)
}

/// The name in the receipt, as far as it is a plain name.
fn own_name(receipt: &Receipt) -> Result<PathBuf, Error> {
    let name = &receipt.file_name;
    let plain = !name.is_empty() && !name.starts_with(['.', '-']) && !name.contains(['/', '\\', '\0']);
    if plain {
        Ok(PathBuf::from(name))
    } else {
        Err(Error::new(ErrorKind::InvalidRequest, "name the file to write: -o FILE"))
    }
}

/// Copies a file out of the data directory's own objects.
async fn copy(
    house: &House,
    scope: &JobScope,
    id: JobId,
    target: &Target,
    force: bool,
    progress: &mut Progress,
) -> Result<Receipt, Failure> {
    house.store.jobs.get(scope, id).await?.require_stored()?;
    let artifact = house.store.artifacts.ready(scope, id).await?;
    house.store.audit.append(&scope.org, &wire::act(), &to_file(Action::ExportDownload, &artifact)).await?;
    let missing = || Error::new(ErrorKind::Internal, "a completed job has no receipt");
    let receipt = artifact.receipt.ok_or_else(missing)?;
    let part = part_of(target, &id.to_string());
    let mut sink = match &part {
        Some(part) => Sink::file(part, true).await?,
        None => Sink::stdout(),
    };
    if sink.len() > receipt.bytes {
        sink.restart().await?;
    }
    let mut bytes = house.store.objects.read(&artifact.key, sink.len()..receipt.bytes).await?;
    while let Some(piece) = bytes.next().await {
        sink.write(piece?).await?;
        progress.transfer("copying", sink.len(), receipt.bytes);
    }
    let wrong = differences(&receipt, &sink.finish().await?);
    if !wrong.is_empty() {
        if let Some(part) = &part {
            std::fs::remove_file(part).map_err(|error| crate::client::storing(&error, &part.display().to_string()))?;
        }
        let detail =
            format!("the stored file ({}) is not what its receipt says: {}", size(receipt.bytes), wrong.join("; "));
        return Err(Error::new(ErrorKind::StorageUnavailable, detail).into());
    }
    if let (Some(part), Target::File(path)) = (&part, target) {
        put_in_place(part, path, force)?;
    }
    target.write_receipt(&receipt)?;
    Ok(receipt)
}
