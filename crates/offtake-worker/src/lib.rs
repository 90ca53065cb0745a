//! Leases jobs and turns them into files
