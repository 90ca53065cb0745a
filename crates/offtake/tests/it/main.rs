//! The black-box suite: the real binary, over real sockets.

mod cli;
mod config;
