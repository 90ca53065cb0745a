//! The floor under everything that speaks to Postgres.
//!
//! Responsible for reaching a server (settings from a URL, TLS, timeouts), for connections whose session settings
//! are known, and for what an error of the server means. Knows no table and no statement of anybody's: the job store
//! (`offtake-store`) and the sources (`offtake-datasets`) bring their own.

#![forbid(unsafe_code)]

mod backend;
mod examine;
mod farewell;
mod listener;
mod migrate;
mod pool;
mod session;
mod settings;
mod tls;
mod trouble;
mod walls;
mod work;

pub use backend::Backend;
pub use deadpool_postgres::{Object as Connection, Transaction};
pub use examine::Examined;
pub use listener::{Listener, Note};
pub use migrate::Migrations;
pub use pool::{Canceller, Limits, Pool};
pub use session::Session;
pub use settings::Settings;
pub use trouble::{Faults, Role, Trouble};
pub use walls::{ROWS_ROLE, Reach, Walls};
pub use work::{Params, Work};
