//! The pipeline from outside: plans and batches in, files out, read back by readers that are not ours.

mod golden;
mod roundtrip;
mod rows;
mod run;
mod stream;
