//! A worker with a real job store and a real folder, fed by a source that does what the test says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod faults;
mod house;
mod moody;
mod rows;

mod alerts;
mod deliveries;
mod ends;
mod leases;
mod mails;
mod notify;
mod road;
mod schedules;
mod sensitive;
mod upkeep;
mod webhooks;
