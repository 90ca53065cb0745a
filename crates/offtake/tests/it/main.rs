//! The black-box suite: the binary as a user has it, from outside, over sockets, signals and files.
//!
//! One binary, a module per topic. Nothing here knows the product's crates, but for one server in `matrix` that forgets what the
//! binary cannot forget; what is asserted, a user could see.
//! `scripts/test-setup.sh` installs what the tests need beside Rust; what is missing is a failure, nothing is skipped.
//!
//! | variable | decides | else |
//! |---|---|---|
//! | `OFFTAKE_TEST_HOUSE` | where jobs and files are: `embedded` (SQLite, a folder) or `postgres-s3` | `embedded` |
//! | `OFFTAKE_TEST_SPANS` | spans in the data of jobs that are disturbed, and the smaller size of the memory tests | 60000 |
//! | `OFFTAKE_TEST_SPANS_BIG` | the larger size of the memory tests | three times as many |
//! | `OFFTAKE_TEST_JOBS` | jobs per format that are killed up to five times each | 2 |
//! | `OFFTAKE_TEST_OUTAGE` | seconds for which sources and stores are away; with 200 a job gives up on a store | 1 |
//! | `OFFTAKE_TEST_CHAOS_SECONDS`, `…_JOBS`, `…_ROWS` | how long workers are disturbed, the jobs meanwhile, their rows | 20, 12, 60000 |
//! | `OFFTAKE_TEST_TOKENS`, `…_REDEEMERS` | one-time tokens, and how many show each at once | 40, 50 |
//! | `OFFTAKE_TEST_EVENTS` | spans of which 200 live subscriptions are told what they asked for | 3000 |
//! | `OFFTAKE_TEST_FUZZ_SECONDS` | how long Schemathesis asks | 60 |
//! | `OFFTAKE_TEST_SENDERS` | how many send large requests at once | 100 |
//! | `OFFTAKE_TEST_SEED` | the moments of kills, the damage to requests; printed by each test that draws | a new one |
//!
//! A million spans, 21 jobs, and memory at one and three million (an hour or so; spans are made once, under `target`):
//!
//! ```text
//! OFFTAKE_TEST_SPANS=1000000 OFFTAKE_TEST_SPANS_BIG=3000000 OFFTAKE_TEST_JOBS=7 \
//!     cargo nextest run --release -p offtake --test it --no-capture kill_9 memory
//! ```
//!
//! All of it with jobs in Postgres and files in a bucket (`scripts/test.sh` runs what is worth it on every change), and
//! fifty jobs while workers are killed, stopped and restarted for two minutes, with the leases that users have:
//!
//! ```text
//! OFFTAKE_TEST_ALL=1 scripts/test-postgres-s3.sh
//! OFFTAKE_TEST_CHAOS_SECONDS=120 OFFTAKE_TEST_CHAOS_JOBS=50 OFFTAKE_TEST_CHAOS_ROWS=150000 \
//!     cargo nextest run -p offtake --test it --no-capture chaos
//! ```
//!
//! A thousand one-time tokens, each shown by two hundred at once, while the database restarts:
//!
//! ```text
//! OFFTAKE_TEST_TOKENS=1000 OFFTAKE_TEST_REDEEMERS=200 cargo nextest run -p offtake --test it --no-capture one_time
//! ```

mod alerts;
mod audit;
mod browsers;
mod bus;
mod chaos;
mod cli;
mod config;
mod destinations;
mod disk;
mod doctor;
mod downloads;
mod drift;
mod events;
mod exporters;
mod facets;
mod fairness;
mod faults;
mod formats;
mod grpc;
mod human;
mod image;
mod ingest_bad;
mod isolation;
mod issuers;
mod limits;
mod live;
mod mail;
mod mail_exim;
mod matrix;
mod memory;
mod metrics_logs;
mod minio;
mod one_time;
mod packs;
mod parquet_source;
mod pg_source;
mod postgres;
mod presets;
mod private_files;
mod requests_bad;
mod revocation;
mod road;
mod s3;
mod schedules;
mod schemathesis;
mod secrets;
mod sensitive;
mod shell;
mod sign_in;
mod slow_clients;
mod split;
mod spreadsheets;
mod support;
mod ties;
mod types;
mod walls;
mod webhooks;
mod whole_traces;
