//! The rim: sockets, clocks, randomness, files, stores, worker pools. Decides nothing.

pub mod application;
pub mod audit_log;
pub mod config;
pub mod demo;
pub mod edge;
pub mod embedded;
pub mod gate;
pub mod house;
pub mod import;
pub mod keys;
pub mod os;
pub mod outside;
pub mod ports;
pub mod prompts;
pub mod records;
mod seal;
pub mod serve;
pub mod services;
pub mod shard;
pub mod signals;
pub mod store;
mod stream;
pub mod vault;
pub mod vault_pool;
