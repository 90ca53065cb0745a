//! For tests only: the product as a real process, real clients in front of it, foreign readers behind it.
//!
//! The kit starts the binary the tests are built with, talks to it over sockets and signals, and reads its files
//! with other people's software. It knows nothing of the product's crates but the nouns: what a test asserts must
//! be visible from outside. Whatever a test needs and the machine lacks is a failure that says what to install;
//! nothing is skipped.
//!
//! Called by `crates/offtake/tests/it`; its servers by the tests of the crates that speak to one, too.

#![forbid(unsafe_code)]

mod app;
mod builder;
mod bus;
mod cable;
mod client;
mod data;
mod diff;
mod disk;
mod exim;
mod foreign;
mod grpc;
mod hostile;
mod house;
mod jwt;
mod otlp;
mod postgres;
mod process;
mod proxy;
mod s3;
mod settings;
mod socket;
mod told;
mod truth;
mod wait;

pub use app::{Role, TestApp};
pub use builder::AppBuilder;
pub use bus::BusServer;
pub use cable::{Cable, Flow};
pub use client::{Answer, Client, job_id};
pub use data::{amplified, copy_dir, genuine, prepared, prepared_database, scratch};
pub use diff::{Cells, Difference, assert_same_rows, differing_cells, nulls_as_empty};
pub use disk::SmallDisk;
pub use exim::Exim;
pub use foreign::{
    Reader, canonical_rows, exported_rows, lake, lake_rows, name_server, node, python, schemathesis, sha256,
};
pub use grpc::{Begun, Called, GrpcClient, framed};
pub use hostile::hostile_spans;
pub use house::House;
pub use jwt::resigned;
pub use otlp::{SpanSketch, json_of, length_prefixed, request_of, requests, text, value};
pub use postgres::{Database, PgVersion, Postgres};
pub use process::{Process, Ran, Rng, run};
pub use proxy::{Asked, Fault, Proxy};
pub use s3::S3Server;
pub use settings::{big_spans, jobs_per_format, small_spans, switch};
pub use socket::{LiveSocket, Refused};
pub use told::{Message, Messages};
pub use wait::{eventually, within};
