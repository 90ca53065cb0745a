//! `offtake sign-in`: a link by which a browser signs in once, alone on stdout.

use clap::Args;
use offtake_server::sign_in::{TICKET_TTL, link};
use serde_json::json;

use super::Context;
use super::token::Bearer;
use crate::config::Config;
use crate::exit::Outcome;
use crate::output;
use crate::wire::{self, DataDir};

#[derive(Debug, Args)]
pub(crate) struct SignInArgs {
    #[command(flatten)]
    bearer: Bearer,
    /// How the browser reaches the server [env: OFFTAKE_SERVER] [default: server.public_url, else server.listen]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

pub(super) fn run(context: &Context, args: &SignInArgs) -> Outcome {
    let config = context.config(&[])?;
    wire::log_quietly(&config.log)?;
    let principal = args.bearer.principal()?;
    let server = args.server.clone().or_else(|| context.environment.server.clone()).unwrap_or_else(|| url(&config));
    wire::block_on(async {
        let data = DataDir::open(&config.data_dir)?;
        let store = wire::store(&config, &data, wire::objects(&config, &data)?).await?;
        let link = link(store.sessions.as_ref(), &principal, &server).await?;
        if context.global.json {
            return output::json(&json!({ "link": link, "org_id": principal.org, "sub": principal.sub }));
        }
        output::line(&link)?;
        output::say(&format!("it works once, within {} minutes", TICKET_TTL.as_secs() / 60));
        Ok(())
    })
}

/// How the server is reached as far as the configuration says.
fn url(config: &Config) -> String {
    config.server.public_url.clone().unwrap_or_else(|| format!("http://{}", config.listen))
}
