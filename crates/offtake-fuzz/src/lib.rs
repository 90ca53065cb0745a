//! What must hold of input from strangers, whatever it is: one function for each thing that is read, and each takes any
//! bytes.
//!
//! Responsible for saying what is promised about a reader (it does not panic, it takes nothing it should not, what it
//! took means the same when it is read again), so that a failed promise is a panic here. Not responsible for finding
//! bytes that break one: that is `fuzz/` with libFuzzer, and the corpora it has gathered are read in this crate's tests.

#![forbid(unsafe_code)]

mod filters;
mod ids;
mod otlp;
mod range;
mod tokens;

pub use filters::filters;
pub use ids::ids;
pub use otlp::otlp;
pub use range::range;
pub use tokens::tokens;

/// Judges some bytes, and panics if a promise about them is broken.
pub type Target = fn(&[u8]);

/// All of them, by the name of their target and of their corpus.
pub const TARGETS: [(&str, Target); 5] =
    [("filters", filters), ("ids", ids), ("otlp", otlp), ("range", range), ("tokens", tokens)];
