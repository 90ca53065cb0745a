//! Secrets that were replaced, and issuers: what their keys are at the moment.

use offtake_model::clock::{Clock, SystemClock};

use super::Findings;
use crate::config::{Config, taken_for_each_other};
use crate::wire;

pub(super) async fn examine(config: &Config, found: &mut Findings) {
    previous(config, found);
    for warning in taken_for_each_other(&config.issuers) {
        found.warn("issuers", warning);
    }
    let issuers = match wire::issuers(config).await {
        Ok(issuers) => issuers,
        Err(error) => return found.error("issuers", &error),
    };
    for state in issuers.examine().await {
        let about = format!("issuer {}", state.name);
        let left_out = match state.left_out.join("; ") {
            none if none.is_empty() => none,
            some => format!("; not used: {some}"),
        };
        match wire::issuer_problem(&state) {
            None => found.ok(&about, format!("{} of use: {}{left_out}", count(&state.keys), state.keys.join(", "))),
            // It may be back in a moment, and keys that are known count meanwhile.
            Some(problem) if state.is_remote && state.failure.is_some() => {
                found.warn(&about, format!("{problem}; its tokens are refused unless a server knows its keys already"));
            }
            Some(problem) => found.fail(&about, format!("{problem}; its tokens are refused")),
        }
    }
}

fn count(keys: &[String]) -> String {
    if keys.len() == 1 { "1 key".to_owned() } else { format!("{} keys", keys.len()) }
}

fn previous(config: &Config, found: &mut Findings) {
    match wire::previous(&config.token) {
        Ok(previous) if previous.is_empty() => {}
        Ok(_) if config.token.previous.until <= SystemClock.now() => {
            let until = config.token.previous.until;
            found.warn("previous secrets", format!("count for nothing since {until}; take them out, and destroy them"));
        }
        Ok(previous) => {
            let until = config.token.previous.until;
            found.ok("previous secrets", format!("{} still verified until {until}", previous.len()));
        }
        Err(error) => found.error("previous secrets", &error),
    }
}
