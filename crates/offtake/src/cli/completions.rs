//! `offtake completions SHELL`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::exit::Outcome;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "offtake", &mut script);
    crate::output::line(String::from_utf8_lossy(&script).trim_end())
}
