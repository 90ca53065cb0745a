//! The nouns of Offtake and the laws that hold between them.
//!
//! Responsible for ids, states, specs, permissions and error kinds. Not responsible for anything that
//! touches a disk, a socket or a task: no I/O and no async here. Every other crate calls this one.

#![forbid(unsafe_code)]

pub mod alert;
pub mod api_key;
pub mod as_of;
pub mod audit;
pub mod budget;
pub mod buffer;
pub mod checkpoint;
pub mod clock;
pub mod dataset;
pub mod destination;
pub mod error;
pub mod event;
pub mod export;
pub mod format;
pub mod human;
pub mod id;
pub mod job;
pub mod json_path;
pub mod limit;
pub mod naming;
pub mod permission;
pub mod plan;
pub mod preset;
pub mod principal;
pub mod query;
pub mod receipt;
pub mod schedule;
pub mod selection;
pub mod sensitive;
pub mod value;
pub mod webhook;

pub use error::{Error, ErrorKind, Result, Violation};
