//! `offtake import-spans FILE…`: spans from OTLP files into the built-in store.

mod records;

use std::path::{Path, PathBuf};

use clap::Args;
use offtake_datasets::spans::otlp::{decode_json, decode_protobuf, to_spans};
use offtake_datasets::spans::{Conventions, Span};
use offtake_model::id::OrgId;
use offtake_model::{Error, Result};
use serde_json::json;
use tokio::sync::mpsc;

use self::records::{LARGEST, Record, Records};
use super::Context;
use crate::exit::{FAILED, Failure, Outcome};
use crate::output;
use crate::progress::Progress;
use crate::wire::{self, House};

/// Spans stored, or reasons told, in one go.
const BATCH: usize = 2_000;
/// Batches decoded ahead of the store.
const AHEAD: usize = 2;
/// Reasons told in words; the rest are counted.
const REASONS: usize = 10;

#[derive(Debug, Args)]
#[command(after_help = "The format is found out by itself: OTLP JSON, one request a line, or protobuf requests, each \
                        after its length in four bytes (big-endian); both may be gzipped. A span that is there \
                        already is not stored again. Exits with 1 if a span was refused.")]
pub(crate) struct ImportArgs {
    /// The files; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The organization the spans belong to
    #[arg(long, value_name = "ORG")]
    org: String,
}

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    stored: u64,
    duplicates: u64,
    refused: u64,
    reasons: Vec<String>,
}

impl Tally {
    fn refuse(&mut self, reason: String) {
        self.refused += 1;
        if self.reasons.len() < REASONS {
            self.reasons.push(reason);
        }
    }
}

/// What the reading thread hands over: spans to store, and reasons why others are not among them.
#[derive(Debug, Default)]
struct Batch {
    spans: Vec<Span>,
    refused: Vec<String>,
    bytes: u64,
}

pub(super) fn run(context: &Context, args: &ImportArgs) -> Outcome {
    wire::block_on(async {
        let org = OrgId::new(args.org.as_str())?;
        let stop = wire::on_signal()?;
        let config = context.config(&[])?;
        wire::log_quietly(&config.log)?;
        let house = House::open(config).await?;
        let mut tally = Tally::default();
        let done = tokio::select! {
            done = import(context, args, &org, &house, &mut tally) => done,
            () = stop.cancelled() => Err(Failure::Interrupted),
        };
        report(context, &tally)?;
        done?;
        if tally.refused == 0 { Ok(()) } else { Err(Failure::Told(FAILED)) }
    })
}

async fn import(context: &Context, args: &ImportArgs, org: &OrgId, house: &House, tally: &mut Tally) -> Outcome {
    let mut progress = Progress::new(context.global.json);
    let total = args.files.iter().map(|file| file.metadata().map_or(0, |meta| meta.len())).sum();
    let mut done = 0;
    for file in &args.files {
        let (send, mut batches) = mpsc::channel(AHEAD);
        let (path, conventions) = (file.clone(), house.config.conventions.clone());
        let reading = tokio::task::spawn_blocking(move || read(&path, &conventions, &send));
        while let Some(batch) = batches.recv().await {
            let batch: Batch = batch;
            batch.refused.into_iter().for_each(|reason| tally.refuse(reason));
            if !batch.spans.is_empty() {
                let appended = house.spans.append(org, batch.spans).await?;
                tally.stored += appended.stored;
                tally.duplicates += appended.duplicates;
            }
            done += batch.bytes;
            progress.transfer("importing", done, total);
        }
        reading.await.map_err(|error| {
            Error::new(offtake_model::ErrorKind::Internal, "reading ended unexpectedly").caused_by(error)
        })??;
    }
    progress.clear();
    Ok(())
}

/// Reads a file to its end, or until nobody takes the batches any more.
fn read(path: &Path, conventions: &Conventions, to: &mpsc::Sender<Batch>) -> Result<()> {
    let mut records = Records::open(path)?;
    let mut batch = Batch::default();
    let mut told = 0;
    while let Some(record) = records.next()? {
        let request = match &record {
            Record::Json(line) => decode_json(line),
            Record::Protobuf(message) => decode_protobuf(message),
        };
        match request.and_then(|request| to_spans(request, conventions, LARGEST)) {
            Ok(incoming) => {
                batch.spans.extend(incoming.spans);
                batch.refused.extend(incoming.rejected.iter().map(|reason| records.at(reason)));
            }
            Err(error) => batch.refused.push(records.at(error.detail())),
        }
        if batch.spans.len() + batch.refused.len() >= BATCH {
            batch.bytes = records.read() - told;
            told = records.read();
            if to.blocking_send(std::mem::take(&mut batch)).is_err() {
                return Ok(());
            }
        }
    }
    batch.bytes = records.read() - told;
    // Nobody takes it only if the command is over already.
    let _over = to.blocking_send(batch);
    Ok(())
}

fn report(context: &Context, tally: &Tally) -> Outcome {
    let Tally { stored, duplicates, refused, reasons } = tally;
    if context.global.json {
        let told = json!({ "stored": stored, "duplicates": duplicates, "refused": refused, "reasons": reasons });
        return output::json(&told);
    }
    for reason in reasons {
        output::say(&format!("refused: {reason}"));
    }
    if *refused > reasons.len() as u64 {
        output::say(&format!("… and {} more", refused - reasons.len() as u64));
    }
    output::line(&format!("{stored} spans stored, {duplicates} were there already, {refused} refused"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_do_not_pile_up_where_nothing_is_good() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.jsonl");
        std::fs::write(&path, "{\n".repeat(3 * BATCH)).unwrap();
        let (send, mut batches) = mpsc::channel(AHEAD);
        let reading = std::thread::spawn(move || read(&path, &Conventions::default(), &send));
        let mut refused = 0;
        while let Some(batch) = batches.blocking_recv() {
            assert!(batch.refused.len() <= BATCH, "{} reasons in one batch", batch.refused.len());
            refused += batch.refused.len();
        }
        reading.join().unwrap().unwrap();
        assert_eq!(refused, 3 * BATCH);
    }
}
