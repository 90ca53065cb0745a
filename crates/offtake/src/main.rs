//! The one binary: configuration, command line, wiring. No logic of its own.

mod cli;
mod client;
mod config;
mod exit;
mod memory;
mod output;
mod progress;
mod view;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    memory::give_back_soon();
    let (parsed, filters) = match cli::parse(std::env::args_os().collect()) {
        Ok(parsed) => parsed,
        Err(usage) => {
            // Help and version go to stdout, complaints to stderr. There is nobody to tell if that fails.
            let _gone = usage.print();
            return ExitCode::from(if usage.use_stderr() { exit::USAGE } else { exit::OK });
        }
    };
    let json = parsed.global.json;
    exit::end(cli::run(parsed, filters), json)
}
