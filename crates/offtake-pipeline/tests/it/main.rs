//! The pipeline from outside: plans and batches in, files out, read back by readers that are not ours.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod golden;
mod recipe;
mod roundtrip;
mod rows;
mod run;
mod stream;
mod veil;
mod xlsx;
