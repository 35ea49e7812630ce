//! The rim: sockets, clocks, randomness, files, stores, worker pools. Decides nothing.

pub mod config;
pub mod embedded;
pub mod os;
pub mod ports;
pub mod prompts;
