//! The contract on SQLite, and what only SQLite can get wrong.

use tempfile::TempDir;

use super::*;
use crate::contract::{Backend, contract_tests, given};

fn open() -> (TempDir, Backend) {
    let folder = tempfile::tempdir().unwrap();
    let clock = offtake_model::clock::ManualClock::starting_at(given::noon());
    let store = SqliteStore::open(&folder.path().join("offtake.db"), Some(clock.clone())).unwrap();
    let backend = Backend { jobs: store.clone(), artifacts: store, clock };
    (folder, backend)
}

contract_tests!(open);
