//! Black-box tests of the datasets: real SQLite files, the public surface.

mod agree;
mod configured;
mod fixture;
mod ranges;
mod requests;
