//! An export through a server: ask, follow, fetch, check.

use std::path::PathBuf;

use offtake_model::receipt::Receipt;
use offtake_model::{Error, ErrorKind};
use serde_json::Value as Json;

use super::body::{FilterShape, body};
use super::target::put_in_place;
use super::{ExportArgs, Target, not_completed, report, say_how_to_go_on};
use crate::cli::verify::differences;
use crate::cli::{Context, filters};
use crate::client::{Client, Sink, download, segment};
use crate::exit::{Failure, Outcome};
use crate::progress::{Progress, Seen};
use crate::wire;

pub(super) async fn run(context: &Context, client: &Client, args: &ExportArgs, filters: &filters::Typed) -> Outcome {
    let stop = wire::on_signal()?;
    let Some(output) = &args.output else {
        let detail = "name the file to write: -o FILE (the server does not know where it goes)";
        return Err(Error::new(ErrorKind::InvalidRequest, detail).into());
    };
    let target = Target::new(output, args.force)?;
    let job = match &args.resume {
        Some(job) => job.clone(),
        None => create(client, args, filters).await?,
    };
    let mut progress = Progress::new(context.global.json);
    let work = async {
        follow(client, &job, &mut progress).await?;
        fetch(client, &job, &target, args.force, &mut progress).await
    };
    let done = tokio::select! {
        done = work => done,
        () = stop.cancelled() => Err(Failure::Interrupted),
    };
    progress.clear();
    match done {
        Ok(receipt) => report(context, &target, &receipt),
        Err(failure) => {
            if matches!(failure, Failure::Interrupted) {
                say_how_to_go_on(context, args, &job, "interrupted");
            }
            Err(failure)
        }
    }
}

async fn create(client: &Client, args: &ExportArgs, filters: &filters::Typed) -> Result<String, Failure> {
    let dataset = args.dataset.as_deref().unwrap_or_default();
    let shapes = match client.get(&format!("datasets/{}", segment(dataset))).await {
        Ok(described) => shapes(&described),
        // What is wrong (no such dataset, or no right to export at all) is for the request itself to be told.
        Err(error) if error.kind() == ErrorKind::NotFound => untyped(args, filters),
        Err(error) => return Err(error.into()),
    };
    let created = client.create(dataset, &body(args, filters, &shapes)?).await?;
    let id = created["job_id"].as_str().map(str::to_owned);
    Ok(id.ok_or_else(|| Error::new(ErrorKind::Internal, "the server's answer names no job"))?)
}

fn untyped(args: &ExportArgs, filters: &filters::Typed) -> Vec<FilterShape> {
    let names = filters.iter().chain(&args.filter).map(|(name, _)| name.clone());
    names.map(|name| FilterShape { name, is_range: false, is_bare: false }).collect()
}

/// What the server tells about a dataset's filters.
fn shapes(dataset: &Json) -> Vec<FilterShape> {
    let filters = dataset["filters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let shape = |filter: &Json| {
        let ty = filter["type"].as_str().unwrap_or("text");
        Some(FilterShape {
            name: filter["name"].as_str()?.to_owned(),
            is_range: filter["op"] == "range",
            is_bare: super::body::is_bare(ty),
        })
    };
    filters.iter().filter_map(shape).collect()
}

/// Waits until the job rests; says how far it is.
async fn follow(client: &Client, job: &str, progress: &mut Progress) -> Outcome {
    let mut seen = client.job(job).await?;
    let mut etag = None;
    while Seen::of_json(&seen).is_active() {
        progress.tell(&Seen::of_json(&seen));
        if let Some(changed) = client.job_changed(job, &mut etag).await? {
            seen = changed;
        }
    }
    if seen["status"] == "completed" {
        return Ok(());
    }
    let error = &seen["error"];
    let status = seen["status"].as_str().unwrap_or("gone");
    Err(not_completed(job, status, error["code"].as_str(), error["message"].as_str()).into())
}

/// Fetches the file of a completed job, checks it against its receipt, and only then puts it in its place.
///
/// # Errors
/// What the server answers; `storage_unavailable` if the file is not what the receipt says.
pub(crate) async fn fetch(
    client: &Client,
    job: &str,
    target: &Target,
    force: bool,
    progress: &mut Progress,
) -> Result<Receipt, Failure> {
    let receipt = receipt(client, job).await?;
    // A beginning that is no beginning of this file shows at the end; then it is fetched once more, whole.
    for resume in [true, false] {
        let mut sink = match part_of(target, job) {
            Some(part) => Sink::file(&part, resume).await?,
            None => Sink::stdout(),
        };
        let began = sink.len();
        let mut told = |bytes| progress.transfer("downloading", bytes, receipt.bytes);
        download(client, job, &mut sink, &mut told).await?;
        let wrong = differences(&receipt, &sink.finish().await?);
        if wrong.is_empty() {
            if let (Some(part), Target::File(path)) = (part_of(target, job), target) {
                put_in_place(&part, path, force)?;
            }
            target.write_receipt(&receipt)?;
            return Ok(receipt);
        }
        if began == 0 {
            let detail = format!("what was downloaded is not the file of the receipt: {}", wrong.join("; "));
            return Err(Error::new(ErrorKind::StorageUnavailable, detail).into());
        }
    }
    Err(Error::new(ErrorKind::Internal, "a download was tried twice and judged never").into())
}

/// The receipt of a job.
pub(crate) async fn receipt(client: &Client, job: &str) -> Result<Receipt, Error> {
    let json = client.get(&format!("export/jobs/{}/receipt", segment(job))).await?;
    serde_json::from_value(json)
        .map_err(|error| Error::new(ErrorKind::Internal, format!("the server's receipt cannot be read: {error}")))
}

/// Where the bytes gather: named after the job, so that nothing of another one is continued.
pub(crate) fn part_of(target: &Target, job: &str) -> Option<PathBuf> {
    let Target::File(path) = target else { return None };
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", segment(job)));
    Some(PathBuf::from(name))
}
