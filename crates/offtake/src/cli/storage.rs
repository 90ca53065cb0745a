//! `offtake storage check|apply-lifecycle`: the bucket, tried and looked after.

use clap::{Args, Subcommand};
use offtake_model::{Error, ErrorKind};
use offtake_store::objects::{LifecycleRules, Probe, ProbeOutcome, S3Objects};
use serde_json::json;

use super::Context;
use crate::config::{Config, StoreConfig};
use crate::exit::{FAILED, Failure, Outcome};
use crate::output;
use crate::wire::{self, DataDir};

#[derive(Debug, Subcommand)]
pub(crate) enum StorageCommand {
    /// Try everything that exports and downloads need; says what each is needed for, and what to do
    Check,
    /// Set the bucket's rules: unfinished uploads end, and files go even if nobody runs Offtake any more
    ApplyLifecycle(LifecycleArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LifecycleArgs {
    /// End uploads that nobody finished after so many days
    #[arg(long, value_name = "DAYS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=365))]
    abort_after: u32,
    /// Delete every file after so many days [default: twice jobs.keep, at least jobs.keep and a week]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    expire_after: Option<u32>,
    /// Never delete a file
    #[arg(long, conflicts_with = "expire_after")]
    no_expiry: bool,
}

pub(super) fn run(context: &Context, command: &StorageCommand) -> Outcome {
    let config = context.config(&[])?;
    wire::log_quietly(&config.log)?;
    wire::block_on(async {
        match command {
            StorageCommand::Check => check(context, &config).await,
            StorageCommand::ApplyLifecycle(args) => apply(context, &config, args).await,
        }
    })
}

/// Tries the storage, as far as there is something to try.
///
/// # Errors
/// `storage_unavailable`, `invalid_request` if it cannot even be set up.
pub(super) async fn probes(config: &Config) -> Result<Vec<Probe>, Error> {
    match &config.store {
        StoreConfig::S3(settings) => Ok(S3Objects::new((**settings).clone())?.probe().await),
        StoreConfig::Folder => {
            let objects = wire::objects(config, &DataDir::open(&config.data_dir)?)?;
            let outcome = match objects.ping().await {
                Ok(()) => ProbeOutcome::Works(format!("in {}", config.data_dir.join("objects").display())),
                Err(error) => ProbeOutcome::Fails(error.detail().to_owned()),
            };
            Ok(vec![Probe { name: "write", needed_for: "every file", outcome }])
        }
    }
}

/// What a probe came to: a word for programs, and what there is to say.
pub(super) fn told(outcome: &ProbeOutcome) -> (&'static str, &str) {
    match outcome {
        ProbeOutcome::Works(detail) => ("ok", detail),
        ProbeOutcome::Wanting(detail) => ("warning", detail),
        ProbeOutcome::Fails(detail) => ("failed", detail),
    }
}

async fn check(context: &Context, config: &Config) -> Outcome {
    let probes = probes(config).await?;
    let failed = probes.iter().any(|probe| matches!(probe.outcome, ProbeOutcome::Fails(_)));
    if context.global.json {
        let probes = probes.iter().map(|probe| {
            let (result, detail) = told(&probe.outcome);
            json!({ "check": probe.name, "result": result, "needed_for": probe.needed_for, "detail": detail })
        });
        output::json(&json!({ "ok": !failed, "checks": probes.collect::<Vec<_>>() }))?;
    } else {
        for probe in &probes {
            let (result, detail) = told(&probe.outcome);
            let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
            output::line(&format!("{result:<8} {:<21} for {}{detail}", probe.name, probe.needed_for))?;
        }
    }
    if failed { Err(Failure::Told(FAILED)) } else { Ok(()) }
}

async fn apply(context: &Context, config: &Config, args: &LifecycleArgs) -> Outcome {
    let StoreConfig::S3(settings) = &config.store else {
        let detail = "files lie in a folder, which has no rules; name a bucket with --store or store.url";
        return Err(Error::new(ErrorKind::InvalidRequest, detail).into());
    };
    let keep_days = u32::try_from(config.worker.keep.as_secs().div_ceil(86_400)).unwrap_or(u32::MAX);
    let least = keep_days.saturating_add(1);
    let expire_days = match args.expire_after {
        Some(days) if days < least => {
            let detail =
                format!("--expire-after {days}: jobs.keep promises files for {keep_days} days; at least {least}");
            return Err(Error::new(ErrorKind::InvalidRequest, detail).into());
        }
        Some(days) => Some(days),
        None if args.no_expiry => None,
        None => Some(keep_days.saturating_mul(2).max(keep_days.saturating_add(7))),
    };
    let rules = LifecycleRules { abort_uploads_days: args.abort_after, expire_days };
    S3Objects::new((**settings).clone())?.apply_lifecycle(rules).await?;
    if context.global.json {
        return output::json(&json!({ "abort_after_days": args.abort_after, "expire_after_days": expire_days }));
    }
    let expiry = expire_days.map_or_else(|| "never deleted".to_owned(), |days| format!("deleted after {days} days"));
    output::line(&format!("unfinished uploads end after {} days; files are {expiry}", args.abort_after))
}
