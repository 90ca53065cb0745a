//! The built-in span store, from bytes on the wire to rows of its datasets.

mod common;
mod conventions;
mod genuine;
mod hostile;
mod store;
