//! `offtake export`: the whole job from the shell, here or through a server.

mod body;
mod local;
mod remote;
mod target;

use std::path::PathBuf;

use clap::Args;
use offtake_model::receipt::Receipt;
use offtake_model::{Error, ErrorKind};
use serde_json::json;

pub(crate) use remote::{fetch, part_of, receipt as receipt_of};
pub(crate) use target::{Target, put_in_place};

use super::{Context, Where, filters};
use crate::client::Client;
use crate::exit::Outcome;
use crate::{output, wire};

#[derive(Debug, Args)]
#[command(
    override_usage = "offtake export DATASET -o FILE (--org ORG | --server URL) [--FILTER VALUE]... [OPTIONS]\n       \
                      offtake export --resume JOB [OPTIONS]",
    after_help = "Filters are the dataset's own: --model gpt-4o --model gpt-4.1 --min-cost 0.1 \
                  --created-at 2026-10-01T00:00:00Z..2026-11-01T00:00:00Z. A filter given twice means either value. \
                  The receipt is written beside the file, as FILE.receipt.json; `offtake verify FILE` checks it."
)]
pub(crate) struct ExportArgs {
    /// What to export: spans, traces, prompts, or a dataset of the configuration
    #[arg(required_unless_present = "resume", value_name = "DATASET")]
    pub(crate) dataset: Option<String>,
    /// The file to write; `-` is stdout, once the file is whole
    #[arg(short, long, value_name = "FILE", required_unless_present = "resume")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) at: Where,
    /// A filter, also one whose name is an option here
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) filter: Vec<(String, String)>,
    /// From this moment on (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) start_time: Option<String>,
    /// Up to, not including, this moment
    #[arg(long, value_name = "TIME")]
    pub(crate) end_time: Option<String>,
    /// All rows but these: a file of JSON lines, an identity each; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with = "only")]
    pub(crate) except: Option<PathBuf>,
    /// Only these rows, in the same form
    #[arg(long, value_name = "FILE")]
    pub(crate) only: Option<PathBuf>,
    /// The columns, in order; `name=Alias` renames one
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) fields: Option<Vec<String>>,
    /// csv, jsonl, json, parquet or xlsx [default: what FILE's extension says]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// none, gzip or zstd [default: what FILE's extension says]
    #[arg(long, value_name = "C")]
    pub(crate) compression: Option<String>,
    /// A preset of the organization; what is said here goes first
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// What the export is called [default: made from what is asked for]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The moment the rows are to be of, as handed out by count, page or preview
    #[arg(long, value_name = "AS_OF")]
    pub(crate) as_of: Option<String>,
    /// What a chosen row brings along: row (itself) or trace (its whole trace)
    #[arg(long, value_name = "SCOPE")]
    pub(crate) scope: Option<String>,
    /// How CSV is written: rfc4180 or excel
    #[arg(long, value_name = "D")]
    pub(crate) dialect: Option<String>,
    /// Between the cells of CSV; `tab` is a tab
    #[arg(long, value_name = "CHAR")]
    pub(crate) delimiter: Option<String>,
    /// Numbers, dates and times of csv and xlsx as they are written there: de-DE, en-GB, …
    #[arg(long, value_name = "LOCALE")]
    pub(crate) locale: Option<String>,
    /// The time zone moments are shown in: Europe/Berlin, …
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
    /// At most so many rows, the first in key order; the receipt says so
    #[arg(long, value_name = "ROWS")]
    pub(crate) limit: Option<u64>,
    /// Sensitive columns as those get them who may not read them
    #[arg(long)]
    pub(crate) without_pii: bool,
    /// Go on with a job that was interrupted
    #[arg(long, value_name = "JOB", conflicts_with = "dataset")]
    pub(crate) resume: Option<String>,
    /// Overwrite FILE if it is there
    #[arg(long)]
    pub(crate) force: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn run(context: &Context, args: &ExportArgs, filters: &filters::Typed) -> Outcome {
    let client = Client::new(args.at.server.as_deref(), args.at.token.as_deref(), &context.environment)?;
    if client.is_some() && args.without_pii {
        let detail =
            "--without-pii is for exports on the data directory; a server goes by the permissions of the token";
        return Err(Error::new(ErrorKind::InvalidRequest, detail).into());
    }
    wire::block_on(async {
        match client {
            Some(client) => remote::run(context, &client, args, filters).await,
            None => Box::pin(local::run(context, args, filters)).await,
        }
    })
}

/// The file is there and proven: says so.
pub(crate) fn report(context: &Context, target: &Target, receipt: &Receipt) -> Outcome {
    if receipt.limited {
        let (rows, matching) = (receipt.rows_written, receipt.rows_matching);
        output::say(&format!("the limit cut rows off: {rows} of {matching} matching rows are in the file"));
    }
    if receipt.truncated_cells_count > 0 {
        let cells = receipt.truncated_cells_count;
        output::say(&format!(
            "{cells} cells are longer than a cell of this format can be and were cut; the receipt lists them"
        ));
    }
    let file = target.shown();
    let receipt_file = target.receipt_path().map(|path| path.display().to_string());
    if context.global.json {
        let said = json!({
            "job_id": receipt.job_id, "file": file, "receipt_file": receipt_file, "receipt": receipt,
        });
        return if target.is_stdout() { tell_beside(&said) } else { output::json(&said) };
    }
    output::say(&format!(
        "{} rows, {}, sha256 {} ({})",
        receipt.rows_written,
        crate::progress::size(receipt.bytes),
        receipt.sha256,
        receipt.job_id
    ));
    if target.is_stdout() { Ok(()) } else { output::line(&file) }
}

/// Where stdout is the file itself.
fn tell_beside(said: &serde_json::Value) -> Outcome {
    output::say(&said.to_string());
    Ok(())
}

/// The command that goes on with a job, as a shell reads it. Passwords in URLs are left for whoever types it.
fn resume_command(context: &Context, args: &ExportArgs, job: &str) -> String {
    let mut command = format!("offtake export --resume {job}");
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            command.push_str(&format!(" {name} {}", for_shell(&value)));
        }
    };
    add("--data-dir", context.global.data_dir.clone());
    add("--database", context.global.database.as_deref().map(without_password));
    add("--store", context.global.store.clone());
    add("--config", context.global.config.as_ref().map(|path| path.display().to_string()));
    add("--server", args.at.server.clone());
    if args.at.server.is_some() || context.environment.server.is_some() {
        add("--output", args.output.as_ref().map(|path| path.display().to_string()));
    }
    command
}

/// In quotes where a shell would read something else.
fn for_shell(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "'\\''"))
    }
}

/// `scheme://user:password@host` with the password left out.
fn without_password(url: &str) -> String {
    let parts = url.split_once("://").and_then(|(scheme, rest)| {
        let (user, host) = rest.split_once('@')?;
        let (user, _) = user.split_once(':')?;
        Some(format!("{scheme}://{user}:…@{host}"))
    });
    parts.unwrap_or_else(|| url.to_owned())
}

/// The job can be gone on with: says how.
fn say_how_to_go_on(context: &Context, args: &ExportArgs, job: &str, what: &str) {
    let command = resume_command(context, args, job);
    if context.global.json {
        output::say(&json!({ "job_id": job, what: true, "resume": command }).to_string());
    } else {
        output::say(&format!("{what}; go on with:\n  {command}"));
    }
}

/// A job that did not complete, as an error of its own kind.
fn not_completed(job: &str, status: &str, code: Option<&str>, message: Option<&str>) -> Error {
    let kind = match (status, code.and_then(ErrorKind::from_code)) {
        (_, Some(kind)) => kind,
        ("cancelled", None) => ErrorKind::Cancelled,
        ("expired", None) => ErrorKind::Gone,
        _ => ErrorKind::Internal,
    };
    let message = message.unwrap_or_else(|| kind.title());
    Error::new(kind, format!("{job} is {status}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted_and_has_no_password() {
        for (value, written) in [
            ("/data/a.csv", "/data/a.csv"),
            ("my data", "'my data'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(for_shell(value), written);
        }
        assert_eq!(without_password("postgres://me:secret@db:5432/x"), "postgres://me:…@db:5432/x");
        assert_eq!(without_password("postgres://me@db/x"), "postgres://me@db/x");
    }
}
