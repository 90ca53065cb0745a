//! Black-box tests of the datasets: real SQLite files, the public surface.

#![expect(clippy::unwrap_used, reason = "a test fails where it unwraps, in helpers too")]

mod agree;
mod configured;
mod fixture;
mod interleavings;
mod parquet;
mod postgres;
mod ranges;
mod requests;
