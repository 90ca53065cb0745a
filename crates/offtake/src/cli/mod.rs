//! The command line: what can be typed, and which function does it.

mod audit;
mod completions;
mod config;
mod doctor;
mod export;
mod filters;
mod import_spans;
mod jobs;
mod serve;
mod sign_in;
mod storage;
mod token;
mod verify;

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use offtake_model::Error;

use crate::config::{Config, Environment, FlagSetting, Typed};
use crate::exit::{self, Outcome};

pub(crate) use verify::Fingerprint;

/// Gets your data out of your application, whole, and proves it.
#[derive(Debug, Parser)]
#[command(name = "offtake", version, after_help = exit::HELP, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Where everything lies: databases, files, token secret [default: ./offtake-data]
    #[arg(long, value_name = "DIR", global = true, help_heading = "Everywhere")]
    pub(crate) data_dir: Option<String>,
    /// Where jobs and spans are kept: postgres://… [default: SQLite files in the data directory]
    #[arg(long, value_name = "URL", global = true, help_heading = "Everywhere")]
    pub(crate) database: Option<String>,
    /// Where files lie: s3://bucket/prefix [default: a folder in the data directory]
    #[arg(long, value_name = "URL", global = true, help_heading = "Everywhere")]
    pub(crate) store: Option<String>,
    /// The configuration file [default: offtake.toml, if there is one]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Everywhere")]
    pub(crate) config: Option<PathBuf>,
    /// Answers and errors as JSON
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run server and worker in one process
    Serve(serve::ServeArgs),
    /// Run the server alone: API, ingest, downloads
    Server(serve::ServeArgs),
    /// Run a worker alone, on the same data
    Worker(serve::WorkerArgs),
    /// Print a bearer token, alone on stdout
    Token(token::TokenArgs),
    /// Print a link by which a browser signs in once, alone on stdout
    SignIn(sign_in::SignInArgs),
    /// Export a selection of a dataset into a file, with its receipt
    Export(Box<export::ExportArgs>),
    /// Read spans from OTLP files into the built-in store
    ImportSpans(import_spans::ImportArgs),
    /// Look at jobs, cancel and retry them, fetch their files
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// Check a file against its receipt; exit 0 if it is what the receipt says
    Verify(verify::VerifyArgs),
    /// Check the configuration, or show what is in force
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Look at the audit trail: who did what, and whether it is whole
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Look at the object storage
    #[command(subcommand)]
    Storage(storage::StorageCommand),
    /// Find what is wrong with this installation, and say what to do
    Doctor,
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

/// Where a command does its work: on the data directory, or through a server.
#[derive(Debug, Clone, Args)]
pub(crate) struct Where {
    /// Work through this server instead of the data directory [env: OFFTAKE_SERVER]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The bearer token for the server [env: OFFTAKE_TOKEN]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// The organization, where the data directory is worked on (a server takes it from the token)
    #[arg(long, value_name = "ORG")]
    pub(crate) org: Option<String>,
}

/// What every command is given: the flags of all, and the environment.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) environment: Environment,
}

impl Context {
    /// The configuration as typed, with `more` flags of the command on top.
    ///
    /// # Errors
    /// `invalid_request` for what is wrong with it.
    pub(crate) fn typed(&self, more: &[FlagSetting]) -> Result<Typed, Error> {
        let everywhere = [
            ("data_dir", "--data-dir", &self.global.data_dir),
            ("database.url", "--database", &self.global.database),
            ("store.url", "--store", &self.global.store),
        ];
        let everywhere = everywhere.into_iter().filter_map(|(key, flag, value)| {
            let value = value.clone()?;
            Some(FlagSetting { key, flag, value })
        });
        let flags: Vec<FlagSetting> = everywhere.chain(more.iter().cloned()).collect();
        crate::config::load(self.global.config.as_deref(), &self.environment, &flags)
    }

    /// The configuration, validated.
    ///
    /// # Errors
    /// `invalid_request` for what is wrong with it.
    pub(crate) fn config(&self, more: &[FlagSetting]) -> Result<Config, Error> {
        Config::validate(&self.typed(more)?)
    }
}

/// Parses the command line; exits where clap does (help, version, usage).
pub(crate) fn parse(arguments: Vec<std::ffi::OsString>) -> Result<(Cli, filters::Typed), clap::Error> {
    let mut command = Cli::command();
    command.build();
    let (rest, filters) = filters::take(&command, arguments);
    let mut matches = command.try_get_matches_from_mut(rest)?;
    Ok((Cli::from_arg_matches_mut(&mut matches)?, filters))
}

/// Does what was typed.
pub(crate) fn run(cli: Cli, filters: filters::Typed) -> Outcome {
    let context = Context { global: cli.global, environment: Environment::of_this_process() };
    match cli.command {
        Command::Serve(args) => serve::serve(&context, &args, serve::Role::Both),
        Command::Server(args) => serve::serve(&context, &args, serve::Role::Server),
        Command::Worker(args) => serve::worker(&context, &args),
        Command::Token(args) => token::run(&context, &args),
        Command::SignIn(args) => sign_in::run(&context, &args),
        Command::Export(args) => export::run(&context, &args, &filters),
        Command::ImportSpans(args) => import_spans::run(&context, &args),
        Command::Jobs(command) => jobs::run(&context, command),
        Command::Verify(args) => verify::run(&context, &args),
        Command::Config(command) => config::run(&context, &command),
        Command::Audit(command) => audit::run(&context, &command),
        Command::Storage(command) => storage::run(&context, &command),
        Command::Doctor => doctor::run(&context),
        Command::Completions(args) => completions::run(&args),
    }
}

#[cfg(test)]
mod tests;
