//! `offtake config check|show`.

use clap::Subcommand;
use serde_json::json;

use super::Context;
use crate::config::{Config, show_json, show_toml, taken_for_each_other};
use crate::exit::{Failure, Outcome};
use crate::output;
use crate::wire;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration, every dataset against its source, and the keys of every issuer
    Check,
    /// Show what is in force, and where each value comes from
    Show,
}

pub(super) fn run(context: &Context, command: &ConfigCommand) -> Outcome {
    let typed = context.typed(&[])?;
    match command {
        ConfigCommand::Check => {
            let config = Config::validate(&typed)?;
            let datasets = wire::check_datasets(&config)?;
            wire::previous(&config.token)?;
            wire::check_mail(&config)?;
            let warnings = issuers(&config)?;
            if context.global.json {
                return output::json(&json!({ "ok": true, "datasets": datasets, "warnings": warnings }));
            }
            for warning in warnings {
                output::say(&format!("warning: {warning}"));
            }
            let own = if datasets.is_empty() { "none".to_owned() } else { datasets.join(", ") };
            output::line(&format!("the configuration is sound; datasets of its own: {own}"))
        }
        ConfigCommand::Show if context.global.json => output::json(&show_json(&typed)),
        ConfigCommand::Show => output::line(show_toml(&typed).trim_end()),
    }
}

/// What may be wrong with issuers, though it may be right again later.
fn issuers(config: &Config) -> Result<Vec<String>, Failure> {
    let mut warnings = taken_for_each_other(&config.issuers);
    wire::block_on(async {
        for state in wire::check_issuers(config).await? {
            if let Some(problem) = wire::issuer_problem(&state) {
                warnings.push(format!("issuers.{}: {problem}", state.name));
            }
        }
        Ok(())
    })?;
    Ok(warnings)
}
