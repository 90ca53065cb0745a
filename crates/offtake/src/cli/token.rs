//! `offtake token`: a bearer token, alone on stdout, and an entry in the audit trail.

use clap::Args;
use jiff::SignedDuration;
use offtake_model::api_key::is_reserved;
use offtake_model::clock::{Clock, SystemClock};
use offtake_model::id::OrgId;
use offtake_model::permission::{Permission, Permissions, Role};
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};
use offtake_server::identity::mint;
use offtake_store::audit::minted;
use serde_json::json;

use super::Context;
use crate::config::duration;
use crate::exit::Outcome;
use crate::output;
use crate::wire::{self, DataDir};

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    bearer: Bearer,
    /// How long it holds
    #[arg(long, value_name = "TIME", default_value = "1h")]
    ttl: String,
}

/// Whom a token or a sign-in link is for.
#[derive(Debug, Args)]
pub(super) struct Bearer {
    /// The organization everything this token touches belongs to
    #[arg(long, value_name = "ORG")]
    org: String,
    /// Who bears it
    #[arg(long, value_name = "USER")]
    sub: String,
    /// Where to write to
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// What it allows, separated by commas; `all` is everything but `operator` [default: all, unless there is a role]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    permissions: Vec<String>,
    /// What it allows by name, separated by commas: viewer, analyst, ingest, admin
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    role: Vec<String>,
}

impl Bearer {
    /// The principal it is.
    ///
    /// # Errors
    /// `invalid_request` for a name or a permission that will not do.
    pub(super) fn principal(&self) -> Result<Principal> {
        let usage = |detail: &str| Error::new(ErrorKind::InvalidRequest, detail);
        if self.sub.is_empty() {
            return Err(usage("--sub: a token names its bearer"));
        }
        if is_reserved(&self.sub) {
            return Err(usage("--sub: names that begin with \"api_key:\" are those of API keys"));
        }
        Ok(Principal {
            org: OrgId::new(self.org.as_str())?,
            sub: self.sub.clone(),
            email: self.email.clone(),
            permissions: permissions(self)?,
        })
    }
}

pub(super) fn run(context: &Context, args: &TokenArgs) -> Outcome {
    let config = context.config(&[])?;
    let usage = |detail: String| Error::new(ErrorKind::InvalidRequest, detail);
    let ttl = duration(&args.ttl).map_err(|problem| usage(format!("--ttl: {problem}")))?;
    let ttl = SignedDuration::try_from(ttl).map_err(|_| usage("--ttl: that is too long".to_owned()))?;
    let principal = args.bearer.principal()?;
    let data = DataDir::open(&config.data_dir)?;
    let secret = wire::secret(&config.token, config.database.postgres.as_ref(), &data)?.secret;
    let now = SystemClock.now();
    let token = mint(&secret, &principal, ttl, now)?;
    let expires_at = now.checked_add(ttl).ok();
    wire::log_quietly(&config.log)?;
    wire::block_on(async {
        // Whoever may make tokens may do anything: it is written down before anybody has one.
        let store = wire::store(&config, &data, wire::objects(&config, &data)?).await?;
        let deed = minted(&principal, expires_at).with("ttl_seconds", ttl.as_secs());
        store.audit.append(&principal.org, &wire::act(), &deed).await?;
        if context.global.json {
            let expires_at = expires_at.map(|at| at.to_string());
            return output::json(
                &json!({ "token": token, "org_id": principal.org, "sub": principal.sub, "expires_at": expires_at }),
            );
        }
        output::line(&token)
    })
}

/// A word nobody knows is a typing error here, although servers ignore it.
fn permissions(args: &Bearer) -> Result<Permissions> {
    let (words, roles) = (&args.permissions, &args.role);
    let unknown = |detail: String| Err(Error::new(ErrorKind::InvalidRequest, detail));
    if let Some(word) = words.iter().find(|word| !Permissions::knows(word)) {
        let known: Vec<String> = Permission::FIXED.iter().map(ToString::to_string).collect();
        return unknown(format!(
            "--permissions: \"{word}\" is unknown; there are: all, {}, datasets:NAME, role:NAME",
            known.join(", ")
        ));
    }
    if let Some(role) = roles.iter().find(|role| Role::parse(role).is_none()) {
        let known = Role::ALL.map(Role::name).join(", ");
        return unknown(format!("--role: \"{role}\" is unknown; there are: {known}"));
    }
    let words: Vec<&str> = match (words.as_slice(), roles.is_empty()) {
        ([], true) => vec!["all"],
        (words, _) => words.iter().map(String::as_str).collect(),
    };
    Ok(Permissions::from_words(words).with_roles(roles.iter().map(String::as_str)))
}
