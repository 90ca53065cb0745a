//! `offtake config check|show`.

use clap::Subcommand;
use serde_json::json;

use super::Context;
use crate::config::{Config, show_json, show_toml};
use crate::exit::Outcome;
use crate::output;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration, and every dataset against its source
    Check,
    /// Show what is in force, and where each value comes from
    Show,
}

pub(super) fn run(context: &Context, command: &ConfigCommand) -> Outcome {
    let typed = context.typed(&[])?;
    match command {
        ConfigCommand::Check => {
            let config = Config::validate(&typed)?;
            let datasets = crate::wire::check_datasets(&config)?;
            if context.global.json {
                return output::json(&json!({ "ok": true, "datasets": datasets }));
            }
            let own = if datasets.is_empty() { "none".to_owned() } else { datasets.join(", ") };
            output::line(&format!("the configuration is sound; datasets of its own: {own}"))
        }
        ConfigCommand::Show if context.global.json => output::json(&show_json(&typed)),
        ConfigCommand::Show => output::line(show_toml(&typed).trim_end()),
    }
}
