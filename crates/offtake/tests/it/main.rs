//! The black-box suite: the binary as a user has it, from outside, over sockets, signals and files.
//!
//! One binary, a module per topic. Nothing here knows the product's crates; what is asserted, a user could see.

mod cli;
mod config;
mod downloads;
mod exporters;
mod faults;
mod formats;
mod ingest_bad;
mod isolation;
mod memory;
mod metrics_logs;
mod requests_bad;
mod road;
mod shell;
mod split;
mod support;
