//! `offtake audit`: the audit trail on the data itself; looked at, checked, and its heads to be kept elsewhere.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use offtake_model::audit::{AuditEntry, Head, KeptHead};
use offtake_model::id::OrgId;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::audit::{Verified, verify};
use offtake_store::{Audit, AuditFilter};
use serde_json::{Value as Json, json};

use super::Context;
use crate::exit::{FAILED, Failure, Outcome};
use crate::output;
use crate::wire::{self, House};

/// Heads read in one go.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// List who did what in an organization, newest first
    List(ListArgs),
    /// Check that nothing was changed, forged or removed; exit 0 if the chains are whole
    Verify(VerifyArgs),
    /// Print where the chains end, to be kept elsewhere: NUMBER:HASH ORG
    Head(HeadArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The organization
    #[arg(long, value_name = "ORG")]
    org: String,
    /// Only of this actor
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only these actions
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    action: Vec<String>,
    /// Only on the object of this id
    #[arg(long, value_name = "ID")]
    object: Option<String>,
    /// At most so many
    #[arg(long, value_name = "ENTRIES", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Only those before this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The organization [default: all]
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
    /// A head that was kept elsewhere, which the chain must still contain; NUMBER:HASH alone needs --org
    #[arg(long, value_name = "NUMBER:HASH[ ORG]")]
    head: Vec<KeptHead>,
    /// A file with such heads, one a line, as `offtake audit head` printed them
    #[arg(long, value_name = "FILE")]
    heads: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct HeadArgs {
    /// The organization [default: all]
    #[arg(long, value_name = "ORG")]
    org: Option<String>,
}

pub(super) fn run(context: &Context, command: &AuditCommand) -> Outcome {
    let config = context.config(&[])?;
    wire::log_quietly(&config.log)?;
    wire::block_on(async {
        let house = House::open(config).await?;
        let audit = house.store.audit.as_ref();
        match command {
            AuditCommand::List(args) => list(context, audit, args).await,
            AuditCommand::Verify(args) => check(context, audit, args).await,
            AuditCommand::Head(args) => tell_heads(context, audit, args).await,
        }
    })
}

async fn list(context: &Context, audit: &dyn Audit, args: &ListArgs) -> Outcome {
    let filter = AuditFilter {
        actor: args.actor.clone(),
        actions: args.action.clone(),
        object: args.object.clone(),
        before: args.before,
        limit: args.limit,
        ..AuditFilter::default()
    };
    let page = audit.list(&OrgId::new(args.org.as_str())?, &filter).await?;
    if context.global.json {
        let entries: Vec<Json> = page.entries.iter().map(shown).collect();
        return output::json(&json!({ "entries": entries, "has_more": page.has_more }));
    }
    for entry in &page.entries {
        output::line(&row(entry))?;
    }
    match page.entries.last().filter(|_| page.has_more) {
        Some(last) => output::say(&format!("there are older ones: --before {}", last.number)),
        None if page.entries.is_empty() => output::say("no entries"),
        None => {}
    }
    Ok(())
}

/// An entry as the API shows it.
fn shown(entry: &AuditEntry) -> Json {
    json!({
        "number": entry.number,
        "at": entry.moment().map(|at| at.to_string()),
        "actor": entry.actor,
        "via": entry.via,
        "action": entry.action,
        "object": { "kind": entry.object_kind, "id": entry.object_id },
        "outcome": entry.outcome,
        "address": entry.address,
        "user_agent": entry.user_agent,
        "request_id": entry.request_id,
        "detail": serde_json::from_str::<Json>(&entry.detail).unwrap_or_else(|_| entry.detail.as_str().into()),
        "previous": entry.previous,
        "hash": entry.hash,
    })
}

/// An entry on a line. What clients say of themselves is shown without what would move a terminal.
fn row(entry: &AuditEntry) -> String {
    let at = entry.moment().map_or_else(|| "?".to_owned(), |at| at.to_string());
    let who = if entry.actor.is_empty() { "-" } else { &entry.actor };
    let from = entry.address.as_deref().unwrap_or("-");
    let line = format!(
        "{:>7}  {at}  {:<16} {:<8} {} {}  {who} ({}) {from}",
        entry.number, entry.action, entry.outcome, entry.object_kind, entry.object_id, entry.via
    );
    line.chars().filter(|c| !c.is_control()).collect()
}

async fn check(context: &Context, audit: &dyn Audit, args: &VerifyArgs) -> Outcome {
    let kept = kept(args)?;
    let mut broken = false;
    for org in orgs(audit, args.org.as_deref(), &kept).await? {
        let of_org: Vec<KeptHead> = kept.iter().filter(|kept| kept.org.as_ref() == Some(&org)).cloned().collect();
        let verified = verify(audit, &org, &of_org).await?;
        broken |= verified.outcome.is_err();
        tell(context, &org, &verified)?;
    }
    if broken { Err(Failure::Told(FAILED)) } else { Ok(()) }
}

fn tell(context: &Context, org: &OrgId, verified: &Verified) -> Outcome {
    let head = &verified.head;
    if context.global.json {
        let (entries, broken) = match &verified.outcome {
            Ok(entries) => (Some(entries), None),
            Err(broken) => (None, Some(json!({ "number": broken.number, "what": broken.what }))),
        };
        return output::json(&json!({
            "organization": org, "ok": broken.is_none(), "entries": entries, "first": head.first,
            "head": { "number": head.number, "hash": head.hash }, "broken": broken,
        }));
    }
    match &verified.outcome {
        Ok(entries) if head.first > 1 => {
            output::line(&format!("{org}: {entries} entries, whole (from {} on, older ones were pruned)", head.first))
        }
        Ok(entries) => output::line(&format!("{org}: {entries} entries, whole")),
        Err(broken) => output::line(&format!("{org}: BROKEN at {broken}")),
    }
}

/// The heads that were kept elsewhere, each with its organization.
fn kept(args: &VerifyArgs) -> Result<Vec<KeptHead>> {
    let usage = |detail: String| Error::new(ErrorKind::InvalidRequest, detail);
    let mut kept = args.head.clone();
    if let Some(path) = &args.heads {
        let text = std::fs::read_to_string(path)
            .map_err(|error| usage(format!("{} cannot be read: {error}", path.display())).caused_by(error))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            kept.push(line.parse()?);
        }
    }
    let org = args.org.as_deref().map(OrgId::new).transpose()?;
    for head in &mut kept {
        match (&head.org, &org) {
            (None, Some(org)) => head.org = Some(org.clone()),
            (None, None) => return Err(usage("say whose head it is: --org ORG".to_owned())),
            (Some(_), _) => {}
        }
    }
    Ok(kept)
}

/// Whose chains are looked at: also of organizations that only a kept head knows of, because their chain may be gone.
async fn orgs(audit: &dyn Audit, only: Option<&str>, kept: &[KeptHead]) -> Result<Vec<OrgId>> {
    if let Some(org) = only {
        return Ok(vec![OrgId::new(org)?]);
    }
    let mut orgs: Vec<OrgId> = kept.iter().filter_map(|kept| kept.org.clone()).collect();
    orgs.extend(heads(audit).await?.into_iter().map(|head| head.org));
    orgs.sort();
    orgs.dedup();
    Ok(orgs)
}

async fn heads(audit: &dyn Audit) -> Result<Vec<Head>> {
    let mut heads: Vec<Head> = Vec::new();
    loop {
        let page = audit.heads(heads.last().map(|head| &head.org), None, PAGE).await?;
        let last = page.len() < PAGE as usize;
        heads.extend(page);
        if last {
            return Ok(heads);
        }
    }
}

async fn tell_heads(context: &Context, audit: &dyn Audit, args: &HeadArgs) -> Outcome {
    let heads = match &args.org {
        Some(org) => vec![audit.head(&OrgId::new(org.as_str())?).await?],
        None => heads(audit).await?,
    };
    for head in heads.iter().filter(|head| head.number > 0) {
        if context.global.json {
            output::json(&json!({ "organization": head.org, "number": head.number, "hash": head.hash }))?;
        } else {
            output::line(&head.to_string())?;
        }
    }
    Ok(())
}
