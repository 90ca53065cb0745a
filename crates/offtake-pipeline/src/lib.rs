//! Shape, encode, compress, frame: Arrow in, bytes out.
//!
//! Pure: no network, no database, no clock. The same batches and the same plan give the same bytes. Callers
//! are `offtake-worker`, which feeds it ranges and stores the parts it yields, and `offtake-server`, which
//! uses the shaping and the JSON rendering of rows for pages and previews.

#![forbid(unsafe_code)]

mod compress;
mod encode;
pub mod export;
pub mod meter;
pub mod parts;
pub mod recipe;
mod redact;
pub mod render;
pub mod shape;
mod units;
mod veil;

pub use encode::people::{moment_for_people, number_for_people};
pub use export::{ExportSettings, ReadRange, Spool, Start, export};
pub use meter::Meter;
pub use parts::{Part, sha256_hex};
pub use recipe::Recipe;
pub use render::json_rows;
pub use shape::Shape;
pub use veil::{HashKey, Hasher};
