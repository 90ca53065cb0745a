//! Real Postgres servers of two versions, on loopback and free ports, in folders of their own.
//!
//! [`Postgres::shared`] is one server for all tests of a run: whoever comes first starts it, and a keeper process
//! stops it when nobody holds it any more, however they ended. [`Postgres::own`] is a server for one test, to be
//! stopped, killed, frozen and restarted. Both come from a template that is initialised once, so starting takes
//! some 0.3 s. They run as user `postgres` if the tests run as root, which Postgres refuses.
//!
//! Time zone, date style and interval style are odd on purpose: who depends on the server's defaults is found out.

mod cluster;
mod database;
mod install;
mod shared;
#[cfg(test)]
mod tests;

pub use cluster::Postgres;
pub(crate) use cluster::free_port;
pub use database::Database;
pub(crate) use database::rows_at;
pub use install::PgVersion;
