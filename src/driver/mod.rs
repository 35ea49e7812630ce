//! The rim: sockets, clocks, randomness, files, stores, worker pools. Decides nothing.

pub mod audit_log;
pub mod config;
pub mod demo;
pub mod embedded;
pub mod import;
pub mod keys;
pub mod os;
pub mod ports;
pub mod prompts;
mod seal;
pub mod store;
pub mod vault;
pub mod vault_pool;
